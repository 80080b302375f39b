"""Running a command inside a policy and seeing what it touched."""
