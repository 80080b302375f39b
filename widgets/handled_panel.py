"""A panel that shows which rights and scopes a policy handles."""

from collections.abc import Iterable
from typing import NamedTuple

from textual.content import Content
from textual.message import Message

from widgets.cells import visible
from widgets.toggle_list import ToggleList

_GROUPS = {"fs": "Filesystem", "net": "Network ports", "scope": "Scopes"}
# The longest name is "abstract_unix_socket".
_NAME_WIDTH = 20


class HandledRow(NamedTuple):
    """One right or scope.

    ``abi`` is None for a right that no known ABI has. A ``locked`` row cannot be switched off, and ``why`` says what
    needs it. ``enforced`` is whether this kernel enforces it.
    """

    name: str
    kind: str
    abi: int | None
    handled: bool
    locked: bool
    why: str
    enforced: bool


class HandledPanel(ToggleList[HandledRow]):
    """Every right and scope in groups, each with a mark that toggles whether the policy handles it."""

    DEFAULT_CSS = """
    HandledPanel > .toggle-list--detail {
        max-height: 4;
    }
    """

    class HandledToggled(Message):
        """Posted when the user toggles a right or scope.

        Can be handled using `on_handled_panel_handled_toggled` in a parent widget.
        """

        def __init__(self, panel: "HandledPanel", name: str) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.name = name
            """The kernel name of the right or scope."""

        @property
        def control(self) -> "HandledPanel":
            """The panel that sent the message."""
            return self.panel

    def show(self, rows: Iterable[HandledRow]) -> None:
        """Show ``rows`` grouped by kind, keeping the cursor on its row."""
        self.show_rows(rows)

    def heading(self, row: HandledRow) -> str:
        """Return the name of the row's group."""
        return _GROUPS.get(row.kind, visible(row.kind))

    def toggled(self, row: HandledRow) -> Message:
        """Return the message to post when ``row`` is toggled."""
        return self.HandledToggled(self, row.name)

    def prompt(self, row: HandledRow) -> Content:
        """Return the row's line: mark, name, ABI, and a word on its state if needed."""
        style = "bold $text-success" if row.handled else ""
        word = "not enforced" if not row.enforced else "in use" if row.locked else ""
        return Content.assemble(
            (f"{'[x]' if row.handled else '[ ]'} {visible(row.name):<{_NAME_WIDTH}}", style),
            (f" ABI {row.abi or '?':<2}", "$foreground 70%"),
            (f" {word}" if word else "", "$foreground 70%" if row.enforced else "$text-warning"),
        )

    def detail(self, row: HandledRow) -> Content:
        """Return what the row's state means, and why it cannot be changed or has no effect here."""
        if row.kind == "scope":
            effect = "Confined to the sandbox." if row.handled else "Not restricted."
        else:
            effect = "Denied unless a rule grants it." if row.handled else "Not restricted: allowed everywhere."
        lines = [Content(effect)]
        if row.why:
            lines.append(Content.assemble((visible(row.why), "$text-warning")))
        if not row.enforced:
            lines.append(Content.assemble(("This kernel does not enforce it.", "$text-warning")))
        return Content("\n").join(lines)
