"""Learn what a command needs: observe it, extend the draft, and run it again under that until nothing is missing."""

from typing import TYPE_CHECKING, Protocol

from editor.escape import printable
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.runs import Runs
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from editor.sandbox.verdicts.report import Report
    from editor.suggest.lesson import Lesson
    from editor.workspace.workspace import Workspace

_LABEL = "learn"


class LearningView(View, Protocol):
    """What learning needs from the screen."""

    async def painted(self) -> None:
        """Wait until all changes are on the screen."""


class Learning:
    """Teaches the draft what the command in the run panel needs. Each run that adds rules is one step of history."""

    def __init__(self, files: OpenFiles, edits: Edits, runs: Runs, view: LearningView) -> None:
        self._files = files
        self._edits = edits
        self._runs = runs
        self._view = view
        self._lesson: Lesson | None = None
        self._stopped = False

    async def start(self) -> None:
        """Observe the command; ``run_ended`` does the rest."""
        if self._files.current.is_composed:
            self._view.show_message("Learning extends one file. Open the file to extend alone.", "warning")
            return
        from editor.suggest.lesson import begin

        if await self._runs.run("observe"):
            self._stopped = False
            self._lesson = begin(self._files.current.document, onto=True)
            self._view.show_message(
                "Learning: nothing is enforced in this run. The command runs again under what it needs."
            )

    def stop(self) -> None:
        """Keep what the current run shows, but run no more."""
        self._stopped = True

    async def run_ended(self, report: "Report") -> None:
        """Extend the draft by what the run needed, and run the command again if that may teach more."""
        from editor.editing.edits import EditError
        from editor.suggest.lesson import after

        before, self._lesson = self._lesson, None
        if before is None or report.mode != before.next_mode:
            return

        def learn(draft: "Workspace") -> "Lesson":
            lesson = after(before, report)
            draft.adopt(before.document, lesson.document, f"{_LABEL} what {printable(report.command[0])} needs")
            return lesson

        try:
            lesson = await self._edits.run(learn)
        except EditError as error:
            self._view.show_message(f"Learning has ended: {error}", "error")
            return
        await self._view.painted()
        if self._stopped or lesson.done:
            self._report(lesson)
            return
        # Set first: a run that cannot be followed posts its end at once.
        self._lesson = lesson
        if not await self._runs.run(lesson.next_mode):
            self._lesson = None

    def _report(self, lesson: "Lesson") -> None:
        last = lesson.runs[-1]
        policy = self._files.current.policy
        rules = len(policy.path_rules) + len(policy.port_rules)
        runs = f"{len(lesson.runs)} run{'s' if len(lesson.runs) > 1 else ''}"
        text = f"Learned in {runs}: the policy has {rules} rule{'s' if rules != 1 else ''}"
        if self._stopped or last.mode == "observe":
            text += ". It was not tried out: press r."
        elif lesson.works:
            text += f", and the command works under it ({last.denials} denial{'s' if last.denials != 1 else ''})."
        else:
            text += f", but the command ends differently under it (exit {last.exit_code}, not {lesson.expected})."
        if lesson.left_out:
            text += f"\n{len(lesson.left_out)} more need your consent: press G."
        text += "".join(f"\n{printable(problem)}" for problem in lesson.problems)
        for line in text.splitlines():
            self._runs.note(line)
        self._view.show_message(text, "information" if lesson.works else "warning", 12)
