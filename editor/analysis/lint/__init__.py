"""Findings about a valid policy that probably does not do what its author intended."""
