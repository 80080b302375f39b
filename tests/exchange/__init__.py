"""Policies written in other forms."""
