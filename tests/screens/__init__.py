"""Tests of the screens, driven by a pilot, on real files and the real kernel."""
