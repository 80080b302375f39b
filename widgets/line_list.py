"""A list of any length with a cursor; only the lines on the screen are drawn."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets.styling import background_style, text_style

Piece = tuple[str, str]
"""Part of a line, and the component class that styles it (empty for the plain style)."""


class LineList(ScrollView, can_focus=True):
    """Lines with a cursor, for lists too long to have a widget or a node per line.

    A subclass provides ``line_count`` and ``draw_line``, and calls ``lines_changed`` when the number of lines changes.
    Lines never scroll sideways: the subclass elides what does not fit.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "Up", show=False),
        Binding("down", "cursor_down", "Down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]
    """
    | Key(s) | Description |
    | :- | :- |
    | up, down | Move the cursor by a line. |
    | pageup, pagedown | Move the cursor by a page. |
    | home, end | Move the cursor to the first or last line. |
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-list--cursor",
        "line-list--header",
        "line-list--hover",
        "line-list--empty",
    }
    """
    | Class | Description |
    | :- | :- |
    | `line-list--cursor` | The line with the cursor. |
    | `line-list--header` | The fixed line at the top, if there is one. |
    | `line-list--hover` | The line under the mouse. |
    | `line-list--empty` | The text of a list without lines. |
    """

    DEFAULT_CSS = """
    LineList {
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;

        & > .line-list--cursor {
            color: $block-cursor-blurred-foreground;
            background: $block-cursor-blurred-background;
            text-style: $block-cursor-blurred-text-style;
        }
        & > .line-list--header {
            color: $foreground;
            background: $panel;
            text-style: bold;
        }
        & > .line-list--hover {
            background: $block-hover-background;
        }
        & > .line-list--empty {
            color: $foreground 70%;
        }
        &:focus {
            background-tint: $foreground 5%;
            & > .line-list--cursor {
                color: $block-cursor-foreground;
                background: $block-cursor-background;
                text-style: $block-cursor-text-style;
            }
        }
    }
    """

    ALLOW_SELECT = False

    HEADER_LINES: ClassVar[int] = 0
    """The number of fixed lines at the top: 0 or 1."""

    cursor: reactive[int] = reactive(-1, repaint=False)
    """The line with the cursor, from 0; -1 if there are no lines."""

    hover: reactive[int] = reactive(-1, repaint=False)
    """The line under the mouse, or -1."""

    @property
    @abstractmethod
    def line_count(self) -> int:
        """The number of lines."""

    @abstractmethod
    def draw_line(self, number: int, width: int) -> Sequence[Piece]:
        """Return line ``number`` in at most ``width`` cells; the rest of the line is left blank."""

    def draw_header(self, width: int) -> Sequence[Piece]:  # noqa: ARG002
        """Return the fixed line at the top; called if ``HEADER_LINES`` is 1."""
        return ()

    def draw_empty(self, width: int) -> str:  # noqa: ARG002
        """Return the text of a list without lines."""
        return ""

    def cursor_moved(self) -> None:
        """Handle a cursor that moved to another line."""

    # Size and scrolling

    def lines_changed(self) -> None:
        """Redraw after the number of lines changed; the cursor is kept within them."""
        count = self.line_count
        # No width: lines are drawn to fit.
        self.virtual_size = Size(0, count + self.HEADER_LINES)
        self.cursor = min(self.cursor, count - 1)
        self.refresh()

    @property
    def page_lines(self) -> int:
        """The number of lines that fit on the screen."""
        return max(1, self.scrollable_content_region.height - self.HEADER_LINES)

    @property
    def top_line(self) -> int:
        """The first line on the screen."""
        return self.scroll_offset.y

    def scroll_to_top(self, line: int) -> None:
        """Scroll without animation until ``line`` is the first on the screen, or as far as possible."""
        self.scroll_to(y=max(0, min(line, self.line_count - self.page_lines)), animate=False, force=True)

    def scroll_to_line(self, line: int) -> None:
        """Scroll without animation, as little as needed to bring ``line`` on the screen."""
        if not self.size.height:  # not laid out yet: the first resize scrolls
            return
        if line < self.top_line:
            self.scroll_to_top(line)
        elif line >= self.top_line + self.page_lines:
            self.scroll_to_top(line - self.page_lines + 1)

    def is_line_visible(self, line: int) -> bool:
        """Return whether ``line`` is on the screen."""
        return self.top_line <= line < self.top_line + self.page_lines

    def refresh_list_line(self, number: int) -> None:
        """Redraw one line."""
        if 0 <= number < self.line_count:
            y = number + self.HEADER_LINES - self.scroll_offset.y
            if 0 <= y < self.size.height:
                self.refresh(Region(0, y, self.size.width, 1))

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor within the lines."""
        return max(-1 if not self.line_count else 0, min(cursor, self.line_count - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw both lines and scroll to the cursor."""
        self.refresh_list_line(old)
        self.refresh_list_line(new)
        if new >= 0:
            self.scroll_to_line(new)
        if old != new:
            self.cursor_moved()

    def watch_hover(self, old: int, new: int) -> None:
        """Redraw both lines."""
        self.refresh_list_line(old)
        self.refresh_list_line(new)

    def on_resize(self) -> None:
        """Keep the cursor on the screen when the widget shrinks."""
        self.call_after_refresh(self._keep_cursor_on_screen)

    def _keep_cursor_on_screen(self) -> None:
        if self.cursor >= 0:
            self.scroll_to_line(self.cursor)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Render row ``y`` of the widget."""
        width = self.scrollable_content_region.width
        plain = self.rich_style
        if y < self.HEADER_LINES:
            base = self.get_component_rich_style("line-list--header")
            return self._strip(self.draw_header(width), width, base, overlay=base)
        number = y - self.HEADER_LINES + self.scroll_offset.y
        if number >= self.line_count:
            text = self.draw_empty(width) if number == 0 else ""
            return self._strip([(text, "line-list--empty")], width, plain)
        if number == self.cursor:
            cursor = self.get_component_rich_style("line-list--cursor")
            return self._strip(self.draw_line(number, width), width, plain, overlay=cursor)
        if number == self.hover:
            plain += background_style(self, "line-list--hover")
        return self._strip(self.draw_line(number, width), width, plain)

    def _strip(self, pieces: Sequence[Piece], width: int, base: Style, overlay: Style | None = None) -> Strip:
        segments = []
        for text, component in pieces:
            style = base
            if component:
                style += text_style(self, component)
            if overlay is not None:
                style += overlay
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, base if overlay is None else base + overlay)

    # Keys and mouse

    def _line_at(self, event: events.MouseEvent) -> int:
        offset = event.get_content_offset(self)
        if offset is None or offset.y < self.HEADER_LINES:
            return -1
        number = offset.y - self.HEADER_LINES + self.scroll_offset.y
        return number if number < self.line_count else -1

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Track the line under the mouse."""
        self.hover = self._line_at(event)

    def on_leave(self) -> None:
        """Forget the line under the mouse."""
        self.hover = -1

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the clicked line."""
        number = self._line_at(event)
        if number >= 0:
            self.cursor = number

    def action_cursor_up(self) -> None:
        """Move the cursor up by a line."""
        self.cursor -= 1

    def action_cursor_down(self) -> None:
        """Move the cursor down by a line."""
        self.cursor += 1

    def action_page_up(self) -> None:
        """Move the cursor up by a page."""
        self.cursor -= self.page_lines - 1

    def action_page_down(self) -> None:
        """Move the cursor down by a page."""
        self.cursor += self.page_lines - 1

    def action_first(self) -> None:
        """Move the cursor to the first line."""
        self.cursor = 0

    def action_last(self) -> None:
        """Move the cursor to the last line."""
        self.cursor = self.line_count - 1
