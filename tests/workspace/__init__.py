"""The open draft: saving, watching, undo, conflicts."""
