"""Textual widgets that show values and post messages; they know no files, no kernel, no processes."""
