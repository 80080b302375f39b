"""What every controller needs from the screen."""

from typing import Protocol

from editor.screens.questions import Question, Severity


class View(Protocol):
    """The screen, as a controller sees it."""

    async def ask(self, question: Question) -> str | None:
        """Ask and wait. Return the name of the chosen answer, or None if the question was closed."""

    def show_message(self, text: str, severity: Severity = "information", timeout: float = 6) -> None:
        """Show ``text`` for ``timeout`` seconds, without parsing it as markup."""
