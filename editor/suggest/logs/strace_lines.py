"""The lines of an strace(1) log: calls with their arguments as printed."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# With -f a line begins with the thread ("12 ", or "[pid 12] " on a terminal), with -t and -r a time follows.
_LINE = re.compile(
    r"^(?:(\d+) +|\[pid +(\d+)\] +)?(?:(?:\d\d:\d\d:\d\d(?:\.\d+)?|\d+\.\d+) +(?:\(\+ +[\d.]+\) +)?)?"
    r"(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)(?:<.*?>)?(?: (E\w+))?(?: \(.*\))?(?: <[\d.]+>)?$",
    re.DOTALL,
)
_THREAD = re.compile(r"(?:(\d+) +|\[pid +(\d+)\] +)?")
_UNFINISHED = "<unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}


class Call(NamedTuple):
    """A line: the thread (0 if the log does not say), the call, its arguments as printed, its result and error."""

    tid: int
    name: str
    arguments: tuple[str, ...]
    result: str
    error: str


def calls(lines: Iterable[str]) -> Iterator[Call]:
    """Return the calls of a log in the order in which they began, with interrupted lines joined."""
    begun: dict[str, int] = {}
    joined: list[str] = []
    for line in lines:
        tid = _tid(line)
        resumed = _RESUMED.search(line)
        if line.endswith(_UNFINISHED):
            begun[tid] = len(joined)
            joined.append(line.removesuffix(_UNFINISHED).rstrip())
        elif resumed and tid in begun:
            joined[begun.pop(tid)] += line[resumed.end() :]
        else:
            joined.append(line)
    for line in joined:
        match = _LINE.match(line)
        if match is not None:
            tid, tid_in_brackets, name, arguments, result, error = match.groups()
            yield Call(int(tid or tid_in_brackets or 0), name, split(arguments), result, error or "")


def _tid(line: str) -> str:
    match = _THREAD.match(line)
    return (match[1] or match[2] or "") if match else ""


def split(text: str) -> tuple[str, ...]:
    """Split printed arguments at the commas outside quotes and brackets."""
    found: list[str] = []
    depth, quoted, start, position = 0, False, 0, 0
    while position < len(text):
        letter = text[position]
        if quoted:
            if letter == "\\":
                position += 1
            elif letter == '"':
                quoted = False
        elif letter == '"':
            quoted = True
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif (
            letter == "<" and text[position - 1 : position].isalnum() and "<<" not in text[position - 1 : position + 2]
        ):
            end = _end_of_name(text, position)
            position = end
        elif letter == "," and depth == 0:
            found.append(text[start:position])
            start = position + 2
        position += 1
    return (*found, text[start:])


def _end_of_name(text: str, start: int) -> int:
    """Return the end of the ``<name>`` after a descriptor; strace escapes ``>`` in names."""
    end = text.find(">", start)
    if text[end + 1 : end + 2] == ">":  # <name<char 1:3>>
        return end + 1
    return len(text) if end < 0 else end


def unescape(text: str) -> str:
    """Decode a string as strace prints it in quotes, or a name in ``<`` and ``>``."""

    def plain(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "01234567":
            return chr(int(code, 8))
        if code[0] == "x":
            return chr(int(code[1:], 16))
        return _PLAIN_ESCAPES.get(code, code)

    raw = _ESCAPE.sub(plain, text)
    return raw.encode("latin-1", "surrogateescape").decode("utf-8", "surrogateescape") if not raw.isascii() else raw


def string(argument: str) -> str | None:
    """Return the text of a quoted argument, None for a pointer that could not be read."""
    if not argument.startswith('"') or not argument.endswith('"'):
        return None
    return unescape(argument[1:-1])
