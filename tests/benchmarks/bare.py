"""The least Textual program that shows a directory: what Paddock's first screen is measured against."""

import sys

from textual.app import App, ComposeResult
from textual.widgets import DirectoryTree, Footer, Header


class Bare(App[None]):
    """A header, a directory tree, a footer."""

    def compose(self) -> ComposeResult:
        """The three widgets."""
        yield Header()
        yield DirectoryTree(sys.argv[1])
        yield Footer()


if __name__ == "__main__":
    Bare().run()
