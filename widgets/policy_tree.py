"""The filesystem as a tree, each row with the rights that a policy grants there."""

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

# A directory that is read faster than this shows no message, which would only flicker.
_SHOW_READING_AFTER_S: Final = 0.3
# From this many entries on, scanning them makes a garbage collection noticeably slow (130 ms for 200,000), so they are
# frozen. They are in no reference cycle that only a collection could free.
_FREEZE_FROM: Final = 20_000


class PolicyTree(LineList):
    """A tree of paths, read lazily, each row with the rights that a policy grants there.

    At the right edge are a ``*`` if a rule on this exact path grants something, and one letter per group of rights (see
    ``widgets.rights_letters``). Inherited rights are dim and, if there is room, shown with the path they come from.
    Directories with 100,000 entries and more are fine: only lines on the screen are drawn, and directories are read in
    a thread, which may hang without blocking the screen or the exit of the program.
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
    | space | Switch the row to its next level of rights. |
    | backspace, shift+space | Switch the row to its previous level of rights. |
    | enter | Open or close a directory. |
    | right | Open a directory, or go to its first entry. |
    | left | Close a directory, or go to the parent directory. |
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
    | `policy-tree--link` | The target of a symbolic link. |
    | `policy-tree--note` | A note after the name, and lines that are not a path. |
    | `policy-tree--missing` | A rule's path that does not exist. |
    | `policy-tree--given` | Rights granted by rules on this exact path. |
    | `policy-tree--inherited` | Rights granted by rules above. |
    | `policy-tree--none` | The dashes for rights not granted. |
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
        """Posted when the cursor moves to another path.

        Can be handled using `on_policy_tree_path_highlighted` in a parent widget.
        """

        def __init__(self, tree: "PolicyTree", path: str) -> None:
            super().__init__()
            self.tree = tree
            """The tree that sent the message."""
            self.path = path
            """The path, exactly as in its row."""

        @property
        def control(self) -> "PolicyTree":
            """The tree that sent the message."""
            return self.tree

    class LevelStep(Message):
        """Posted when the user switches a row to its next or previous level of rights.

        Can be handled using `on_policy_tree_level_step` in a parent widget.
        """

        def __init__(self, tree: "PolicyTree", path: str, step: Literal[1, -1]) -> None:
            super().__init__()
            self.tree = tree
            """The tree that sent the message."""
            self.path = path
            """The path, exactly as in its row."""
            self.step: Literal[1, -1] = step
            """1 for the next level, -1 for the previous one."""

        @property
        def control(self) -> "PolicyTree":
            """The tree that sent the message."""
            return self.tree

    class _Arrived(Message):
        """Posted from the reading thread when a directory was read; ``error`` is any error but an OSError."""

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
        self._posted_path: str | None = None

    @property
    def line_count(self) -> int:
        """The number of open rows."""
        return len(self._model.lines)

    @property
    def cursor_path(self) -> str | None:
        """The path under the cursor, or None on a message."""
        node = self._cursor_node()
        return None if node is None or node.row is None else node.row.path

    @property
    def cursor_row(self) -> TreeRow | None:
        """The current row under the cursor, or None on a message."""
        node = self._cursor_node()
        return None if node is None else self._model.row(node)

    @property
    def is_reading(self) -> bool:
        """Whether a directory is being read."""
        return self._loader.is_reading

    def set_source(self, source: TreeSource, root_path: str) -> None:
        """Show the tree below ``root_path``, dropping everything read so far. The widget must be mounted."""
        self._loader.cancel_all()
        self._posted_path = None
        root = self._model.set_root(source, root_path)
        self.cursor = -1
        self.lines_changed()
        self.cursor = 0
        self._expand(root)

    def refresh_rows(self) -> None:
        """Refresh every row: those on the screen now, the others when they come on the screen.

        Only rows that changed are redrawn. The cursor, open directories and scroll position stay.
        """
        self._model.invalidate()
        for number in range(self.top_line, min(self.top_line + self.size.height, self.line_count)):
            node = self._model.lines[number]
            before = node.row
            if self._model.row(node) != before:
                self.refresh_list_line(number)

    def reload(self, path: str | None = None) -> None:
        """Read open directories again (the one at ``path``, or all), and show what was added, removed and changed.

        The cursor, open directories and scroll position stay; if the row under the cursor is gone, it moves to the
        nearest one.
        """
        self._read(
            node
            for node in self._model.lines
            if node.expanded and node.row is not None and (path is None or node.row.path == path)
        )

    async def reveal(self, path: str) -> bool:
        """Open the tree down to ``path`` and move the cursor there, or as close as possible.

        Returns whether the path itself was found. Waits for directories to be read, so it must not be awaited in a
        message handler of this widget.
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
        line = self._model.line_of(node)
        if line >= 0:
            self.cursor = line
        return found

    async def wait_until_read(self) -> None:
        """Wait until no directory is being read. Must not be awaited in a message handler of this widget."""
        await self._loader.wait_for_all()

    # Opening, closing and reading directories

    def _expand(self, node: Node) -> None:
        if not self._model.expand(node):
            return
        if node.children is None:
            self._read([node])
            self.refresh_list_line(self._model.line_of(node))
        else:
            self._update_lines(node)

    def _collapse(self, node: Node) -> None:
        if not node.expanded:
            return
        node.expanded = False
        if self._loader.cancel(node):  # closed before it was read: read again when opened
            node.children = None
        self._update_lines(node)

    def _read(self, nodes: Iterable[Node]) -> None:
        loads = self._loader.start(nodes)
        if loads:
            self.set_timer(_SHOW_READING_AFTER_S, lambda: self._show_reading(loads))

    def _show_reading(self, loads: list[Load]) -> None:
        for load in loads:
            node = load.node
            if self._loader.is_current(load) and node.expanded and node.children is None:
                node.children = [self._model.message_node(node, "reading …")]
                self._update_lines(node)

    def _post_arrived(self, load: Load, nodes: list[Node], error: Exception | None) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody is waiting
            self.post_message(self._Arrived(load, nodes, error))

    @on(_Arrived)
    def _insert(self, message: _Arrived) -> None:
        """Insert what was read into the tree."""
        message.stop()
        node = message.load.node
        if not self._loader.finish(message.load):
            return
        if message.error is not None:
            raise message.error
        self._model.set_children(node, message.nodes)
        self._update_lines(node)
        if len(message.nodes) >= _FREEZE_FROM:
            gc.freeze()

    def on_unmount(self) -> None:
        """Cancel what is still being read."""
        self._loader.cancel_all()

    def _update_lines(self, node: Node) -> None:
        """Update the lines below ``node``; the cursor and the screen stay on their rows."""
        cursor_node = self._cursor_node()
        top = self.top_line
        was_on_screen = self.is_line_visible(self.cursor)
        splice = self._model.update_lines(node)
        if splice is None:
            return
        cursor = self.cursor
        if cursor >= splice.end:
            cursor += splice.growth
        elif cursor >= splice.start and cursor_node is not None:
            cursor = self._model.nearest_line(cursor_node, splice, cursor)
        if top >= splice.end:
            top += splice.growth
        # Bypass the watcher: the screen scrolls only if the cursor would otherwise leave it.
        self.set_reactive(LineList.cursor, cursor)
        self.lines_changed()
        if top != self.top_line:
            self.scroll_to_top(top)
        if was_on_screen:
            self.scroll_to_line(self.cursor)
        self.cursor_moved()

    def cursor_moved(self) -> None:
        """Post the path that the cursor is on now."""
        path = self.cursor_path
        if path is not None and path != self._posted_path:
            self._posted_path = path
            self.post_message(self.PathHighlighted(self, path))

    def draw_line(self, number: int, width: int) -> Sequence[Piece]:
        """Return one row: indentation, name, notes, and the rights at the right edge."""
        node = self._model.lines[number]
        row = self._model.row(node)
        return message_pieces(node, width) if row is None else row_pieces(row, node, width)

    # Keys and mouse

    def on_click(self, event: events.Click) -> None:
        """Open or close a directory on a click on its mark or a double click on its row."""
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
        """Ask for the next or previous level of rights on the row under the cursor."""
        path = self.cursor_path
        if path is not None:
            self.post_message(self.LevelStep(self, path, step))

    def action_open_or_close(self) -> None:
        """Open or close the directory under the cursor."""
        node = self._cursor_node()
        if node is not None:
            self._toggle(node)

    def action_open(self) -> None:
        """Open the directory under the cursor, or go to its first entry if it is open."""
        node = self._cursor_node()
        if node is None:
            return
        if node.expanded and node.children:
            self.cursor += 1
        else:
            self._expand(node)

    def action_close(self) -> None:
        """Close the directory under the cursor, or go to its parent if it is closed."""
        node = self._cursor_node()
        if node is None:
            return
        if node.expanded:
            self._collapse(node)
        elif node.parent is not None:
            self.cursor = self._model.line_of(node.parent)
