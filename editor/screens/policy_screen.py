"""The base of the main screen: it opens a policy, holds its controllers, and shows the changes of its drafts."""

import asyncio
import os
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.screen import Screen

from editor.escape import printable
from editor.screens.controllers.opening import open_policy
from editor.screens.main_view import MainView
from widgets.policy_tree import PolicyTree
from widgets.status_line import Status, StatusLine
from widgets.tree_model import TreeSource

# Everything else is imported where it is used, see `main_view`.
if TYPE_CHECKING:
    from editor.screens.controllers.opened import Controllers
    from editor.screens.run_panel import RunPanel
    from editor.workspace.composition import Composition
    from editor.workspace.notifying import Changes
    from editor.workspace.opening import Opening
    from editor.workspace.workspace import Workspace


def _tree_source(composition: "Composition") -> TreeSource:
    """Return the tree of files with the rights of the draft. In a thread, as its imports take a while."""
    import_module("editor.screens.controllers.opened")
    from editor.screens.filesystem import Filesystem

    # All drafts of a composition resolve to the same policy.
    return Filesystem(composition.workspaces[0])


class PolicyScreen(Screen[None]):
    """Opens a policy on the widgets that a subclass composes: a tree, a status line, and room for the rest."""

    class DraftChanged(Message):
        """Posted when a draft changed, from the thread that changed it."""

        def __init__(self, workspace: "Workspace", changes: "Changes") -> None:
            super().__init__()
            self.workspace = workspace
            """The draft."""
            self.changes = changes
            """What changed."""

    def __init__(self, opening: "Opening", *, root: str = "/", abi: int | None = None) -> None:
        super().__init__(classes="-view-edit")
        self._opening = opening
        self._root = os.path.abspath(root)
        self._abi = abi
        self._view = MainView(self, self._root)
        self._controllers: Controllers | None = None
        self._possible = (False, False)

    @property
    def workspace(self) -> "Workspace":
        """The draft that is edited; only once the policy is open."""
        return self._open.files.current

    @property
    def composition(self) -> "Composition":
        """All open drafts; only once the policy is open."""
        return self._open.files.composition

    @property
    def is_complete(self) -> bool:
        """Whether the policy is open and the whole screen mounted."""
        return self._controllers is not None and self._view.is_complete

    @property
    def subject(self) -> str:
        """The path whose rights are shown."""
        return self._view.subject

    @property
    def run_panel(self) -> "RunPanel":
        """The lower half of the screen; only once it is complete."""
        return self._view.run_panel

    @property
    def unsaved(self) -> str:
        """What quitting would lose, as a sentence; empty if nothing."""
        return "" if self._controllers is None else self._controllers.files.unsaved

    @property
    def _open(self) -> "Controllers":
        if self._controllers is None:
            raise RuntimeError("the policy is not open yet")
        return self._controllers

    # Opening and quitting

    def on_mount(self) -> None:
        # Slow imports and reading wait until the first screen is painted.
        self.call_after_refresh(self._open_policy)

    @work(group="open")
    async def _open_policy(self) -> None:
        self.query_one(StatusLine).show(Status(printable(self._opening.paths[0]), running="reading"))
        composition = await open_policy(self._opening, self._abi, self._view)
        await self._show_opened(composition)
        await self._view.complete()
        await self._begin()

    async def _show_opened(self, composition: "Composition") -> None:
        """Show the draft in the tree."""
        tree_source = await asyncio.to_thread(_tree_source, composition)
        from editor.screens.controllers.files import OpenFiles
        from editor.screens.controllers.opened import Controllers

        view = self._view
        view.files = OpenFiles(composition)
        self._controllers = Controllers.of(view.files, view, self._abi)
        for workspace in composition.workspaces:
            workspace.subscribe(partial(self._changed, workspace))
        self.query_one(PolicyTree).set_source(tree_source, self._root)
        view.show_status()
        start = os.getcwd()
        if self._root == "/" or start.startswith(self._root.rstrip("/") + "/"):
            self._reveal(start)

    async def _begin(self) -> None:
        """Start what needs the whole screen."""
        from editor.screens.chooser import suggested_command
        from editor.screens.status_text import new_file_notice

        workspace, view = self.workspace, self._view
        view.show_draft()
        self.run_panel.suggest(suggested_command(workspace.document.text))
        for each in self.composition.workspaces:
            each.watch()
        self.run_worker(self._open.disk.recover(), group="recovery")
        if not workspace.kernel.abi:
            problem = printable(workspace.kernel.problem)
            view.show_message(f"Landlock is not available: {problem}. You can edit and save, but not run.", "warning")
        if workspace.is_new:
            view.show_message(new_file_notice(workspace.path, self._opening.sample))

    async def leave(self) -> None:
        """Stop the command and everything in the background, before quitting."""
        if self._view.is_complete:
            await self.run_panel.end()
        if self._controllers is not None:
            self._controllers.edits.close()
            await asyncio.to_thread(self.composition.close)

    # Changes

    def _changed(self, workspace: "Workspace", changes: "Changes") -> None:
        """Called in the thread that changed the draft."""
        self.post_message(self.DraftChanged(workspace, changes))

    @on(DraftChanged)
    def _show_changed(self, event: DraftChanged) -> None:
        changes, workspace, disk = event.changes, event.workspace, self._open.disk
        disk.follow_reading(workspace)
        if changes == {"reloading"}:
            return
        if "document" in changes and workspace is self.workspace:
            self._view.show_draft()
        else:
            self._view.show_status()
        disk.report(workspace, changes)
        if "conflict" in changes:
            self.run_worker(disk.follow_conflict(workspace), group="conflict")
        possible = (self.workspace.can_undo, self.workspace.can_redo)
        if possible != self._possible:
            self._possible = possible
            self.refresh_bindings()

    @on(PolicyTree.PathHighlighted)
    def _highlighted(self, event: PolicyTree.PathHighlighted) -> None:
        event.stop()
        self._view.show_path(event.path)

    @work(group="reveal", exclusive=True)
    async def _reveal(self, path: str) -> None:
        await self._view.reveal(path)
