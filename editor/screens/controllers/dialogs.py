"""Open a dialog, and do what is chosen there."""

import os
from typing import TYPE_CHECKING, Protocol, TypeVar

from editor.escape import printable
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import ModalScreen

    from editor.editing.edits import Edit
    from editor.workspace.checks import Checks
    from editor.workspace.state import Applied
    from editor.workspace.workspace import Workspace

T = TypeVar("T")


class DialogsView(View, Protocol):
    """What dialogs need from the screen."""

    @property
    def subject(self) -> str:
        """The path whose rights are shown."""

    async def ask_on(self, screen: "ModalScreen[T]") -> T | None:
        """Push ``screen`` and return what it is dismissed with."""

    async def reveal(self, path: str) -> None:
        """Move the cursor of the tree to ``path``."""

    def show_line(self, line: int) -> None:
        """Show one line of the text."""

    def show_panel(self, name: str) -> None:
        """Show a panel and focus it."""


class Dialogs:
    """Opens dialogs on top of the screen."""

    def __init__(self, files: OpenFiles, edits: Edits, view: DialogsView, abi: int | None) -> None:
        self._abi = abi
        self._checks: dict[Workspace, Checks] = {}
        self._files = files
        self._edits = edits
        self._view = view

    async def variables(self, edit: "Callable[[str, Edit], None]", undo: "Callable[[], None]") -> None:
        """Show the variables, to rename, inline or remove them. ``edit`` edits one of the files."""
        from editor.screens.variables import VariablesScreen

        place = await self._view.ask_on(VariablesScreen(self._files.current, edit, undo))
        if place is not None and self._files.composition.workspace_of(place.file) is not None:
            await self._edits.choose((place.file,))
            self._view.show_line(place.line)

    async def choose_file(self) -> None:
        """Choose the file to edit."""
        from editor.screens.files import FilesScreen

        if len(self._files.composition.workspaces) == 1:
            self._view.show_message("Only one file is open. To open several as one policy: paddock edit A B")
            return
        chosen = await self._view.ask_on(FilesScreen(self._files.composition, self._files.current))
        if chosen is not None:
            await self._edits.choose((chosen.path,))

    async def export(self) -> None:
        """Export the draft to another format."""
        from editor.screens.export import ExportScreen

        message = await self._view.ask_on(ExportScreen(self._files.current))
        if message:
            self._view.show_message(message)

    async def promises(self) -> None:
        """Add promises to the draft, or bring those that it has up to date."""
        from editor.screens.promises import PromisesScreen
        from editor.suggest.promises.writing import edits_of

        chosen = await self._view.ask_on(PromisesScreen(self._files.current.document))

        def write(draft: "Workspace", _: object) -> "Applied":
            after = before = draft.document
            for promise in chosen or ():
                for edit in edits_of(promise, after):
                    after = after.apply(edit)
            names = ", ".join(promise.name for promise in chosen or ())
            return draft.adopt(before, after, f"promise {names}")

        if chosen:
            await self._edits.apply_job(write)

    async def checks(self) -> None:
        """Show the checks of the draft, to run them and to add one."""
        from editor.screens.checks import ChecksScreen
        from editor.workspace.checks import Checks

        draft = self._files.current
        if draft not in self._checks:
            self._checks[draft] = Checks(draft, self._abi)
        await self._view.ask_on(ChecksScreen(self._checks[draft]))

    async def go_to(self) -> None:
        """Go to a path in the tree."""
        from editor.screens.dialogs import AskLine

        subject = self._view.subject
        start = subject if subject.endswith("/") else subject + "/"
        hint = "Absolute, or relative to where Paddock was started. ~ is your home directory."
        typed = await self._view.ask_on(AskLine("Go to a path", start, hint))
        if typed is None:
            return
        path, shown = _nearest_row(typed, self._files.current)
        if shown != path:
            self._view.show_message(f"{printable(path)} does not exist. Showing the nearest directory.", "warning")
        self._view.show_panel("tree")
        await self._view.reveal(shown)


def _nearest_row(typed: str, draft: "Workspace") -> tuple[str, str]:
    """Return the path that was typed, and as much of it as has a row in the tree."""
    path = shown = os.path.abspath(os.path.expanduser(typed))
    while not os.path.lexists(shown) and draft.rule_at(shown) is None:
        shown = os.path.dirname(shown)
    return path, shown
