"""Splices that change a TOML policy.

A list with comments is edited with tomlkit, which knows what a comment belongs to; in any other list, the gaps between
elements are copied. Tables and keys are on lines of their own and are added and removed as lines.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import NamedTuple

from editor.editing.splice import Splice, edit_sequence, indentation, line_end, line_start, newline_of
from editor.editing.splice_array import edit_array
from editor.editing.steps import AddTable, Bits, ChangeList, Key, RemoveMember, ReplaceValue, Section, TableStep, Value
from editor.escape import printable
from editor.policy.locate import Field, Node, Span
from editor.policy.outline import spans_of

# A new list that would make its line longer gets one line per element.
MAX_LINE = 100


class _Block(NamedTuple):
    """A top-level item: a table under its header, or a key with its value (``number`` is None)."""

    span: Span
    section: str
    number: int | None


class TomlSplicer:
    """Makes splices for ``text``, whose tree is ``root``."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root
        self.newline = newline_of(text)

    @cached_property
    def blocks(self) -> list[_Block]:
        """All top-level items, in order."""
        blocks = []
        for field in self.root.fields:
            if _has_headers(field.node):
                blocks += [_Block(span, field.key, at) for at, span in enumerate(spans_of(field.node.items))]
            else:
                blocks.append(_Block(Span(field.key_span.start, field.node.span.end), field.key, None))
        return sorted(blocks)

    def field(self, table: Node, name: Section | Key) -> Field | None:
        return next((field for field in table.fields if field.key == name), None)

    # Inside one table

    def edit_table(self, step: TableStep) -> list[Splice]:
        """Return the splices of a step inside one table."""
        section = self.field(self.root, step.section)
        assert section is not None  # noqa: S101 the policy was parsed from this text
        table = section.node.items[step.number]
        field = self.field(table, step.key)
        if isinstance(step, ChangeList):
            assert field is not None  # noqa: S101 the policy was parsed from this text
            quoted = _quoting(self.text, field.node)
            insert = [(at, quoted(value)) for at, value in step.insert]
            if step.key == "parent" and len(insert) > 1 and (lines := self.broken(field.node, step.remove, insert)):
                return [lines]
            return self.edit_list(field.node, step.remove, insert)
        if isinstance(step, ReplaceValue):
            assert field is not None  # noqa: S101 the policy was parsed from this text
            node = field.node if step.entry is None else field.node.items[step.entry]
            spelled = _literal if self.text.startswith("'", node.span.start) else _scalar
            return [Splice(node.span.start, self.text[node.span.start : node.span.end], spelled(step.value))]
        headers = _has_headers(section.node)
        if isinstance(step, RemoveMember):
            assert field is not None  # noqa: S101 the policy was parsed from this text
            if headers:
                return [self.without_lines(Span(field.key_span.start, field.node.span.end))]
            return self.edit_members(table, {table.fields.index(field)}, [])
        last = table.fields[-1]
        equals = self.equals(table)
        if not headers:
            return self.edit_members(table, set(), [(len(table.fields), f"{step.key}{equals}{self.list(step.values)}")])
        indent = indentation(self.text, last.key_span.start)
        line = self.newline + indent + self.pair(step.key, equals, step.values, indent)
        return [Splice(line_end(self.text, last.node.span.end), "", line)]

    def edit_members(self, table: Node, remove: set[int], insert: list[tuple[int, str]]) -> list[Splice]:
        spans = [Span(field.key_span.start, field.node.span.end) for field in table.fields]
        return list(edit_sequence(self.text, table.span, spans, remove, insert, comma=", "))

    def edit_list(self, node: Node, remove: Collection[int], insert: Sequence[tuple[int, str]]) -> list[Splice]:
        text = self.text
        spans = spans_of(node.items)
        ends = [node.span.start + 1, *(span.end for span in spans)]
        starts = [*(span.start for span in spans), node.span.end - 1]
        if not any("#" in text[end:start] for end, start in zip(ends, starts, strict=True)):
            return list(edit_sequence(text, node.span, spans, remove, insert, comma=", "))
        before = text[node.span.start : node.span.end]
        return [Splice(node.span.start, before, edit_array(before, remove, insert))]

    def broken(self, node: Node, remove: Collection[int], insert: Sequence[tuple[int, str]]) -> Splice | None:
        """Return the list with one line per element; None if it has several lines already, or fits on one."""
        text = self.text
        before = text[node.span.start : node.span.end]
        if "\n" in before or "#" in before:
            return None
        elements: list[str] = []
        for at in range(len(node.items) + 1):
            elements += [value for position, value in insert if position == at]
            if at < len(node.items) and at not in remove:
                elements.append(text[node.items[at].span.start : node.items[at].span.end])
        start = line_start(text, node.span.start)
        if node.span.start - start + len(f"[{', '.join(elements)}]") <= MAX_LINE:
            return None
        indent = self.newline + indentation(text, node.span.start)
        lines = "".join(f"{indent}    {each}," for each in elements)
        return Splice(node.span.start, before, f"[{lines}{indent}]")

    # Whole tables

    def edit_sections(self, removed: dict[Section, dict[int, bool]], added: dict[Section, AddTable]) -> list[Splice]:
        """Return the splices that remove and add whole tables, by section.

        With the number of a removed table goes whether the comment directly above is removed, too.
        """
        found: list[Splice] = []
        gone: list[_Block] = []
        commented: set[_Block] = set()
        headed: list[AddTable] = []
        for section in {**removed, **added}:
            field = self.field(self.root, section)
            numbers = set(removed.get(section, ()))
            table = added.get(section)
            if field is None or _has_headers(field.node):
                items = () if field is None else field.node.items
                own = {number: _Block(items[number].span, section, number) for number in sorted(numbers)}
                gone += own.values()
                commented |= {block for number, block in own.items() if removed[section][number]}
                headed += [] if table is None else [table]
            elif len(numbers) == len(field.node.items) and table is None:
                gone += [block for block in self.blocks if block.section == section]
            else:
                items = field.node.items
                insert = [] if table is None else [(len(items), self.inline(table, items[-1]))]
                found += self.edit_list(field.node, numbers, insert)
        found += [self.insertion(step, gone) for step in headed]
        return found + [
            self.without_lines(self.with_comment_above(block.span) if block in commented else block.span)
            for block in gone
        ]

    def insertion(self, step: AddTable, gone: list[_Block]) -> Splice:
        """Return the splice for a new table; if nothing else is left, it replaces one of ``gone``."""
        lines = self.lines(step)
        kept = [block for block in self.blocks if block not in gone]
        anchors = [block for block in kept if block.section == step.section]
        if not anchors and step.section == "ruleset":
            # Put it before the rules, where people look for it, if there is something to put it after.
            rules = [block for block in self.blocks if block.section in ("path_beneath", "net_port")]
            if rules and rules[0].number is not None:
                anchors = [block for block in kept if block.span < rules[0].span]
        anchors = anchors or kept
        if not anchors:
            instead = gone.pop().span
            return Splice(instead.start, self.text[instead.start : instead.end], lines.lstrip(" \t"))
        position = self.end_with_comments(anchors[-1].span.end)
        following = self.text[position:].removeprefix(self.newline)
        close = self.newline if following and following[0] not in "\r\n" else ""
        return Splice(position, "", self.newline * 2 + lines + close)

    def end_with_comments(self, offset: int) -> int:
        """Return the end of the line of ``offset``, or of comment lines directly below that belong to nothing else."""
        end = line_end(self.text, offset)
        match = _COMMENT_LINES.match(self.text, end)
        return match.end(1) if match else end

    def with_comment_above(self, span: Span) -> Span:
        """Return ``span`` from the first of the comment lines directly above it."""
        start = line_start(self.text, span.start)
        while start:
            above = line_start(self.text, start - 1)
            if not self.text[above:start].lstrip().startswith("#"):
                break
            start = above
        return Span(start, span.end)

    def without_lines(self, span: Span) -> Splice:
        """Return the removal of the lines of ``span`` and of blank lines that would be doubled."""
        text = self.text
        start = line_start(text, span.start)
        end = _LINE_BREAK.match(text, line_end(text, span.end)).end()  # type: ignore[union-attr]  # matches ""
        if start == 0 or _BLANK_BEFORE.search(text, max(0, start - 200), start):
            end = _BLANK_LINES.match(text, end).end()  # type: ignore[union-attr]  # matches the empty string too
        if end == len(text):
            while start and not text[line_start(text, start - 1) : start].strip():
                start = line_start(text, start - 1)
        return Splice(start, text[start:end], "")

    # Texts

    def equals(self, table: Node) -> str:
        """Return the text between key and value in ``table``."""
        field = table.fields[0]
        return self.text[field.key_span.end : field.node.span.start]

    def list(self, values: Sequence[Value]) -> str:
        return f"[{', '.join(_scalar(value) for value in values)}]"

    def pair(self, key: str, equals: str, values: Sequence[Value], indent: str) -> str:
        line = f"{key}{equals}{self.list(values)}"
        if len(indent + line) <= MAX_LINE or len(values) == 1:
            return line
        inner = self.newline + indent + "    "
        return f"{key}{equals}[" + "".join(f"{inner}{_scalar(value)}," for value in values) + f"{self.newline}{indent}]"

    def lines(self, step: AddTable) -> str:
        """Return the lines of a new table under its own header, in the style of the last one of its section."""
        field = self.field(self.root, step.section)
        outer = inner = ""
        equals = " = "
        members = list(step.members)
        if field is not None:
            model = field.node.items[-1]
            outer = indentation(self.text, model.span.start)
            inner = indentation(self.text, model.fields[0].key_span.start)
            equals = self.equals(model)
            if step.section != "ruleset" and model.fields[0].key != members[0][0]:
                members.reverse()
        lines = [f"{outer}# {printable(line)}".rstrip() for line in step.comment.splitlines()]
        lines.append(f"{outer}[[{step.section}]]")
        lines += [inner + self.pair(key, equals, values, inner) for key, values in members]
        return self.newline.join(lines)

    def inline(self, step: AddTable, model: Node) -> str:
        """Return a new inline table in the style of ``model``."""
        padding = " " if self.text.startswith("{ ", model.span.start) else ""
        equals = self.equals(model)
        members = ", ".join(f"{key}{equals}{self.list(values)}" for key, values in step.members)
        return f"{{{padding}{members}{padding}}}"


_LINE_BREAK = re.compile(r"\r?\n|")
# Not possessive groups: before Python 3.11.5, one that matches partly and then fails does not backtrack.
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)*")
_BLANK_BEFORE = re.compile(r"(?:^|\n)[ \t]*\r?\n\Z")
# Comment lines up to a blank line or the end; those directly above something else belong to that.
_COMMENT_LINES = re.compile(r"((?:\r?\n[ \t]*+#[^\r\n]*+)+)(?=\r?\n[ \t]*(?:\r?\n|\Z)|\Z)")


def _has_headers(node: Node) -> bool:
    """Whether the tables of an array are under ``[[headers]]``."""
    return node.kind == "array" and bool(node.items) and node.items[0].span.start == node.span.start


def _scalar(value: Value) -> str:
    if isinstance(value, Bits):
        return hex(value)
    # JSON's escapes are TOML's too, but TOML also wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _literal(value: Value) -> str:
    if isinstance(value, int) or not value.isprintable() or "'" in value:
        return _scalar(value)
    return f"'{value}'"


def _quoting(text: str, node: Node) -> Callable[[Value], str]:
    """Return the function that quotes new elements of a list in the style of the existing ones."""
    strings = [item for item in node.items if item.kind == "string"]
    single = bool(strings) and all(text.startswith("'", item.span.start) for item in strings)
    return _literal if single else _scalar
