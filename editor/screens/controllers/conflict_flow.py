"""Resolve a conflict between the draft and its file on disk, question by question."""

import asyncio
from typing import Final, Protocol

from textual.content import Content

from editor.editing.merge import Collision, MergeError, Side, Unit, describe_side
from editor.escape import printable
from editor.screens.controllers.view import View
from editor.screens.questions import Choice, Question
from editor.workspace.disk import Conflict
from editor.workspace.saving import SaveError
from editor.workspace.workspace import Workspace

OUTDATED: Final = "outdated"
"""The answer to a question that was withdrawn because the conflict has changed."""

_KEEP_MINE = Choice("mine", "Keep mine", "m", "warning")
_TAKE_THEIRS = Choice("theirs", "Take theirs", "t", "primary")
_SHOW_DIFF = Choice("both", "Show diff", "d")
_MERGE = Choice("merge", "Merge", "g", "success")


class ConflictView(View, Protocol):
    """What a conflict needs from the screen."""

    async def ask_about_conflict(self, question: Question) -> str | None:
        """Ask as ``ask`` does. Return OUTDATED if the question was withdrawn."""

    async def show_difference(self, path: str, mine: str, conflict: Conflict) -> str | None:
        """Show both texts.

        Return "mine", "theirs", "copy-mine" or "copy-theirs" (to FILE.orig), None to decide later, or OUTDATED.
        """

    def withdraw_conflict(self) -> None:
        """Close the open question or difference about a conflict, if any, and let it return OUTDATED."""


async def resolve(view: ConflictView, workspace: Workspace) -> bool:
    """Ask until the conflict of ``workspace`` is resolved. Return False if that is put off."""
    while (conflict := workspace.conflict) is not None:
        collisions = await asyncio.to_thread(_collisions, workspace)
        answer = await view.ask_about_conflict(_conflict_question(workspace.path, conflict, collisions))
        if answer == "both":
            mine = workspace.document.text
            answer = await view.show_difference(workspace.path, mine, conflict)
            if answer in ("copy-mine", "copy-theirs"):
                await _copy_aside(view, workspace, mine if answer == "copy-mine" else conflict.theirs)
                continue
            if answer is None:
                continue
        if answer is None:
            return False
        if answer == OUTDATED:
            continue
        choices: dict[Unit, Side] | None = {}
        if answer == "merge":
            choices = await _choose(view, collisions or ())
        # The file changed again in the meantime, or a question was left open.
        if workspace.conflict is not conflict or choices is None:
            continue
        if answer == "mine":
            await asyncio.to_thread(workspace.keep_mine)
            view.show_message("Kept yours. Saving overwrites the file on disk.")
        elif answer == "theirs":
            await asyncio.to_thread(workspace.take_theirs)
            view.show_message("Took the file on disk. Undo restores yours.")
        else:
            await _merge(view, workspace, choices)
    return True


def _collisions(workspace: Workspace) -> tuple[Collision, ...] | None:
    try:
        return workspace.collisions()
    except MergeError:
        return None


def _conflict_question(path: str, conflict: Conflict, collisions: tuple[Collision, ...] | None) -> Question:
    """Return the question how to resolve it. ``collisions`` is what a merge has to ask about, None if it is impossible.

    Answers: "mine", "theirs", "both", "merge", or None to decide later.
    """
    shown = printable(path)
    text = f"{shown} changed on disk, and you have unsaved edits.\n\nNothing is lost until you decide."
    choices = [_SHOW_DIFF, _KEEP_MINE]
    if collisions is not None:
        choices.insert(1, _MERGE)
        if collisions:
            number = f"{len(collisions)} rules" if len(collisions) > 1 else "one rule"
            text += f" Both sides changed {number}: merging asks which to keep."
        else:
            text += " The two sides changed different rules, so they can be merged."
    if conflict.problem is None:
        choices.append(_TAKE_THEIRS)
        text += " If you take theirs, undo restores yours."
    else:
        text += f"\n\nThe file on disk does not parse, so it cannot be taken: {printable(str(conflict.problem))}"
    return Question("Changed on disk", text, choices)


async def _choose(view: ConflictView, collisions: tuple[Collision, ...]) -> dict[Unit, Side] | None:
    """Ask which side to keep for each of ``collisions``. Return None if a question was left open or is outdated."""
    choices: dict[Unit, Side] = {}
    for number, collision in enumerate(collisions, 1):
        answer = await view.ask_about_conflict(_collision_question(collision, number, len(collisions)))
        if answer in (None, OUTDATED):
            return None
        choices[collision.unit] = "mine" if answer == "mine" else "theirs"
    return choices


def _collision_question(collision: Collision, number: int, total: int) -> Question:
    """Return the question of which side to keep, number ``number`` of ``total``. Answers: "mine", "theirs" or None."""
    sides = (("Before", collision.base), ("Theirs", collision.theirs), ("Mine", collision.mine))
    parts: list[str | tuple[str, str]] = [f"Both sides changed {collision.unit}.\n"]
    for name, value in sides:
        parts += ["\n", (f"{name:8}", "dim"), describe_side(value)]
    choices = (Choice("mine", "Mine", "m"), Choice("theirs", "Theirs", "t"))
    return Question(f"Merge: {number} of {total}", Content.assemble(*parts), choices)


async def _merge(view: View, workspace: Workspace, choices: dict[Unit, Side]) -> None:
    try:
        await asyncio.to_thread(workspace.merge, choices)
    except MergeError as error:
        view.show_message(str(error), "error")
    else:
        view.show_message("Merged. Save to write the result; undo restores yours.")


async def _copy_aside(view: View, workspace: Workspace, text: str) -> None:
    try:
        copy = await asyncio.to_thread(workspace.save_copy, text)
    except SaveError as error:
        view.show_message(str(error), "error")
    else:
        view.show_message(f"Copied to {printable(copy)}")
