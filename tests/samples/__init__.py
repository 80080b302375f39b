"""The sample policies, each with the real program that it is for."""
