"""The rows of the table of accesses: their columns, and how a row is drawn in a given width."""

from collections.abc import Hashable, Sequence
from typing import ClassVar, Final, NamedTuple

from textual.message import Message

from widgets.cells import elide_end, fit, fit_end, fit_right, visible, width_of
from widgets.line_list import LineList, Piece

_COUNT_WIDTH: Final = 5
_MIN_RIGHTS: Final = 6
_MAX_RIGHTS: Final = 26
_MIN_SUBJECT: Final = 16
_PROCESS_WIDTH: Final = 12
_ERRNO_WIDTH: Final = 7
_MIN_RULE: Final = 18
# Shown before a row when the table mixes verdicts and has no column for them.
_LETTERS: Final = {"failed": "f ", "uncontrolled": "u "}


class AccessRow(NamedTuple):
    """One access as shown, seen ``times`` times.

    ``key`` identifies the row; ``rule`` is the text of the deciding line; ``confirmed`` is whether a second source
    agreed, None if it was not asked. ``from_audit`` marks a row that only the second source saw. ``access`` is the
    caller's own value for the row, handed back in messages.
    """

    key: Hashable
    rights: str
    subject: str
    process: str
    times: int
    errno: str
    syscall: str
    rule: str
    reason: str
    verdict: str
    confirmed: bool | None
    access: object = None
    from_audit: bool = False


class _Columns(NamedTuple):
    """Widths of the columns in cells; 0 for a column that is left out."""

    rights: int
    subject: int
    process: int
    errno: int
    rule: int


def _columns(width: int, rights: int) -> _Columns:
    """Divide ``width`` among the columns: the path first, then errno, process and rule as far as there is room."""
    rights = max(_MIN_RIGHTS, min(rights, _MAX_RIGHTS, max(_MIN_RIGHTS, width // 3)))
    room = width - _COUNT_WIDTH - 2 - rights - 1
    errno = process = rule = 0
    if room - _ERRNO_WIDTH - 1 >= _MIN_SUBJECT + 4:
        errno = _ERRNO_WIDTH
        room -= errno + 1
    if room - _PROCESS_WIDTH - 1 >= _MIN_SUBJECT + 12:
        process = _PROCESS_WIDTH
        room -= process + 1
    if room - _MIN_RULE - 1 >= _MIN_SUBJECT + 16:
        rule = max(_MIN_RULE, (room - 1) * 2 // 5)
        room -= rule + 1
    return _Columns(rights, max(1, room), process, errno, rule)


class AccessRows(LineList):
    """The rows of the table below their column headings."""

    HEADER_LINES = 1

    class Moved(Message):
        """Posted when the cursor moves to another row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "access-table--count",
        "access-table--rights",
        "access-table--subject",
        "access-table--aside",
        "access-table--doubt",
    }

    DEFAULT_CSS = """
    AccessRows {
        height: 1fr;
        & > .access-table--count {
            color: $foreground 70%;
        }
        & > .access-table--rights {
            color: $text-accent;
        }
        & > .access-table--aside {
            color: $foreground 70%;
        }
        & > .access-table--doubt {
            color: $text-error;
            text-style: bold;
        }
    }
    """

    def __init__(self, empty: str) -> None:
        super().__init__()
        self.rows: list[AccessRow] = []
        self._places: dict[Hashable, int] = {}
        self._empty = empty
        self._widest_rights = _MIN_RIGHTS

    @property
    def line_count(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def put(self, row: AccessRow) -> None:
        """Add ``row``, or replace the one with the same key; call ``lines_changed`` to show it."""
        place = self._places.get(row.key)
        if place is None:
            self._places[row.key] = len(self.rows)
            self.rows.append(row)
        else:
            self.rows[place] = row
        self._widest_rights = max(self._widest_rights, width_of(row.rights))

    def clear(self) -> None:
        """Remove all rows; call ``lines_changed`` to show it."""
        self.rows.clear()
        self._places.clear()
        self._widest_rights = _MIN_RIGHTS

    @property
    def highlighted(self) -> AccessRow | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def cursor_moved(self) -> None:
        """Notify the table."""
        self.post_message(self.Moved())

    def draw_empty(self, width: int) -> str:
        """Return the text of a table without rows."""
        return elide_end(f" {self._empty}", width)

    def draw_header(self, width: int) -> Sequence[Piece]:
        """Return the column headings."""
        columns = _columns(width, self._widest_rights)
        text = (
            f"{fit_right('times', _COUNT_WIDTH)}  {fit('right', columns.rights)} {fit('path or port', columns.subject)}"
        )
        if columns.process:
            text += " " + fit("process", columns.process)
        if columns.errno:
            text += " " + fit("errno", columns.errno)
        if columns.rule:
            text += " " + fit("rule", columns.rule)
        return [(text, "")]

    def draw_line(self, number: int, width: int) -> Sequence[Piece]:
        """Return one row."""
        row = self.rows[number]
        columns = _columns(width, self._widest_rights)
        pieces = [
            (fit_right(_short(row.times), _COUNT_WIDTH), "access-table--count"),
            _mark(row, verdicts=not columns.errno),
            (fit_end(visible(row.rights), columns.rights), "access-table--rights"),
            (" " + fit(visible(row.subject), columns.subject), "access-table--subject"),
        ]
        if columns.process:
            pieces.append((" " + fit(visible(row.process), columns.process), "access-table--aside"))
        if columns.errno:
            pieces.append((" " + fit_end(visible(row.errno or row.verdict), columns.errno), "access-table--aside"))
        if columns.rule:
            pieces.append((" " + fit_end(visible(row.rule), columns.rule), "access-table--aside"))
        return pieces


def _mark(row: AccessRow, *, verdicts: bool) -> Piece:
    """Return the mark before a row: what the audit says of it, else with ``verdicts`` the verdict's letter."""
    if row.confirmed is False:
        return "! ", "access-table--doubt"
    if row.from_audit:
        return "a ", "access-table--aside"
    return _LETTERS.get(row.verdict, "  ") if verdicts else "  ", "access-table--aside"


def _short(count: int) -> str:
    """Return a count in at most five characters."""
    for limit, unit in ((100_000, ""), (100_000_000, "k"), (100_000_000_000, "M")):
        if count < limit:
            return f"{count // max(1, limit // 100_000)}{unit}"
    return "lots"
