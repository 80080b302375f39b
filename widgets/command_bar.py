"""A line to type a command into, with the commands typed before."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

_MOST_REMEMBERED = 200


class CommandBar(Input):
    """An input with a history: up and down go through the commands submitted before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "older", "Older command", show=False),
        Binding("down", "newer", "Newer command", show=False),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | enter | Submit the command. |
    | up, down | An older or newer command. |
    """

    DEFAULT_CSS = """
    CommandBar {
        height: 1;
        border: none;
        padding: 0 1;
        &:focus {
            border: none;
        }
    }
    """

    class CommandSubmitted(Message):
        """Posted when a person submits a command that is not blank.

        Can be handled using `on_command_bar_command_submitted` in a parent widget.
        """

        def __init__(self, bar: "CommandBar", text: str) -> None:
            super().__init__()
            self.bar = bar
            """The bar that sent the message."""
            self.text = text
            """The command, without blanks around it."""

        @property
        def control(self) -> "CommandBar":
            """The bar that sent the message."""
            return self.bar

    def __init__(
        self,
        value: str = "",
        *,
        hint: str = "Type a command, Enter runs it under the draft",
        history: Iterable[str] = (),
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(
            value,
            placeholder=hint,
            select_on_focus=False,
            name=name,
            id=id,
            classes=classes,
            disabled=disabled,
        )
        self._history: list[str] = list(history)[-_MOST_REMEMBERED:]
        self._place = len(self._history)
        self._unsent = ""

    @property
    def history(self) -> tuple[str, ...]:
        """The commands submitted, oldest first."""
        return tuple(self._history)

    def remember(self, text: str) -> None:
        """Add a command to the history, as the newest."""
        if text in self._history:
            self._history.remove(text)
        self._history.append(text)
        del self._history[:-_MOST_REMEMBERED]
        self._place = len(self._history)
        self._unsent = ""

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = self.value.strip()
        if text:
            self.remember(text)
            self.post_message(self.CommandSubmitted(self, text))

    def _recall(self, place: int) -> None:
        if not 0 <= place <= len(self._history) or place == self._place:
            return
        if self._place == len(self._history):
            self._unsent = self.value
        self._place = place
        self.value = self._unsent if place == len(self._history) else self._history[place]
        self.cursor_position = len(self.value)

    def action_older(self) -> None:
        """Go to the command before."""
        self._recall(self._place - 1)

    def action_newer(self) -> None:
        """Go to the command after, at last to what was typed and not submitted."""
        self._recall(self._place + 1)
