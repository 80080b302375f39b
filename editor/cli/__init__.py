"""The ``paddock`` command: one module a verb."""
