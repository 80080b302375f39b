"""An input for commands, with a history."""

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

_MAX_HISTORY = 200


class CommandBar(Input):
    """An input with a history: up and down step through the commands submitted before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "older", "Older command", show=False),
        Binding("down", "newer", "Newer command", show=False),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | enter | Submit the command. |
    | up, down | Recall an older or newer command. |
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
        """Posted when the user submits a command that is not blank.

        Can be handled using `on_command_bar_command_submitted` in a parent widget.
        """

        def __init__(self, bar: "CommandBar", text: str) -> None:
            super().__init__()
            self.bar = bar
            """The bar that sent the message."""
            self.text = text
            """The command, without surrounding blanks."""

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
        self._history: list[str] = list(history)[-_MAX_HISTORY:]
        self._index = len(self._history)
        self._unsent = ""

    @property
    def history(self) -> tuple[str, ...]:
        """The submitted commands, oldest first."""
        return tuple(self._history)

    def remember(self, text: str) -> None:
        """Add a command to the history as the newest."""
        if text in self._history:
            self._history.remove(text)
        self._history.append(text)
        del self._history[:-_MAX_HISTORY]
        self._index = len(self._history)
        self._unsent = ""

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = self.value.strip()
        if text:
            self.remember(text)
            self.post_message(self.CommandSubmitted(self, text))

    def _recall(self, index: int) -> None:
        if not 0 <= index <= len(self._history) or index == self._index:
            return
        if self._index == len(self._history):
            self._unsent = self.value
        self._index = index
        self.value = self._unsent if index == len(self._history) else self._history[index]
        self.cursor_position = len(self.value)

    def action_older(self) -> None:
        """Recall the previous command."""
        self._recall(self._index - 1)

    def action_newer(self) -> None:
        """Recall the next command, or finally the text typed but not submitted."""
        self._recall(self._index + 1)
