"""Undo and redo without end: the texts that a draft went through, each with a word for what led to it.

Only the span in which two neighbours differ is stored, so a thousand edits of a large policy stay small.
"""

from typing import NamedTuple

from editor.editing.splice import Splice, apply_splices, difference, inverted


class _Step(NamedTuple):
    """Going forward, ``splice``; and a word for it."""

    splice: Splice
    label: str


class History:
    """A text with its past and its future. ``text`` is where we are now."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._past: list[_Step] = []
        self._future: list[_Step] = []

    @property
    def undo_label(self) -> str | None:
        """What ``undo`` would take back, None where there is nothing."""
        return self._past[-1].label if self._past else None

    @property
    def redo_label(self) -> str | None:
        """What ``redo`` would do again, None where there is nothing."""
        return self._future[-1].label if self._future else None

    def push(self, text: str, label: str) -> None:
        """``text`` is the next one; what was undone before is gone. The same text again is no step."""
        if text == self.text:
            return
        self._past.append(_Step(difference(0, self.text, text), label))
        self._future.clear()
        self.text = text

    def undo(self) -> str:
        """Go one step back: the label of what was taken back. IndexError where there is nothing."""
        step = self._past.pop()
        self._future.append(step)
        self.text = apply_splices(self.text, inverted((step.splice,)))
        return step.label

    def redo(self) -> str:
        """Go one step forward again: its label. IndexError where there is nothing."""
        step = self._future.pop()
        self._past.append(step)
        self.text = apply_splices(self.text, (step.splice,))
        return step.label
