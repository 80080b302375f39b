"""Runs a command under a policy and reports what it accessed."""
