"""The tree of a TOML or JSON text: values with their positions.

Apart from ``editor.policy.locate``, which finds the positions, so that callers that need none do not have to import it.
"""

import bisect
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Format = Literal["toml", "json"]
Kind = Literal["table", "array", "string", "integer", "float", "boolean", "datetime", "null"]


class Span(NamedTuple):
    """A range of a text: character offsets, ``end`` exclusive."""

    start: int
    end: int


class Node(NamedTuple):
    """One value and the span it covers, including brackets and quotes.

    ``value`` is the Python value of a scalar, else None; ``items`` are an array's elements, ``fields`` are a table's
    members in order. A table under a ``[header]`` extends from its header to the end of its last value; an array made
    of ``[[headers]]`` from its first header to the end of its last table, whatever is in between.
    """

    kind: Kind
    span: Span
    value: object = None
    items: Sequence["Node"] = ()
    fields: tuple["Field", ...] = ()


class Field(NamedTuple):
    """One member of a table: its key (unquoted), the span of the key, and the value."""

    key: str
    key_span: Span
    node: Node


class LineIndex:
    """Converts many offsets of one text to lines and columns; both count from 1, columns in characters."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def line_column(self, offset: int) -> tuple[int, int]:
        """Return the line and column of ``offset``, which may be the end of the text."""
        line = bisect.bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def line_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of ``offset`` in ``text``, both from 1. For many offsets use `LineIndex`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def kind_of_value(value: object) -> Kind:
    """Return the kind of a scalar produced by the standard library's parsers."""
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "float" if isinstance(value, float) else "datetime"


_NOWHERE = Span(0, 0)


def without_locations(value: object) -> Node:
    """Return the tree of a value from the standard library's parsers, with every span at the start of the text."""
    if isinstance(value, dict):
        return Node(
            "table",
            _NOWHERE,
            fields=tuple(Field(key, _NOWHERE, without_locations(each)) for key, each in value.items()),
        )
    if isinstance(value, list):
        return Node("array", _NOWHERE, items=tuple(without_locations(each) for each in value))
    return Node(kind_of_value(value), _NOWHERE, value)
