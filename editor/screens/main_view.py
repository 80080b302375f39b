"""Show the draft on the main screen, and do what the controllers need from the screen.

Modules that the first screen does not need would take half of the time to show it. They are imported where they are
used, most of them by a thread once that screen is up.
"""

import asyncio
import os
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar, cast

from textual.screen import ModalScreen, Screen
from textual.widget import Widget

from editor.escape import printable
from widgets.policy_tree import PolicyTree
from widgets.status_line import Status, StatusLine

if TYPE_CHECKING:
    from editor.screens.controllers.files import OpenFiles
    from editor.screens.controllers.opening import BrokenFile
    from editor.screens.questions import Question, Severity
    from editor.screens.run_panel import RunPanel
    from editor.screens.side_panel import SidePanel
    from editor.workspace.disk import Conflict

T = TypeVar("T")

_REST: Final = (
    "editor.screens.run_panel",
    "editor.screens.side_panel",
    "editor.screens.chooser",
    "editor.screens.dialogs",
    "editor.suggest.grant",
)


def _import_rest() -> None:
    """Import what the rest of the screen and the next actions need; called in a thread."""
    for name in _REST:
        import_module(name)


class MainView:
    """Shows ``files`` on ``screen``. ``subject`` is the path whose rights are shown."""

    def __init__(self, screen: Screen[None], subject: str) -> None:
        self.files: OpenFiles | None = None
        """The open files, None until the policy is open."""
        self._screen = screen
        self._subject = subject
        self._line: int | None = None
        self._busy = ""
        self._complete = asyncio.Event()
        self._mounting = False
        self._wanted = ""
        self._about_conflict: ModalScreen[str | None] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the whole screen is mounted, not only the tree."""
        return self._complete.is_set()

    async def wait_complete(self) -> None:
        """Wait until the whole screen is mounted."""
        await self._complete.wait()

    @property
    def run_panel(self) -> "RunPanel":
        """The lower half of the screen; only once it is complete."""
        return cast("RunPanel", self._screen.query_one("#run"))

    @property
    def command_runs(self) -> bool:
        """Whether a command is running."""
        return self.is_complete and self.run_panel.running

    @property
    def subject(self) -> str:
        """The path whose rights are shown."""
        return self._subject

    @property
    def _side(self) -> "SidePanel":
        return cast("SidePanel", self._screen.query_one("SidePanel"))

    async def complete(self) -> None:
        """Import and mount the rest of the screen: the panels beside the tree, and the lower half."""
        if self._mounting:
            await self._complete.wait()
            return
        self._mounting = True
        await self._screen.query_one(PolicyTree).wait_until_read()
        await self.painted()
        await asyncio.to_thread(_import_rest)
        from editor.screens.run_panel import RunPanel
        from editor.screens.side_panel import SidePanel

        with self._screen.app.batch_update():
            await self._screen.query_one("#side").mount(SidePanel())
            await self._screen.query_one("#lower").mount(RunPanel(id="run"))
        self._complete.set()
        if self._wanted:
            self.show_panel(self._wanted)
        self._screen.refresh_bindings()

    # Questions and messages

    async def ask(self, question: "Question") -> str | None:
        """Ask and wait. Return the name of the chosen answer, or None if the question was closed."""
        from editor.screens.dialogs import Ask

        return await self._screen.app.push_screen_wait(Ask(question))

    async def ask_about_conflict(self, question: "Question") -> str | None:
        """Ask as ``ask`` does. Return OUTDATED if the question was withdrawn."""
        from editor.screens.dialogs import Ask

        self._about_conflict = Ask(question)
        return await self.ask_on(self._about_conflict)

    async def ask_on(self, screen: ModalScreen[T]) -> T | None:
        """Push ``screen`` and return what it is dismissed with."""
        return await self._screen.app.push_screen_wait(screen)

    async def show_difference(self, path: str, mine: str, conflict: "Conflict") -> str | None:
        """Show both texts of a conflict. Return what `DiffScreen` is dismissed with, or OUTDATED."""
        from editor.screens.difference import DiffScreen

        self._about_conflict = DiffScreen(path, mine, conflict)
        return await self.ask_on(self._about_conflict)

    def withdraw_conflict(self) -> None:
        """Close the open question or difference about a conflict, if any, and let it return OUTDATED."""
        from editor.screens.controllers.conflict_flow import OUTDATED

        # One below another dialog stays: its answer is found to be outdated.
        if self._about_conflict is not None and self._about_conflict.is_active:
            self._about_conflict.dismiss(OUTDATED)

    def show_message(self, text: str, severity: "Severity" = "information", timeout: float = 6) -> None:
        """Show a notification, without parsing ``text`` as markup."""
        self._screen.app.notify(text, severity=severity, markup=False, timeout=timeout)

    async def painted(self) -> None:
        """Wait until all changes are on the screen."""
        painted = asyncio.Event()
        self._screen.call_after_refresh(painted.set)
        await painted.wait()

    # The draft

    def show_draft(self) -> None:
        """Update everything on the screen from the draft."""
        self._screen.query_one(PolicyTree).refresh_rows()
        if self.files is not None and self.is_complete:
            self._side.show_draft(self.files.current)
            self._side.show_path(self.files.current, self._subject, self._line)
        self.show_status()

    def show_path(self, path: str) -> None:
        """Show the rights on ``path``."""
        if path == self._subject:
            return
        self._subject = path
        self._line = None
        if self.files is not None and self.is_complete:
            self._side.show_path(self.files.current, path, None)

    def show_line(self, line: int) -> None:
        """Show one line of the text, and mark it until the cursor moves in the tree."""
        self._line = line
        self.show_panel("text")
        if self.files is not None:
            self._side.show_text(self.files.current, (), line)

    def show_chosen_file(self) -> None:
        """Show that another file is being edited now."""
        self._line = None
        if self.files is not None:
            self.show_message(f"Editing {printable(self.files.current.path)}", timeout=3)
        self.show_draft()
        self._screen.refresh_bindings()

    async def reveal(self, path: str) -> None:
        """Move the cursor of the tree to ``path``."""
        await self._screen.query_one(PolicyTree).reveal(_normal(path))

    async def show_broken(self, file: "BrokenFile") -> None:
        """Show why the policy cannot be opened."""
        await self.complete()
        problem = printable(str(file.error))
        self._screen.query_one(StatusLine).show(Status(printable(file.path), problem=problem))
        self.show_message(f"{problem}. It opens once the file is fixed.", "error", timeout=15)
        if file.text is not None:
            self._side.show_broken(file.text, file.format, file.error.line)
            self.show_panel("text")

    # Status and panels

    def show_busy(self, text: str) -> None:
        """Show what is in progress, or nothing if ``text`` is empty."""
        if text != self._busy:
            self._busy = text
            self.show_status()

    def show_status(self) -> None:
        """Update the status line."""
        if self.files is not None:
            from editor.screens.status_text import status_of

            running = "running" if self.command_runs else self._busy
            status = status_of(self.files.current, self.files.composition, running)
            self._screen.query_one(StatusLine).show(status)

    def show_run_started(self) -> None:
        """Show that a command is running."""
        # The next keys (stop, grant, show rule) must not be typed into the command.
        if self.run_panel.command_has_focus or self._screen.has_class("-short"):
            self.show_panel("denied")
        self.show_status()
        self._screen.refresh_bindings()

    def show_panel(self, name: str) -> None:
        """Show a panel and focus it."""
        if not self.is_complete and name != "tree":
            self._wanted = name  # shown once it is mounted
            return
        running = name in ("output", "denied", "allowed")
        if not running and name not in ("tree", "command"):
            self._side.show_panel(name)
        self._screen.set_class(running, "-view-run")
        self._screen.set_class(not running, "-view-edit")
        widget: Widget = self._screen.query_one(f"#{name}")
        if not widget.can_focus:
            widget = next((child for child in widget.query("*") if child.can_focus), widget)
        # The panel may be hidden until the new classes are applied.
        self._screen.call_after_refresh(widget.focus)


def _normal(path: str) -> str:
    return os.path.normpath(path)
