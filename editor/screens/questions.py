"""Questions to a person, as values: what asks them knows no terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from textual.content import Content

Severity = Literal["information", "warning", "error"]
"""How serious a message is."""

Emphasis = Literal["default", "primary", "success", "warning", "error"]
"""How an answer stands out among the others."""


class Choice(NamedTuple):
    """One answer: the name that is returned for it, its label, and the single key that picks it."""

    name: str
    label: str
    key: str
    emphasis: Emphasis = "default"


class Question(NamedTuple):
    """A question with a few answers. Title and text are shown as they are, never as markup."""

    title: str
    text: "str | Content"
    choices: Sequence[Choice]
