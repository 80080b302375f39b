"""Decode the bytes that a program writes into lines that are safe to show.

Colours and text styles (SGR) are kept, and carriage return, backspace and erase-in-line work within the line, as
progress bars need. Everything else that a terminal would obey is dropped: cursor movement, titles, clipboard access,
alternate screens, images. Sources: ECMA-48, and "XTerm Control Sequences".
"""

import codecs
import re
from typing import Final

from widgets import sgr
from widgets.cells import visible
from widgets.output_line import Line

MAX_LINE_CHARACTERS: Final = 8192
"""The longest line; the rest continues on the next one."""

_TAB: Final = 8
_MAX_PARAMETERS: Final = 256
# An unterminated control string must not swallow output forever.
_MAX_STRING: Final = 1 << 20
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]+")
_IN_CSI: Final = re.compile(r"[\x20-\x3f]*")
_STRING_END: Final = re.compile(r"[\x07\x18\x1a\x1b\x9c]")
_OSC_END: Final = re.compile(r"[\x07\x18\x1a\x1b\x9c\n\r]")

# The 8-bit form of each introducer, and the character that follows ESC in its 7-bit form.
_C1: Final = {"\x9b": "[", "\x9d": "]", "\x90": "P", "\x98": "X", "\x9e": "^", "\x9f": "_"}


class Decoder:
    """Turn one stream of bytes into lines; state is kept between calls, so sequences may be split anywhere."""

    def __init__(self) -> None:
        self._bytes = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._state = "ground"
        self._parameters = ""
        self._swallowed = 0
        self._sgr = sgr.PLAIN

    def feed(self, data: bytes, lines: list[Line]) -> None:
        """Append ``data`` to ``lines``, which must not be empty: its last line is the one being written."""
        self._feed(self._bytes.decode(data), lines)

    def end(self, lines: list[Line]) -> None:
        """End the stream; an incomplete UTF-8 character is shown as its bytes."""
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
        style = sgr.style_of(self._sgr)
        while text:
            room = MAX_LINE_CHARACTERS - lines[-1].column
            lines[-1].write(text[:room], style)
            text = text[room:]
            if text:
                lines[-1].finish()
                lines.append(Line())

    def _begin(self, introducer: str) -> None:
        self._parameters = ""
        self._swallowed = 0
        self._state = "csi" if introducer == "[" else "osc" if introducer == "]" else "string"

    def _escape(self, text: str, place: int) -> int:
        char = text[place]
        if char in "[]PX^_":
            self._begin(char)
            return place + 1
        if " " <= char <= "/" or char == "\x1b":  # an intermediate byte, or a new ESC: the sequence continues
            return place + 1
        self._state = "ground"
        return place + 1 if "0" <= char <= "~" else place  # anything else is not part of a sequence

    def _csi(self, text: str, place: int, lines: list[Line]) -> int:
        match = _IN_CSI.match(text, place)
        if match is not None:  # always true: the pattern matches the empty string too
            self._parameters += match.group()
            place = match.end()
        if len(self._parameters) > _MAX_PARAMETERS:
            self._parameters = "?"  # too long to be meaningful: matches nothing below
        if place == len(text):
            return place
        char = text[place]
        self._state = "ground"
        if not "@" <= char <= "~":  # a control character or text aborts the sequence
            return place
        if char == "m":
            self._sgr = sgr.apply(self._sgr, self._parameters)
        elif char == "K":
            lines[-1].erase(self._parameters)
        return place + 1

    def _string(self, text: str, place: int) -> int:
        limit = min(len(text), place + _MAX_STRING - self._swallowed)
        match = (_OSC_END if self._state == "osc" else _STRING_END).search(text, place, limit)
        end = limit if match is None else match.start()
        self._swallowed += end - place
        if match is None:
            if self._swallowed >= _MAX_STRING:
                self._state = "ground"
            return end
        # ESC may begin the terminator or another sequence; the "escape" state handles both.
        self._state = "escape" if match.group() == "\x1b" else "ground"
        return end if match.group() in "\n\r" else end + 1
