"""A dialog with a list: a line about it above, and what can be done below."""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from editor.screens.questions import Emphasis
from widgets.toggle_list import ToggleList

ResultT = TypeVar("ResultT")


class Answer(NamedTuple):
    """A button: the action that it starts, as for a binding, its label, and the key that does the same."""

    action: str
    label: str
    key: str


CLOSE = Answer("dismiss", "Close", "esc")
CANCEL = Answer("dismiss", "Cancel", "esc")


class ListDialog(ModalScreen[ResultT | None]):
    """Shows a list to choose from. ``HEADING`` is its title, ``ANSWERS`` the buttons, the first one emphasised."""

    DEFAULT_CSS = """
    ListDialog {
        align: center middle;
        #box { width: 110; max-width: 98%; height: 90%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; padding: 0 1; }
        #about { height: auto; color: $text-muted; padding: 0 1; }
        #list { height: 1fr; margin-top: 1; }
        #answers { height: auto; align-horizontal: right; }
        #answers Button { margin-left: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Close", show=False)]

    HEADING: ClassVar[str] = ""
    ANSWERS: ClassVar[tuple[Answer, ...]] = ()

    @abstractmethod
    def make_list(self) -> ToggleList[Any]:
        """Return the list, which gets the id ``list``."""

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self.HEADING)
            yield Static(id="about")
            yield self.make_list()
            with Horizontal(id="answers"):
                for number, answer in enumerate(self.ANSWERS):
                    variant: Emphasis = "default" if number else "primary"
                    yield Button(_label(answer.label, answer.key), id=answer.action, variant=variant, compact=True)

    def show_about(self, text: str) -> None:
        """Show ``text``, printable but for line breaks, above the list."""
        self.query_one("#about", Static).update(Content(text))

    def show_label(self, label: str) -> None:
        """Show another label on the first button."""
        first = self.ANSWERS[0]
        self.query_one(f"#{first.action}", Button).label = _label(label, first.key)

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        await self.run_action(event.button.id or "dismiss")

    async def action_dismiss(self, result: ResultT | None = None) -> None:
        """Close the dialog."""
        self.dismiss(result)


def _label(text: str, key: str) -> Content:
    return Content.assemble(text, " ", (f"[{key}]", "dim"))
