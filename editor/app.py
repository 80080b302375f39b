"""The Textual program: opens the first screen, and does what every screen shares."""

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from editor.screens.main import MainScreen
from editor.screens.questions import Choice, Question
from editor.workspace.opening import Opening

if TYPE_CHECKING:
    from editor.screens.chooser import ChooserScreen
    from editor.workspace.samples import SampleDraft


class PaddockApp(App[None]):
    """Paddock on the screen.

    ``paths`` are policy files that make one policy, or one directory of policies to choose from. ``root`` is the root
    of the tree. ``abi`` simulates an older kernel. ``variables`` and ``sample`` are as in `Opening`.
    """

    TITLE = "Paddock"
    ENABLE_COMMAND_PALETTE = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        *paths: str,
        root: str = "/",
        abi: int | None = None,
        variables: Mapping[str, tuple[str, ...]] | None = None,
        sample: "SampleDraft | None" = None,
    ) -> None:
        super().__init__()
        self._opening = Opening(paths, variables or {}, sample)
        self._root = root
        self._abi = abi
        self._leaving = False

    def on_mount(self) -> None:
        paths = self._opening.paths
        if len(paths) == 1 and os.path.isdir(paths[0]):
            from editor.screens.chooser import ChooserScreen  # noqa: PLC0415 - only for a directory

            self.push_screen(ChooserScreen(paths[0]))
        else:
            self.open_policy(*paths)

    def open_policy(self, *paths: str) -> None:
        """Open policy files and directories as one policy."""
        self.push_screen(MainScreen(self._opening._replace(paths=paths), root=self._root, abi=self._abi))

    def on_chooser_screen_chosen(self, event: "ChooserScreen.Chosen") -> None:
        """Open the chosen policy, or the whole directory."""
        self.open_policy(event.path)

    def action_toggle_dark(self) -> None:
        """Switch between light and dark colours."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_help(self) -> None:
        """Show all keys."""
        from editor.screens.help import HelpScreen  # noqa: PLC0415 - not needed for the first screen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    async def action_quit(self) -> None:
        """Quit. Asks first if edits would be lost."""
        if not self._leaving:
            self._leave()

    @work(group="leave")
    async def _leave(self) -> None:
        self._leaving = True
        try:
            for screen in reversed(self.screen_stack):
                if isinstance(screen, MainScreen) and not await self._may_close(screen):
                    return
        finally:
            self._leaving = False
        for screen in self.screen_stack:
            if isinstance(screen, MainScreen):
                await screen.leave()
        self.exit()

    async def _may_close(self, screen: MainScreen) -> bool:
        if not screen.unsaved:
            return True
        from editor.screens.dialogs import Ask  # noqa: PLC0415 - not needed for the first screen

        choices = (
            Choice("save", "Save", "s", "primary"),
            Choice("discard", "Discard", "d", "error"),
            Choice("cancel", "Cancel", "c"),
        )
        answer = await self.push_screen_wait(Ask(Question("Unsaved edits", screen.unsaved, choices)))
        if answer == "save":
            return await screen.save_all()
        return answer == "discard"

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield everything that a key does, to be found by name."""
        yield from super().get_system_commands(screen)
        if isinstance(screen, MainScreen):
            yield SystemCommand("Save", "Save the draft to its file (ctrl+s)", screen.action_save)
            yield SystemCommand("Run", "Run the command under the draft (r)", screen.action_run)
            yield SystemCommand("Stop", "Stop the running command (s)", screen.action_stop)
            yield SystemCommand("Grant", "Grant what the denied access needs (g)", screen.action_grant)
            yield SystemCommand("Undo", "Undo the last edit (ctrl+z)", screen.action_undo)
            yield SystemCommand("Redo", "Redo the edit that was undone last (ctrl+y)", screen.action_redo)
            yield SystemCommand("File", "Choose the file to edit (f)", screen.action_choose_file)
            yield SystemCommand("Variables", "Rename, inline or remove variables (v)", screen.action_variables)
            yield SystemCommand("Export", "Export the draft to another format (ctrl+e)", screen.action_export)
            yield SystemCommand("Go to a path", "Go to a path in the tree (ctrl+o)", screen.action_go_to)
            yield SystemCommand("Terminal", "Switch whether commands get a terminal (p)", screen.action_toggle_terminal)
            yield SystemCommand("Refresh files", "Read the tree again (f8)", screen.action_refresh)
        yield SystemCommand("Light or dark", "Switch between light and dark colours (t)", self.action_toggle_dark)
