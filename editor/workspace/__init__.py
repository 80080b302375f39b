"""The open draft: what is derived from it, its history, its file, and recovery."""
