"""Where the tables of a policy's text are, so that an edit examines only the tables that it changes.

The text is divided into blocks, one per table. The content of a table is located on demand: keeping the positions
inside 5,000 tables up to date would cost more than finding them again for the few tables that change.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, overload

from editor.policy.locate import locate
from editor.policy.tree import Field, Format, Node, Span


class Block(NamedTuple):
    """A part of a text, ``size`` characters long.

    Either one table of the array ``section``, ``body`` characters long, plus what follows it up to the next block:
    under its own ``[[header]]``, or (if not ``headed``) an element in brackets. Or text around those: then ``section``
    is empty.
    """

    section: str
    headed: bool
    size: int
    body: int


class Outline(NamedTuple):
    """The blocks of a text; concatenated, they are the whole text.

    ``inline`` are the top-level members that are not under ``[[headers]]``, in order; those whose tables are blocks
    have no items here. ``span`` is that of the top level.
    """

    blocks: tuple[Block, ...]
    inline: tuple[Field, ...]
    span: Span

    def starts(self) -> list[int]:
        """Return the offset of each block."""
        return list(accumulate([block.size for block in self.blocks[:-1]], initial=0))

    def root(self, text: str, format: Format) -> Node:
        """Return the tree of ``text`` as ``locate`` does, but with tables that are located on demand."""
        starts = self.starts()
        sections: dict[str, list[int]] = {}
        for at, block in enumerate(self.blocks):
            if block.section:
                sections.setdefault(block.section, []).append(at)
        fields = []
        for field in self.inline:
            own = sections.pop(field.key, None)
            node = field.node if own is None else field.node._replace(items=Tables(text, format, self, starts, own))
            fields.append(field._replace(node=node))
        for section, own in sections.items():
            tables = Tables(text, format, self, starts, own)
            (header,) = _alone(text, format, self.blocks[own[0]], starts[own[0]]).fields
            whole = Span(starts[own[0]], starts[own[-1]] + self.blocks[own[-1]].body)
            fields.append(Field(section, header.key_span, Node("array", whole, None, tables)))
        return Node("table", self.span, None, (), tuple(fields))


class Tables(Sequence[Node]):
    """The tables of one section, located each time they are accessed."""

    def __init__(self, text: str, format: Format, outline: Outline, starts: Sequence[int], numbers: list[int]) -> None:
        self._text = text
        self._format: Format = format
        self._blocks = outline.blocks
        self._starts = starts
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> Node: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Node]: ...
    def __getitem__(self, at: int | slice) -> Node | Sequence[Node]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        number = self._numbers[at]
        block, start = self._blocks[number], self._starts[number]
        alone = _alone(self._text, self._format, block, start)
        return alone.fields[0].node.items[0]

    def spans(self) -> list[Span]:
        """Return the span of each table without locating its content."""
        starts, blocks = self._starts, self._blocks
        return [Span(starts[at], starts[at] + blocks[at].body) for at in self._numbers]


def spans_of(items: Sequence[Node]) -> list[Span]:
    """Return the span of each of ``items``."""
    return items.spans() if isinstance(items, Tables) else [item.span for item in items]


def _alone(text: str, format: Format, block: Block, start: int) -> Node:
    """Return a tree with only the table of ``block``, at its offset in ``text``."""
    before, after = framing(block, format)
    table = f"{before}{text[start : start + block.body]}{after}"
    return moved(locate(table, format, ""), start - len(before))


def framing(block: Block, format: Format) -> tuple[str, str]:
    """Return what must precede and follow tables like ``block`` to make them a valid text. No line breaks."""
    if block.headed:
        return "", ""
    return (f"{block.section} = [", "]") if format == "toml" else (f'{{"{block.section}": [', "]}")


def moved(node: Node, by: int) -> Node:
    """Return ``node`` moved by ``by`` characters."""
    if not by:
        return node
    start, end = node.span
    items = tuple([moved(item, by) for item in node.items])
    fields = tuple([moved_field(field, by) for field in node.fields])
    return Node(node.kind, Span(start + by, end + by), node.value, items, fields)


def moved_field(field: Field, by: int) -> Field:
    """Return ``field`` moved by ``by`` characters."""
    start, end = field.key_span
    return Field(field.key, Span(start + by, end + by), moved(field.node, by))


def outline_of(text: str, root: Node) -> Outline:
    """Return the outline of ``text``, a valid policy whose tree is ``root``."""
    inline: list[Field] = []
    found: list[tuple[Span, int, str, bool]] = []
    for field in root.fields:
        node = field.node
        if node.kind == "array" and node.items and all(item.kind == "table" for item in node.items):
            spans = [item.span for item in node.items]
            headed = spans[0].start == node.span.start
            # The last one ends with the array; one under a header extends to the next header or the end of the text.
            ends = [span.start for span in spans[1:]] + [len(text) if headed else node.span.end - 1]
            found += [(span, end, field.key, headed) for span, end in zip(spans, ends, strict=True)]
            if not headed:
                inline.append(field._replace(node=node._replace(items=())))
        else:
            inline.append(field)
    found.sort()
    return Outline(tuple(_blocks(found, len(text))), tuple(inline), root.span)


def _blocks(found: Iterable[tuple[Span, int, str, bool]], length: int) -> Iterator[Block]:
    tables = list(found)
    position = 0
    for at, ((start, end), limit, section, headed) in enumerate(tables):
        if start > position:
            yield Block("", False, start - position, 0)
        position = min(limit, tables[at + 1][0].start) if at + 1 < len(tables) else limit
        yield Block(section, headed, position - start, end - start)
    if position < length:
        yield Block("", False, length - position, 0)
