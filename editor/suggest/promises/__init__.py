"""Promises: named bundles of rules, such as ``dns`` or ``python``, found by reading the system."""
