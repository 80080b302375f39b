"""The kernel's Landlock: rights, ABI versions, system calls, and building and enforcing rulesets."""
