"""The drafts and their files on disk: saving, changes from outside, conflicts, edits that a crash left."""

import asyncio
import os
import time
from typing import TYPE_CHECKING, Protocol

from editor.escape import printable
from editor.policy.errors import PolicyError
from editor.screens.controllers.busy import Busy
from editor.screens.controllers.conflict_flow import ConflictView, settle
from editor.screens.controllers.files import OpenFiles
from editor.screens.questions import Choice, Question
from editor.workspace.saving import ChangedOnDisk, SaveError, SymlinkedPolicy

if TYPE_CHECKING:
    from editor.workspace.notifying import Changes
    from editor.workspace.workspace import Workspace


class DiskView(ConflictView, Protocol):
    """What the disk needs of the screen."""

    def show_busy(self, text: str) -> None:
        """Show what is going on, nothing where ``text`` is empty."""


class Disk:
    """Keeps each draft and its file together."""

    def __init__(self, files: OpenFiles, view: DiskView) -> None:
        self._files = files
        self._view = view
        self._reading = Busy(view.show_busy, "reading")
        self._deciding = False

    # Edits that a crash left

    async def recover(self) -> None:
        """Let unsaved edits survive a crash from now on, and offer those that one left."""
        for draft in self._files.composition.workspaces:
            await self._recover(draft)

    async def _recover(self, draft: "Workspace") -> None:
        await asyncio.to_thread(draft.start_recovery)
        left = draft.recoverable_draft
        if left is None:
            return
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(left.written))
        path = printable(draft.path)
        text = f"{path} has edits that were never saved: Paddock ended without being asked, after {when}."
        choices = (Choice("recover", "Recover them", "r", "primary"), Choice("discard", "Discard them", "d", "error"))
        answer = await self._view.ask(Question("Unsaved edits", text, choices))
        try:
            if answer == "recover":
                await asyncio.to_thread(draft.recover_draft)
                self._view.show_message("Recovered the unsaved edits. Undo brings the file's own text back.")
            elif answer == "discard":
                await asyncio.to_thread(draft.discard_recoverable_draft)
        except PolicyError as error:
            self._view.show_message(printable(str(error)), "error")

    # Changes from outside

    def follow_reading(self, draft: "Workspace") -> None:
        """Say that a long file is being read again once that has taken a while."""
        if draft.is_reloading:
            self._reading.start()
        else:
            self._reading.stop()

    def report(self, draft: "Workspace", changes: "Changes") -> None:
        """Say what of ``changes`` a person should know."""
        if "disk" in changes and "document" in changes:
            self._view.show_message(f"{printable(os.path.basename(draft.path))} changed on disk and was read again.")
        problem = draft.problem
        told_elsewhere = problem is not None and problem.file not in ("", draft.path)  # by the draft of that file
        if "problem" in changes and problem is not None and "saved" not in changes and not told_elsewhere:
            self._view.show_message(f"{printable(str(problem))}. The last good policy is shown.", "error")
        if "recovery" in changes and draft.recovery_problem:
            self._view.show_message(draft.recovery_problem, "warning")

    async def settle_conflicts(self) -> None:
        """Ask about conflicts that have just come up."""
        for draft in self._files.composition.workspaces:
            await self._settle(draft)

    async def _settle(self, draft: "Workspace") -> bool:
        """Ask until the conflict is decided; False where the person decides later."""
        if self._deciding:  # asked already: one dialog is enough
            return False
        self._deciding = True
        try:
            return await settle(self._view, draft)
        finally:
            self._deciding = False

    # Saving

    async def save_all(self) -> bool:
        """Save every draft, as ``save``."""
        for draft in self._files.composition.unsaved:
            if not await self.save(draft):
                return False
        return True

    async def save(self, draft: "Workspace") -> bool:
        """Save one draft, asking what has to be asked. Whether it is on disk afterwards."""
        follow = force = False
        while True:
            if draft.conflict is not None and not await self._settle(draft):
                return False
            if not (draft.is_dirty or draft.is_new or draft.problem):
                self._view.show_message("Nothing to save: the file holds this already.", timeout=3)
                return True
            try:
                saved = await asyncio.to_thread(draft.save, follow_symlink=follow, force=force)
            except SymlinkedPolicy as link:
                text = f"{link}\n\nSaving writes the target; the link stays."
                choices = (Choice("write", "Write the target", "w", "primary"), Choice("cancel", "Cancel", "c"))
                if await self._view.ask(Question("Symbolic link", text, choices)) != "write":
                    return False
                follow = True
            except ChangedOnDisk as changed:
                await asyncio.to_thread(draft.reload)
                if draft.conflict is not None:
                    continue
                text = f"{changed}\n\n{printable(str(draft.problem or ''))}"
                choices = (Choice("overwrite", "Overwrite it", "o", "warning"), Choice("cancel", "Cancel", "c"))
                if await self._view.ask(Question("Changed on disk", text, choices)) != "overwrite":
                    return False
                force = True
            except SaveError as error:
                self._view.show_message(str(error), "error", timeout=15)
                return False
            else:
                self._view.show_message("\n".join((f"Saved {printable(saved.path)}", *saved.notes)), timeout=4)
                return True
