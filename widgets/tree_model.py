"""A tree of paths as lines: what is open, what is below it, and which row each line shows. No widget, no thread."""

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

RowKind = Literal["dir", "file", "link", "missing", "other"]


class TreeRow(NamedTuple):
    """What one row shows. ``path`` is the key and comes back in messages as it is; all else is for display.

    ``given`` are the rights that rules on this very path grant, ``inherited`` those of rules above it, coming from
    ``inherited_from``. ``note`` is a word or two (``missing``, ``leads nowhere``).
    """

    path: str
    label: str
    kind: RowKind
    link_target: str | None
    given: tuple[str, ...]
    inherited: tuple[str, ...]
    inherited_from: str
    note: str
    expandable: bool


class TreeSource(Protocol):
    """Where the tree gets its rows from."""

    def children(self, path: str) -> list[TreeRow]:
        """Return the rows below a directory, in order. Called in a thread of its own; OSError is shown in the tree."""

    def row(self, path: str) -> TreeRow:
        """Return the current row of one path. Called in the screen's thread for rows on the screen: must be fast."""


class Node:
    """A line of the tree with its place in it; ``row`` is None for a line that only shows ``message``."""

    __slots__ = ("any_open", "children", "depth", "expanded", "message", "parent", "row", "seen", "spread")

    def __init__(self, row: TreeRow | None, parent: "Node | None", seen: int, message: str = "") -> None:
        self.row = row
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.expanded = False
        self.any_open = False
        """Whether a child was ever expanded: if none was, 100,000 children need no look each."""
        self.children: list[Node] | None = None
        """The lines below it, or None as long as the directory was not read."""
        self.spread = 0
        """How many lines are below this one, as long as nothing above is closed."""
        self.seen = seen
        """The round of refreshing in which ``row`` was derived."""
        self.message = message


class Splice(NamedTuple):
    """Lines from ``start`` to before ``end`` were replaced, by ``growth`` lines more than there were."""

    start: int
    end: int
    growth: int


class TreeModel:
    """The tree below one path, and the lines of it that are open; empty until it gets a root."""

    def __init__(self) -> None:
        self._source: TreeSource | None = None
        self._round = 0
        self.root: Node | None = None
        self.lines: list[Node] = []
        """The open lines, in order."""

    def set_root(self, source: TreeSource, path: str) -> Node:
        """Start again with the closed tree below ``path``; returns its root."""
        self._source = source
        self._round += 1
        self.root = Node(source.row(path), None, self._round)
        self.lines = [self.root]
        return self.root

    def place(self, node: Node) -> int:
        """Return the line of ``node``, or -1 if it is below a closed directory."""
        try:
            return self.lines.index(node)
        except ValueError:
            return -1

    # Rows

    def invalidate(self) -> None:
        """Have every row derived again when it is next asked for."""
        self._round += 1

    def row(self, node: Node) -> TreeRow | None:
        """Return the row of ``node``, derived again if it is out of date."""
        if node.row is not None and node.seen != self._round and self._source is not None:
            node.seen = self._round
            node.row = self._source.row(node.row.path)
        return node.row

    def message_node(self, parent: Node, message: str) -> Node:
        """Return a line below ``parent`` that only shows ``message``."""
        return Node(None, parent, self._round, message)

    def read(self, node: Node, path: str) -> list[Node]:
        """Return the lines below ``node``, the directory at ``path``, from the source. May be called in any thread."""
        seen = self._round
        try:
            rows = self._source.children(path) if self._source is not None else []
            nodes = [Node(row, node, seen) for row in rows]
        except OSError as refusal:
            return [self.message_node(node, f"cannot be read: {refusal.strerror or refusal}")]
        return nodes or [self.message_node(node, "empty")]

    # Opening and closing

    def expand(self, node: Node) -> bool:
        """Mark ``node`` as open; returns whether that changed anything. The lines follow with ``respread``."""
        if node.row is None or not node.row.expandable or node.expanded:
            return False
        node.expanded = True
        if node.parent is not None:
            node.parent.any_open = True
        return True

    def set_children(self, node: Node, children: list[Node]) -> None:
        """Put ``children`` below ``node``; each that was there before keeps what was open below it."""
        if node.any_open:
            _keep_open(node.children or (), children)
        node.children = children

    def respread(self, node: Node) -> Splice | None:
        """Bring the lines below ``node`` up to date; returns what changed, or None if the node itself is not open."""
        fresh = _flatten(node)
        place = self.place(node)
        if place < 0:
            node.spread = len(fresh)
            return None
        splice = Splice(place + 1, place + 1 + node.spread, len(fresh) - node.spread)
        above: Node | None = node
        while above is not None:
            above.spread += splice.growth
            above = above.parent
        self.lines[splice.start : splice.end] = fresh
        return splice

    def nearest_line(self, node: Node, splice: Splice, before: int) -> int:
        """Return the line that is now nearest to ``node``, which ``splice`` removed from line ``before``.

        That is the line of the same path if there still is one, else whichever is now in its place.
        """
        end = splice.end + splice.growth
        if node.row is not None:
            for number in itertools.chain((before,), range(splice.start, end)):
                row = self.lines[number].row if number < end else None
                if row is not None and row.path == node.row.path:
                    return number
        return max(splice.start - 1, min(before, end - 1))


def is_at_or_below(path: str, directory: str) -> bool:
    """Return whether ``path`` is ``directory`` or below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _flatten(node: Node) -> list[Node]:
    """Return all open lines below ``node``, in order."""
    if not node.expanded or not node.children:
        return []
    if not node.any_open:
        return list(node.children)
    lines: list[Node] = []
    for child in node.children:
        lines.append(child)
        if child.expanded:
            lines += _flatten(child)
    return lines


def _keep_open(before: Sequence[Node], fresh: Sequence[Node]) -> None:
    """Give each of ``fresh`` what was open below the node of its path in ``before``."""
    old = {child.row.path: child for child in before if child.row is not None and child.children}
    for child in fresh:
        same = old.get(child.row.path) if child.row is not None else None
        if same is None or child.row is None or not child.row.expandable:
            continue
        child.expanded, child.children = same.expanded, same.children
        child.any_open, child.spread = same.any_open, same.spread
        for grandchild in child.children or ():
            grandchild.parent = child
