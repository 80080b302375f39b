"""A screen without a terminal: it gives prepared answers and records what it is asked to show."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from textual.screen import ModalScreen

from editor.editing.merge import Side
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.events import Answer
from editor.sandbox.verdicts.report import Access, Mode
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.opening import BrokenFile
from editor.screens.questions import Question, Severity
from editor.workspace.composition import Composition
from editor.workspace.disk import Conflict

T = TypeVar("T")


class Runner:
    """Stands for the run panel: records what it is asked to run."""

    terminal = False

    def __init__(self) -> None:
        self.command = "true"
        self.output = ""
        self.running = False
        self.notes: list[str] = []
        self.accesses: tuple[Access, ...] = ()
        self.started: list[tuple[tuple[str, ...], ResolvedPolicy]] = []

    def start(
        self,
        command: tuple[str, ...],
        resolved: ResolvedPolicy,
        abi: int | None,  # noqa: ARG002
        mode: Mode = "enforce",  # noqa: ARG002
    ) -> None:
        self.started.append((command, resolved))
        self.running = True

    def answer(self, number: int, answer: Answer) -> None:
        raise AssertionError(f"no run of these tests asks: {number}, {answer}")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stop(self) -> bool:
        was, self.running = self.running, False
        return was

    def grant_highlighted(self) -> bool:
        return False


class PlainView:
    """Everything that controllers need from a screen. Gives ``answers`` in order, then None."""

    def __init__(self) -> None:
        self.answers: list[str | None] = []
        self.questions: list[Question] = []
        self.messages: list[str] = []
        self.busy: list[str] = []
        self.shown: list[object] = []
        self.broken: list[BrokenFile] = []
        self.on_broken: Callable[[], None] = lambda: None
        self.run_panel = Runner()

    async def ask(self, question: Question) -> str | None:
        self.questions.append(question)
        return self.answers.pop(0) if self.answers else None

    async def ask_about_conflict(self, question: Question) -> str | None:
        return await self.ask(question)

    def withdraw_conflict(self) -> None:
        self.shown.append("withdrawn")

    async def show_difference(self, path: str, mine: str, conflict: Conflict) -> Side | None:  # noqa: ARG002
        self.shown.append("difference")
        return None

    def show_message(self, text: str, severity: Severity = "information", timeout: float = 6) -> None:  # noqa: ARG002
        self.messages.append(text)

    def show_busy(self, text: str) -> None:
        self.busy.append(text)

    def show_chosen_file(self) -> None:
        self.shown.append("chosen file")

    async def ask_on(self, screen: ModalScreen[T]) -> T | None:
        self.shown.append(screen)
        return None

    async def painted(self) -> None:
        pass

    async def reveal(self, path: str) -> None:
        self.shown.append(path)

    def show_line(self, line: int) -> None:
        self.shown.append(line)

    def show_panel(self, name: str) -> None:
        self.shown.append(name)

    def show_run_started(self) -> None:
        self.shown.append("run started")

    async def show_broken(self, file: BrokenFile) -> None:
        self.broken.append(file)
        self.on_broken()


@pytest.fixture
def view() -> PlainView:
    """The screen."""
    return PlainView()


@pytest.fixture
def files(policy: Path) -> OpenFiles:
    """The policy, open on its own."""
    return OpenFiles(Composition.open([str(policy)]))
