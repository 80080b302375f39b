"""The comment above a rule, by which a rule that Paddock writes is found again."""

from collections.abc import Mapping
from types import MappingProxyType

from editor.editing.document import PolicyDocument
from editor.editing.steps import Section


def comments_above(document: PolicyDocument, section: Section) -> Mapping[int, str]:
    """Return the comments directly above the tables of ``section``, by the number of the table (from 0).

    The number signs and the blanks around them are left out; several lines stay several lines. Tables that have none
    are not in the mapping, nor are tables in brackets, which share their lines. JSON has no comments.
    """
    if document.format == "json":
        return MappingProxyType({})
    found: dict[int, str] = {}
    number = 0
    for start, block in zip(document.outline.starts(), document.outline.blocks, strict=True):
        if block.section != section:
            continue
        if block.headed and (comment := _comment_before(document.text, start)):
            found[number] = comment
        number += 1
    return MappingProxyType(found)


def _comment_before(text: str, start: int) -> str:
    """Return the comment whose last line ends right before the line of ``start``."""
    lines: list[str] = []
    end = text.rfind("\n", 0, start)
    while end >= 0:
        begin = text.rfind("\n", 0, end) + 1
        line = text[begin:end].strip()
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
        end = begin - 1
    return "\n".join(reversed(lines))
