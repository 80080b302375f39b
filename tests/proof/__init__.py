"""Real programs under policies that deny something, checked by two judges: the kernel's audit, and strace(1)."""
