"""Edits, carried out in the order of the keys: asking what is meant, applying, undoing, reporting.

This is the one place that edits in a thread. What it imports late is not needed before the first edit.
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
"""An edit of a draft; asked again with a scope where it has several. Runs in a thread."""

# So long after an edit, what is on the screen is settled, and the filesystem may be looked at again.
_QUIET_S: Final = 0.3


class EditsView(View, Protocol):
    """What edits need of the screen."""

    def show_chosen_file(self) -> None:
        """Show that edits go to another file from now on."""

    def show_busy(self, text: str) -> None:
        """Show what is going on, nothing where ``text`` is empty."""

    async def painted(self) -> None:
        """Wait until all that changed is on the screen."""


class Edits:
    """Changes the open files, one change at a time."""

    def __init__(self, files: OpenFiles, view: EditsView) -> None:
        self._files = files
        self._view = view
        self._turn = asyncio.Lock()
        self._busy = Busy(view.show_busy, "working")
        self._quiet: asyncio.TimerHandle | None = None
        self._look: asyncio.Task[None] | None = None

    async def run(self, job: Callable[["Workspace"], T], files: Iterable[str] = ()) -> T:
        """Run ``job`` in a thread once all jobs before it are done: what it returns, or raises.

        It gets the draft that edits go to. ``files`` are those that it belongs to: from then on edits go to the first
        of them, unless they go to one of them already.
        """
        async with self._turn:
            if self._files.choose(files):
                self._view.show_chosen_file()
            try:
                with self._busy:
                    return await asyncio.to_thread(job, self._files.current)
            finally:
                self._look_again_soon()

    async def choose(self, files: Iterable[str]) -> None:
        """Let edits go to the first one of ``files``, after those of keys pressed before."""
        async with self._turn:
            if self._files.choose(files):
                self._view.show_chosen_file()

    async def apply(self, *edits: "Edit", files: Iterable[str] = ()) -> None:
        """Carry ``edits`` out as one step of the history, as ``apply_job``."""
        await self.apply_job(lambda draft, scope: draft.apply(*edits, scope=scope), files)

    async def apply_job(self, job: EditJob, files: Iterable[str] = (), *, hint: Callable[[], str] = str) -> None:
        """Run an edit as ``run`` does, and report it.

        Asks what is meant where a variable leads to the edit's path and to others; says why where it cannot be done.
        ``hint`` makes the last line of the report.
        """
        applied = await self._carry_out(job, files)
        if applied is not None:
            # A message takes a layout: what the edit changed is painted first.
            await self._view.painted()
            self._report(applied, hint())

    async def _carry_out(self, job: EditJob, files: Iterable[str]) -> "Applied | None":
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
            text += f"\nNewly handled, so denied wherever no rule grants it: {names}"
        if hint:
            text += f"\n{hint}"
        self._view.show_message(text, "warning" if applied.newly_handled else "information")

    async def undo(self) -> None:
        """Take the last edit back."""
        await self._travel(lambda draft: draft.undo(), "Undone")

    async def redo(self) -> None:
        """Do the edit again that was taken back last."""
        await self._travel(lambda draft: draft.redo(), "Redone")

    async def _travel(self, job: Callable[["Workspace"], str | None], word: str) -> None:
        from editor.editing.edits import EditError

        try:
            label = await self.run(job)
        except EditError as error:
            self._view.show_message(printable(str(error)), "error")
            return
        await self._view.painted()
        text = f"{word}: {label}" if label is not None else f"Nothing to be {word.lower()}"
        self._view.show_message(text, timeout=3)

    async def refresh_filesystem(self) -> None:
        """Look at the filesystem again, after the edits of keys pressed before."""
        await self.run(lambda _: self._files.composition.refresh())

    def _look_again_soon(self) -> None:
        """Once no edit has come for a while, see what else changed on the filesystem."""
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(_QUIET_S, self._look_again)

    def _look_again(self) -> None:
        # Kept, or the task might be collected before it is done.
        self._look = asyncio.create_task(asyncio.to_thread(self._files.composition.refresh_if_stale))

    def close(self) -> None:
        """Look at the filesystem no more."""
        if self._quiet is not None:
            self._quiet.cancel()
