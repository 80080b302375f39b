"""Runs commands in mode "ask" and answers their questions."""

import select
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.events import Answer, Choice, Notice, Output, Question, Withdrawn
from editor.sandbox.runner import Run
from tests.sandbox.harness import Outcome, start

_LIMIT_S = 60.0


class Asked(NamedTuple):
    """A run that is over, the questions that it asked, and the numbers of those that were withdrawn."""

    outcome: Outcome
    questions: list[Question]
    withdrawn: list[int]

    @property
    def objects(self) -> list[str | int | None]:
        """The object of the first access of each question."""
        firsts = [question.accesses[0] for question in self.questions]
        return [first.port or first.object_path or first.path for first in firsts]


def follow(run: Run, answer: Callable[[Question], Choice | Answer | None]) -> Asked:
    """Answer the questions of a run until it ends; None leaves a question open."""
    output: dict[str, bytes] = {}
    notices: list[str] = []
    questions: list[Question] = []
    withdrawn: list[int] = []
    until = time.monotonic() + _LIMIT_S
    while run.report is None:
        assert time.monotonic() < until, "the run does not end"
        select.select([run.fileno()], [], [], 1.0)
        for event in run.read_events():
            if isinstance(event, Output):
                output[event.stream] = output.get(event.stream, b"") + event.data
            elif isinstance(event, Notice):
                notices.append(event.text)
            elif isinstance(event, Withdrawn):
                withdrawn.append(event.number)
            elif isinstance(event, Question):
                questions.append(event)
                given = answer(event)
                if given is not None:
                    run.answer(event.number, given if isinstance(given, Answer) else Answer(given))
    return Asked(Outcome(run.report, output, notices, []), questions, withdrawn)


def ask(
    resolved: ResolvedPolicy, answer: Callable[[Question], Choice | Answer | None], *command: str, **options: Any
) -> Asked:
    """Run ``command`` in mode "ask" to its end."""
    return follow(start(resolved, *command, mode="ask", **options), answer)
