"""What others recorded of programs, read as accesses: reports, strace logs, audit records."""
