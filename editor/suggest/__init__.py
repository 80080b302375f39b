"""From what a run was denied to the edits that would allow it."""
