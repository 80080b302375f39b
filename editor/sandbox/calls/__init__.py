"""Decodes system calls: which rights they request of Landlock, on which objects."""
