"""Paddock: see, edit and try out Landlock policies."""

__version__ = "0.1.0"
