"""Parse a text that differs from one parsed before in a few places: only tables that differ are parsed again.

Everything else is unchanged, or has moved to another line. The result is the same as parsing the whole text because of
one fact: tables that are a valid text on their own mean the same among other valid tables. So the changed part must be
valid on its own and consist of whole tables; otherwise the whole text has to be parsed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from editor.editing.splice import Splice, apply_splices
from editor.policy.errors import PolicyError
from editor.policy.keys import KEYS
from editor.policy.locate import locate
from editor.policy.model import (
    Location,
    ParentPath,
    PathRule,
    Policy,
    PortEntry,
    PortRule,
    RulesetTable,
    Variable,
    policy_of,
)
from editor.policy.outline import Block, Outline, framing, moved_field, outline_of
from editor.policy.parse import parse_collecting_errors
from editor.policy.tree import Field, Format, Node, Span, line_column
from editor.policy.variables import MAX_PATHS, TemplateError, count_paths, parse_template


class ParsedText(NamedTuple):
    """A text, its policy, and the outline of its tables."""

    text: str
    policy: Policy
    outline: Outline


# Each run moves everything after it: with more runs than this, parsing the whole text is as fast.
_MOST_RUNS = 16


def reread(before: ParsedText, format: Format, splices: Sequence[Splice]) -> ParsedText | None:
    """Return ``before`` after ``splices``.

    None if the whole text has to be parsed: something else than whole tables changed, or it is not a valid policy.
    Does not check whether the variables that paths use are defined, see ``changes_references``.
    """
    runs: list[tuple[range, list[Splice]]] = []
    starts = before.outline.starts()
    for splice in splices:
        run = _touched(starts, splice)
        if runs and run.start < runs[-1][0].stop:
            runs[-1] = range(runs[-1][0].start, run.stop), [*runs[-1][1], splice]
        else:
            runs.append((run, [splice]))
    if len(runs) > _MOST_RUNS:
        return None
    parsed = before
    for run, own in reversed(runs):  # from the last to the first, so that earlier offsets stay valid
        # What is left of removed tables is parsed with a neighbour.
        wider = run, range(max(0, run.start - 1), run.stop), range(run.start, min(len(starts), run.stop + 1))
        tries = (_reread_run(parsed, format, blocks, starts[blocks.start], own) for blocks in dict.fromkeys(wider))
        found = next((each for each in tries if each is not None), None)
        if found is None:
            return None
        parsed = found
    return parsed


def _touched(starts: list[int], splice: Splice) -> range:
    """Return the blocks that ``splice`` changes; between two, the one after it."""
    first = max(0, bisect_right(starts, splice.start) - 1)
    return range(first, max(first + 1, bisect_left(starts, splice.end)))


def _reread_run(
    before: ParsedText, format: Format, run: range, start: int, splices: Sequence[Splice]
) -> ParsedText | None:
    """Like ``reread``, for ``splices`` that are all in the blocks ``run``, which start at ``start``."""
    old, blocks = before.policy, before.outline.blocks
    model = blocks[run.start]
    if any(not block.section or block.headed != model.headed for block in blocks[run.start : run.stop]):
        return None
    text = apply_splices(before.text, splices)
    end = start + sum(block.size for block in blocks[run.start : run.stop])
    delta = len(text) - len(before.text)
    alone = _alone(text[start : end + delta], format, before.outline, run, old)
    if alone is None:
        return None
    fresh, policy = alone
    head, prefix = blocks[: run.start], len(framing(model, format)[0])
    # Locations in the run count from its start; those after it moved as its end did.
    line, column = line_column(text, start)
    placed = _Move(1, line - 1, column - 1 - prefix)
    old_end, new_end = line_column(before.text, end), line_column(text, end + delta)
    behind = _Move(old_end[0], new_end[0] - old_end[0], new_end[1] - old_end[1])

    sections = [block.section for block in blocks[: run.stop]]

    def place(section: str) -> _Place:
        first = sections[: run.start].count(section)
        return _Place(first, first + sections[run.start :].count(section))

    moves = placed, behind
    keys = KEYS[format]
    whole = policy_of(
        old.file,
        old.abi,
        variables=_replace_rows(old.variables, policy.variables, place(keys.variable), moves),
        rulesets=_replace_rows(old.rulesets, policy.rulesets, place(keys.ruleset), moves),
        path_rules=_replace_rows(old.path_rules, policy.path_rules, place(keys.path_beneath), moves),
        port_rules=_replace_rows(old.port_rules, policy.port_rules, place(keys.net_port), moves),
    )
    inline = tuple(_stretched(field, end, delta) for field in before.outline.inline)
    span = Span(before.outline.span.start, before.outline.span.end + delta)
    return ParsedText(text, whole, Outline((*head, *fresh, *blocks[run.stop :]), inline, span))


# A placeholder for the element after the run, so that a missing comma before it is noticed.
_NEXT = "0"


def _alone(
    part: str, format: Format, old: Outline, run: range, policy: Policy
) -> tuple[tuple[Block, ...], Policy] | None:
    """Return the blocks and the policy of ``part``, which replaces ``run``; locations and numbers start in it.

    None if it is not a valid text of whole tables, or not a valid policy.
    """
    blocks = old.blocks
    model = blocks[run.start]
    before, after = framing(model, format)
    follows = run.stop < len(blocks) and bool(blocks[run.stop].section)
    if not model.headed and follows:
        after = _NEXT + after
    elif model.headed and follows and not part.rstrip(" \t").endswith("\n"):
        return None  # the next header would not start a line
    text = f"{before}{part}{after}"
    try:
        root = locate(text, format, policy.file)
        if not model.headed:
            root = _without_next(root, dummy=follows, bracket=len(before) - 1, end=len(text) - len(after))
    except (PolicyError, _OtherShapeError):
        return None
    outline = outline_of(text, root)
    inside = [block for block in outline.blocks if block.section]
    taken = {field.key for field in old.inline} if model.headed else set()
    if any(block.headed != model.headed or block.section in taken for block in inside):
        return None  # tables in another notation, or of a section that is in brackets elsewhere
    if sum(block.size for block in inside) != len(part):
        return None  # it does not start with a table
    policy_of_part, problems = parse_collecting_errors(
        text, policy.file, format, root, references=False, abi=policy.abi
    )
    return None if problems else (tuple(inside), policy_of_part)


class _OtherShapeError(Exception):
    """The text is not the elements of one array."""


def _without_next(root: Node, *, dummy: bool, bracket: int, end: int) -> Node:
    """Return ``root`` with its only member, an array, cut off at ``end``, where the placeholder is.

    Raises _OtherShapeError if it is not an array of tables from ``bracket`` to after ``end``.
    """
    match root.fields:
        case (Field(node=Node(kind="array")) as field,) if field.node.span.start == bracket:
            items = field.node.items
            closes = end + len(_NEXT) * dummy + 1
            if dummy and (not items or items[-1].span.start != end):
                raise _OtherShapeError
            items = items[:-1] if dummy else items
            if not items or field.node.span.end != closes or any(item.kind != "table" for item in items):
                raise _OtherShapeError
            node = field.node._replace(span=Span(bracket, end + 1), items=tuple(items))
            return root._replace(fields=(field._replace(node=node),))
    raise _OtherShapeError


def _stretched(field: Field, end: int, delta: int) -> Field:
    """Return a top-level member after everything from ``end`` on moved by ``delta``; it may enclose ``end``."""
    if field.key_span.start >= end:
        return moved_field(field, delta)
    start, stop = field.node.span
    if stop <= end:
        return field
    return field._replace(node=field.node._replace(span=Span(start, stop + delta)))


# Locations


class _Move(NamedTuple):
    """Moves locations from line ``line`` on down by ``lines``, those on it also right by ``columns``."""

    line: int
    lines: int
    columns: int

    def of(self, location: Location) -> Location:
        file, line, column = location
        return Location(file, line + self.lines, column + self.columns if line == self.line else column)


class _Place(NamedTuple):
    """The rows of a section from ``first`` to ``last``, exclusive."""

    first: int
    last: int


_Row = TypeVar("_Row", Variable, RulesetTable, PathRule, PortRule)


def _replace_rows(
    rows: tuple[_Row, ...], new: tuple[_Row, ...], place: _Place, moves: tuple[_Move, _Move]
) -> tuple[_Row, ...]:
    """Return ``rows`` with ``new`` at ``place``; ``moves`` are for the new rows and for those after them."""
    first, last = place
    if not new and first == last == len(rows):
        return rows
    placed, behind = moves
    shift = first + len(new) - last
    return tuple(chain(rows[:first], _moved_rows(new, placed, first), _moved_rows(rows[last:], behind, shift)))


def _moved_rows(rows: tuple[_Row, ...], move: _Move, numbers: int) -> tuple[_Row, ...]:
    """Return ``rows`` after ``move``, with ``numbers`` added to theirs."""
    if not rows or not (numbers or move.lines or (move.columns and rows[0].location.line == move.line)):
        return rows
    return tuple(_moved_row(row, move, numbers) for row in rows)


def _moved_row(row: _Row, move: _Move, numbers: int) -> _Row:
    location = move.of(row.location)
    if isinstance(row, PathRule):
        parents = tuple([ParentPath(template, move.of(place)) for template, place in row.parents])
        return PathRule(row.number + numbers, row.allowed_access, row.rights, parents, location)
    if isinstance(row, PortRule):
        ports = tuple([PortEntry(port, move.of(place)) for port, place in row.ports])
        return PortRule(row.number + numbers, row.allowed_access, row.rights, ports, location)
    if isinstance(row, RulesetTable):
        return row._replace(number=row.number + numbers, location=location)
    return row._replace(location=location)


# Variables


def changes_references(before: Policy, policy: Policy) -> bool:
    """Whether ``policy`` has other variables than ``before``, or new rules that use variables."""
    if policy.variables is not before.variables and policy.variables != before.variables:
        return True
    return any("$" in parent.template for rule in _new_rules(before, policy) for parent in rule.parents)


def references_are_valid(policy: Policy) -> bool:
    """Whether the variables that paths use are defined and not too many, as ``parse_policy`` requires."""
    defined: dict[str, set[str]] = {}
    for variable in policy.variables:
        defined.setdefault(variable.name, set()).update(variable.literals)
    total = 0
    try:
        for rule in policy.path_rules:
            for parent in rule.parents:
                if "$" in parent.template:
                    total += count_paths(parse_template(parent.template), defined)
    except TemplateError:
        return False
    return total <= MAX_PATHS


def _new_rules(before: Policy, policy: Policy) -> Iterator[PathRule]:
    old = before.path_rules
    for rule, was in zip(policy.path_rules, old, strict=False):
        if rule is not was:
            yield rule
    yield from islice(policy.path_rules, len(old), None)
