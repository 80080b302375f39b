"""The screens, driven by a pilot, with real files and the real kernel."""
