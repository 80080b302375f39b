"""What every controller needs of the screen."""

from typing import Protocol

from editor.screens.questions import Question, Severity


class View(Protocol):
    """The screen, as a controller sees it."""

    async def ask(self, question: Question) -> str | None:
        """Ask and wait: the name of the chosen answer, None where the person closed the question."""

    def show_message(self, text: str, severity: Severity = "information", timeout: float = 6) -> None:
        """Show ``text`` for ``timeout`` seconds, never as markup."""
