"""Fuzz everything that reads or changes a policy: ``python -m tests.fuzz``."""
