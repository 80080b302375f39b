"""A minimal Textual program that shows a directory: the baseline for Paddock's first screen."""

import sys

from textual.app import App, ComposeResult
from textual.widgets import DirectoryTree, Footer, Header


class Bare(App[None]):
    """A header, a directory tree and a footer."""

    def compose(self) -> ComposeResult:
        """Yield the three widgets."""
        yield Header()
        yield DirectoryTree(sys.argv[1])
        yield Footer()


if __name__ == "__main__":
    Bare().run()
