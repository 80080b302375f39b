"""The drafts and their files on disk: saving, reloading, conflicts, recovery after a crash."""

import asyncio
import os
import time
from typing import TYPE_CHECKING, Protocol

from editor.escape import printable
from editor.policy.errors import PolicyError
from editor.screens.controllers.busy import Busy
from editor.screens.controllers.conflict_flow import ConflictView, resolve
from editor.screens.controllers.files import OpenFiles
from editor.screens.questions import Choice, Question
from editor.workspace.saving import ChangedOnDisk, SaveError, SymlinkedPolicy

if TYPE_CHECKING:
    from editor.workspace.notifying import Changes
    from editor.workspace.workspace import Workspace


class DiskView(ConflictView, Protocol):
    """What the disk needs from the screen."""

    def show_busy(self, text: str) -> None:
        """Show what is in progress, or nothing if ``text`` is empty."""


class Disk:
    """Keeps each draft and its file in step."""

    def __init__(self, files: OpenFiles, view: DiskView) -> None:
        self._files = files
        self._view = view
        self._reading = Busy(view.show_busy, "reading")
        self._one_dialog = asyncio.Lock()
        self._in_conflict: set[Workspace] = set()
        self._asked_about: Workspace | None = None

    # Recovery

    async def recover(self) -> None:
        """Start to protect unsaved edits from a crash, and offer those that an earlier crash left."""
        for draft in self._files.composition.workspaces:
            await self._recover(draft)

    async def _recover(self, draft: "Workspace") -> None:
        await asyncio.to_thread(draft.start_recovery)
        left = draft.recoverable_draft
        if left is None:
            return
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(left.written))
        path = printable(draft.path)
        text = f"{path} has unsaved edits from {when}: Paddock exited unexpectedly."
        choices = (Choice("recover", "Recover", "r", "primary"), Choice("discard", "Discard", "d", "error"))
        answer = await self._view.ask(Question("Unsaved edits", text, choices))
        try:
            if answer == "recover":
                await asyncio.to_thread(draft.recover_draft)
                self._view.show_message("Recovered the unsaved edits. Undo restores the text of the file.")
            elif answer == "discard":
                await asyncio.to_thread(draft.discard_recoverable_draft)
        except PolicyError as error:
            self._view.show_message(printable(str(error)), "error")

    # Changes on disk

    def follow_reading(self, draft: "Workspace") -> None:
        """Show that a long file is being reloaded, if that takes a while."""
        if draft.is_reloading:
            self._reading.start()
        else:
            self._reading.stop()

    def report(self, draft: "Workspace", changes: "Changes") -> None:
        """Report those of ``changes`` that a person should know about."""
        if "disk" in changes and "document" in changes:
            self._view.show_message(f"{printable(os.path.basename(draft.path))} changed on disk and was reloaded.")
        problem = draft.problem
        reported_elsewhere = problem is not None and problem.file not in ("", draft.path)  # for the draft of that file
        if "problem" in changes and problem is not None and "saved" not in changes and not reported_elsewhere:
            self._view.show_message(f"{printable(str(problem))}. Showing the last valid policy.", "error")
        if "recovery" in changes and draft.recovery_problem:
            self._view.show_message(draft.recovery_problem, "warning")

    async def follow_conflict(self, draft: "Workspace") -> None:
        """Ask about the new conflict of ``draft``; a question about an earlier one is withdrawn."""
        if self._asked_about is draft:
            self._view.withdraw_conflict()
        await self._resolve(draft)

    async def _resolve(self, draft: "Workspace") -> bool:
        """Ask until the conflict is resolved, one draft at a time. Return False if that is put off, or under way."""
        if draft in self._in_conflict:
            return False
        self._in_conflict.add(draft)
        try:
            async with self._one_dialog:
                self._asked_about = draft
                return await resolve(self._view, draft)
        finally:
            if self._asked_about is draft:
                self._asked_about = None
            self._in_conflict.discard(draft)

    # Saving

    async def save_all(self) -> bool:
        """Save every draft as ``save`` does. Return whether all are on disk now."""
        for draft in self._files.composition.unsaved:
            if not await self.save(draft):
                return False
        return True

    async def save(self, draft: "Workspace") -> bool:
        """Save one draft, asking where needed. Return whether it is on disk now."""
        follow = force = False
        while True:
            if draft.conflict is not None and not await self._resolve(draft):
                return False
            if not (draft.is_dirty or draft.is_new or draft.problem):
                self._view.show_message("Nothing to save: the file is up to date.", timeout=3)
                return True
            try:
                saved = await asyncio.to_thread(draft.save, follow_symlink=follow, force=force)
            except SymlinkedPolicy as link:
                text = f"{link}\n\nSaving writes to the target and keeps the link."
                choices = (Choice("write", "Write to the target", "w", "primary"), Choice("cancel", "Cancel", "c"))
                if await self._view.ask(Question("Symbolic link", text, choices)) != "write":
                    return False
                follow = True
            except ChangedOnDisk as changed:
                await asyncio.to_thread(draft.reload)
                if draft.conflict is not None:
                    continue
                text = f"{changed}\n\n{printable(str(draft.problem or ''))}"
                choices = (Choice("overwrite", "Overwrite", "o", "warning"), Choice("cancel", "Cancel", "c"))
                if await self._view.ask(Question("Changed on disk", text, choices)) != "overwrite":
                    return False
                force = True
            except SaveError as error:
                self._view.show_message(str(error), "error", timeout=15)
                return False
            else:
                self._view.show_message("\n".join((f"Saved {printable(saved.path)}", *saved.notes)), timeout=4)
                return True
