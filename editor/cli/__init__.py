"""The ``paddock`` command: a module for each verb."""
