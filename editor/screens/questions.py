"""Questions to a person, as values that need no terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from textual.content import Content

Severity = Literal["information", "warning", "error"]
"""How serious a message is."""

Emphasis = Literal["default", "primary", "success", "warning", "error"]
"""How an answer stands out among the others."""


class Choice(NamedTuple):
    """One answer: the name to return for it, its label, and the key that picks it."""

    name: str
    label: str
    key: str
    emphasis: Emphasis = "default"


class Question(NamedTuple):
    """A question with a few answers. Title and text are not parsed as markup."""

    title: str
    text: "str | Content"
    choices: Sequence[Choice]
