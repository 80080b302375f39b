"""What is in directories, each listed once: a plan looks at the same ones for several reasons."""

import os


class Listings:
    """Lists directories of the filesystem as they are when they are first asked for."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str] | None] = {}

    def names(self, directory: str) -> frozenset[str] | None:
        """Return the names in ``directory``; None if they cannot be listed."""
        if directory not in self._names:
            try:
                self._names[directory] = frozenset(os.listdir(directory))
            except (OSError, ValueError):
                self._names[directory] = None
        return self._names[directory]
