"""Findings about a valid policy that probably does not mean what it says."""
