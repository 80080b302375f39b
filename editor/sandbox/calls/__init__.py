"""What a system call wants of Landlock: which rights, on which object."""
