"""One line of output, which can be overwritten until it is finished."""

import itertools
from operator import itemgetter
from typing import Final

from rich.style import Style

from widgets.cells import width_of

Run = tuple[str, Style | None]
"""Part of a line in one style."""

_BLANK: Final[Run] = (" ", None)


class Line:
    """One line of output: runs of text, and the column where the next character goes.

    A line that is only appended to, as nearly all are, is kept as runs. One that is overwritten is kept as single
    characters until it is finished, so that no sequence of characters, however hostile, costs more than its length.
    """

    __slots__ = ("_cells", "_runs", "column", "length", "note", "wider")

    def __init__(self, note: str = "") -> None:
        self._runs: list[Run] = [(note, None)] if note else []
        self._cells: list[Run] | None = None
        self.length = len(note)
        """The number of characters."""
        self.column = 0
        """Where the next character goes, in characters; may be past the end."""
        self.wider = 0
        """How many more cells than characters were written: the offset for tab stops."""
        self.note = bool(note)
        """Whether this is a note about the output rather than output."""

    @property
    def runs(self) -> list[Run]:
        """The text with its styles."""
        if self._cells is None:
            return self._runs
        runs: list[Run] = []
        for style, group in itertools.groupby(self._cells, key=itemgetter(1)):
            runs.append(("".join(char for char, _ in group), style))
        return runs

    @property
    def text(self) -> str:
        """The text without its styles."""
        return "".join(text for text, _ in (self._runs if self._cells is None else self._cells))

    def _by_cells(self) -> list[Run]:
        if self._cells is None:
            self._cells = [(char, style) for text, style in self._runs for char in text]
            self._runs = []
        return self._cells

    def finish(self) -> None:
        """Mark the line as complete."""
        if self._cells is not None:
            self._runs, self._cells = self.runs, None

    def write(self, text: str, style: Style | None) -> None:
        """Write ``text`` at the column, overwriting what is there."""
        if not text.isascii():
            self.wider += width_of(text) - len(text)
        if self.column == self.length and self._cells is None:
            if self._runs and self._runs[-1][1] is style:
                self._runs[-1] = (self._runs[-1][0] + text, style)
            else:
                self._runs.append((text, style))
        else:
            cells = self._by_cells()
            cells += [_BLANK] * (self.column - len(cells))
            cells[self.column : self.column + len(text)] = [(char, style) for char in text]
        self.column += len(text)
        self.length = max(self.length, self.column)

    def erase(self, how: str) -> None:
        """Erase to the end of the line (empty or ``0``) or all of it (``2``); the column stays."""
        if how == "2":
            self._by_cells().clear()
        elif how in ("", "0"):
            del self._by_cells()[self.column :]
        else:
            return
        self.length = len(self._by_cells())
