"""Turns a call and its result into rows of the report, and confirms denials by the kernel's audit."""
