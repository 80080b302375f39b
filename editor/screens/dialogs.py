"""Small modal screens: a question with a few answers, and a line to type."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from editor.screens.questions import Question


class Ask(ModalScreen[str | None]):
    """Asks a question. Dismissed with the name of the chosen answer, or None for escape."""

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

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        title, text, choices = self._question
        with Vertical(id="box") as box:
            box.border_title = Content(title)
            with VerticalScroll(id="scroll", can_focus=False):
                yield Static(Content(text) if isinstance(text, str) else text, id="text")
            with Horizontal(id="answers"):
                for choice in choices:
                    label = Content.assemble(choice.label, " ", (f"[{choice.key}]", "dim"))
                    yield Button(label, id=f"answer-{choice.name}", variant=choice.emphasis, compact=True)

    def on_key(self, event: Key) -> None:
        for choice in self._question.choices:
            if event.key == choice.key:
                event.stop()
                self.dismiss(choice.name)
                return

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss((event.button.id or "").removeprefix("answer-"))


class AskLine(ModalScreen[str | None]):
    """Asks for a line of text. Dismissed with it, or None for escape or an empty line."""

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
