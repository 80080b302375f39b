"""A table of what a run accessed, one row per access, built for thousands of rows that arrive in bursts."""

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

# Rows that arrive within this time are drawn together.
_FLUSH_S = 0.05
# The detail takes a third of the height at most; it has no border below the first height, and none is shown below the
# second.
_MIN_HEIGHT_FOR_BORDER: Final = 12
_MIN_HEIGHT_FOR_DETAIL: Final = 7


class AccessTable(Vertical):
    """Accesses in the order they first appeared, with the details of the highlighted one below.

    Rows may arrive at any rate; the table is redrawn at most 20 times a second.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "grant", "Grant"),
        Binding("enter", "rule", "Show rule"),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | g | Ask to grant the access. |
    | enter | Ask to show the rule that decided. |
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
        """Base class of the messages about one access."""

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
        """Posted when the cursor moves to another access.

        Can be handled using `on_access_table_access_highlighted` in a parent widget.
        """

    class GrantRequested(_About):
        """Posted when the user asks to grant a denied access.

        Can be handled using `on_access_table_grant_requested` in a parent widget.
        """

    class RuleRequested(_About):
        """Posted when the user asks to show the rule that decided an access.

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
        """Create a table; ``grants`` is whether ``g`` is offered, ``empty`` the text of a table without rows."""
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._grants = grants
        self._rows = AccessRows(empty)
        self._places: dict[Hashable, int] = {}
        self._detail = Static(markup=False, classes="access-table--detail")
        self._flush_timer: Timer | None = None
        self._notified_key: Hashable = None
        self._shown_row: AccessRow | None = None

    def compose(self) -> ComposeResult:
        """Yield the rows and the detail."""
        yield self._rows
        self._detail.display = False
        yield self._detail

    @property
    def row_count(self) -> int:
        """The number of rows, including those not drawn yet."""
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
        """Add ``row``, or replace the one with the same key."""
        self._rows.put(row)
        self._schedule_flush()

    def clear(self) -> None:
        """Remove all rows."""
        self._rows.clear()
        self._notified_key = None
        self._schedule_flush()

    def _schedule_flush(self) -> None:
        if self._flush_timer is None and self.is_running:
            self._flush_timer = self.set_timer(_FLUSH_S, self._flush)

    def on_mount(self) -> None:
        """Show the rows added before mounting."""
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
        """Size the detail, or hide it if there is no room."""
        height = self.size.height
        self._detail.set_class(height >= _MIN_HEIGHT_FOR_BORDER, "-ruled")
        self._detail.styles.max_height = max(2, height // 3)
        self._show_detail()

    def _show_detail(self) -> None:
        row = self.highlighted
        self._detail.display = row is not None and self.size.height >= _MIN_HEIGHT_FOR_DETAIL
        if row is None:
            return
        if row is not self._shown_row:  # an update triggers a layout, and rows arrive 20 times a second
            self._shown_row = row
            self._detail.update(_detail(row))
        if row.key != self._notified_key:
            self._notified_key = row.key
            self.post_message(self.AccessHighlighted(self, row))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer ``g`` only if this table holds denials to grant."""
        return self._grants or action != "grant"

    def action_grant(self) -> None:
        """Ask to grant the highlighted access."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.GrantRequested(self, row))

    def action_rule(self) -> None:
        """Ask to show the rule that decided the highlighted access."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.RuleRequested(self, row))


def _detail(row: AccessRow) -> Content:
    """Return everything known about an access."""
    audit = {True: "confirmed by the kernel", False: "the kernel's own record disagrees"}
    facts = ["once" if row.times == 1 else f"{row.times} times", row.verdict, row.syscall, row.errno, row.process]
    if row.from_audit:
        facts.append("seen by the kernel's audit alone")
    elif row.confirmed is not None:
        facts.append(audit[row.confirmed])
    lines = [
        Content.assemble((visible(row.rights), "bold $text-accent"), "  ", visible(row.subject)),
        Content.assemble(("  ".join(visible(fact) for fact in facts if fact), "$foreground 70%")),
    ]
    if row.reason:
        lines.append(Content(visible(row.reason)))
    if row.rule:
        lines.append(Content.assemble(("rule ", "$foreground 70%"), visible(row.rule)))
    return Content("\n").join(lines)
