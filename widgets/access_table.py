"""What a run touched, one row an access; made for thousands of rows that come in bursts."""

from collections.abc import Hashable
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from widgets.access_rows import AccessRow, AccessRows
from widgets.cells import visible

# Bursts are shown this often at most.
_FLUSH_S = 0.05
# Of the whole height the detail has a third at most; below the first bound it has no rule above it, below the second
# there is none.
_HEIGHT_FOR_RULE: Final = 12
_HEIGHT_FOR_DETAIL: Final = 7


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
        self._rows = AccessRows(empty)
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
        return self._rows.highlighted

    def focus(self, scroll_visible: bool = True) -> "AccessTable":
        """Focus the rows."""
        self._rows.focus(scroll_visible)
        return self

    def put(self, row: AccessRow) -> None:
        """Add ``row``, or put it in place of the one with its key."""
        self._rows.put(row)
        self._later()

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.clear()
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

    @on(AccessRows.Moved)
    def _moved(self, event: AccessRows.Moved) -> None:
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
