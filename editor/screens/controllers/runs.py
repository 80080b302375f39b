"""Runs of a command under the draft, and what follows from them: grants, and a look at the rule that decided."""

import shlex
from typing import TYPE_CHECKING, Protocol

from editor.escape import printable
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from editor.editing.shared_paths import EditScope
    from editor.evaluation.resolve import ResolvedPolicy
    from editor.sandbox.verdicts.report import Access, Report
    from editor.workspace.state import Applied
    from editor.workspace.workspace import Workspace


class Runner(Protocol):
    """Runs one command at a time."""

    terminal: bool
    """Whether commands get a terminal of their own."""

    @property
    def command(self) -> str:
        """The command as it is typed."""

    @property
    def running(self) -> bool:
        """Whether a command is running."""

    @property
    def accesses(self) -> "tuple[Access, ...]":
        """What the last run touched so far."""

    def start(self, command: tuple[str, ...], resolved: "ResolvedPolicy", abi: int | None) -> None:
        """Run ``command``."""

    def stop(self) -> bool:
        """End the running command; whether there was one."""

    def grant_highlighted(self) -> bool:
        """Ask for a grant of the highlighted denied access; whether there is one."""


class RunsView(View, Protocol):
    """What runs need of the screen."""

    @property
    def run_panel(self) -> Runner:
        """What runs commands."""

    def show_panel(self, name: str) -> None:
        """Bring a panel forward and put the focus on it."""

    def show_run_started(self) -> None:
        """Show that a command runs."""

    def show_line(self, line: int) -> None:
        """Show one line of the text."""


class CommandError(ValueError):
    """The command bar's text is no command. The message is a sentence."""


def split_command(text: str) -> tuple[str, ...]:
    """The words of a command as a shell would split them; nothing is expanded. Raises CommandError."""
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise CommandError(f"This command cannot be split into words: {error}.") from error
    if not words:
        raise CommandError("Type a command first.")
    return words


class Runs:
    """Runs commands in the run panel; ``abi`` is the simulated one."""

    def __init__(self, files: OpenFiles, edits: Edits, view: RunsView, abi: int | None) -> None:
        self._files = files
        self._edits = edits
        self._view = view
        self._abi = abi

    async def run(self) -> None:
        """Run the command under the draft as it stands."""
        kernel = self._files.current.kernel
        if self._view.run_panel.running:
            self._view.show_message("A command is running. Stop it first (f6).", "warning")
            return
        if not kernel.abi:
            problem = printable(kernel.problem)
            self._view.show_message(f"Nothing can be run under this policy: {problem}.", "error")
            return
        try:
            command = split_command(self._view.run_panel.command)
        except CommandError as error:
            self._view.show_message(printable(str(error)), "error")
            self._view.show_panel("command")
            return
        # Edits of keys pressed before this one count. A rule belongs to what its path leads to at this moment, not to
        # what it led to when the file was read.
        await self._edits.refresh_filesystem()
        self._view.run_panel.start(command, self._files.current.resolved, self._abi)
        self._view.show_run_started()

    def stop(self) -> None:
        """End the running command and all that it started."""
        if not self._view.run_panel.stop():
            self._view.show_message("Nothing is running.", timeout=3)

    def toggle_terminal(self) -> None:
        """Give commands a terminal of their own, or not."""
        self._view.run_panel.terminal = not self._view.run_panel.terminal
        does = "a terminal of its own" if self._view.run_panel.terminal else "no terminal"
        self._view.show_message(f"The next run gets {does}.")

    def keep_report(self, report: "Report") -> None:
        """Keep what a run has ended with."""
        self._files.current.set_report(report)

    def grant_highlighted(self) -> None:
        """Grant what the highlighted denied access lacked."""
        if not self._view.run_panel.grant_highlighted():
            self._view.show_message("Run a command first: then g grants what a denied row lacked.", timeout=4)

    async def grant(self, access: "Access") -> None:
        """Grant what ``access`` lacked."""
        from editor.editing.edits import EditError
        from editor.suggest import grant as suggest

        together = self._view.run_panel.accesses

        def grant(draft: "Workspace", scope: "EditScope | None") -> "Applied":
            try:
                edits = suggest.grant(access, draft.resolved, rows=together)
            except suggest.CannotGrant as error:
                raise EditError(str(error)) from error
            return draft.apply(*edits, scope=scope)

        await self._edits.apply_job(grant, hint=lambda: "r runs again")

    async def show_rule(self, access: "Access") -> None:
        """Show the rule that decided ``access``, or say why there is none."""
        if access.decided_by:
            rule = access.decided_by[0]
            await self._edits.choose((rule.file,))
            self._view.show_line(rule.line)
        else:
            self._view.show_message(printable(access.reason) or "No rule of the policy decided this.")
