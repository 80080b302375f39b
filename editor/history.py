"""Undo and redo without end: the texts that a draft went through, each with a word for what led to it.

Only the span in which two neighbours differ is stored, so a thousand edits of a large policy stay small.
"""

from typing import NamedTuple


class _Splice(NamedTuple):
    """Going forward, ``removed`` at ``start`` became ``added``."""

    start: int
    removed: str
    added: str
    label: str


def _common(first: str, second: str, limit: int, *, at_end: bool) -> int:
    """How many characters the two have in common at their start (or end), at most ``limit``.

    Halving: each step compares slices in C, where a loop over half a million characters would be felt.
    """
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if at_end:
            same = first[len(first) - middle : len(first) - low] == second[len(second) - middle : len(second) - low]
        else:
            same = first[low:middle] == second[low:middle]
        if same:
            low = middle
        else:
            high = middle - 1
    return low


def _difference(old: str, new: str, label: str) -> _Splice:
    start = _common(old, new, min(len(old), len(new)), at_end=False)
    end = _common(old, new, min(len(old), len(new)) - start, at_end=True)
    return _Splice(start, old[start : len(old) - end], new[start : len(new) - end], label)


class History:
    """A text with its past and its future. ``text`` is where we are now."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._past: list[_Splice] = []
        self._future: list[_Splice] = []

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
        self._past.append(_difference(self.text, text, label))
        self._future.clear()
        self.text = text

    def undo(self) -> str:
        """Go one step back: the label of what was taken back. IndexError where there is nothing."""
        step = self._past.pop()
        self._future.append(step)
        self.text = self.text[: step.start] + step.removed + self.text[step.start + len(step.added) :]
        return step.label

    def redo(self) -> str:
        """Go one step forward again: its label. IndexError where there is nothing."""
        step = self._future.pop()
        self._past.append(step)
        self.text = self.text[: step.start] + step.added + self.text[step.start + len(step.removed) :]
        return step.label
