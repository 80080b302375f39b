"""The filesystem as a tree, with what a policy grants on every row."""

import contextlib
import gc
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, Literal

from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message

from widgets.line_list import LineList, Piece
from widgets.tree_drawing import INDENT, message_pieces, row_pieces
from widgets.tree_loader import Load, TreeLoader
from widgets.tree_model import Node, TreeModel, TreeRow, TreeSource, is_at_or_below

# Reading that is faster than this shows no sign of it: it would only flicker.
_SHOW_READING_AFTER_S: Final = 0.3
# From so many entries on, going through them all makes a garbage collection long enough to be felt (130 ms measured for
# 200,000), so they are kept out of it. They are in no cycle that only a collection could free.
_MANY: Final = 20_000


class PolicyTree(LineList):
    """A tree of paths, read lazily, each row with the rights that a policy grants there.

    Right of the name stand a ``*`` where a rule on this very path grants something, and one letter a group of rights
    (see ``widgets.rights_letters``); what is only inherited is dim and, where there is room, named with where it comes
    from. Directories of 100,000 entries and more are fine: only lines on the screen are drawn, and reading is done in a
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

        def __init__(self, load: Load, nodes: list[Node], error: Exception | None) -> None:
            super().__init__()
            self.load = load
            self.nodes = nodes
            self.error = error

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._model = TreeModel()
        self._loader = TreeLoader(self._model, self._post_arrived)
        self._announced: str | None = None

    # What others ask and tell

    @property
    def line_count(self) -> int:
        """How many rows are open."""
        return len(self._model.lines)

    @property
    def cursor_path(self) -> str | None:
        """The path under the cursor, or None where the line only says something."""
        node = self._cursor_node()
        return None if node is None or node.row is None else node.row.path

    @property
    def cursor_row(self) -> TreeRow | None:
        """The row under the cursor as it is now, or None where the line only says something."""
        node = self._cursor_node()
        return None if node is None else self._model.row(node)

    @property
    def is_reading(self) -> bool:
        """Whether a directory is being read."""
        return self._loader.is_reading

    def set_source(self, source: TreeSource, root_path: str) -> None:
        """Show the tree below ``root_path``. Everything read so far is dropped. Must be called when mounted."""
        self._loader.cancel_all()
        self._announced = None
        root = self._model.set_root(source, root_path)
        self.cursor = -1
        self.lines_changed()
        self.cursor = 0
        self._expand(root)

    def refresh_rows(self) -> None:
        """Derive every row again: those on the screen at once, the others when they come to be seen.

        Costs nothing for rows that nobody sees, and draws only those that changed. Cursor, open directories and
        scrolling stay.
        """
        self._model.invalidate()
        for number in range(self.top_line, min(self.top_line + self.size.height, self.line_count)):
            node = self._model.lines[number]
            before = node.row
            if self._model.row(node) != before:
                self.refresh_item(number)

    def reload(self, path: str | None = None) -> None:
        """Read open directories again (the one at ``path``, or all), and show what came, went and changed.

        Cursor, open directories and scrolling stay; where the row of the cursor is gone, the nearest one has it.
        """
        self._read(
            node
            for node in self._model.lines
            if node.expanded and node.row is not None and (path is None or node.row.path == path)
        )

    async def reveal(self, path: str) -> bool:
        """Open the tree down to ``path`` and move the cursor there, or as far as it goes.

        Returns whether the path itself was found. Awaits the reading of directories on the way, so it must not be
        awaited in a message handler of this widget itself.
        """
        node = self._model.root
        if node is None or node.row is None:
            return False
        found = is_at_or_below(path, node.row.path)
        while found and node.row is not None and node.row.path != path:
            self._expand(node)
            await self._loader.wait_for(node)
            children = node.children or ()
            child = next((each for each in children if each.row and is_at_or_below(path, each.row.path)), None)
            if child is None:
                found = False
                break
            node = child
        line = self._model.place(node)
        if line >= 0:
            self.cursor = line
        return found

    async def wait_read(self) -> None:
        """Wait until no directory is being read. Not to be awaited in a message handler of this widget itself."""
        await self._loader.wait_for_all()

    # Opening, closing and reading directories

    def _expand(self, node: Node) -> None:
        if not self._model.expand(node):
            return
        if node.children is None:
            self._read([node])
            self.refresh_item(self._model.place(node))
        else:
            self._respread(node)

    def _collapse(self, node: Node) -> None:
        if not node.expanded:
            return
        node.expanded = False
        if self._loader.cancel(node):  # closed before it was read: opening it again reads again
            node.children = None
        self._respread(node)

    def _read(self, nodes: Iterable[Node]) -> None:
        loads = self._loader.start(nodes)
        if loads:
            self.set_timer(_SHOW_READING_AFTER_S, lambda: self._say_reading(loads))

    def _say_reading(self, loads: list[Load]) -> None:
        for load in loads:
            node = load.node
            if self._loader.is_current(load) and node.expanded and node.children is None:
                node.children = [self._model.message_node(node, "reading …")]
                self._respread(node)

    def _post_arrived(self, load: Load, nodes: list[Node], error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self.post_message(self._Arrived(load, nodes, error))

    @on(_Arrived)
    def _put_in(self, message: _Arrived) -> None:
        """Put what was read into the tree."""
        message.stop()
        node = message.load.node
        if not self._loader.finish(message.load):
            return
        if message.error is not None:
            raise message.error
        self._model.set_children(node, message.nodes)
        self._respread(node)
        if len(message.nodes) >= _MANY:
            gc.freeze()

    def on_unmount(self) -> None:
        """Drop whatever is still being read."""
        self._loader.cancel_all()

    def _respread(self, node: Node) -> None:
        """Put the lines below ``node`` in place of those there were; cursor and screen stay on their rows."""
        held = self._cursor_node()
        top = self.top_line
        was_on_screen = self.shows_line(self.cursor)
        splice = self._model.respread(node)
        if splice is None:
            return
        cursor = self.cursor
        if cursor >= splice.end:
            cursor += splice.growth
        elif cursor >= splice.start and held is not None:
            cursor = self._model.nearest_line(held, splice, cursor)
        if top >= splice.end:
            top += splice.growth
        # Without watching: the screen stays where it is, and only moves if the cursor would be off it.
        self.set_reactive(LineList.cursor, cursor)
        self.lines_changed()
        if top != self.top_line:
            self.scroll_top_to(top)
        if was_on_screen:
            self.show_line(self.cursor)
        self.cursor_moved()

    def cursor_moved(self) -> None:
        """Tell which path the cursor is on now."""
        path = self.cursor_path
        if path is not None and path != self._announced:
            self._announced = path
            self.post_message(self.PathHighlighted(self, path))

    def draw_line(self, number: int, width: int) -> Sequence[Piece]:
        """One row: indentation, name, what is beside it, and the rights at the right edge."""
        node = self._model.lines[number]
        row = self._model.row(node)
        return message_pieces(node, width) if row is None else row_pieces(row, node, width)

    # Keys and mouse

    def on_click(self, event: events.Click) -> None:
        """A click on a directory's mark, or a double click on its row, opens or closes it."""
        number = self._line_at(event)
        if number < 0:
            return
        node = self._model.lines[number]
        offset = event.get_content_offset(self)
        on_mark = offset is not None and 0 <= offset.x - node.depth * INDENT < 2
        if on_mark or event.chain == 2:
            self._toggle(node)

    def _toggle(self, node: Node) -> None:
        if node.expanded:
            self._collapse(node)
        else:
            self._expand(node)

    def _cursor_node(self) -> Node | None:
        return self._model.lines[self.cursor] if 0 <= self.cursor < len(self._model.lines) else None

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
            self.cursor = self._model.place(node.parent)
