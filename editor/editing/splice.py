"""Replace parts of a text, which is what every edit of a policy file amounts to."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from editor.policy.locate import Span


class Splice(NamedTuple):
    """Replaces ``removed`` with ``inserted`` at the character offset ``start`` of a text."""

    start: int
    removed: str
    inserted: str

    @property
    def end(self) -> int:
        """The end of the replaced part in the old text, exclusive."""
        return self.start + len(self.removed)


def apply_splices(text: str, splices: Iterable[Splice]) -> str:
    """Apply ``splices``, sorted and not overlapping, to ``text``."""
    parts = []
    position = 0
    for splice in splices:
        parts += [text[position : splice.start], splice.inserted]
        position = splice.end
    return "".join([*parts, text[position:]])


def inverted(splices: Iterable[Splice]) -> tuple[Splice, ...]:
    """Return the splices that undo ``splices`` in the resulting text."""
    shift = 0
    back = []
    for splice in splices:
        back.append(Splice(splice.start + shift, splice.inserted, splice.removed))
        shift += len(splice.inserted) - len(splice.removed)
    return tuple(back)


def difference(start: int, before: str, after: str) -> Splice:
    """Return the smallest splice from ``before``, at offset ``start``, to ``after``."""
    shorter = min(len(before), len(after))
    head = _common(before, after, shorter, at_end=False)
    tail = _common(before, after, shorter - head, at_end=True)
    return Splice(start + head, before[head : len(before) - tail], after[head : len(after) - tail])


def _common(first: str, second: str, limit: int, *, at_end: bool) -> int:
    """Return how many characters the two have in common at their start (or end), at most ``limit``.

    A binary search compares slices in C; a loop over half a million characters would be noticeable.
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


class OverlapError(Exception):
    """Two splices overlap."""


def sort_splices(splices: Iterable[Splice]) -> tuple[Splice, ...]:
    """Sort ``splices`` by position and merge overlapping deletions. Raises OverlapError if others overlap."""
    result: list[Splice] = []
    for splice in sorted(
        (each for each in splices if each.removed != each.inserted), key=lambda each: (each.start, each.end)
    ):
        last = result[-1] if result else None
        if last is None or splice.start >= last.end:
            result.append(splice)
        elif not last.inserted and not splice.inserted:
            result[-1] = last._replace(removed=last.removed + splice.removed[last.end - splice.start :])
        else:
            raise OverlapError
    return tuple(result)


def edit_sequence(
    text: str,
    outer: Span,
    items: Sequence[Span],
    remove: Collection[int],
    insert: Sequence[tuple[int, str]],
    *,
    comma: str,
) -> Iterator[Splice]:
    """Yield splices that remove and insert elements in brackets, with only blanks and commas between elements.

    ``outer`` covers the brackets, ``insert`` has pairs (index to insert at, text), ``comma`` separates elements if the
    text has no example. At least one element must be left.
    """
    opening = text[outer.start + 1 : items[0].start] if items else ""
    if len(items) > 1:
        comma = text[items[0].end : items[1].start]
    elif "\n" in opening:
        comma = "," + opening
    kept = [at for at in range(len(items)) if at not in remove]
    if not kept:
        start, end = (items[0].start, items[-1].end) if items else (outer.start + 1, outer.end - 1)
        yield Splice(start, text[start:end], comma.join(new for _, new in insert))
        return
    for at in range(kept[0], len(items)):
        if at in remove:
            yield _deletion(text, items[at - 1].end, items[at].end)
    if kept[0]:
        yield _deletion(text, items[0].start, items[kept[0]].start)
    for at, new in insert:
        before = [number for number in kept if number < at]
        if before:
            yield Splice(items[before[-1]].end, "", comma + new)
        else:
            yield Splice(items[kept[0]].start, "", new + comma)


def _deletion(text: str, start: int, end: int) -> Splice:
    return Splice(start, text[start:end], "")


def line_start(text: str, offset: int) -> int:
    """Return the start of the line that contains ``offset``."""
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """Return the end of the line that contains ``offset``, excluding its line break."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def indentation(text: str, offset: int) -> str:
    """Return the indentation of the line of ``offset``, at most up to ``offset``."""
    line = text[line_start(text, offset) : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]


def newline_of(text: str) -> str:
    """Return the line break that ``text`` uses, judging by its first one."""
    end = text.find("\n")
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"
