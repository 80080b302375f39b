"""Real programs under policies that cut something off, held against two judges: the kernel's audit, and strace(1)."""
