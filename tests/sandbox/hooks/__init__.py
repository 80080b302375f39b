"""Each way to each of Landlock's hooks (editor/sandbox/hooks.py), tried under a policy that denies it.

The kernel is the judge: what it returned to the program, and, for root, what its audit recorded. Runs without pytest
too, as in a guest with another kernel: ``python -m tests.sandbox.hooks``.
"""
