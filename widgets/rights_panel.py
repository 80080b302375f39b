"""Every right on one path: granted here, inherited, or not, and what it means."""

from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

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

State = Literal["here", "inherited", "none"]

_MARKS = {"here": "[x]", "inherited": "[-]", "none": "[ ]"}
_STYLES = {"here": "bold $text-success", "inherited": "$foreground 70%", "none": ""}
# The longest name, "resolve_unix"; with a word beside it a row still fits into 36 columns.
_NAME_WIDTH = 12


class Source(NamedTuple):
    """A rule that grants a right: ``text`` for eyes, and the rule's path, line and file to go to."""

    text: str
    path: str
    line: int
    file: str = ""


class RightState(NamedTuple):
    """One right as it stands on one path.

    ``abi`` is None for a right of a kernel that is not known yet, ``kernel`` is the kernel release that brought it,
    ``handled`` whether the policy denies it unless granted, ``enforced`` whether this kernel knows it, ``applicable``
    whether this kind of object can hold it; ``why`` says what stands in the way.
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


class RightsPanel(Vertical):
    """The rights on one path, each to be toggled, with what is to know of the highlighted one below."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "toggle_right", "Toggle"),
        Binding("g", "source", "Go to rule"),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | space, enter | Toggle the highlighted right. |
    | g | Go to the rule that grants it. |
    """

    DEFAULT_CSS = """
    RightsPanel {
        height: 1fr;

        & > .rights-panel--subject {
            height: 1;
            padding: 0 1;
            text-style: bold;
            background: $panel;
            text-wrap: nowrap;
            text-overflow: ellipsis;
        }
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
        & > .rights-panel--detail {
            height: auto;
            max-height: 6;
            padding: 0 1;
            border-top: solid $panel;
        }
    }
    """

    class RightToggled(Message):
        """Posted when a person toggles a right.

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
        """Posted when a person wants to see the rule that grants a right.

        Can be handled using `on_rights_panel_source_requested` in a parent widget.
        """

        def __init__(self, panel: "RightsPanel", source: Source) -> None:
            super().__init__()
            self.panel = panel
            """The panel that sent the message."""
            self.source = source
            """The rule: its path, its line and its file."""

        @property
        def control(self) -> "RightsPanel":
            """The panel that sent the message."""
            return self.panel

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._states: tuple[RightState, ...] = ()
        self._subject = Note(classes="rights-panel--subject")
        self._list = OptionList(markup=False)
        self._detail = Note(classes="rights-panel--detail")

    def compose(self) -> ComposeResult:
        """Subject, rights, detail."""
        yield self._subject
        yield self._list
        yield self._detail

    @property
    def highlighted(self) -> RightState | None:
        """The right under the cursor."""
        number = self._list.highlighted
        return self._states[number] if number is not None and number < len(self._states) else None

    def focus(self, scroll_visible: bool = True) -> "RightsPanel":
        """Focus the list of rights."""
        self._list.focus(scroll_visible)
        return self

    def show(self, subject: str, kind: str, states: Iterable[RightState]) -> None:
        """Show the rights on ``subject``, which is a ``kind`` of thing ("directory"); the cursor stays on its right."""
        before = self._states
        self._states = tuple(states)
        title = Content.assemble(
            (visible(subject), "bold"), (f"  {visible(kind)}" if kind else "", "not bold $foreground 70%")
        )
        self._subject.show(title)
        if [state.name for state in before] == [state.name for state in self._states]:
            for number, (old, new) in enumerate(zip(before, self._states, strict=True)):
                if old != new:
                    self._list.replace_option_prompt_at_index(number, _prompt(new))
        else:
            highlighted = self._list.highlighted
            self._list.set_options(Option(_prompt(state)) for state in self._states)
            self._list.highlighted = min(highlighted or 0, len(self._states) - 1) if self._states else None
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
        state = self.highlighted
        self._detail.display = state is not None
        if state is not None:
            self._detail.show(_detail(state))

    def action_toggle_right(self) -> None:
        """Toggle the highlighted right."""
        state = self.highlighted
        if state is not None:
            self.post_message(self.RightToggled(self, state.name))

    def action_source(self) -> None:
        """Go to the rule that grants the highlighted right."""
        state = self.highlighted
        if state is not None and state.sources:
            self.post_message(self.SourceRequested(self, state.sources[0]))


def _prompt(state: RightState) -> Content:
    """One right in one line: mark, name, ABI, and a word where something is in the way."""
    style = _STYLES[state.state] if state.applicable else "$foreground 40%"
    word = ""
    if not state.applicable:
        word = "not here"
    elif not state.enforced:
        word = "not enforced"
    elif not state.handled:
        word = "not handled"
    return Content.assemble(
        (f"{_MARKS[state.state]} {state.name:<{_NAME_WIDTH}}", style),
        (f" ABI {state.abi or '?':<2}", "$foreground 70%"),
        (f" {word}" if word else "", "$text-warning"),
    )


def _detail(state: RightState) -> Content:
    """All there is to say of one right."""
    lines = [Content(visible(state.meaning))]
    lines += [Content.assemble(("from ", "$foreground 70%"), visible(source.text)) for source in state.sources]
    if not state.sources:
        lines.append(Content.assemble(("granted by no rule", "$foreground 70%")))
    if state.why:
        lines.append(Content.assemble((visible(state.why), "$text-warning")))
    since = f"since ABI {state.abi}, Linux {visible(state.kernel)}" if state.abi else "of no ABI that is known here"
    lines.append(Content.assemble((since, "$foreground 70%")))
    return Content("\n").join(lines)
