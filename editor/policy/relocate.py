"""The tree of an edited TOML text from the tree before, where only one table changed: the rest has only moved.

Reading a table anew costs the same however large the policy is; reading all of it is felt from some thousand rules on.
"""

from collections.abc import Sequence

from editor.policy.errors import PolicyError
from editor.policy.locate import locate
from editor.policy.splice import Splice
from editor.policy.tree import Field, Node, Span


def relocated(root: Node, text: str, splices: Sequence[Splice], after: str) -> Node | None:
    """The tree of ``after``, which ``splices`` made of ``text``, whose tree is ``root``; None where it must be read.

    That is where the splices are not all inside one table under a ``[[header]]`` of its own, which stands alone: then
    what is around it is as valid as before, and means the same.
    """
    found = _changed_table(root, text, splices)
    if found is None:
        return None
    name, table = found
    start, end = table.span
    delta = len(after) - len(text)
    new = _alone(name, after[start : end + delta])
    # Other tables can belong to this one, by their headers: then its own text is not all of it.
    old = _alone(name, text[start:end])
    if new is None or old is None or _moved(old, start) != table:
        return None
    return _around(root, table, _moved(new, start), delta)


def _alone(name: str, block: str) -> Node | None:
    """The one table of the section ``name`` that ``block`` is from its header to its end; None where it is not."""
    try:
        fields = locate(block, "toml", "").fields
    except PolicyError:
        return None
    match fields:
        case (Field(key=key, node=Node(kind="array", items=(table,))),) if key == name and block.startswith("[["):
            return table if table.span == (0, len(block)) else None
    return None


def _changed_table(root: Node, text: str, splices: Sequence[Splice]) -> tuple[str, Node] | None:
    """The table that all of ``splices`` are inside of, and its section's name."""
    start, end = splices[0].start, splices[-1].end
    for field in root.fields:
        node = field.node
        if node.kind == "array" and node.span.start <= start and end <= node.span.end:
            for item in node.items:
                headed = item.fields and text.startswith("[[", item.span.start)
                if headed and item.fields[0].key_span.start <= start and end <= item.span.end:
                    return field.key, item
    return None


def _moved(node: Node, by: int) -> Node:
    """``node``, standing ``by`` characters later."""
    start, end = node.span
    return Node(
        node.kind,
        Span(start + by, end + by),
        node.value,
        tuple([_moved(item, by) for item in node.items]) if node.items else (),
        tuple(
            [
                Field(key, Span(key_start + by, key_end + by), _moved(own, by))
                for key, (key_start, key_end), own in node.fields
            ]
        )
        if node.fields
        else (),
    )


def _around(node: Node, old: Node, new: Node, delta: int) -> Node:
    """``node``, which holds ``old`` at any depth or stands beside it, with ``new`` in its place."""
    if node is old:
        return new
    start, end = node.span
    if end <= old.span.start:
        return node
    if start >= old.span.end:
        return _moved(node, delta) if delta else node
    return Node(
        node.kind,
        Span(start, end + delta),
        node.value,
        tuple([_around(item, old, new, delta) for item in node.items]),
        tuple(
            [
                Field(
                    field.key,
                    field.key_span
                    if field.key_span.end <= old.span.start or _inside(field.key_span, old.span)
                    else Span(field.key_span.start + delta, field.key_span.end + delta),
                    _around(field.node, old, new, delta),
                )
                for field in node.fields
            ]
        ),
    )


def _inside(part: Span, whole: Span) -> bool:
    # The name of a section of [[headers]] stands in its first header, which may be the changed table's own.
    return whole.start <= part.start and part.end <= whole.end
