"""Unlimited undo and redo: the texts that a draft went through, and a label for each step between them.

A step stores only the span of text that changed, so a thousand edits of a large policy take little memory.
"""

from typing import NamedTuple

from editor.editing.splice import Splice, apply_splices, difference, inverted


class _Step(NamedTuple):
    """One change of the text, in the direction of redo, and its label."""

    splice: Splice
    label: str


class History:
    """A text with its past and future. ``text`` is the current one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._past: list[_Step] = []
        self._future: list[_Step] = []

    @property
    def undo_label(self) -> str | None:
        """The label of the step that ``undo`` would undo, None if there is none."""
        return self._past[-1].label if self._past else None

    @property
    def redo_label(self) -> str | None:
        """The label of the step that ``redo`` would redo, None if there is none."""
        return self._future[-1].label if self._future else None

    def push(self, text: str, label: str) -> None:
        """Make ``text`` the current text, and drop what could be redone. An unchanged text is not a step."""
        if text == self.text:
            return
        self._past.append(_Step(difference(0, self.text, text), label))
        self._future.clear()
        self.text = text

    def undo(self) -> str:
        """Go back one step and return its label. Raises IndexError if there is none."""
        step = self._past.pop()
        self._future.append(step)
        self.text = apply_splices(self.text, inverted((step.splice,)))
        return step.label

    def redo(self) -> str:
        """Go forward one step and return its label. Raises IndexError if there is none."""
        step = self._future.pop()
        self._past.append(step)
        self.text = apply_splices(self.text, (step.splice,))
        return step.label
