"""The real command, run as a process of its own against the real kernel."""
