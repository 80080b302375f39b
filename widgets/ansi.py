"""From the bytes that a program writes to lines that are safe to show.

Colours and text styles (SGR) are kept. Everything else that a terminal would obey is dropped: moving the cursor,
titles, clipboard, alternate screens, images. Carriage return and backspace overwrite within the line, as progress bars
need it, and so does erasing a line. Sources: ECMA-48, and "XTerm Control Sequences".
"""

import codecs
import functools
import itertools
import re
from operator import itemgetter
from typing import Final, NamedTuple

from rich.color import Color
from rich.style import Style

from widgets.cells import visible, width_of

MOST_CHARACTERS: Final = 8192
"""A longer line goes on in the next one."""

_TAB: Final = 8
_MOST_PARAMETERS: Final = 256
# A control string that never ends must not swallow the output for ever.
_LONGEST_STRING: Final = 1 << 20
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_IN_CSI: Final = re.compile(r"[\x20-\x3f]*")
_STRING_END: Final = re.compile(r"[\x07\x18\x1a\x1b\x9c]")
_OSC_END: Final = re.compile(r"[\x07\x18\x1a\x1b\x9c\n\r]")

# Introducers of sequences: what follows ESC, or its one-character form.
_C1: Final = {"\x9b": "[", "\x9d": "]", "\x90": "P", "\x98": "X", "\x9e": "^", "\x9f": "_"}


class _Sgr(NamedTuple):
    """Colours and text styles in force: a colour is a number of the palette, red-green-blue, or None."""

    color: int | tuple[int, int, int] | None = None
    background: int | tuple[int, int, int] | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


_PLAIN_SGR: Final = _Sgr()
_SWITCHES: Final = {
    1: ("bold", True),
    2: ("dim", True),
    3: ("italic", True),
    4: ("underline", True),
    7: ("reverse", True),
    9: ("strike", True),
    21: ("underline", True),
    23: ("italic", False),
    24: ("underline", False),
    27: ("reverse", False),
    29: ("strike", False),
}


@functools.lru_cache(maxsize=1024)
def _style(sgr: _Sgr) -> Style | None:
    """The style that draws ``sgr``; None for plain text."""
    if sgr == _PLAIN_SGR:
        return None

    def color(value: int | tuple[int, int, int] | None) -> Color | None:
        if value is None:
            return None
        return Color.from_ansi(value) if isinstance(value, int) else Color.from_rgb(*value)

    return Style(
        color=color(sgr.color),
        bgcolor=color(sgr.background),
        bold=sgr.bold or None,
        dim=sgr.dim or None,
        italic=sgr.italic or None,
        underline=sgr.underline or None,
        reverse=sgr.reverse or None,
        strike=sgr.strike or None,
    )


@functools.lru_cache(maxsize=1024)
def _apply(sgr: _Sgr, parameters: str) -> _Sgr:
    """``sgr`` after the parameters of one SGR sequence; what is not understood is skipped."""
    if any(char not in "0123456789;:" for char in parameters):
        return sgr
    numbers = [int(each) if each and len(each) < 6 else 0 for each in parameters.replace(":", ";").split(";")]
    place = 0
    while place < len(numbers):
        code = numbers[place]
        place += 1
        if code == 0:
            sgr = _PLAIN_SGR
        elif code in _SWITCHES:
            name, on = _SWITCHES[code]
            sgr = sgr._replace(**{name: on})
        elif code == 22:
            sgr = sgr._replace(bold=False, dim=False)
        elif 30 <= code <= 37:
            sgr = sgr._replace(color=code - 30)
        elif 90 <= code <= 97:
            sgr = sgr._replace(color=code - 90 + 8)
        elif 40 <= code <= 47:
            sgr = sgr._replace(background=code - 40)
        elif 100 <= code <= 107:
            sgr = sgr._replace(background=code - 100 + 8)
        elif code == 39:
            sgr = sgr._replace(color=None)
        elif code == 49:
            sgr = sgr._replace(background=None)
        elif code in (38, 48, 58):
            value, place = _extended(numbers, place)
            if value is not None and code != 58:
                sgr = sgr._replace(color=value) if code == 38 else sgr._replace(background=value)
    return sgr


def _extended(numbers: list[int], place: int) -> tuple[int | tuple[int, int, int] | None, int]:
    """A colour of 256 (5;n) or red-green-blue (2;r;g;b), and where the parameters go on."""
    kind = numbers[place] if place < len(numbers) else None
    if kind == 5 and place + 1 < len(numbers):
        return min(255, numbers[place + 1]), place + 2
    if kind == 2 and place + 3 < len(numbers):
        red, green, blue = (min(255, each) for each in numbers[place + 1 : place + 4])
        return (red, green, blue), place + 4
    return None, len(numbers)


Run = tuple[str, Style | None]
"""Some text of a line in one style."""

_BLANK: Final[Run] = (" ", None)


class Line:
    """One line of output: runs of text, and a column where the next character goes.

    A line that is only appended to, as nearly all, is kept in runs. One that is written over is kept a character at a
    time until it is finished, so that no order of characters, however hostile, costs more than its length.
    """

    __slots__ = ("_cells", "_runs", "column", "length", "note", "wider")

    def __init__(self, note: str = "") -> None:
        self._runs: list[Run] = [(note, None)] if note else []
        self._cells: list[Run] | None = None
        self.length = len(note)
        """How many characters there are."""
        self.column = 0
        """Where the next character goes, counted in characters; it may be past the end."""
        self.wider = 0
        """How many cells more than characters were written: what tab stops are off by."""
        self.note = bool(note)
        """Whether this is no output but a line about it."""

    @property
    def runs(self) -> list[Run]:
        """The text in its styles."""
        if self._cells is None:
            return self._runs
        runs: list[Run] = []
        for style, group in itertools.groupby(self._cells, key=itemgetter(1)):
            runs.append(("".join(char for char, _ in group), style))
        return runs

    @property
    def text(self) -> str:
        """The text without its styles."""
        return "".join(text for text, _ in (self._runs if self._cells is None else self._cells))

    def _by_cells(self) -> list[Run]:
        if self._cells is None:
            self._cells = [(char, style) for text, style in self._runs for char in text]
            self._runs = []
        return self._cells

    def finish(self) -> None:
        """Nothing more will be written."""
        if self._cells is not None:
            self._runs, self._cells = self.runs, None

    def write(self, text: str, style: Style | None) -> None:
        """Put ``text`` at the column, over what is there."""
        if not text.isascii():
            self.wider += width_of(text) - len(text)
        if self.column == self.length and self._cells is None:
            if self._runs and self._runs[-1][1] is style:
                self._runs[-1] = (self._runs[-1][0] + text, style)
            else:
                self._runs.append((text, style))
        else:
            cells = self._by_cells()
            cells += [_BLANK] * (self.column - len(cells))
            cells[self.column : self.column + len(text)] = [(char, style) for char in text]
        self.column += len(text)
        self.length = max(self.length, self.column)

    def erase(self, how: str) -> None:
        """Erase to the end of the line (empty or ``0``) or all of it (``2``); the column stays."""
        if how == "2":
            self._by_cells().clear()
        elif how in ("", "0"):
            del self._by_cells()[self.column :]
        else:
            return
        self.length = len(self._by_cells())


class Decoder:
    """Turns one stream of bytes into lines. State is kept between calls, so sequences may be split anywhere."""

    def __init__(self) -> None:
        self._bytes = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._state = "ground"
        self._held = ""
        self._swallowed = 0
        self._sgr = _PLAIN_SGR

    def feed(self, data: bytes, lines: list[Line]) -> None:
        """Write ``data`` at the end of ``lines``, whose last one is the one being written; it must not be empty."""
        self._feed(self._bytes.decode(data), lines)

    def end(self, lines: list[Line]) -> None:
        """The stream has ended: a character cut off in its middle is shown as the bytes that there are of it."""
        self._feed(self._bytes.decode(b"", final=True), lines)

    def _feed(self, text: str, lines: list[Line]) -> None:
        place = 0
        while place < len(text):
            if self._state == "ground":
                place = self._ground(text, place, lines)
            elif self._state == "escape":
                place = self._escape(text, place)
            elif self._state == "csi":
                place = self._csi(text, place, lines)
            else:
                place = self._string(text, place)

    def _ground(self, text: str, place: int, lines: list[Line]) -> int:
        match = _PLAIN.match(text, place)
        if match is not None:
            self._write(visible(match.group()), lines)
            return match.end()
        char = text[place]
        line = lines[-1]
        if char in "\n\v\f":
            line.finish()
            lines.append(Line())
        elif char == "\r":
            line.column = 0
        elif char == "\b":
            line.column = max(0, line.column - 1)
        elif char == "\t":
            self._write(" " * (_TAB - (line.column + line.wider) % _TAB), lines)
        elif char == "\x1b":
            self._state = "escape"
        elif char in _C1:
            self._begin(_C1[char])
        return place + 1

    def _write(self, text: str, lines: list[Line]) -> None:
        style = _style(self._sgr)
        while text:
            room = MOST_CHARACTERS - lines[-1].column
            lines[-1].write(text[:room], style)
            text = text[room:]
            if text:
                lines[-1].finish()
                lines.append(Line())

    def _begin(self, introducer: str) -> None:
        self._held = ""
        self._swallowed = 0
        self._state = "csi" if introducer == "[" else "osc" if introducer == "]" else "string"

    def _escape(self, text: str, place: int) -> int:
        char = text[place]
        if char in "[]PX^_":
            self._begin(char)
            return place + 1
        if " " <= char <= "/" or char == "\x1b":  # an intermediate, or begun anew: one more character belongs to it
            return place + 1
        self._state = "ground"
        return place + 1 if "0" <= char <= "~" else place  # anything else is no part of a sequence

    def _csi(self, text: str, place: int, lines: list[Line]) -> int:
        match = _IN_CSI.match(text, place)
        if match is not None:  # it always is: the pattern also matches nothing
            self._held += match.group()
            place = match.end()
        if len(self._held) > _MOST_PARAMETERS:
            self._held = "?"  # too long to mean anything: understood by nothing below
        if place == len(text):
            return place
        char = text[place]
        self._state = "ground"
        if not "@" <= char <= "~":  # a control character or text: the sequence is broken off
            return place
        if char == "m":
            self._sgr = _apply(self._sgr, self._held)
        elif char == "K":
            lines[-1].erase(self._held)
        return place + 1

    def _string(self, text: str, place: int) -> int:
        limit = min(len(text), place + _LONGEST_STRING - self._swallowed)
        match = (_OSC_END if self._state == "osc" else _STRING_END).search(text, place, limit)
        end = limit if match is None else match.start()
        self._swallowed += end - place
        if match is None:
            if self._swallowed >= _LONGEST_STRING:
                self._state = "ground"
            return end
        # ESC may begin the terminator or another sequence: both are what "escape" makes of it.
        self._state = "escape" if match.group() == "\x1b" else "ground"
        return end if match.group() in "\n\r" else end + 1
