"""A read-only view of a policy's text with line numbers, highlighting and marked lines."""

from collections.abc import Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from widgets.cells import visible, width_of
from widgets.highlighting import Language, highlight, long_strings
from widgets.styling import background_style, text_style

_TAB = 4
# Highlighted lines to cache: a few screens. Highlighting is lazy and by line, so a text of any length costs the same.
_LINES_KEPT = 1024


class PolicyText(ScrollView, can_focus=True):
    """A policy's text. Only lines on the screen are highlighted, so 100,000 lines are as fast as ten."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "policy-text--gutter",
        "policy-text--gutter-marked",
        "policy-text--marked",
        "policy-text--comment",
        "policy-text--header",
        "policy-text--key",
        "policy-text--string",
        "policy-text--constant",
        "policy-text--number",
        "policy-text--mark",
    }
    """
    | Class | Description |
    | :- | :- |
    | `policy-text--gutter` | Line numbers. |
    | `policy-text--gutter-marked` | The number and arrow of a marked line. |
    | `policy-text--marked` | The text of a marked line. |
    | `policy-text--comment` | Comments. |
    | `policy-text--header` | Table headers. |
    | `policy-text--key` | Keys. |
    | `policy-text--string` | Strings. |
    | `policy-text--constant` | true, false, null. |
    | `policy-text--number` | Numbers and dates. |
    | `policy-text--mark` | Brackets, commas, equals signs. |
    """

    DEFAULT_CSS = """
    PolicyText {
        background: $surface;
        color: $foreground;
        scrollbar-size: 1 1;

        & > .policy-text--gutter {
            color: $foreground 40%;
        }
        & > .policy-text--gutter-marked {
            color: $text-accent;
            text-style: bold;
        }
        & > .policy-text--marked {
            background: $accent 15%;
        }
        & > .policy-text--comment {
            color: $foreground 70%;
            text-style: italic;
        }
        & > .policy-text--header {
            color: $text-primary;
            text-style: bold;
        }
        & > .policy-text--key {
            color: $text-primary;
        }
        & > .policy-text--string {
            color: $text-success;
        }
        & > .policy-text--constant {
            color: $text-accent;
        }
        & > .policy-text--number {
            color: $text-warning;
        }
        & > .policy-text--mark {
            color: $foreground 70%;
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
        self._text = ""
        self._lines: list[str] = []
        self._widths: list[int] = []
        self._language: Language = "toml"
        self._marked: frozenset[int] = frozenset()
        self._inside: dict[int, str] = {}
        """Lines (from 0) that begin inside a multi-line TOML string, and its quotes."""
        self._pieces: LRUCache[int, list[tuple[str, str]]] = LRUCache(_LINES_KEPT)
        self._pending_line: int | None = None
        """The line (from 1) to scroll to once the widget has a size; it has none while hidden."""

    @property
    def text(self) -> str:
        """The text."""
        return self._text

    @property
    def marked(self) -> frozenset[int]:
        """The marked lines, from 1."""
        return self._marked

    def show(self, text: str, language: Language = "toml", lines: Iterable[int] = ()) -> None:
        """Show ``text`` and mark ``lines`` (from 1).

        Scrolls to the first marked line if the marks changed, else to the first line that changed, unless that line is
        on the screen already.
        """
        marked = frozenset(lines)
        follow: int | None = None
        if text != self._text or language != self._language:
            before, after = self._lines, text.split("\n")
            if after and not after[-1]:
                after.pop()
            self._text = text
            self._language = language
            self._lines = after
            self._inside = long_strings(text) if language == "toml" else {}
            self._pieces.clear()
            shorter = min(len(before), len(after))
            head = _common(before, after, shorter)
            tail = _common(before[::-1], after[::-1], shorter - head)
            fresh = [width_of(line) + (_TAB - 1) * line.count("\t") for line in after[head : len(after) - tail]]
            self._widths[head : len(before) - tail] = fresh
            self.virtual_size = Size(self._gutter_width + max(self._widths, default=0) + 1, len(after))
            if before:
                follow = max(0, min(head, len(after) - 1)) + 1
        if marked and marked != self._marked:
            follow = min(marked)
        self._marked = marked
        self.refresh()
        if follow is not None:
            self._follow(follow)

    def goto(self, line: int) -> None:
        """Scroll ``line`` (from 1) to the middle of the screen, unless it is on the screen already."""
        self._follow(line)

    def _follow(self, line: int) -> None:
        height = self.scrollable_content_region.height
        number = max(0, min(line, len(self._lines)) - 1)
        self._pending_line = None if height else line
        if height and not self.scroll_offset.y <= number < self.scroll_offset.y + height:
            self.scroll_to(y=max(0, number - height // 2), animate=False, force=True)

    def on_resize(self) -> None:
        """Scroll to the line that was asked for while there was no room."""
        if self._pending_line is not None:
            self._follow(self._pending_line)

    @property
    def _gutter_width(self) -> int:
        return max(3, len(str(len(self._lines)))) + 2

    def render_line(self, y: int) -> Strip:
        """Render row ``y`` of the widget: the gutter, then the text from the horizontal scroll position on."""
        width = self.scrollable_content_region.width
        scroll_x, scroll_y = self.scroll_offset
        number = scroll_y + y
        base = self.rich_style
        if number >= len(self._lines):
            return Strip.blank(width, base)
        is_marked = number + 1 in self._marked
        gutter_style = base + text_style(self, f"policy-text--gutter{'-marked' if is_marked else ''}")
        if is_marked:
            base += background_style(self, "policy-text--marked")
        gutter = f"{number + 1:>{self._gutter_width - 2}}{'▸' if is_marked else ' '} "
        segments = [Segment(text, self._piece_style(base, kind)) for text, kind in self._highlighted(number)]
        room = max(0, width - self._gutter_width)
        line = Strip(segments).adjust_cell_length(max(room + scroll_x, 0), base).crop(scroll_x, scroll_x + room)
        return Strip.join([Strip([Segment(gutter, gutter_style)]), line]).adjust_cell_length(width, base)

    def _piece_style(self, base: Style, kind: str) -> Style:
        if not kind:
            return base
        return base + text_style(self, f"policy-text--{kind}")

    def _highlighted(self, number: int) -> list[tuple[str, str]]:
        """Return the pieces of a line (from 0) with their kinds."""
        pieces = self._pieces.get(number)
        if pieces is None:
            line = visible(self._lines[number].rstrip("\r").expandtabs(_TAB))
            pieces = self._pieces[number] = list(highlight(line, self._language, self._inside.get(number, "")))
        return pieces


def _common(before: list[str], after: list[str], limit: int) -> int:
    """Return the length of the common start of both lists, at most ``limit``, by bisection with slice comparisons."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
