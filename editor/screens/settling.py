"""A conflict between the draft and its file on disk, from the first question to the end of it."""

import asyncio
from typing import Protocol

from textual.app import App

from editor.editing.merge import Collision, MergeError, Side, Unit
from editor.escape import printable
from editor.screens.conflict import DiffScreen, collision_dialog, conflict_dialog
from editor.screens.dialogs import Severity
from editor.workspace.saving import SaveError
from editor.workspace.workspace import Workspace


class Say(Protocol):
    """Tells the person something."""

    def __call__(self, text: str, severity: Severity = "information") -> None: ...


async def settle(app: App[None], workspace: Workspace, say: Say) -> bool:
    """Ask until the conflict of ``workspace`` is decided; False where the person decides later.

    Call it in a worker.
    """
    while (conflict := workspace.conflict) is not None:
        collisions = await asyncio.to_thread(_collisions, workspace)
        answer = await app.push_screen_wait(conflict_dialog(workspace.path, conflict, collisions))
        if answer == "both":
            mine = workspace.document.text
            answer = await app.push_screen_wait(DiffScreen(workspace.path, mine, conflict))
            if answer in ("copy-mine", "copy-theirs"):
                await _copy_aside(workspace, mine if answer == "copy-mine" else conflict.theirs, say)
                continue
            if answer is None:
                continue
        if answer is None:
            return False
        choices: dict[Unit, Side] | None = {}
        if answer == "merge":
            choices = await _choose(app, collisions or ())
        # It changed again while the question stood, or there was no answer to all of them.
        if workspace.conflict is not conflict or choices is None:
            continue
        if answer == "mine":
            await asyncio.to_thread(workspace.keep_mine)
            say("Kept yours. Saving replaces what is on disk.")
        elif answer == "theirs":
            await asyncio.to_thread(workspace.take_theirs)
            say("Took the file on disk. Undo brings yours back.")
        else:
            await _merge(workspace, choices, say)
    return True


def _collisions(workspace: Workspace) -> tuple[Collision, ...] | None:
    try:
        return workspace.collisions()
    except MergeError:
        return None


async def _choose(app: App[None], collisions: tuple[Collision, ...]) -> dict[Unit, Side] | None:
    """Ask about each of ``collisions``: which side stands; None where one was not answered."""
    choices: dict[Unit, Side] = {}
    for number, collision in enumerate(collisions, 1):
        answer = await app.push_screen_wait(collision_dialog(collision, number, len(collisions)))
        if answer is None:
            return None
        choices[collision.unit] = "mine" if answer == "mine" else "theirs"
    return choices


async def _merge(workspace: Workspace, choices: dict[Unit, Side], say: Say) -> None:
    try:
        await asyncio.to_thread(workspace.merge, choices)
    except MergeError as error:
        say(str(error), "error")
    else:
        say("Merged. Saving writes it, undo brings yours back.")


async def _copy_aside(workspace: Workspace, text: str, say: Say) -> None:
    try:
        copy = await asyncio.to_thread(workspace.keep_copy, text)
    except SaveError as error:
        say(str(error), "error")
    else:
        say(f"Copied to {printable(copy)}")
