"""What the kernel's Landlock is: rights, ABI table, system calls, building and enforcing a ruleset."""
