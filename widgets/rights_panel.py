"""A panel with every right on one path: granted here, inherited or not granted, and what it means."""

from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from widgets.cells import visible
from widgets.note import Note
from widgets.toggle_list import ToggleList

State = Literal["here", "inherited", "none"]

_MARKS = {"here": "[x]", "inherited": "[-]", "none": "[ ]"}
_STYLES = {"here": "bold $text-success", "inherited": "$foreground 70%", "none": ""}
# The longest name is "resolve_unix"; a row with a word after it still fits into 36 columns.
_NAME_WIDTH = 12


class Source(NamedTuple):
    """A rule that grants a right: ``text`` for display, and the path, line and file to go to."""

    text: str
    path: str
    line: int
    file: str = ""


class RightState(NamedTuple):
    """The state of one right on one path.

    ``abi`` is None for a right that no known ABI has, ``kernel`` is the Linux release that introduced it. ``handled``
    is whether the policy denies it unless granted, ``enforced`` whether this kernel enforces it, ``applicable`` whether
    it applies to this kind of file; ``why`` explains what keeps it from being granted or from having an effect.
    """

    name: str
    meaning: str
    abi: int | None
    kernel: str
    state: State
    sources: tuple[Source, ...]
    handled: bool
    enforced: bool
    applicable: bool
    why: str


class RightsPanel(ToggleList[RightState]):
    """The rights on one path, each with a mark that toggles it, and the details of the highlighted one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("g", "source", "Go to rule")]
    """
    | Key(s) | Description |
    | :- | :- |
    | g | Go to the rule that grants the highlighted right. |
    """

    DEFAULT_CSS = """
    RightsPanel {
        & > .rights-panel--subject {
            height: 1;
            padding: 0 1;
            text-style: bold;
            background: $panel;
            text-wrap: nowrap;
            text-overflow: ellipsis;
        }
        & > .toggle-list--detail {
            max-height: 6;
        }
    }
    """

    class RightToggled(Message):
        """Posted when the user toggles a right.

        Can be handled using `on_rights_panel_right_toggled` in a parent widget.
        """

        def __init__(self, panel: "RightsPanel", name: str) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.name = name
            """The right's kernel name."""

        @property
        def control(self) -> "RightsPanel":
            """The panel that sent the message."""
            return self.panel

    class SourceRequested(Message):
        """Posted when the user asks for the rule that grants a right.

        Can be handled using `on_rights_panel_source_requested` in a parent widget.
        """

        def __init__(self, panel: "RightsPanel", source: Source) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.source = source
            """The rule to go to."""

        @property
        def control(self) -> "RightsPanel":
            """The panel that sent the message."""
            return self.panel

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._subject = Note(classes="rights-panel--subject")

    def compose(self) -> ComposeResult:
        """Yield the subject, the list and the detail."""
        yield self._subject
        yield from super().compose()

    def show(self, subject: str, kind: str, states: Iterable[RightState]) -> None:
        """Show the rights on ``subject``, a ``kind`` of file ("directory"), keeping the cursor on its right."""
        title = Content.assemble(
            (visible(subject), "bold"), (f"  {visible(kind)}" if kind else "", "not bold $foreground 70%")
        )
        self._subject.show(title)
        self.show_rows(states)

    def toggled(self, row: RightState) -> Message:
        """Return the message to post when ``row`` is toggled."""
        return self.RightToggled(self, row.name)

    def prompt(self, row: RightState) -> Content:
        """Return the row's line: mark, name, ABI, and a word if the right cannot take effect."""
        style = _STYLES[row.state] if row.applicable else "$foreground 40%"
        word = ""
        if not row.applicable:
            word = "not here"
        elif not row.enforced:
            word = "not enforced"
        elif not row.handled:
            word = "not handled"
        return Content.assemble(
            (f"{_MARKS[row.state]} {row.name:<{_NAME_WIDTH}}", style),
            (f" ABI {row.abi or '?':<2}", "$foreground 70%"),
            (f" {word}" if word else "", "$text-warning"),
        )

    def detail(self, row: RightState) -> Content:
        """Return everything known about one right."""
        lines = [Content(visible(row.meaning))]
        lines += [Content.assemble(("from ", "$foreground 70%"), visible(source.text)) for source in row.sources]
        if not row.sources:
            lines.append(Content.assemble(("no rule grants it", "$foreground 70%")))
        if row.why:
            lines.append(Content.assemble((visible(row.why), "$text-warning")))
        since = f"since ABI {row.abi}, Linux {visible(row.kernel)}" if row.abi else "in no known ABI"
        lines.append(Content.assemble((since, "$foreground 70%")))
        return Content("\n").join(lines)

    def action_source(self) -> None:
        """Go to the rule that grants the highlighted right."""
        state = self.highlighted
        if state is not None and state.sources:
            self.post_message(self.SourceRequested(self, state.sources[0]))
