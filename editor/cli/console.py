"""Output to a terminal: aligned columns, and colour if the terminal takes it."""

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

_STYLES = {
    "bold": "1",
    "dim": "2",
    "allowed": "32",
    "denied": "1;31",
    "failed": "33",
    "uncontrolled": "2",
    "warning": "33",
    "error": "1;31",
}


class Console:
    """One output stream, coloured if it is a terminal, unless that is dumb or NO_COLOR (no-color.org) is set."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._colour = (
            stream is not None
            and stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM", "dumb") != "dumb"
        )

    def paint(self, text: str, style: str) -> str:
        """Return ``text`` in ``style``: ``bold``, ``dim``, ``warning``, ``error``, or a verdict."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and text else text

    def write(self, lines: Iterable[str]) -> None:
        """Print ``lines`` and flush; do nothing if the stream is closed."""
        text = "".join(f"{line}\n" for line in lines)
        if self._stream is not None and text:
            self._stream.write(text)
            self._stream.flush()


def prepare_streams() -> None:
    """Make standard output escape what its encoding lacks, as standard error does."""
    if hasattr(sys.stdout, "reconfigure"):  # not if it is closed or replaced
        sys.stdout.reconfigure(errors="backslashreplace")


def width(text: str) -> int:
    """Return how many terminal cells ``text``, which must be printable, takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Return ``rows`` as lines of aligned columns, two spaces apart; the last column is not padded."""
    widths: dict[int, int] = {}
    for row in rows:
        for position, cell in enumerate(row[:-1]):
            widths[position] = max(widths.get(position, 0), width(cell))
    return [
        (
            indent
            + "".join(cell + " " * (widths[at] - width(cell) + 2) for at, cell in enumerate(row[:-1]))
            + (row[-1] if row else "")
        ).rstrip()
        for row in rows
    ]


def print_json(data: object) -> None:
    """Print one JSON value to standard output."""
    import json  # noqa: PLC0415 text output does without

    sys.stdout.write(json.dumps(data, indent=2) + "\n")
