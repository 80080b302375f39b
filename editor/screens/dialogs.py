"""Small modal screens: a question with a few answers, and a single line to type."""

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static
from textual.widgets.button import ButtonVariant

Severity = Literal["information", "warning", "error"]
"""Of a notification."""


class Choice(NamedTuple):
    """One answer: what ``Ask`` returns for it, its label, and the single key that picks it."""

    name: str
    label: str
    key: str
    variant: ButtonVariant = "default"


class Ask(ModalScreen[str | None]):
    """A question. Dismissed with the chosen answer's name, or None for escape.

    Title and text are shown as they are, never as markup.
    """

    DEFAULT_CSS = """
    Ask {
        align: center middle;
        #box { width: 76; max-width: 96%; height: auto; max-height: 90%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; padding: 1 2 0 2; }
        #text { width: 1fr; height: auto; }
        #scroll { height: auto; max-height: 14; }
        #answers { height: auto; margin-top: 1; align-horizontal: right; }
        #answers Button { margin-left: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, text: str | Content, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            with VerticalScroll(id="scroll", can_focus=False):
                yield Static(Content(self._text) if isinstance(self._text, str) else self._text, id="text")
            with Horizontal(id="answers"):
                for choice in self._choices:
                    label = Content.assemble(choice.label, " ", (f"[{choice.key}]", "dim"))
                    yield Button(label, id=f"answer-{choice.name}", variant=choice.variant, compact=True)

    def on_key(self, event: Key) -> None:
        for choice in self._choices:
            if event.key == choice.key:
                event.stop()
                self.dismiss(choice.name)
                return

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss((event.button.id or "").removeprefix("answer-"))


class AskLine(ModalScreen[str | None]):
    """A line to type. Dismissed with it, or None for escape and for an empty line."""

    DEFAULT_CSS = """
    AskLine {
        align: center top;
        #box { width: 76; max-width: 96%; height: auto; margin-top: 3; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; padding: 1 2; }
        #hint { color: $text-muted; height: auto; margin-top: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Close", show=False)]

    def __init__(self, title: str, value: str = "", hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            yield Input(self._value, id="line", compact=True, select_on_focus=False)
            if self._hint:
                yield Static(Content(self._hint), id="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value or None)
