"""Splices that change a JSON policy and keep its indentation."""

import json
from collections.abc import Sequence

from editor.editing.splice import Splice, edit_sequence, indentation, newline_of
from editor.editing.steps import AddMember, AddTable, ChangeList, Key, ReplaceValue, Section, TableStep, Value
from editor.policy.keys import KEYS
from editor.policy.locate import Field, Node, Span
from editor.policy.outline import spans_of


def _spelled(name: Section | Key) -> str:
    return str(getattr(KEYS["json"], name))


class JsonSplicer:
    """Makes splices for ``text``, whose tree is ``root``."""

    def __init__(self, text: str, root: Node) -> None:
        self.text = text
        self.root = root
        self.newline = newline_of(text)
        first = root.fields[0]
        opening = text[root.span.start + 1 : first.key_span.start]
        self.colon = text[first.key_span.end : first.node.span.start]
        self.comma = ", " if " " in self.colon or "\n" in opening else ","
        # The indentation of one level; None if the text is one line.
        self.unit = indentation(text, first.key_span.start) if "\n" in opening else None

    def field(self, table: Node, name: Section | Key) -> Field | None:
        return next((field for field in table.fields if field.key == _spelled(name)), None)

    def table(self, section: Section, number: int) -> Node:
        field = self.field(self.root, section)
        assert field is not None  # noqa: S101 the policy was parsed from this text
        return field.node.items[number]

    def edit_table(self, step: TableStep) -> list[Splice]:
        """Return the splices of a step inside one table."""
        table = self.table(step.section, step.number)
        field = self.field(table, step.key)
        if isinstance(step, AddMember):
            return self.set_member(table, field, step.key, self.list_text(step.values, self.member_indent(table)))
        assert field is not None  # noqa: S101 the policy was parsed from this text
        if isinstance(step, ChangeList):
            items = spans_of(field.node.items)
            new = [(at, _scalar(value)) for at, value in step.insert]
            return list(edit_sequence(self.text, field.node.span, items, step.remove, new, comma=self.comma))
        if isinstance(step, ReplaceValue):
            span = (field.node if step.entry is None else field.node.items[step.entry]).span
            return [Splice(span.start, self.text[span.start : span.end], _scalar(step.value))]
        return self.edit_members(table, {table.fields.index(field)}, [])

    def edit_members(self, table: Node, remove: set[int], insert: list[tuple[int, str]]) -> list[Splice]:
        spans = [Span(field.key_span.start, field.node.span.end) for field in table.fields]
        return list(edit_sequence(self.text, table.span, spans, remove, insert, comma=self.comma))

    def set_member(self, table: Node, field: Field | None, key: Section | Key, value: str) -> list[Splice]:
        """Return the splices that add a member to ``table``, or replace null."""
        if field is None:
            return self.edit_members(table, set(), [(len(table.fields), self.member(key, value))])
        span = field.node.span
        return [Splice(span.start, self.text[span.start : span.end], value)]

    def edit_sections(self, removed: dict[Section, dict[int, bool]], added: dict[Section, AddTable]) -> list[Splice]:
        """Return the splices that remove and add whole tables, by section."""
        found: list[Splice] = []
        gone: set[int] = set()
        new: list[tuple[int, str]] = []
        for at, field in enumerate(self.root.fields):
            section = next((name for name in removed if _spelled(name) == field.key), None)
            if section is not None and len(removed[section]) == len(field.node.items) and section not in added:
                gone.add(at)
        for section in {**removed, **added}:
            field_ = self.field(self.root, section)
            table = added.get(section)
            if field_ is None or field_.node.kind == "null":
                if table is not None:
                    value = self.section_text(table)
                    if field_ is None:
                        new.append((len(self.root.fields), self.member(section, value)))
                    else:
                        found += self.set_member(self.root, field_, section, value)
            elif self.root.fields.index(field_) not in gone:
                items = spans_of(field_.node.items)
                insert = [] if table is None else [(len(items), self.table_text(table, field_.node.items[-1]))]
                found += edit_sequence(
                    self.text, field_.node.span, items, removed.get(section, ()), insert, comma=self.comma
                )
        if gone or new:
            found += self.edit_members(self.root, gone, new)
        return found

    # Texts

    def member(self, key: Section | Key, value: str) -> str:
        return f'"{_spelled(key)}"{self.colon}{value}'

    def member_indent(self, table: Node) -> str | None:
        """Return the indentation of a table's members; None if they are on one line."""
        first = table.fields[0].key_span.start
        return indentation(self.text, first) if "\n" in self.text[table.span.start : first] else None

    def brackets(self, texts: Sequence[str], around: str, indent: str | None) -> str:
        """Join ``texts`` in the brackets ``around``; one per line if the closing bracket has an ``indent``."""
        if indent is None:
            return around[0] + self.comma.join(texts) + around[1]
        inner = self.newline + indent + (self.unit or "")
        return around[0] + ",".join(inner + text for text in texts) + self.newline + indent + around[1]

    def list_text(self, values: Sequence[Value], indent: str | None) -> str:
        return self.brackets([_scalar(value) for value in values], "[]", indent)

    def table_text(self, step: AddTable, model: Node) -> str:
        """Return a table in the layout of ``model``, its neighbour."""
        lines = self.text[model.span.start : model.span.end]
        if self.unit is None or "\n" not in lines:
            return self.table_lines(step, None, several=False)
        several = any("\n" in self.text[field.node.span.start : field.node.span.end] for field in model.fields)
        return self.table_lines(step, indentation(self.text, model.span.start), several=several)

    def table_lines(self, step: AddTable, indent: str | None, *, several: bool) -> str:
        inner = None if indent is None or not several else indent + (self.unit or "")
        members = [self.member(key, self.list_text(values, inner)) for key, values in step.members]
        return self.brackets(members, "{}", indent)

    def section_text(self, step: AddTable) -> str:
        if self.unit is None:
            return self.brackets([self.table_lines(step, None, several=False)], "[]", None)
        return self.brackets([self.table_lines(step, self.unit * 2, several=True)], "[]", self.unit)


def _scalar(value: Value) -> str:
    return json.dumps(value, ensure_ascii=False)
