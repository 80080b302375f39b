"""Measurements against goals, run by ``make bench``; not part of the tests."""
