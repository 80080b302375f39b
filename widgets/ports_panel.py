"""The port rules of a policy as a table, with an input to add one."""

from collections.abc import Iterable
from typing import ClassVar, Final, NamedTuple

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import DataTable, Input

from widgets.cells import visible
from widgets.note import Note

# Column headings and rights in the kernel's order; on two lines, so that all fit next to the tree in 80 columns.
_RIGHTS: Final[tuple[tuple[str, str], ...]] = (
    ("TCP\nbind", "bind_tcp"),
    ("TCP\nconnect", "connect_tcp"),
    ("UDP\nbind", "bind_udp"),
    ("UDP\nsend", "connect_send_udp"),
)
_COLUMNS: Final = frozenset(right for _, right in _RIGHTS)


class PortRow(NamedTuple):
    """One port with the rights that rules grant on it; ``sources`` is display text for those rules (line numbers)."""

    port: int
    service: str
    rights: tuple[str, ...]
    sources: tuple[str, ...]


class PortsPanel(Vertical):
    """One row per port and one column per right; ports are added by number or service name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "toggle_right", "Toggle"),
        Binding("a,plus", "add", "Add port", key_display="a"),
        Binding("delete,backspace", "remove", "Remove port", key_display="del"),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | space, enter | Toggle the right of the cell under the cursor. |
    | a, + | Enter a port to add: a number or a service name. |
    | delete, backspace | Remove the port under the cursor. |
    | escape | Return from the input to the table. |
    """

    DEFAULT_CSS = """
    PortsPanel {
        height: 1fr;

        & > DataTable {
            height: 1fr;
            scrollbar-size: 1 1;
        }
        & > Input {
            height: 1;
            border: none;
            padding: 0 1;
            &:focus {
                border: none;
            }
        }
        & > .ports-panel--detail {
            height: auto;
            max-height: 3;
            padding: 0 1;
            border-top: solid $panel;
        }
    }
    """

    class PortAdded(Message):
        """Posted when the user submits a port to add.

        Can be handled using `on_ports_panel_port_added` in a parent widget.
        """

        def __init__(self, panel: "PortsPanel", text: str) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.text = text
            """The text without surrounding blanks: a number or a service name, not resolved yet."""

        @property
        def control(self) -> "PortsPanel":
            """The panel that sent the message."""
            return self.panel

    class PortRemoved(Message):
        """Posted when the user removes a port.

        Can be handled using `on_ports_panel_port_removed` in a parent widget.
        """

        def __init__(self, panel: "PortsPanel", port: int) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.port = port
            """The port."""

        @property
        def control(self) -> "PortsPanel":
            """The panel that sent the message."""
            return self.panel

    class PortToggled(Message):
        """Posted when the user toggles a right on a port.

        Can be handled using `on_ports_panel_port_toggled` in a parent widget.
        """

        def __init__(self, panel: "PortsPanel", port: int, right: str) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.port = port
            """The port."""
            self.right = right
            """The right's kernel name."""

        @property
        def control(self) -> "PortsPanel":
            """The panel that sent the message."""
            return self.panel

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._rows: dict[int, PortRow] = {}
        self._table: DataTable[Text] = DataTable(cursor_type="cell", header_height=2, fixed_columns=1)
        self._input = Input(placeholder="Add a port: number or service name", select_on_focus=False)
        self._detail = Note(classes="ports-panel--detail")

    def compose(self) -> ComposeResult:
        """Yield the table, the detail and the input."""
        table = self._table
        table.add_column(Text("\nPort"), key="port")
        for heading, right in _RIGHTS:
            table.add_column(Text(heading), key=right)
        table.add_column(Text("\nService"), key="service")
        table.add_column(Text("\nLine"), key="line")
        yield table
        yield self._detail
        yield self._input

    def on_mount(self) -> None:
        """Show what to do while there are no ports."""
        self._show_detail()

    @property
    def highlighted(self) -> PortRow | None:
        """The port under the cursor."""
        number = self._table.cursor_row
        rows = list(self._rows.values())
        return rows[number] if 0 <= number < len(rows) else None

    @property
    def highlighted_right(self) -> str | None:
        """The right of the column under the cursor."""
        number = self._table.cursor_column - 1
        return _RIGHTS[number][1] if 0 <= number < len(_RIGHTS) else None

    def focus(self, scroll_visible: bool = True) -> "PortsPanel":
        """Focus the table."""
        self._table.focus(scroll_visible)
        return self

    def show(self, rows: Iterable[PortRow]) -> None:
        """Show ``rows``, keeping the cursor on its port."""
        before, self._rows = self._rows, {row.port: row for row in rows}
        table = self._table
        if list(before) == list(self._rows):
            for row in self._rows.values():
                if row != before[row.port]:
                    for key, cell in _cells(row).items():
                        table.update_cell(str(row.port), key, cell, update_width=key in ("service", "line"))
        else:
            at, number = table.cursor_coordinate, table.cursor_row
            port_before = list(before)[number] if number < len(before) else None
            table.clear()
            for row in self._rows.values():
                table.add_row(*_cells(row).values(), key=str(row.port))
            ports = list(self._rows)
            line = ports.index(port_before) if port_before in self._rows else min(number, len(ports) - 1)
            table.move_cursor(row=max(0, line), column=max(1, at.column), animate=False)
        self._show_detail()

    def go_to(self, port: int) -> None:
        """Move the cursor to ``port``."""
        if port in self._rows:
            self._table.move_cursor(row=list(self._rows).index(port), animate=False)

    @on(DataTable.CellHighlighted)
    def _highlighted(self, event: DataTable.CellHighlighted) -> None:
        event.stop()
        self._show_detail()

    @on(DataTable.CellSelected)
    def _selected(self, event: DataTable.CellSelected) -> None:
        event.stop()
        self._table.move_cursor(row=event.coordinate.row, column=event.coordinate.column)
        self.action_toggle_right()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        if text:
            self._input.clear()
            self.post_message(self.PortAdded(self, text))

    def _show_detail(self) -> None:
        self._detail.show(self._detail_text())

    def _detail_text(self) -> Content:
        row = self.highlighted
        if row is None:
            return Content.assemble(("No port rules. Press a to add one.", "$foreground 70%"))
        right = self.highlighted_right
        # Rights that no known ABI has have no column.
        others = [visible(name) for name in row.rights if name not in _COLUMNS]
        also = f"; also {', '.join(others)}" if others else ""
        if right is None:
            return Content(f"port {row.port}  {visible(row.service)}".rstrip() + also)
        if right not in row.rights:
            return Content(f"{right} on port {row.port}: no rule grants it{also}")
        lines = ", ".join(visible(source) for source in row.sources)
        return Content(f"{right} on port {row.port}: granted" + (f", line {lines}" if lines else "") + also)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Disable the table's keys while a port is being typed."""
        return not (self._input.has_focus and action in ("toggle_right", "add", "remove"))

    def on_key(self, event: events.Key) -> None:
        """Return to the table on escape."""
        if event.key == "escape" and self._input.has_focus:
            event.stop()
            self._table.focus()

    def action_toggle_right(self) -> None:
        """Toggle the right of the cell under the cursor."""
        row, right = self.highlighted, self.highlighted_right
        if row is not None and right is not None:
            self.post_message(self.PortToggled(self, row.port, right))

    def action_add(self) -> None:
        """Focus the input for a port to add."""
        self._input.focus()

    def action_remove(self) -> None:
        """Remove the port under the cursor."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.PortRemoved(self, row.port))


def _cells(row: PortRow) -> dict[str, Text]:
    """Return the cells of a row by column."""
    cells = {"port": Text(str(row.port), justify="right")}
    for _, right in _RIGHTS:
        cells[right] = Text("[x]" if right in row.rights else "[ ]", style="bold" if right in row.rights else "")
    cells["service"] = Text(visible(row.service))
    cells["line"] = Text(", ".join(visible(source) for source in row.sources))
    return cells
