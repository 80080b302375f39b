"""A tree of paths as a list of open lines, independent of widgets and threads."""

import itertools
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

RowKind = Literal["dir", "file", "link", "missing", "other"]


class TreeRow(NamedTuple):
    """What one row shows. ``path`` is the key, handed back unchanged in messages; the rest is for display.

    ``given`` are the rights that rules on this exact path grant, ``inherited`` those that rules above it grant, coming
    from ``inherited_from``. ``note`` is a word or two, such as ``missing``.
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
    """The source of the tree's rows."""

    def children(self, path: str) -> list[TreeRow]:
        """Return the rows below a directory in order. Called in a separate thread; an OSError is shown in the tree."""

    def row(self, path: str) -> TreeRow:
        """Return the current row of one path. Must be fast: called in the screen's thread for visible rows."""


class Node:
    """A line of the tree; ``row`` is None for a line that only shows ``message``."""

    __slots__ = (
        "children",
        "depth",
        "expanded",
        "generation",
        "has_opened_child",
        "lines_below",
        "message",
        "parent",
        "row",
    )

    def __init__(self, row: TreeRow | None, parent: "Node | None", generation: int, message: str = "") -> None:
        self.row = row
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.expanded = False
        self.has_opened_child = False
        """Whether a child was ever expanded; if not, 100,000 children need not be visited."""
        self.children: list[Node] | None = None
        """The lines directly below, or None if the directory is not read yet."""
        self.lines_below = 0
        """The number of open lines below this one, counted as if all its parents were open."""
        self.generation = generation
        """The generation of the model in which ``row`` was derived."""
        self.message = message


class Splice(NamedTuple):
    """Lines from ``start`` to before ``end`` were replaced, and the number of lines grew by ``growth``."""

    start: int
    end: int
    growth: int


class TreeModel:
    """The tree below one path and its open lines; empty until ``set_root``."""

    def __init__(self) -> None:
        self._source: TreeSource | None = None
        self._generation = 0
        self.root: Node | None = None
        self.lines: list[Node] = []
        """The open lines, in order."""

    def set_root(self, source: TreeSource, path: str) -> Node:
        """Replace the tree with the closed one below ``path``; returns its root."""
        self._source = source
        self._generation += 1
        self.root = Node(source.row(path), None, self._generation)
        self.lines = [self.root]
        return self.root

    def line_of(self, node: Node) -> int:
        """Return the line number of ``node``, or -1 if it is below a closed directory."""
        try:
            return self.lines.index(node)
        except ValueError:
            return -1

    # Rows

    def invalidate(self) -> None:
        """Mark every row as out of date."""
        self._generation += 1

    def row(self, node: Node) -> TreeRow | None:
        """Return the row of ``node``, refreshed if it is out of date."""
        if node.row is not None and node.generation != self._generation and self._source is not None:
            node.generation = self._generation
            node.row = self._source.row(node.row.path)
        return node.row

    def message_node(self, parent: Node, message: str) -> Node:
        """Return a line for ``message`` below ``parent``."""
        return Node(None, parent, self._generation, message)

    def read(self, node: Node, path: str) -> list[Node]:
        """Read the lines below ``node``, the directory at ``path``, from the source. Safe in any thread."""
        generation = self._generation
        try:
            rows = self._source.children(path) if self._source is not None else []
            nodes = [Node(row, node, generation) for row in rows]
        except OSError as error:
            return [self.message_node(node, f"cannot be read: {error.strerror or error}")]
        return nodes or [self.message_node(node, "empty")]

    # Opening and closing

    def expand(self, node: Node) -> bool:
        """Mark ``node`` as open; returns whether that changed anything. Call ``update_lines`` afterwards."""
        if node.row is None or not node.row.expandable or node.expanded:
            return False
        node.expanded = True
        if node.parent is not None:
            node.parent.has_opened_child = True
        return True

    def set_children(self, node: Node, children: list[Node]) -> None:
        """Replace the children of ``node``; those that remain keep what is open below them."""
        if node.has_opened_child:
            _keep_open(node.children or (), children)
        node.children = children

    def update_lines(self, node: Node) -> Splice | None:
        """Update ``lines`` below ``node``; returns what changed, or None if ``node`` is below a closed directory."""
        fresh = _flatten(node)
        line = self.line_of(node)
        if line < 0:
            node.lines_below = len(fresh)
            return None
        splice = Splice(line + 1, line + 1 + node.lines_below, len(fresh) - node.lines_below)
        above: Node | None = node
        while above is not None:
            above.lines_below += splice.growth
            above = above.parent
        self.lines[splice.start : splice.end] = fresh
        return splice

    def nearest_line(self, node: Node, splice: Splice, before: int) -> int:
        """Return the line to move the cursor to after ``splice`` replaced ``node`` at line ``before``.

        That is the line of the same path if there still is one, else the one that took its place.
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
    """Return all open lines below ``node`` in order."""
    if not node.expanded or not node.children:
        return []
    if not node.has_opened_child:
        return list(node.children)
    lines: list[Node] = []
    for child in node.children:
        lines.append(child)
        if child.expanded:
            lines += _flatten(child)
    return lines


def _keep_open(before: Sequence[Node], fresh: Sequence[Node]) -> None:
    """Copy to each of ``fresh`` what was open below the node of the same path in ``before``."""
    old = {child.row.path: child for child in before if child.row is not None and child.children}
    for child in fresh:
        same = old.get(child.row.path) if child.row is not None else None
        if same is None or child.row is None or not child.row.expandable:
            continue
        child.expanded, child.children = same.expanded, same.children
        child.has_opened_child, child.lines_below = same.has_opened_child, same.lines_below
        for grandchild in child.children or ():
            grandchild.parent = child
