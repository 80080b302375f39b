"""A list of rows to toggle, with the details of the highlighted one below."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from widgets.note import Note


class Named(Protocol):
    """A row: any value with a unique name."""

    @property
    def name(self) -> str:
        """The unique name."""


RowT = TypeVar("RowT", bound=Named)


class ToggleList(Vertical, Generic[RowT]):
    """One-line rows to toggle; the cursor stays on its row when they change, and only changed rows are redrawn.

    A subclass provides the look of a row (``prompt``, ``detail``), the heading of its group (``heading``) and the
    message to post when it is toggled (``toggled``).
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "toggle_row", "Toggle")]
    """
    | Key(s) | Description |
    | :- | :- |
    | space, enter | Toggle the highlighted row. |
    """

    DEFAULT_CSS = """
    ToggleList {
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
        & > .toggle-list--detail {
            height: auto;
            padding: 0 1;
            border-top: solid $panel;
        }
    }
    """

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._rows: dict[str, RowT] = {}
        self._list = OptionList(markup=False)
        self._detail = Note(classes="toggle-list--detail")

    @abstractmethod
    def prompt(self, row: RowT) -> Content:
        """Return the row's line."""

    @abstractmethod
    def detail(self, row: RowT) -> Content:
        """Return the details to show while ``row`` is highlighted."""

    @abstractmethod
    def toggled(self, row: RowT) -> Message:
        """Return the message to post when ``row`` is toggled."""

    def heading(self, row: RowT) -> str:  # noqa: ARG002
        """Return the heading of the group that ``row`` belongs to, or an empty string."""
        return ""

    def compose(self) -> ComposeResult:
        """Yield the list and the detail."""
        yield self._list
        yield self._detail

    @property
    def rows(self) -> tuple[RowT, ...]:
        """All rows, in order."""
        return tuple(self._rows.values())

    @property
    def highlighted(self) -> RowT | None:
        """The row under the cursor."""
        option = self._list.highlighted_option
        return None if option is None or option.id is None else self._rows.get(option.id)

    def focus(self, scroll_visible: bool = True) -> Self:
        """Focus the list."""
        self._list.focus(scroll_visible)
        return self

    def show_rows(self, rows: Iterable[RowT]) -> None:
        """Show ``rows`` in order, keeping the cursor on its row, or moving it to the first if that is gone."""
        before = self._rows
        self._rows = {row.name: row for row in rows}
        if list(before) == list(self._rows):
            for name, row in self._rows.items():
                if row != before[name]:
                    self._list.replace_option_prompt(name, self.prompt(row))
        else:
            highlighted = self.highlighted
            self._list.set_options(self._options())
            if highlighted is not None:
                self._list.highlighted = self._list.get_option_index(highlighted.name)
            else:
                self._list.action_first()
        self._show_detail()

    def _options(self) -> Iterable[Option]:
        heading = ""
        for row in self._rows.values():
            if self.heading(row) != heading:
                heading = self.heading(row)
                yield Option(Content.assemble((heading, "bold $text-primary")), disabled=True)
            yield Option(self.prompt(row), id=row.name)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_detail()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_toggle_row()

    def _show_detail(self) -> None:
        row = self.highlighted
        self._detail.display = row is not None
        if row is not None:
            self._detail.show(self.detail(row))

    def action_toggle_row(self) -> None:
        """Toggle the highlighted row."""
        row = self.highlighted
        if row is not None:
            self.post_message(self.toggled(row))
