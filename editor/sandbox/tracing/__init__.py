"""Follows processes with ptrace(2): the tracer process, and its interface to the kernel."""
