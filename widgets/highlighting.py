"""Highlight the text of a policy one line at a time."""

import re
from collections.abc import Iterator
from typing import Final, Literal

Language = Literal["toml", "json"]

_TOML: Final = re.compile(
    r"""
    (?P<comment>\#.*)
  | (?P<header>^\s*\[\[?[^\]]*\]\]?)
  | (?P<key>(?:"(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)(?=\s*[=.](?!\d)))
  | (?P<string>"{3}.*?(?:"{3}|$)|'{3}.*?(?:'{3}|$)|"(?:\\.|[^"\\])*"?|'[^']*'?)
  | (?P<constant>\b(?:true|false|inf|nan)\b)
  | (?P<number>[+-]?\b[0-9][0-9A-Za-z_.:+-]*)
  | (?P<mark>[\[\]{},=])
    """,
    re.VERBOSE,
)
_JSON: Final = re.compile(
    r"""
    (?P<key>"(?:\\.|[^"\\])*"(?=\s*:))
  | (?P<string>"(?:\\.|[^"\\])*"?)
  | (?P<constant>\b(?:true|false|null)\b)
  | (?P<number>-?[0-9][0-9.eE+-]*)
  | (?P<mark>[\[\]{},:])
    """,
    re.VERBOSE,
)
# The tokens that can contain quotes: enough to find the lines that begin inside a multi-line string.
_TOML_LONG: Final = re.compile(
    r"""\#[^\n]*|"{3}(?:\\.|[^\\])*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"?|'[^'\n]*'?""", re.DOTALL
)


def highlight(line: str, language: Language, inside: str) -> Iterator[tuple[str, str]]:
    """Split a line into pieces with their kinds; ``inside`` are the quotes of a string open from an earlier line."""
    place = 0
    if inside:
        end = line.find(inside)
        place = len(line) if end < 0 else end + len(inside)
        yield line[:place], "string"
    for match in (_TOML if language == "toml" else _JSON).finditer(line, place):
        if match.start() > place:
            yield line[place : match.start()], ""
        yield match.group(), match.lastgroup or ""
        place = match.end()
    if place < len(line):
        yield line[place:], ""


def long_strings(text: str) -> dict[int, str]:
    """Return the lines (from 0) that begin inside a multi-line TOML string, with the quotes that end it."""
    if '"""' not in text and "'''" not in text:
        return {}
    inside: dict[int, str] = {}
    for match in _TOML_LONG.finditer(text):
        token = match.group()
        if "\n" in token:
            first = text.count("\n", 0, match.start())
            for line in range(first + 1, first + 1 + token.count("\n")):
                inside[line] = token[:3]
    return inside
