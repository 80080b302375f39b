"""Watches a run by seccomp's user notification: each call worth seeing waits until it is let go on, or refused."""
