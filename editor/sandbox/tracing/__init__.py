"""Following processes with ptrace(2): the tracer process and what it needs of the kernel."""
