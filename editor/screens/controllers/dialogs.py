"""The dialogs that a key opens, and what follows from what a person chooses there."""

from typing import TYPE_CHECKING, Protocol, TypeVar

from editor.escape import printable
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View
from editor.screens.view_models import nearest_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.screen import ModalScreen

    from editor.editing.edits import Edit

T = TypeVar("T")


class DialogsView(View, Protocol):
    """What dialogs need of the screen."""

    @property
    def subject(self) -> str:
        """The path whose rights are shown."""

    async def ask_on(self, screen: "ModalScreen[T]") -> T | None:
        """Show a screen of its own, and wait for what it is dismissed with."""

    async def reveal(self, path: str) -> None:
        """Put the tree's cursor on ``path``."""

    def show_line(self, line: int) -> None:
        """Show one line of the text."""

    def show_panel(self, name: str) -> None:
        """Bring a panel forward and put the focus on it."""


class Dialogs:
    """Opens dialogs over the screen."""

    def __init__(self, files: OpenFiles, edits: Edits, view: DialogsView) -> None:
        self._files = files
        self._edits = edits
        self._view = view

    async def variables(self, edit: "Callable[[str, Edit], None]", undo: "Callable[[], None]") -> None:
        """Show the variables, to rename them, write them out or remove them: ``edit`` changes one of a file."""
        from editor.screens.variables import VariablesScreen

        place = await self._view.ask_on(VariablesScreen(self._files.current, edit, undo))
        if place is not None and self._files.composition.workspace_of(place.file) is not None:
            await self._edits.choose((place.file,))
            self._view.show_line(place.line)

    async def choose_file(self) -> None:
        """Choose the file that edits go to."""
        from editor.screens.files import FilesScreen

        if len(self._files.composition.workspaces) == 1:
            self._view.show_message("One file is open. paddock edit A B opens several as one policy.")
            return
        chosen = await self._view.ask_on(FilesScreen(self._files.composition, self._files.current))
        if chosen is not None:
            await self._edits.choose((chosen.path,))

    async def export(self) -> None:
        """Write the draft in another format."""
        from editor.screens.export import ExportScreen

        told = await self._view.ask_on(ExportScreen(self._files.current))
        if told:
            self._view.show_message(told)

    async def go_to(self) -> None:
        """Show a path in the tree."""
        from editor.screens.dialogs import AskLine

        subject = self._view.subject
        start = subject if subject.endswith("/") else subject + "/"
        hint = "Absolute, or from the directory that Paddock was started in. ~ is your home directory."
        typed = await self._view.ask_on(AskLine("Go to a path", start, hint))
        if typed is None:
            return
        path, shown = nearest_row(typed, self._files.current)
        if shown != path:
            self._view.show_message(f"{printable(path)} does not exist; this is as far as it goes.", "warning")
        self._view.show_panel("tree")
        await self._view.reveal(shown)
