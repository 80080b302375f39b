"""The filesystem as a tree, with what a policy grants on every row."""

import asyncio
import contextlib
import gc
import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, Literal, NamedTuple, Protocol

from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.cells import elide_end, elide_middle, visible, width_of
from widgets.line_list import LineList, Piece

RowKind = Literal["dir", "file", "link", "missing", "other"]

# The letters of a row's rights: one a group of rights, in this order, a dash where none of the group is granted.
_LETTERS: Final[tuple[tuple[str, str, frozenset[str]], ...]] = (
    ("r", "read", frozenset({"read_file", "read_dir"})),
    ("w", "write", frozenset({"write_file"})),
    ("t", "truncate", frozenset({"truncate"})),
    ("x", "execute", frozenset({"execute"})),
    (
        "c",
        "create",
        frozenset({"make_char", "make_dir", "make_reg", "make_sock", "make_fifo", "make_block", "make_sym"}),
    ),
    ("d", "delete", frozenset({"remove_dir", "remove_file"})),
    ("m", "move between directories", frozenset({"refer"})),
    ("i", "ioctl on devices", frozenset({"ioctl_dev"})),
    ("u", "UNIX sockets", frozenset({"resolve_unix"})),
)
# Of a group, what a file can hold.
_ONLY_DIRECTORIES: Final = frozenset({"read_dir"})

LEGEND: Final[tuple[tuple[str, str], ...]] = tuple((letter, meaning) for letter, meaning, _ in _LETTERS)
"""Each letter of a row's rights and what it stands for; a capital letter is a part of its group only."""

_INDENT = 2
# A name is never squeezed below this for the sake of what stands right of it.
_LEAST_NAME = 12
# From this width on, a row also says where its inherited rights come from.
_WIDTH_FOR_SOURCE = 60
# Reading that is faster than this shows no sign of it: it would only flicker.
_SHOW_READING_AFTER_S = 0.3
# From so many entries on, going through them all makes a garbage collection long enough to be felt (130 ms measured for
# 200,000), so they are kept out of it. They are in no cycle that only a collection could free.
_MANY = 20_000
_BADGE_WIDTH = len(_LETTERS) + 2


class TreeRow(NamedTuple):
    """What one row shows. ``path`` is the key and comes back in messages as it is; all else is for eyes.

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
        """The rows below a directory, in order. Called in a thread of its own; OSError is shown in the tree."""

    def row(self, path: str) -> TreeRow:
        """The row of one path as it is now. Called in the screen's thread for rows on the screen: it must be fast."""


class _Node:
    """A row of the tree with its place in it; ``row`` is None for a line that only says something."""

    __slots__ = ("any_open", "children", "depth", "expanded", "message", "parent", "row", "seen", "spread")

    def __init__(self, row: TreeRow | None, parent: "_Node | None", seen: int, message: str = "") -> None:
        self.row = row
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.expanded = False
        self.any_open = False
        """Whether a child was ever expanded: where none was, 100,000 children need no look each."""
        self.children: list[_Node] | None = None
        self.spread = 0
        """How many lines are below this one, as long as nothing above is closed."""
        self.seen = seen
        """The round of refreshing in which ``row`` was derived."""
        self.message = message


class _Load:
    """One directory being read. What arrives after ``cancelled`` is dropped."""

    def __init__(self, node: _Node, path: str, source: TreeSource) -> None:
        self.node = node
        self.path = path
        self.source = source
        self.cancelled = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """Wake whoever waits for it."""
        if not self.done.done():
            self.done.set_result(None)

    def cancel(self) -> None:
        """Drop what will arrive."""
        self.cancelled = True
        self.finish()


def rights_letters(rights: Iterable[str], kind: RowKind) -> str:
    """The letters of ``rights``: a dash for a group without any, a capital for a part of a group only."""
    held = frozenset(rights)
    letters = []
    for letter, _, group in _LETTERS:
        whole = group - _ONLY_DIRECTORIES if kind in ("file", "other") else group
        have = held & group
        letters.append("-" if not have else letter if have >= whole else letter.upper())
    return "".join(letters)


def _flatten(node: _Node) -> list[_Node]:
    """All lines below ``node`` that are to be seen, in order."""
    if not node.expanded or not node.children:
        return []
    if not node.any_open:
        return list(node.children)
    lines: list[_Node] = []
    for child in node.children:
        lines.append(child)
        if child.expanded:
            lines += _flatten(child)
    return lines


class PolicyTree(LineList):
    """A tree of paths, read lazily, each row with the rights that a policy grants there.

    Right of the name stand a ``*`` where a rule on this very path grants something, and one letter a group of rights
    (see ``LEGEND``); what is only inherited is dim and, where there is room, named with where it comes from.
    Directories of 100,000 entries and more are fine: only lines on the screen are drawn, and reading is done in a
    thread, which may hang without holding the screen or the end of the program.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "step(1)", "Next level"),
        Binding("backspace,shift+space", "step(-1)", "Previous level", key_display="⌫"),
        Binding("enter", "open_or_close", "Open/close", show=False),
        Binding("right", "open", "Open", show=False),
        Binding("left", "close", "Close", show=False),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | space | Step the row to its next level of rights. |
    | backspace, shift+space | Step the row to its previous level of rights. |
    | enter | Open or close a directory. |
    | right | Open a directory, or go to its first entry. |
    | left | Close a directory, or go to the one that holds this row. |
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "policy-tree--directory",
        "policy-tree--link",
        "policy-tree--note",
        "policy-tree--missing",
        "policy-tree--given",
        "policy-tree--inherited",
        "policy-tree--none",
        "policy-tree--guide",
    }
    """
    | Class | Description |
    | :- | :- |
    | `policy-tree--directory` | The name of a directory. |
    | `policy-tree--link` | Where a symbolic link leads. |
    | `policy-tree--note` | What a row says beside its name, and lines that are no path. |
    | `policy-tree--missing` | A rule's path that does not exist. |
    | `policy-tree--given` | Rights granted by rules on this very path. |
    | `policy-tree--inherited` | Rights granted by rules above. |
    | `policy-tree--none` | The dashes of rights not granted. |
    | `policy-tree--guide` | The marks of open and closed directories. |
    """

    DEFAULT_CSS = """
    PolicyTree {
        & > .policy-tree--directory {
            text-style: bold;
        }
        & > .policy-tree--link {
            color: $text-secondary;
        }
        & > .policy-tree--note {
            color: $foreground 70%;
            text-style: italic;
        }
        & > .policy-tree--missing {
            color: $text-warning;
            text-style: bold;
        }
        & > .policy-tree--given {
            color: $text-success;
            text-style: bold;
        }
        & > .policy-tree--inherited {
            color: $foreground 70%;
        }
        & > .policy-tree--none {
            color: $foreground 40%;
        }
        & > .policy-tree--guide {
            color: $foreground 70%;
        }
    }
    """

    class PathHighlighted(Message):
        """Posted when the cursor goes to another path.

        Can be handled using `on_policy_tree_path_highlighted` in a parent widget.
        """

        def __init__(self, tree: "PolicyTree", path: str) -> None:
            super().__init__()
            self.tree = tree
            """The tree that sent the message."""
            self.path = path
            """The path, as its row has it."""

        @property
        def control(self) -> "PolicyTree":
            """The tree that sent the message."""
            return self.tree

    class LevelStep(Message):
        """Posted when a person steps a row to its next or previous level of rights.

        Can be handled using `on_policy_tree_level_step` in a parent widget.
        """

        def __init__(self, tree: "PolicyTree", path: str, step: Literal[1, -1]) -> None:
            super().__init__()
            self.tree = tree
            """The tree that sent the message."""
            self.path = path
            """The path, as its row has it."""
            self.step: Literal[1, -1] = step
            """1 for the next level, -1 for the previous one."""

        @property
        def control(self) -> "PolicyTree":
            """The tree that sent the message."""
            return self.tree

    class _Arrived(Message):
        """A directory was read; posted from the reading thread. ``error`` is a fault of the source, not of the disk."""

        def __init__(self, load: _Load, nodes: list[_Node], error: Exception | None) -> None:
            super().__init__()
            self.load = load
            self.nodes = nodes
            self.error = error

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._source: TreeSource | None = None
        self._root: _Node | None = None
        self._lines: list[_Node] = []
        self._loads: dict[_Node, _Load] = {}
        self._round = 0
        self._announced: str | None = None

    # What others ask and tell

    @property
    def line_count(self) -> int:
        """How many rows are open."""
        return len(self._lines)

    @property
    def cursor_path(self) -> str | None:
        """The path under the cursor, or None where the line only says something."""
        node = self._cursor_node()
        return None if node is None or node.row is None else node.row.path

    @property
    def cursor_row(self) -> TreeRow | None:
        """The row under the cursor as it is now, or None where the line only says something."""
        node = self._cursor_node()
        return None if node is None else self._row(node)

    @property
    def is_reading(self) -> bool:
        """Whether a directory is being read."""
        return bool(self._loads)

    def set_source(self, source: TreeSource, root_path: str) -> None:
        """Show the tree below ``root_path``. Everything read so far is dropped. Must be called when mounted."""
        self._cancel_all()
        self._source = source
        self._round += 1
        self._announced = None
        self._root = root = _Node(source.row(root_path), None, self._round)
        self._lines = [root]
        self.cursor = -1
        self.lines_changed()
        self.cursor = 0
        if root.row is not None and root.row.expandable:
            self._expand(root)

    def refresh_rows(self) -> None:
        """Derive every row again: those on the screen at once, the others when they come to be seen.

        Costs nothing for rows that nobody sees, and draws only those that changed. Cursor, open directories and
        scrolling stay.
        """
        self._round += 1
        for number in range(self.top_line, min(self.top_line + self.size.height, len(self._lines))):
            node = self._lines[number]
            before = node.row
            if self._row(node) != before:
                self.refresh_item(number)

    def reload(self, path: str | None = None) -> None:
        """Read open directories again (the one at ``path``, or all), and show what came, went and changed.

        Cursor, open directories and scrolling stay; where the row of the cursor is gone, the nearest one has it.
        """
        self._read(
            node
            for node in self._lines
            if node.expanded and node.row is not None and (path is None or node.row.path == path)
        )

    async def reveal(self, path: str) -> bool:
        """Open the tree down to ``path`` and move the cursor there, or as far as it goes.

        Returns whether the path itself was found. Awaits the reading of directories on the way, so it must not be
        awaited in a message handler of this widget itself.
        """
        node = self._root
        if node is None or node.row is None:
            return False
        found = _is_below(path, node.row.path)
        while found and node.row is not None and node.row.path != path:
            await self._opened(node)
            child = next((each for each in node.children or () if each.row and _is_below(path, each.row.path)), None)
            if child is None:
                found = False
                break
            node = child
        if node in self._lines:
            self.cursor = self._lines.index(node)
        return found

    async def wait_read(self) -> None:
        """Wait until no directory is being read. Not to be awaited in a message handler of this widget itself."""
        while self._loads:
            await asyncio.wait([load.done for load in self._loads.values()])

    # Reading directories

    async def _opened(self, node: _Node) -> None:
        """Expand ``node`` and wait until its children are there."""
        self._expand(node)
        while node in self._loads:
            await self._loads[node].done

    def _expand(self, node: _Node) -> None:
        if node.row is None or not node.row.expandable or node.expanded:
            return
        node.expanded = True
        if node.parent is not None:
            node.parent.any_open = True
        if node.children is None:
            self._read([node])
            self.refresh_item(self._place(node))
        else:
            self._respread(node)

    def _collapse(self, node: _Node) -> None:
        if not node.expanded:
            return
        node.expanded = False
        load = self._loads.pop(node, None)
        if load is not None:  # closed before it was read: opening it again reads again
            load.cancel()
            node.children = None
        self._respread(node)

    def _read(self, nodes: Iterable[_Node]) -> None:
        """Read the directories of ``nodes``, one after the other, in one thread."""
        if self._source is None:
            return
        loads = []
        for node in nodes:
            before = self._loads.pop(node, None)
            if node.row is not None:
                load = self._loads[node] = _Load(node, node.row.path, self._source)
                loads.append(load)
            if before is not None:  # only now: whoever waits for it finds the new one
                before.cancel()
        if loads:
            # A daemon thread, not a worker: a worker that hangs in a dead network mount would hold the program's end.
            threading.Thread(target=self._read_in_thread, args=(loads,), name="policy-tree", daemon=True).start()
            self.set_timer(_SHOW_READING_AFTER_S, lambda: self._say_reading(loads))

    def _read_in_thread(self, loads: list[_Load]) -> None:
        for load in loads:
            if load.cancelled:
                continue
            node, seen = load.node, self._round
            error: Exception | None = None
            nodes = []
            try:
                nodes = [_Node(row, node, seen) for row in load.source.children(load.path)]
                if not nodes:
                    nodes = [_Node(None, node, seen, "empty")]
            except OSError as refusal:
                nodes = [_Node(None, node, seen, f"cannot be read: {refusal.strerror or refusal}")]
            except Exception as fault:  # raised again in the screen's thread, where it is seen
                error = fault
            if not load.cancelled:
                with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
                    self.post_message(self._Arrived(load, nodes, error))

    def _say_reading(self, loads: list[_Load]) -> None:
        for load in loads:
            node = load.node
            if self._loads.get(node) is load and node.expanded and node.children is None:
                node.children = [_Node(None, node, self._round, "reading …")]
                self._respread(node)

    @on(_Arrived)
    def _put_in(self, message: _Arrived) -> None:
        """Put what was read into the tree."""
        message.stop()
        load = message.load
        if load.cancelled or self._loads.get(load.node) is not load:
            return
        del self._loads[load.node]
        load.finish()
        if message.error is not None:
            raise message.error
        _merge(load.node, message.nodes)
        load.node.children = message.nodes
        self._respread(load.node)
        if len(message.nodes) >= _MANY:
            gc.freeze()

    def _cancel_all(self) -> None:
        for load in self._loads.values():
            load.cancel()
        self._loads.clear()

    def on_unmount(self) -> None:
        """Drop whatever is still being read."""
        self._cancel_all()

    # The lines

    def _place(self, node: _Node) -> int:
        """The line of ``node``, or -1 where it is not to be seen."""
        try:
            return self._lines.index(node)
        except ValueError:
            return -1

    def _respread(self, node: _Node) -> None:
        """Put the lines below ``node`` in place of those there were; cursor and screen stay on their rows."""
        fresh = _flatten(node)
        place = self._place(node)
        if place < 0:
            node.spread = len(fresh)
            return
        lines = self._lines
        end = place + 1 + node.spread
        more = len(fresh) - node.spread
        above: _Node | None = node
        while above is not None:
            above.spread += more
            above = above.parent
        held = lines[self.cursor] if 0 <= self.cursor < len(lines) else None
        top = self.top_line
        was_on_screen = self.shows_line(self.cursor)
        lines[place + 1 : end] = fresh
        cursor = self.cursor
        if cursor >= end:
            cursor += more
        elif cursor > place and held is not None:
            cursor = self._nearest(held, place, cursor)
        if top >= end:
            top += more
        # Without watching: the screen stays where it is, and only moves if the cursor would be off it.
        self.set_reactive(LineList.cursor, cursor)
        self.lines_changed()
        if top != self.top_line:
            self.scroll_top_to(top)
        if was_on_screen:
            self.show_line(self.cursor)
        self.cursor_moved()

    def _nearest(self, held: _Node, place: int, before: int) -> int:
        """Where the cursor goes that was on ``held``, at line ``before``, below the node at ``place``."""
        lines = self._lines
        end = place + 1 + lines[place].spread
        if held.row is not None:
            path = held.row.path
            for number in itertools.chain((before,), range(place + 1, end)):
                row = lines[number].row if number < end else None
                if row is not None and row.path == path:
                    return number
        return max(place, min(before, end - 1))

    def cursor_moved(self) -> None:
        """Tell which path the cursor is on now."""
        path = self.cursor_path
        if path is not None and path != self._announced:
            self._announced = path
            self.post_message(self.PathHighlighted(self, path))

    # Drawing

    def draw_line(self, number: int, width: int) -> Sequence[Piece]:
        """One row: indentation, name, what is beside it, and the rights at the right edge."""
        node = self._lines[number]
        indent = " " * (_INDENT * node.depth)
        row = self._row(node)
        if row is None:
            return [(elide_end(indent + "  " + visible(node.message), width), "policy-tree--note")]
        indent = indent[: max(0, width - _BADGE_WIDTH - _LEAST_NAME - 3)]
        mark = ("▾ " if node.expanded else "▸ ") if row.expandable else "  "
        source, source_style = self._source_text(row), "policy-tree--inherited"
        if not row.inherited and row.kind == "missing":
            source = ""
        room = width - _BADGE_WIDTH - 1
        name_room = room - len(indent) - len(mark)
        left = self._left(row)
        wanted = sum(width_of(text) for text, _ in left)
        if width < _WIDTH_FOR_SOURCE or name_room - wanted < 4:
            source = ""
        else:
            source = elide_middle(source, min(room // 3, name_room - wanted - 2))
        name_room = max(1, name_room - (width_of(source) + 1 if source else 0))
        pieces: list[Piece] = [(indent, ""), (mark, "policy-tree--guide")]
        pieces += _fit_pieces(left, name_room)
        if source:
            pieces.append((source + " ", source_style))
        pieces.append((" ", ""))
        pieces += self._badge(row)
        return pieces

    def _row(self, node: _Node) -> TreeRow | None:
        """The row of ``node``, derived again if that was asked for since it was."""
        if node.row is not None and node.seen != self._round and self._source is not None:
            node.seen = self._round
            node.row = self._source.row(node.row.path)
        return node.row

    def _left(self, row: TreeRow) -> list[Piece]:
        """The name, where a link leads, and the note."""
        label = visible(row.label)
        style = {"dir": "policy-tree--directory", "missing": "policy-tree--missing"}.get(row.kind, "")
        pieces: list[Piece] = [(label, style)]
        if row.link_target is not None:
            pieces.append((" -> " + visible(row.link_target), "policy-tree--link"))
        note = visible(row.note)
        if row.kind == "missing" and "missing" not in note:
            note = f"missing: {note}" if note else "missing"
        if note:
            pieces.append(("  " + note, "policy-tree--missing" if row.kind == "missing" else "policy-tree--note"))
        return pieces

    def _source_text(self, row: TreeRow) -> str:
        """Where inherited rights come from; where others are granted here, also which those are."""
        if not row.inherited:
            return ""
        origin = f"from {visible(row.inherited_from)}" if row.inherited_from else "inherited"
        if not row.given:
            return origin
        return f"{rights_letters(row.inherited, row.kind).replace('-', '')} {origin}"

    def _badge(self, row: TreeRow) -> list[Piece]:
        """The rights at the right edge, what is given here stronger than what is inherited."""
        both = rights_letters((*row.given, *row.inherited), row.kind)
        given = rights_letters(row.given, row.kind)
        pieces: list[Piece] = [("* " if row.given else "  ", "policy-tree--given")]
        for letter, here in zip(both, given, strict=True):
            style = "none" if letter == "-" else "inherited" if here == "-" else "given"
            pieces.append((letter, f"policy-tree--{style}"))
        return pieces

    # Keys and mouse

    def on_click(self, event: events.Click) -> None:
        """A click on a directory's mark, or a double click on its row, opens or closes it."""
        number = self._line_at(event)
        if number < 0:
            return
        node = self._lines[number]
        offset = event.get_content_offset(self)
        on_mark = offset is not None and 0 <= offset.x - node.depth * _INDENT < 2
        if on_mark or event.chain == 2:
            self._toggle(node)

    def _toggle(self, node: _Node) -> None:
        if node.expanded:
            self._collapse(node)
        else:
            self._expand(node)

    def _cursor_node(self) -> _Node | None:
        return self._lines[self.cursor] if 0 <= self.cursor < len(self._lines) else None

    def action_step(self, step: Literal[1, -1]) -> None:
        """Ask for the next or previous level of rights on the row of the cursor."""
        path = self.cursor_path
        if path is not None:
            self.post_message(self.LevelStep(self, path, step))

    def action_open_or_close(self) -> None:
        """Open or close the directory under the cursor."""
        node = self._cursor_node()
        if node is not None:
            self._toggle(node)

    def action_open(self) -> None:
        """Open the directory under the cursor; where it is open, go to its first entry."""
        node = self._cursor_node()
        if node is None:
            return
        if node.expanded and node.children:
            self.cursor += 1
        else:
            self._expand(node)

    def action_close(self) -> None:
        """Close the directory under the cursor; where it is closed, go to the one that holds it."""
        node = self._cursor_node()
        if node is None:
            return
        if node.expanded:
            self._collapse(node)
        elif node.parent is not None:
            self.cursor = self._place(node.parent)


def _is_below(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _merge(node: _Node, fresh: list[_Node]) -> None:
    """Keep, for each fresh child that was there before, what was open below it."""
    if not node.any_open:
        return
    old = {child.row.path: child for child in node.children or () if child.row is not None and child.children}
    for child in fresh:
        before = old.get(child.row.path) if child.row is not None else None
        if before is None or child.row is None or not child.row.expandable:
            continue
        child.expanded, child.children = before.expanded, before.children
        child.any_open, child.spread = before.any_open, before.spread
        for grandchild in child.children or ():
            grandchild.parent = child


def _fit_pieces(pieces: list[Piece], cells: int) -> list[Piece]:
    """``pieces`` in exactly ``cells`` cells; the last ones give way first, the first one is elided in its middle."""
    fitted: list[Piece] = []
    for position, (text, style) in enumerate(pieces):
        shown = elide_middle(text, cells) if position == 0 else elide_end(text, cells)
        if shown:
            fitted.append((shown, style))
        cells -= width_of(shown)
    fitted.append((" " * cells, ""))
    return fitted
