"""Apply edits in the order of the key presses: ask which paths are meant, apply, undo, report.

This is the only place that runs edits in a thread. Late imports are modules that nothing needs before the first edit.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast

from editor.escape import printable
from editor.landlock.rights import in_order
from editor.screens.controllers.busy import Busy
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.view import View

if TYPE_CHECKING:
    from editor.editing.edits import Edit
    from editor.editing.shared_paths import EditScope
    from editor.workspace.state import Applied
    from editor.workspace.workspace import Workspace

T = TypeVar("T")
EditJob = Callable[["Workspace", "EditScope | None"], "Applied"]
"""Edits a draft within a scope, None at first; runs in a thread. Raises SharedPath if it needs a scope."""

# The filesystem is checked for changes once no edit has come for this long.
_QUIET_S: Final = 0.3


class EditsView(View, Protocol):
    """What edits need from the screen."""

    def show_chosen_file(self) -> None:
        """Show that another file is being edited now."""

    def show_busy(self, text: str) -> None:
        """Show what is in progress, or nothing if ``text`` is empty."""

    async def painted(self) -> None:
        """Wait until all changes are on the screen."""


class Edits:
    """Edits the open files, one edit at a time."""

    def __init__(self, files: OpenFiles, view: EditsView) -> None:
        self._files = files
        self._view = view
        self._turn = asyncio.Lock()
        self._busy = Busy(view.show_busy, "working")
        self._quiet: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None

    async def run(self, job: Callable[["Workspace"], T], files: Iterable[str] = ()) -> T:
        """Run ``job`` on the current draft in a thread, after all earlier jobs. Return or raise what it does.

        If ``files`` are given and the current file is not among them, the first of them becomes the current one.
        """
        async with self._turn:
            if self._files.choose(files):
                self._view.show_chosen_file()
            try:
                with self._busy:
                    return await asyncio.to_thread(job, self._files.current)
            finally:
                self._check_filesystem_soon()

    async def choose(self, files: Iterable[str]) -> None:
        """Make the first of ``files`` the current one, as ``run`` does, after all earlier jobs."""
        async with self._turn:
            if self._files.choose(files):
                self._view.show_chosen_file()

    async def finished(self) -> None:
        """Wait until all earlier jobs are done."""
        async with self._turn:
            pass

    async def apply(self, *edits: "Edit", files: Iterable[str] = ()) -> None:
        """Apply ``edits`` as one step of the history, as ``apply_job`` does."""
        await self.apply_job(lambda draft, scope: draft.apply(*edits, scope=scope), files)

    async def apply_job(self, job: EditJob, files: Iterable[str] = (), *, hint: Callable[[], str] = str) -> None:
        """Run an edit as ``run`` does, and report what it did or why it failed.

        If its path shares a rule with others through a variable, ask which paths to change. ``hint`` returns the last
        line of the report, empty for none.
        """
        applied = await self._attempt(job, files)
        if applied is not None:
            # A message takes a layout, so the change itself is painted first.
            await self._view.painted()
            self._report(applied, hint())

    async def _attempt(self, job: EditJob, files: Iterable[str]) -> "Applied | None":
        from editor.editing.edits import EditError
        from editor.editing.shared_paths import SharedPath
        from editor.screens.controllers.shared_path import shared_path_question

        try:
            try:
                return await self.run(lambda draft: job(draft, None), files)
            except SharedPath as shared:
                answer = await self._view.ask(shared_path_question(shared))
            if answer not in ("all", "split"):
                return None
            scope = cast("EditScope", answer)
            return await self.run(lambda draft: job(draft, scope), files)
        except EditError as error:
            self._view.show_message(printable(str(error)), "error")
            return None

    def _report(self, applied: "Applied", hint: str) -> None:
        text = applied.label if applied.changed else f"Nothing to change: {applied.label}"
        text = text[:1].upper() + text[1:]
        if self._files.current.is_composed:
            text += f", in {printable(self._files.current.path)}"
        if applied.newly_handled:
            names = ", ".join(in_order(applied.newly_handled))
            text += f"\nNow handled, so denied unless a rule grants it: {names}"
        if hint:
            text += f"\n{hint}"
        self._view.show_message(text, "warning" if applied.newly_handled else "information")

    async def undo(self) -> None:
        """Undo the last edit and report it."""
        await self._move_in_history(lambda draft: draft.undo(), "Undone", "Nothing to undo")

    async def redo(self) -> None:
        """Redo the edit that was undone last and report it."""
        await self._move_in_history(lambda draft: draft.redo(), "Redone", "Nothing to redo")

    async def _move_in_history(self, job: Callable[["Workspace"], str | None], done: str, nothing: str) -> None:
        from editor.editing.edits import EditError

        try:
            label = await self.run(job)
        except EditError as error:
            self._view.show_message(printable(str(error)), "error")
            return
        await self._view.painted()
        text = f"{done}: {label}" if label is not None else nothing
        self._view.show_message(text, timeout=3)

    async def refresh_filesystem(self) -> None:
        """Resolve the policy on the filesystem as it is now, after all earlier jobs."""
        await self.run(lambda _: self._files.composition.refresh())

    def _check_filesystem_soon(self) -> None:
        """Check the filesystem for other changes once no edit has come for a while."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(_QUIET_S, self._check_filesystem)

    def _check_filesystem(self) -> None:
        # A task that nothing refers to may be collected before it is done.
        self._checking = asyncio.create_task(asyncio.to_thread(self._files.composition.refresh_if_stale))

    def close(self) -> None:
        """Stop checking the filesystem."""
        if self._quiet is not None:
            self._quiet.cancel()
