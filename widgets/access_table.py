"""What a run touched, one row an access; made for thousands of rows that come in bursts."""

from collections.abc import Hashable, Sequence
from typing import ClassVar, Final, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from widgets.cells import elide_end, fit, fit_right, visible, width_of
from widgets.line_list import LineList, Piece

# Bursts are shown this often at most.
_FLUSH_S = 0.05
_COUNT_WIDTH: Final = 5
_RIGHTS_LEAST: Final = 6
_RIGHTS_MOST: Final = 26
_SUBJECT_LEAST: Final = 16
_PROCESS_WIDTH: Final = 12
_ERRNO_WIDTH: Final = 7
_RULE_LEAST: Final = 18
# Of verdicts that stand beside others in one table.
_LETTERS: Final = {"failed": "f ", "uncontrolled": "u "}
# Of the whole height the detail has a third at most; below the first bound it has no rule above it, below the second
# there is none.
_HEIGHT_FOR_RULE: Final = 12
_HEIGHT_FOR_DETAIL: Final = 7


class AccessRow(NamedTuple):
    """One access as shown, ``times`` times.

    ``key`` tells rows apart; ``rule`` is the text of the deciding line; ``confirmed`` is what a second judge said:
    None where it was not asked. ``access`` is what the row stands for, as the caller knows it.
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


class _Columns(NamedTuple):
    """Widths of the columns; 0 where a column is left out."""

    rights: int
    subject: int
    process: int
    errno: int
    rule: int


def _columns(width: int, rights: int) -> _Columns:
    """Share ``width`` out: path first, then errno, process and rule as far as there is room."""
    rights = max(_RIGHTS_LEAST, min(rights, _RIGHTS_MOST, max(_RIGHTS_LEAST, width // 3)))
    room = width - _COUNT_WIDTH - 2 - rights - 1
    errno = process = rule = 0
    if room - _ERRNO_WIDTH - 1 >= _SUBJECT_LEAST + 4:
        errno = _ERRNO_WIDTH
        room -= errno + 1
    if room - _PROCESS_WIDTH - 1 >= _SUBJECT_LEAST + 12:
        process = _PROCESS_WIDTH
        room -= process + 1
    if room - _RULE_LEAST - 1 >= _SUBJECT_LEAST + 16:
        rule = max(_RULE_LEAST, (room - 1) * 2 // 5)
        room -= rule + 1
    return _Columns(rights, max(1, room), process, errno, rule)


class _Rows(LineList):
    """The rows, and what stands above them."""

    HEADER_LINES = 1

    class Moved(Message):
        """The cursor went to another row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "access-table--count",
        "access-table--rights",
        "access-table--subject",
        "access-table--aside",
        "access-table--doubt",
    }

    DEFAULT_CSS = """
    _Rows {
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
        self.empty = empty
        self.widest_rights = _RIGHTS_LEAST

    @property
    def line_count(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def cursor_moved(self) -> None:
        """Tell the table."""
        self.post_message(self.Moved())

    def draw_empty(self, width: int) -> str:
        """What a table without rows says."""
        return elide_end(f" {self.empty}", width)

    def draw_header(self, width: int) -> Sequence[Piece]:
        """The columns' names."""
        columns = _columns(width, self.widest_rights)
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
        """One row."""
        row = self.rows[number]
        columns = _columns(width, self.widest_rights)
        pieces = [
            (fit_right(_short(row.times), _COUNT_WIDTH), "access-table--count"),
            _mark(row, verdicts=not columns.errno),
            (elide_padded(visible(row.rights), columns.rights), "access-table--rights"),
            (" " + fit(visible(row.subject), columns.subject), "access-table--subject"),
        ]
        if columns.process:
            pieces.append((" " + fit(visible(row.process), columns.process), "access-table--aside"))
        if columns.errno:
            pieces.append((" " + elide_padded(visible(row.errno or row.verdict), columns.errno), "access-table--aside"))
        if columns.rule:
            pieces.append((" " + elide_padded(visible(row.rule), columns.rule), "access-table--aside"))
        return pieces


def _mark(row: AccessRow, *, verdicts: bool) -> Piece:
    """What stands before a row: doubt about it, or with ``verdicts`` its verdict where no column tells that."""
    if row.confirmed is False:
        return "! ", "access-table--doubt"
    return _LETTERS.get(row.verdict, "  ") if verdicts else "  ", "access-table--aside"


def elide_padded(text: str, cells: int) -> str:
    """``text`` in exactly ``cells`` cells, elided or padded at its end."""
    text = elide_end(text, cells)
    return text + " " * (cells - width_of(text))


def _short(count: int) -> str:
    """A count in at most five characters."""
    for limit, unit in ((100_000, ""), (100_000_000, "k"), (100_000_000_000, "M")):
        if count < limit:
            return f"{count // max(1, limit // 100_000)}{unit}"
    return "lots"


class AccessTable(Vertical):
    """Accesses in the order of their first appearance, and all there is to say of the highlighted one below.

    Rows are put in at any rate; the screen is drawn at most 20 times a second.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "grant", "Grant"),
        Binding("enter", "rule", "Show rule"),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | g | Ask to grant what the access was denied. |
    | enter | Ask for the rule that decided. |
    """

    DEFAULT_CSS = """
    AccessTable {
        height: 1fr;

        & > .access-table--detail {
            height: auto;
            padding: 0 1;
            background: $panel;
        }
        & > .access-table--detail.-ruled {
            background: transparent;
            border-top: solid $panel;
        }
    }
    """

    class _About(Message):
        """Base of the messages about one access."""

        def __init__(self, table: "AccessTable", row: AccessRow) -> None:
            super().__init__()
            self.table = table
            """The table that sent the message."""
            self.row = row
            """The row of the access."""

        @property
        def control(self) -> "AccessTable":
            """The table that sent the message."""
            return self.table

    class AccessHighlighted(_About):
        """Posted when the cursor goes to another access.

        Can be handled using `on_access_table_access_highlighted` in a parent widget.
        """

    class GrantRequested(_About):
        """Posted when a person asks to grant what an access was denied.

        Can be handled using `on_access_table_grant_requested` in a parent widget.
        """

    class RuleRequested(_About):
        """Posted when a person asks for the rule that decided.

        Can be handled using `on_access_table_rule_requested` in a parent widget.
        """

    def __init__(
        self,
        *,
        grants: bool = True,
        empty: str = "Nothing yet",
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        """``grants``: whether ``g`` is offered; ``empty``: what a table without rows says."""
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._grants = grants
        self._rows = _Rows(empty)
        self._places: dict[Hashable, int] = {}
        self._detail = Static(markup=False, classes="access-table--detail")
        self._flush_timer: Timer | None = None
        self._announced: Hashable = None
        self._detailed: AccessRow | None = None

    def compose(self) -> ComposeResult:
        """Rows and detail."""
        yield self._rows
        self._detail.display = False
        yield self._detail

    @property
    def row_count(self) -> int:
        """How many rows there are, those not drawn yet included."""
        return len(self._rows.rows)

    @property
    def highlighted(self) -> AccessRow | None:
        """The row under the cursor."""
        number = self._rows.cursor
        return self._rows.rows[number] if 0 <= number < len(self._rows.rows) else None

    def focus(self, scroll_visible: bool = True) -> "AccessTable":
        """Focus the rows."""
        self._rows.focus(scroll_visible)
        return self

    def put(self, row: AccessRow) -> None:
        """Add ``row``, or put it in place of the one with its key."""
        place = self._places.get(row.key)
        if place is None:
            self._places[row.key] = len(self._rows.rows)
            self._rows.rows.append(row)
        else:
            self._rows.rows[place] = row
        self._rows.widest_rights = max(self._rows.widest_rights, width_of(row.rights))
        self._later()

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.rows.clear()
        self._places.clear()
        self._rows.widest_rights = _RIGHTS_LEAST
        self._announced = None
        self._later()

    def _later(self) -> None:
        if self._flush_timer is None and self.is_running:
            self._flush_timer = self.set_timer(_FLUSH_S, self._flush)

    def on_mount(self) -> None:
        """Show what was put in before."""
        self._flush()

    def _flush(self) -> None:
        self._flush_timer = None
        rows = self._rows
        rows.lines_changed()
        if rows.cursor < 0 and rows.rows:
            rows.cursor = 0
        self._show_detail()

    @on(_Rows.Moved)
    def _moved(self, event: _Rows.Moved) -> None:
        event.stop()
        self._show_detail()

    def on_resize(self) -> None:
        """Give the detail its share, or leave it out where there is no room for it."""
        height = self.size.height
        self._detail.set_class(height >= _HEIGHT_FOR_RULE, "-ruled")
        self._detail.styles.max_height = max(2, height // 3)
        self._show_detail()

    def _show_detail(self) -> None:
        row = self.highlighted
        self._detail.display = row is not None and self.size.height >= _HEIGHT_FOR_DETAIL
        if row is None:
            return
        if row is not self._detailed:  # an update lays the screen out again, and rows come 20 times a second
            self._detailed = row
            self._detail.update(_detail(row))
        if row.key != self._announced:
            self._announced = row.key
            self.post_message(self.AccessHighlighted(self, row))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """``g`` only where there is something to grant."""
        return self._grants or action != "grant"

    def action_grant(self) -> None:
        """Ask to grant what the highlighted access was denied."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.GrantRequested(self, row))

    def action_rule(self) -> None:
        """Ask for the rule that decided the highlighted access."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.RuleRequested(self, row))


def _detail(row: AccessRow) -> Content:
    """All there is to say of an access."""
    said = {True: "confirmed by the kernel's audit", False: "the kernel's audit says otherwise"}
    facts = ["once" if row.times == 1 else f"{row.times} times", row.verdict, row.syscall, row.errno, row.process]
    if row.confirmed is not None:
        facts.append(said[row.confirmed])
    lines = [
        Content.assemble((visible(row.rights), "bold $text-accent"), "  ", visible(row.subject)),
        Content.assemble(("  ".join(visible(fact) for fact in facts if fact), "$foreground 70%")),
    ]
    if row.reason:
        lines.append(Content(visible(row.reason)))
    if row.rule:
        lines.append(Content.assemble(("rule ", "$foreground 70%"), visible(row.rule)))
    return Content("\n").join(lines)
