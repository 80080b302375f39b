"""The real command, run as its own process on the real kernel."""
