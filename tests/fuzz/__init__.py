"""Texts that nobody would write, against everything that reads or changes a policy: ``python -m tests.fuzz``."""
