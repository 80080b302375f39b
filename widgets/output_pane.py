"""The output of a command as it arrives: coloured, safe to show, and bounded in size."""

import time
from collections import deque
from typing import ClassVar, Final

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from widgets.ansi import Decoder
from widgets.cells import visible
from widgets.output_line import Line
from widgets.styling import text_style

MAX_LINES: Final = 5_000
MAX_CHARACTERS: Final = 4 << 20
"""How much output is kept; older output is dropped."""
MAX_PENDING_BYTES: Final = 2 << 20
"""How much output may wait to be decoded; older bytes are skipped, and a note says how many."""

# Output is decoded in chunks of this size, for at most this long before the screen gets its turn, and this often.
_CHUNK_BYTES: Final = 4 << 10
_DECODE_S: Final = 0.02
_INTERVAL_S: Final = 0.01

_Row = tuple[Line, int, int]
"""The part of a line that one row shows: the characters from the first number to before the second."""


class OutputPane(ScrollView, can_focus=True):
    """A log of output in its own colours, with long lines wrapped.

    Nothing that a program writes can do more than colour text: see ``widgets.ansi``. The pane follows the end of the
    output until the user scrolls up, and again once they scroll back to the end.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"output-pane--note"}
    """
    | Class | Description |
    | :- | :- |
    | `output-pane--note` | Notes about the output. |
    """

    DEFAULT_CSS = """
    OutputPane {
        height: 1fr;
        background: $surface;
        color: $foreground;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;

        & > .output-pane--note {
            color: $foreground 70%;
            text-style: italic;
        }
        &:focus {
            background-tint: $foreground 5%;
        }
    }
    """

    ALLOW_SELECT = False

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self._pending: deque[tuple[str, bytes]] = deque()
        self._pending_bytes = 0
        self._skipped = 0
        self._timer: Timer | None = None
        self._decoders: dict[str, Decoder] = {}
        self._lines: list[Line] = [Line()]
        self._heights: list[int] = [0]
        """The number of rows of each line."""
        self._rows: list[_Row] = []
        self._characters = 0
        self._wrapped_at = 0
        self._following = True

    @property
    def text(self) -> str:
        """All kept lines without colours, excluding output that is not decoded yet."""
        return "\n".join(line.text for line in self._lines)

    @property
    def is_busy(self) -> bool:
        """Whether output is waiting to be decoded."""
        return bool(self._pending)

    @property
    def is_following(self) -> bool:
        """Whether the pane follows the end of the output."""
        return self._following

    def feed(self, data: bytes, stream: str = "stdout") -> None:
        """Show ``data`` that a program wrote to ``stream``; sequences may be split over calls."""
        if data:
            self._enqueue(stream, data)

    def note(self, text: str) -> None:
        """Show a line about the output, such as how the command ended."""
        self._enqueue("", text.encode("utf-8", "backslashreplace"))

    def clear(self) -> None:
        """Remove everything, and reset colours and unfinished sequences."""
        self._pending.clear()
        self._pending_bytes = self._skipped = self._characters = 0
        self._decoders.clear()
        self._lines = [Line()]
        self._heights = [0]
        self._rows.clear()
        self._following = True
        self.virtual_size = Size(0, 0)
        self.refresh()

    # Decoding output

    def _enqueue(self, stream: str, data: bytes) -> None:
        self._pending.append((stream, data))
        self._pending_bytes += len(data)
        while self._pending_bytes > MAX_PENDING_BYTES:
            stream, data = self._pending.popleft()
            excess = self._pending_bytes - MAX_PENDING_BYTES
            if not stream:  # a note is short and kept, and everything before it is dropped
                self._pending.append((stream, data))
                break
            self._pending_bytes -= min(excess, len(data))
            self._skipped += min(excess, len(data))
            self._decoders.pop(stream, None)  # its state belongs to bytes that are skipped now
            if len(data) > excess:
                self._pending.appendleft((stream, data[excess:]))
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is None and self._pending and self.is_running:
            self._timer = self.set_timer(_INTERVAL_S, self._decode_pending)

    def on_mount(self) -> None:
        """Show the output fed before mounting."""
        self._schedule()

    def _decode_pending(self) -> None:
        """Decode waiting output for a short time, then yield to the screen."""
        self._timer = None
        until = time.monotonic() + _DECODE_S
        first = len(self._lines) - 1
        before = self._lines[first].length
        if self._skipped:
            self._add_note(f"… {self._skipped:,} bytes skipped")
            self._skipped = 0
        while self._pending and time.monotonic() < until:
            stream, data = self._pending.popleft()
            if not stream:
                self._pending_bytes -= len(data)
                self._add_note(visible(data.decode()))
                continue
            if len(data) > _CHUNK_BYTES:
                self._pending.appendleft((stream, data[_CHUNK_BYTES:]))
                data = data[:_CHUNK_BYTES]
            self._pending_bytes -= len(data)
            decoder = self._decoders.get(stream)
            if decoder is None:
                decoder = self._decoders[stream] = Decoder()
            decoder.feed(data, self._lines)
        self._characters += sum(line.length for line in self._lines[first:]) - before
        self._rewrap(first)
        self._schedule()

    @property
    def _width(self) -> int:
        """The cells in a row, always leaving room for a scrollbar: it would appear in the middle of wrapping."""
        return max(0, self.size.width - 1)

    def _add_note(self, text: str) -> None:
        if self._lines[-1].length:
            self._lines[-1].finish()
            self._lines.append(Line(text))
        else:
            self._lines[-1] = Line(text)
        self._lines.append(Line())

    def _rewrap(self, first: int) -> None:
        """Wrap the lines from ``first`` on, drop the oldest ones over the limits, and follow the end."""
        width = self._width
        self._wrapped_at = width
        if first < len(self._heights):
            del self._rows[len(self._rows) - sum(self._heights[first:]) :]
            del self._heights[first:]
        for line in self._lines[first:]:
            # The unfinished line takes no row while it is empty.
            is_empty = line is self._lines[-1] and not line.length
            rows = _wrap(line, width) if width and not is_empty else []
            self._rows += rows
            self._heights.append(len(rows))
        dropped = self._trim()
        self.virtual_size = Size(0, len(self._rows))
        if self._following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        elif dropped:
            self.scroll_to(y=max(0, self.scroll_offset.y - dropped), animate=False, force=True)
        self.refresh()

    def _trim(self) -> int:
        """Drop the oldest lines over the limits; returns the number of rows dropped."""
        lines = max(0, len(self._lines) - MAX_LINES)
        characters = self._characters - sum(line.length for line in self._lines[:lines])
        while characters > MAX_CHARACTERS and lines < len(self._lines) - 1:
            characters -= self._lines[lines].length
            lines += 1
        if not lines:
            return 0
        rows = sum(self._heights[:lines])
        del self._lines[:lines], self._heights[:lines], self._rows[:rows]
        self._characters = characters
        return rows

    def on_resize(self) -> None:
        """Wrap again if the width changed, and keep following the end."""
        if self._width != self._wrapped_at:
            self._rewrap(0)
        elif self._following:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    # Scrolling

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end if the user scrolled there, and stop following when they leave it."""
        super().watch_scroll_y(old_value, new_value)
        if self._wrapped_at:
            self._following = round(new_value) >= self.max_scroll_y

    def action_scroll_end(self) -> None:
        """Scroll to the end and follow it."""
        self._following = True
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def action_scroll_home(self) -> None:
        """Scroll to the oldest kept line."""
        self.scroll_to(y=0, animate=False, force=True)

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Render row ``y`` of the widget."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        number = self.scroll_offset.y + y
        if number >= len(self._rows):
            return Strip.blank(width, base)
        line, start, end = self._rows[number]
        if line.note:
            base += text_style(self, "output-pane--note")
        return Strip(_segments(line, start, end, base)).adjust_cell_length(width, self.rich_style)


def _segments(line: Line, start: int, end: int, base: Style) -> list[Segment]:
    """Return the characters of ``line`` from ``start`` to before ``end``."""
    segments = []
    place = 0
    for text, style in line.runs:
        shown = text[max(0, start - place) : max(0, end - place)]
        if shown:
            segments.append(Segment(shown, base if style is None else base + style))
        place += len(text)
        if place >= end:
            break
    return segments


def _wrap(line: Line, width: int) -> list[_Row]:
    """Split ``line`` into rows of at most ``width`` cells."""
    if line.length <= width and line.wider == 0:
        return [(line, 0, line.length)]
    text = line.text
    if text.isascii():
        return [(line, at, min(at + width, len(text))) for at in range(0, len(text), width)]
    rows: list[_Row] = []
    start = cells = 0
    for place, char in enumerate(text):
        wide = get_character_cell_size(char)
        if cells + wide > width and place > start:
            rows.append((line, start, place))
            start, cells = place, 0
        cells += wide
    rows.append((line, start, len(text)))
    return rows
