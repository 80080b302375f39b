"""The tree that a TOML or JSON text is: values, with the places where they stand.

Apart from ``editor.policy.locate``, which finds the places: who needs none saves the time of loading that.
"""

import bisect
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Format = Literal["toml", "json"]
Kind = Literal["table", "array", "string", "integer", "float", "boolean", "datetime", "null"]


class Span(NamedTuple):
    """A part of a text: character offsets, ``end`` exclusive."""

    start: int
    end: int


class Node(NamedTuple):
    """One value and the span it covers, brackets and quotes included.

    ``value`` is the Python value of a scalar and None otherwise; ``items`` are an array's elements, ``fields`` a
    table's members in order. A table under a ``[header]`` covers its header up to the end of its last value. An array
    that is made of ``[[headers]]`` covers its first header up to the end of its last table, whatever stands between.
    """

    kind: Kind
    span: Span
    value: object = None
    items: Sequence["Node"] = ()
    fields: tuple["Field", ...] = ()


class Field(NamedTuple):
    """One member of a table: its key (unquoted), where the key stands, and the value."""

    key: str
    key_span: Span
    node: Node


class LineIndex:
    """Line and column of many offsets into one text; both count from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line_column(self, offset: int) -> tuple[int, int]:
        """The line and column of ``offset``, which may be the end of the text."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def line_column(text: str, offset: int) -> tuple[int, int]:
    """The line and column of ``offset`` in ``text``, both from 1. For many offsets use `LineIndex`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def kind_of_value(value: object) -> Kind:
    """The kind of a scalar that the standard library's parsers make."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "float" if isinstance(value, float) else "datetime"


_NOWHERE = Span(0, 0)


def without_locations(value: object) -> Node:
    """The tree of a value from the standard library's parsers, every part of which stands at the start of the text."""
    if isinstance(value, dict):
        return Node(
            "table",
            _NOWHERE,
            fields=tuple(Field(key, _NOWHERE, without_locations(each)) for key, each in value.items()),
        )
    if isinstance(value, list):
        return Node("array", _NOWHERE, items=tuple(without_locations(each) for each in value))
    return Node(kind_of_value(value), _NOWHERE, value)
