"""Run the command so that it waits before what the draft denies, and ask what becomes of it."""

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from editor.sandbox.events import Answer, Choice, Question
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.runs import Runs
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from textual.screen import ModalScreen

    from editor.screens.ask import AskAccess
    from editor.suggest.plan import Proposal

T = TypeVar("T")


class AskingView(View, Protocol):
    """What asking needs from the screen."""

    async def ask_on(self, screen: "ModalScreen[T]") -> T | None:
        """Push ``screen`` and return what it is dismissed with."""


class Asking:
    """Asks the questions of a run, one at a time."""

    def __init__(self, files: OpenFiles, edits: Edits, runs: Runs, view: AskingView) -> None:
        self._files = files
        self._edits = edits
        self._runs = runs
        self._view = view
        self._waiting: dict[int, Question] = {}
        self._shown: tuple[int, AskAccess] | None = None

    async def start(self) -> None:
        """Run the command; its questions come to ``add``."""
        from editor.suggest.questions import EMULATED

        if await self._runs.run("ask"):
            self._view.show_message(f"The command waits before what the draft denies. {EMULATED.capitalize()}.")

    async def add(self, question: Question) -> None:
        """Ask ``question`` after those before it. Returns once all are answered, or at once if others are asked."""
        is_asking = bool(self._waiting)
        self._waiting[question.number] = question
        while not is_asking and self._waiting:
            await self._ask(next(iter(self._waiting.values())))

    def withdraw(self, number: int) -> None:
        """Ask a question no more."""
        from editor.screens.ask import WITHDRAWN

        self._waiting.pop(number, None)
        if self._shown is not None and self._shown[0] == number and self._shown[1].is_active:
            self._shown[1].dismiss(WITHDRAWN)

    async def _ask(self, question: Question) -> None:
        from editor.screens.ask import WITHDRAWN, AskAccess
        from editor.suggest.questions import proposals

        wanted = [proposal for _, proposal in proposals(question, (self._files.current.resolved,))]
        dialog = AskAccess(question, wanted, len(self._waiting) - 1)
        self._shown = question.number, dialog
        answer = await self._view.ask_on(dialog)
        self._shown = None
        if answer == WITHDRAWN or question.number not in self._waiting:
            self._waiting.pop(question.number, None)
            return
        choice = cast("Choice", answer or "deny")
        if choice == "grant" and not await self._grant(wanted):
            return  # asked again
        self._waiting.pop(question.number, None)
        policies = (self._files.current.resolved,) if choice == "grant" else ()
        self._runs.answer(question.number, Answer(choice, policies))

    async def _grant(self, wanted: "list[Proposal]") -> bool:
        """Grant in the draft. Return whether that was possible, and agreed to."""
        from editor.screens.questions import Choice as Button
        from editor.screens.questions import Question as Asked

        hopeless = next((proposal for proposal in wanted if not proposal.edits), None)
        if hopeless is not None or not wanted:
            why = hopeless.sentence if hopeless is not None else "The draft allows it by now."
            self._view.show_message(f"Cannot grant this: {why}", "error")
            return not wanted
        opened = next((proposal.confirm for proposal in wanted if proposal.confirm), "")
        if opened:
            yes, no = Button("grant", "Grant it", "g", "warning"), Button("no", "Do not", "n")
            if await self._view.ask(Asked("This opens a protected place", f"{opened}.", (yes, no))) != "grant":
                return False
        before = self._files.current.document
        edits = [edit for proposal in wanted for edit in proposal.edits]
        await self._edits.apply(*edits)
        return self._files.current.document is not before
