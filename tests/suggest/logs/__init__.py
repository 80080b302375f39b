"""Tests of what is read from the records of others."""
