"""Textual screens: they lay out widgets and tie them to the workspace."""
