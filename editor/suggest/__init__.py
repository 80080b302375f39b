"""Suggestions: the edits that would allow what a run was denied."""
