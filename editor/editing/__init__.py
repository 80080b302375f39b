"""A policy document and the edits that change it, keeping everything else to the byte."""
