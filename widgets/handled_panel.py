"""Which rights and scopes a policy handles at all."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets.cells import visible
from widgets.note import Note

_GROUPS = {"fs": "Filesystem", "net": "Network ports", "scope": "Scopes"}
# The longest name is "abstract_unix_socket".
_NAME_WIDTH = 20


class HandledRow(NamedTuple):
    """One right or scope. ``locked`` where it cannot be switched off, and then ``why``; ``enforced`` by this kernel.

    ``abi`` is None for a right of a kernel that is not known yet.
    """

    name: str
    kind: str
    abi: int | None
    handled: bool
    locked: bool
    why: str
    enforced: bool


class HandledPanel(Vertical):
    """Every right and scope with whether the policy handles it, in groups; each to be toggled."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "toggle_right", "Toggle")]
    """
    | Key(s) | Description |
    | :- | :- |
    | space, enter | Toggle the highlighted right or scope. |
    """

    DEFAULT_CSS = """
    HandledPanel {
        height: 1fr;

        & > OptionList {
            height: 1fr;
            border: none;
            padding: 0;
            scrollbar-size-vertical: 1;
            text-wrap: nowrap;
            text-overflow: ellipsis;
            &:focus {
                border: none;
            }
        }
        & > .handled-panel--detail {
            height: auto;
            max-height: 4;
            padding: 0 1;
            border-top: solid $panel;
        }
    }
    """

    class HandledToggled(Message):
        """Posted when a person toggles a right or scope.

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

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._rows: dict[str, HandledRow] = {}
        self._list = OptionList(markup=False)
        self._detail = Note(classes="handled-panel--detail")

    def compose(self) -> ComposeResult:
        """The list and the detail."""
        yield self._list
        yield self._detail

    @property
    def highlighted(self) -> HandledRow | None:
        """The row under the cursor."""
        option = self._list.highlighted_option
        return None if option is None or option.id is None else self._rows.get(option.id)

    def focus(self, scroll_visible: bool = True) -> "HandledPanel":
        """Focus the list."""
        self._list.focus(scroll_visible)
        return self

    def show(self, rows: Iterable[HandledRow]) -> None:
        """Show ``rows``, grouped by kind; the cursor stays on its row."""
        before = self._rows
        self._rows = {row.name: row for row in rows}
        if list(before) == list(self._rows):
            for name, row in self._rows.items():
                if row != before[name]:
                    self._list.replace_option_prompt(name, _prompt(row))
        else:
            highlighted = self.highlighted
            options: list[Option] = []
            kind = ""
            for row in self._rows.values():
                if row.kind != kind:
                    kind = row.kind
                    heading = Content.assemble((_GROUPS.get(kind, visible(kind)), "bold $text-primary"))
                    options.append(Option(heading, disabled=True))
                options.append(Option(_prompt(row), id=row.name))
            self._list.set_options(options)
            if highlighted is not None and highlighted.name in self._rows:
                self._list.highlighted = self._list.get_option_index(highlighted.name)
            else:
                self._list.action_first()
        self._show_detail()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_detail()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_toggle_right()

    def _show_detail(self) -> None:
        row = self.highlighted
        self._detail.display = row is not None
        if row is not None:
            self._detail.show(_detail(row))

    def action_toggle_right(self) -> None:
        """Toggle the highlighted right or scope."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.HandledToggled(self, row.name))


def _prompt(row: HandledRow) -> Content:
    style = "bold $text-success" if row.handled else ""
    word = "not enforced" if not row.enforced else "in use" if row.locked else ""
    return Content.assemble(
        (f"{'[x]' if row.handled else '[ ]'} {visible(row.name):<{_NAME_WIDTH}}", style),
        (f" ABI {row.abi or '?':<2}", "$foreground 70%"),
        (f" {word}" if word else "", "$foreground 70%" if row.enforced else "$text-warning"),
    )


def _detail(row: HandledRow) -> Content:
    if row.kind == "scope":
        says = "Kept within the sandbox." if row.handled else "Not restricted."
    else:
        says = "Denied unless a rule grants it." if row.handled else "Not restricted: allowed everywhere."
    lines = [Content(says)]
    if row.why:
        lines.append(Content.assemble((visible(row.why), "$text-warning")))
    if not row.enforced:
        lines.append(Content.assemble(("This kernel does not enforce it.", "$text-warning")))
    return Content("\n").join(lines)
