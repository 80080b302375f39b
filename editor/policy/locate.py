"""Find the position of every key and value of a TOML or JSON text.

The standard library's parsers decide whether a text is valid, but report no positions. So a text that they accept is
scanned again here, for spans only. Since the text is known to be valid, the scanner is small: it only has to find where
each part ends. It knows nothing of what a policy means.
"""

import json
import re
import tomllib
from typing import NoReturn

from editor.policy.errors import PolicyError
from editor.policy.tree import Field, Format, Kind, LineIndex, Node, Span, kind_of_value, line_column

__all__ = ["MAX_DEPTH", "Field", "Format", "Kind", "LineIndex", "Node", "Span", "line_column", "locate"]

# A policy nests four levels deep. The limit keeps the scanner's recursion far below the interpreter's own limit, so
# that a hostile file gets the same error at any depth of the caller's stack.
MAX_DEPTH = 64


def locate(text: str, format: Format, file: str) -> Node:
    """Return the tree of ``text`` with the span of every part.

    ``file`` is used in messages only. Raises PolicyError, with line and column, if the text is not valid TOML or JSON;
    that includes duplicate keys, NaN and lone surrogates in JSON, a byte order mark, and nesting beyond MAX_DEPTH.
    """
    refuse = _Refusal(text, file)
    if text.startswith("\ufeff"):
        refuse(0, "the file starts with a byte order mark", hint="save it as UTF-8 without one")
    if surrogate := _SURROGATE.search(text):
        refuse(surrogate.start(), "not valid UTF-8")
    scanner = _TomlScanner(text, refuse) if format == "toml" else _JsonScanner(text, refuse)
    try:
        scanner.judge()
    except RecursionError:
        scanner.scan()  # reports where the nesting is too deep
        refuse(0, f"nested deeper than {MAX_DEPTH} levels")
    except PolicyError:
        raise
    except ValueError as error:
        scanner.scan()  # reports which value Python cannot represent, such as a number of 5,000 digits
        refuse(0, str(error))
    return scanner.scan()


_SURROGATE = re.compile("[\ud800-\udfff]")


def _after(blank: re.Pattern[str], text: str, position: int) -> int:
    """Return the offset after the blanks that ``blank`` matches at ``position``, possibly none."""
    match = blank.match(text, position)
    return match.end() if match else position


class _Refusal:
    """Raises the PolicyError for an offset in the text."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self.file = file

    def __call__(self, offset: int, message: str, *, key: str = "", hint: str = "") -> NoReturn:
        line, column = line_column(self._text, offset)
        raise PolicyError(message, file=self.file, line=line, column=column, key=key, hint=hint) from None


class _Table:
    """A table under construction."""

    __slots__ = ("end", "fields", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.fields: dict[str, tuple[Span, Node | _Table | list[_Table]]] = {}

    def finished(self) -> Node:
        """Return the table as an immutable node."""
        fields = []
        for key, (span, value) in self.fields.items():
            if isinstance(value, Node):
                node = value
            elif isinstance(value, _Table):
                node = value.finished()
            else:
                items = tuple(table.finished() for table in value)
                node = Node("array", Span(items[0].span.start, items[-1].span.end), None, items)
            fields.append(Field(key, span, node))
        return Node("table", Span(self.start, self.end), None, (), tuple(fields))


class _Scanner:
    """The common base of the two scanners."""

    def __init__(self, text: str, refuse: _Refusal) -> None:
        self.text = text
        self.refuse = refuse

    def judge(self) -> None:
        """Have the standard library check that the text is valid. Raises PolicyError or ValueError."""
        raise NotImplementedError

    def scan(self) -> Node:
        """Return the tree of a valid text."""
        raise NotImplementedError

    def twice(self, offset: int, name: str) -> NoReturn:
        """Refuse a duplicate key."""
        self.refuse(offset, f"duplicate key '{name[:80]}'", key=name)

    def nest(self, depth: int, offset: int) -> None:
        """Refuse nesting that is too deep."""
        if depth > MAX_DEPTH:
            self.refuse(offset, f"nested deeper than {MAX_DEPTH} levels")


# tomllib's message ends with the position; attributes for it exist only since Python 3.14.
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")

_MANY_DOTS = re.compile(rf"""(?<![A-Za-z0-9_"'-])(?:[A-Za-z0-9_"'-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}""")

_BLANK = re.compile(r"[ \t]*+")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY_PART = re.compile(r"""([A-Za-z0-9_-]++)|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|'[^'\n]*+'""")
_TOML_VALUE = re.compile(
    r'''"(?!"")(?P<basic>[^"\\\n]*+)"'''
    r"""|'(?!'')(?P<literal>[^'\n]*+)'"""
    r"""|(?P<open>[\[{])"""
    # Not possessive: before Python 3.11.5 (Debian 12 has 3.11.2), a possessive group that matches partly and then fails
    # does not backtrack.
    r'''|(?P<text>"""(?:[^"\\]++|\\.|"(?!""))*"{3,5}'''
    r"""|'''(?:[^']++|'(?!''))*'{3,5}"""
    r"""|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")"""
    r"""|(?P<bare>(?:\d{4}-\d\d-\d\d[ ](?=\d\d:))?[^ \t\r\n,\]}#"']++)""",
    re.DOTALL,
)
# Nearly all of a policy matches one of these, which halves the time of a scan.
_PLAIN_KEY = re.compile(r"([A-Za-z0-9_-]++)[ \t]*+=[ \t]*+")
_PLAIN_ITEM = re.compile(r""""(?!"")([^"\\\n]*+)"[ \t\r\n]*+,?+[ \t\r\n]*+""")
_PLAIN_INTEGER = re.compile(r"0|[1-9][0-9]{0,17}+")


class _TomlScanner(_Scanner):
    def judge(self) -> None:
        if _MANY_DOTS.search(self.text):
            self.scan()  # tomllib takes quadratic time for a dotted key
        try:
            tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            place = _TOML_PLACE.search(message)
            if message.startswith(("Cannot", "Duplicate")):
                self.scan()  # tomllib reports the end of a duplicate key's value, the scanner the key
            message = f"not valid TOML: {message[: place.start()] if place else message}"
            if place is None or place[1] is None:
                self.refuse(len(self.text), f"{message} (the file ends here)")
            raise PolicyError(message, file=self.refuse.file, line=int(place[1]), column=int(place[2])) from None

    def scan(self) -> Node:
        text, end = self.text, len(self.text)
        root = current = _Table(0, end)
        depth = 0
        position = _after(_BLANK_LINES, text, 0)
        while position < end:
            start = position
            if text[position] != "[":
                position = self.pair(position, current, depth)
            else:
                double = text.startswith("[[", position)
                keys, position = self.keys(position + (2 if double else 1))
                depth = len(keys) + double
                self.nest(depth, start)
                position += 2 if double else 1
                current = self.open_header(root, keys, Span(start, position), double=double)
            position = _after(_BLANK_LINES, text, position)
        root.end = end
        return root.finished()

    def open_header(self, root: _Table, keys: list[tuple[str, Span]], header: Span, *, double: bool) -> _Table:
        """Return the table that ``[keys]`` or ``[[keys]]`` opens; create the tables that its name implies."""
        table = self.descend(root, keys[:-1], header)
        name, span = keys[-1]
        known = table.fields.get(name)
        if double:
            opened = _Table(*header)
            if known is None:
                table.fields[name] = (span, [opened])
            elif isinstance(known[1], list):
                known[1].append(opened)
            else:
                self.refuse(span.start, "cannot extend a value", key=name)
            return opened
        if known is None:
            opened = _Table(*header)
            table.fields[name] = (span, opened)
            return opened
        if not isinstance(known[1], _Table):
            self.refuse(span.start, "cannot extend a value", key=name)
        # It was implied by a longer name: from here on its own header is its position.
        known[1].start, known[1].end = header
        return known[1]

    def descend(self, table: _Table, keys: list[tuple[str, Span]], place: Span) -> _Table:
        """Return the table that the dotted ``keys`` lead to from ``table``; create missing ones at ``place``."""
        for name, span in keys:
            known = table.fields.get(name)
            if known is None:
                value: Node | _Table | list[_Table] = _Table(span.start, place.end)
                table.fields[name] = (span, value)
            else:
                value = known[1]
            if isinstance(value, list):
                value = value[-1]
            if not isinstance(value, _Table):
                self.refuse(span.start, "cannot extend a value", key=name)
            table = value
        return table

    def keys(self, position: int) -> tuple[list[tuple[str, Span]], int]:
        """Return the parts of the dotted key at ``position``, and the offset after it and its blanks."""
        keys = []
        while True:
            start = _after(_BLANK, self.text, position)
            part = _KEY_PART.match(self.text, start)
            if part is None:
                self.refuse(start, "missing key")
            raw = part.group()
            if part[1] is None:
                name = raw[1:-1] if raw[0] == "'" or "\\" not in raw else tomllib.loads(f"v={raw}")["v"]
            else:
                name = raw
            keys.append((name, Span(start, part.end())))
            position = _after(_BLANK, self.text, part.end())
            if not self.text.startswith(".", position):
                return keys, position
            position += 1

    def pair(self, position: int, table: _Table, depth: int) -> int:
        """Read one ``key = value`` into ``table``; return the offset after the value."""
        plain = _PLAIN_KEY.match(self.text, position)
        if plain:
            node = self.value(plain.end(), depth + 1)
            name = plain[1]
            if name in table.fields:
                self.twice(position, name)
            table.fields[name] = (Span(position, plain.end(1)), node)
            table.end = node.span.end
            return table.end
        keys, after = self.keys(position)
        self.nest(depth + len(keys), position)
        node = self.value(_after(_BLANK, self.text, after + 1), depth + len(keys))
        table.end = end = node.span.end
        for name, span in keys[:-1]:
            table = self.descend(table, [(name, span)], node.span)
            table.end = end
        name, span = keys[-1]
        if name in table.fields:
            self.twice(span.start, name)
        table.fields[name] = (span, node)
        return end

    def value(self, position: int, depth: int) -> Node:
        """Return the value that starts at ``position``."""
        match = _TOML_VALUE.match(self.text, position)
        if match is None:
            self.refuse(position, "missing value")
        group = match.lastgroup
        if group in ("basic", "literal"):
            return Node("string", Span(position, match.end()), match[group])
        if group == "open":
            self.nest(depth + 1, position)
            return (self.array if match[group] == "[" else self.inline_table)(position, depth + 1)
        raw = match.group()
        span = Span(position, match.end())
        if _PLAIN_INTEGER.fullmatch(raw):
            return Node("integer", span, int(raw))
        try:
            value = tomllib.loads(f"v={raw}")["v"]
        except ValueError:
            self.refuse(position, "invalid value", key=raw[:80])
        return Node(kind_of_value(value), span, value)

    def array(self, position: int, depth: int) -> Node:
        text, start = self.text, position
        items = []
        position = _after(_BLANK_LINES, text, position + 1)
        while not text.startswith("]", position):
            plain = _PLAIN_ITEM.match(text, position)
            if plain:
                items.append(Node("string", Span(position, plain.end(1) + 1), plain[1]))
                position = plain.end()
                if not text.startswith("#", position):
                    continue
            else:
                items.append(self.value(position, depth))
                position = items[-1].span.end
            position = _after(_BLANK_LINES, text, position)
            if text.startswith(",", position):
                position = _after(_BLANK_LINES, text, position + 1)
        return Node("array", Span(start, position + 1), None, tuple(items))

    def inline_table(self, position: int, depth: int) -> Node:
        text = self.text
        table = _Table(position, position)
        position = _after(_BLANK_LINES, text, position + 1)
        while not text.startswith("}", position):
            position = _after(_BLANK_LINES, text, self.pair(position, table, depth))
            if text.startswith(",", position):
                position = _after(_BLANK_LINES, text, position + 1)
        table.end = position + 1
        return table.finished()


_JSON_BLANK = re.compile(r"[ \t\r\n]*+")
_JSON_VALUE = re.compile(
    r'"(?P<plain>[^"\\\x00-\x1f]*+)"'
    r'|(?P<text>"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
    r"|(?P<open>[\[{])"
    r"|(?P<number>-?(?:0|[1-9][0-9]*+)(?P<float>(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?))"
    r"|(?P<word>true|false|null)"
)
_JSON_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class _JsonScanner(_Scanner):
    def judge(self) -> None:
        try:
            json.loads(self.text)
        except json.JSONDecodeError as error:
            self.refuse(error.pos, f"not valid JSON: {error.msg}")

    def scan(self) -> Node:
        return self.value(_after(_JSON_BLANK, self.text, 0), 0)

    def value(self, position: int, depth: int) -> Node:
        match = _JSON_VALUE.match(self.text, position)
        if match is None:  # the standard library lets NaN, Infinity and -Infinity pass
            word = re.compile(r"[^\s,\]}]*").match(self.text, position)
            raw = word.group() if word else ""
            self.refuse(position, "not a JSON value", key=raw)
        span = Span(position, match.end())
        group = match.lastgroup
        if group == "plain":
            return Node("string", span, match[group])
        if group == "text":
            value = json.loads(match.group())
            if _SURROGATE.search(value):
                self.refuse(position, "half of a surrogate pair is not a character", key=match.group())
            return Node("string", span, value)
        if group == "open":
            self.nest(depth + 1, position)
            return (self.array if match[group] == "[" else self.object)(position, depth + 1)
        if group == "word":
            word_value = _JSON_WORDS[match.group()]
            return Node("null" if word_value is None else "boolean", span, word_value)
        if match["float"]:
            return Node("float", span, float(match.group()))
        try:
            return Node("integer", span, int(match.group()))
        except ValueError:  # more digits than Python converts
            self.refuse(position, "invalid value", key=match.group()[:80])

    def array(self, position: int, depth: int) -> Node:
        text, start = self.text, position
        items = []
        position = _after(_JSON_BLANK, text, position + 1)
        while not text.startswith("]", position):
            node = self.value(position, depth)
            items.append(node)
            position = _after(_JSON_BLANK, text, node.span.end)
            if text.startswith(",", position):
                position = _after(_JSON_BLANK, text, position + 1)
        return Node("array", Span(start, position + 1), None, tuple(items))

    def object(self, position: int, depth: int) -> Node:
        text, start = self.text, position
        fields: dict[str, Field] = {}
        position = _after(_JSON_BLANK, text, position + 1)
        while not text.startswith("}", position):
            key = self.value(position, depth)
            if not isinstance(key.value, str):
                self.refuse(position, "missing key")
            if key.value in fields:
                self.twice(position, key.value)
            # json.loads has checked the colon: only it and blanks are between key and value.
            position = _after(_JSON_BLANK, text, key.span.end) + 1
            node = self.value(_after(_JSON_BLANK, text, position), depth)
            fields[key.value] = Field(key.value, key.span, node)
            position = _after(_JSON_BLANK, text, node.span.end)
            if text.startswith(",", position):
                position = _after(_JSON_BLANK, text, position + 1)
        return Node("table", Span(start, position + 1), None, (), tuple(fields.values()))
