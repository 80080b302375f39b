"""Run a command under the draft, grant what was denied, show the rule that decided."""

import shlex
from typing import TYPE_CHECKING, Protocol, TypeVar

from editor.escape import printable
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from textual.screen import ModalScreen

    from editor.editing.shared_paths import EditScope
    from editor.evaluation.resolve import ResolvedPolicy
    from editor.sandbox.events import Answer
    from editor.sandbox.verdicts.report import Access, Mode, Report
    from editor.suggest.plan import Fold, Plan
    from editor.workspace.state import Applied
    from editor.workspace.workspace import Workspace


T = TypeVar("T")


class Runner(Protocol):
    """Runs one command at a time."""

    terminal: bool
    """Whether commands get a terminal of their own."""

    @property
    def command(self) -> str:
        """The command as typed."""

    @property
    def running(self) -> bool:
        """Whether a command is running."""

    @property
    def accesses(self) -> "tuple[Access, ...]":
        """What the last run accessed so far."""

    @property
    def output(self) -> str:
        """What the last run wrote so far."""

    def start(
        self, command: tuple[str, ...], resolved: "ResolvedPolicy", abi: int | None, mode: "Mode" = "enforce"
    ) -> None:
        """Run ``command``."""

    def answer(self, number: int, answer: "Answer") -> None:
        """Answer a question of the running command."""

    def stop(self) -> bool:
        """Stop the running command. Return whether there was one."""

    def note(self, text: str) -> None:
        """Add a line of Paddock's own below the output of the last run."""

    def grant_highlighted(self) -> bool:
        """Ask to grant the highlighted denied access. Return whether there is one."""


class RunsView(View, Protocol):
    """What runs need from the screen."""

    @property
    def run_panel(self) -> Runner:
        """The panel that runs commands."""

    async def ask_on(self, screen: "ModalScreen[T]") -> T | None:
        """Push ``screen`` and return what it is dismissed with."""

    def show_panel(self, name: str) -> None:
        """Show a panel and focus it."""

    def show_run_started(self) -> None:
        """Show that a command is running."""

    def show_line(self, line: int) -> None:
        """Show one line of the text."""


class CommandError(ValueError):
    """The text in the command bar is not a command. The message is a sentence."""


def split_command(text: str) -> tuple[str, ...]:
    """Split a command into words as a shell does, without expansion. Raises CommandError."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise CommandError(f"Cannot parse the command: {error}.") from error
    if not words:
        raise CommandError("Type a command first.")
    return words


class Runs:
    """Runs commands in the run panel, at most at ABI ``abi``."""

    def __init__(self, files: OpenFiles, edits: Edits, view: RunsView, abi: int | None) -> None:
        self._files = files
        self._edits = edits
        self._view = view
        self._abi = abi

    async def run(self, mode: "Mode" = "enforce") -> bool:
        """Run the command under the draft as it is now, or observe it. Return whether it was started."""
        kernel = self._files.current.kernel
        if self._view.run_panel.running:
            self._view.show_message("A command is already running. Stop it first (f6).", "warning")
            return False
        if not kernel.abi:
            problem = printable(kernel.problem)
            self._view.show_message(f"Cannot run the command: {problem}.", "error")
            return False
        try:
            command = split_command(self._view.run_panel.command)
        except CommandError as error:
            self._view.show_message(printable(str(error)), "error")
            self._view.show_panel("command")
            return False
        # Includes the edits of earlier keys. A rule applies to what its path leads to now, not to what it led to when
        # the file was read.
        await self._edits.refresh_filesystem()
        self._view.run_panel.start(command, self._files.current.resolved, self._abi, mode)
        self._view.show_run_started()
        return self._view.run_panel.running

    def answer(self, number: int, answer: "Answer") -> None:
        """Answer a question of the running command."""
        self._view.run_panel.answer(number, answer)

    def stop(self) -> None:
        """Stop the running command and everything it started."""
        if not self._view.run_panel.stop():
            self._view.show_message("Nothing is running.", timeout=3)

    def toggle_terminal(self) -> None:
        """Switch whether commands get a terminal of their own."""
        self._view.run_panel.terminal = not self._view.run_panel.terminal
        terminal = "in a terminal of its own" if self._view.run_panel.terminal else "without a terminal"
        self._view.show_message(f"The next command runs {terminal}.")

    def note(self, text: str) -> None:
        """Add a line, printable, below the output of the last run."""
        self._view.run_panel.note(text)

    def keep_report(self, report: "Report") -> None:
        """Keep the report of a run that ended."""
        self._files.current.set_report(report)

    def grant_highlighted(self) -> None:
        """Grant what the highlighted denied access needs."""
        if not self._view.run_panel.grant_highlighted():
            self._view.show_message("Nothing to grant: run a command, then press g on a denied row.", timeout=4)

    async def grant(self, access: "Access") -> None:
        """Grant what ``access`` needs."""
        from editor.editing.edits import EditError
        from editor.suggest import grant as suggest
        from editor.suggest.lasting import CannotGrant

        together = self._view.run_panel.accesses

        def grant(draft: "Workspace", scope: "EditScope | None") -> "Applied":
            try:
                edits = suggest.grant(access, draft.resolved, rows=together)
            except CannotGrant as error:
                raise EditError(str(error)) from error
            return draft.apply(*edits, scope=scope)

        await self._edits.apply_job(grant, hint=lambda: "Press r to run again")

    async def grant_plan(self) -> None:
        """Show the plan for all that the last run was denied, and grant what is ticked there."""
        from editor.screens.plan import PlanScreen
        from editor.suggest.extent import with_extents
        from editor.suggest.planning import make_plan, plan_of

        panel, report, resolved = self._view.run_panel, self._files.current.report, self._files.current.resolved
        accesses, output = panel.accesses, panel.output
        if not any(access.verdict == "denied" for access in accesses):
            self._view.show_message("Nothing was denied: run a command first.", timeout=4)
            return

        def make(fold: "Fold") -> "Plan":
            if report is None or panel.running:
                return with_extents(make_plan(accesses, resolved, fold=fold))
            return with_extents(plan_of([report], resolved, fold=fold, output=output))

        chosen = await self._view.ask_on(PlanScreen(make))
        edits = tuple(edit for proposal in chosen or () for edit in proposal.edits)
        if edits:
            await self._edits.apply_job(
                lambda draft, scope: draft.apply(*edits, scope=scope), hint=lambda: "Press r to run again"
            )

    async def tighten(self) -> None:
        """Show what the last run did not use of the draft, and take away what is ticked there."""
        from editor.screens.tightening import TighteningScreen
        from editor.suggest.tightening import tightened

        draft = self._files.current
        report = draft.report
        if report is None or self._view.run_panel.running:
            self._view.show_message("Run a command to its end first: what it uses is what stays.", timeout=4)
            return
        if draft.is_composed:
            self._view.show_message("Tightening is for one file. Open the file to tighten alone.", "warning")
            return
        document = draft.document
        steps = await self._view.ask_on(TighteningScreen(document, draft.resolved, report))
        if steps:
            label = f"tighten by {len(steps)} step{'s' if len(steps) > 1 else ''}"
            await self._edits.apply_job(
                lambda draft, _: draft.adopt(document, tightened(document, steps), label),
                hint=lambda: "Press r to try it out, u to take it back",
            )

    async def show_rule(self, access: "Access") -> None:
        """Show the rule that decided ``access``, or say why there is none."""
        if access.decided_by:
            rule = access.decided_by[0]
            await self._edits.choose((rule.file,))
            self._view.show_line(rule.line)
        else:
            self._view.show_message(printable(access.reason) or "No rule decided this.")
