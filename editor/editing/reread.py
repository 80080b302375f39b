"""A text that differs from one that was read before only here and there: only the tables that differ are read anew.

Everything else is as it was, or has moved to another line. That this is what reading the whole text gives rests on one
thing: tables that are a valid text when they stand alone mean the same between others that are. So what is read anew
must be valid alone and hold nothing but whole tables; wherever that is not so, there is no short cut.
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
    """What a text says, and where its tables stand."""

    text: str
    policy: Policy
    outline: Outline


# Each run moves all that is behind it: so many cost about as much as reading all of it once.
_MOST_RUNS = 16


def reread(before: ParsedText, format: Format, splices: Sequence[Splice]) -> ParsedText | None:
    """What the text says that ``splices`` make of that of ``before``.

    None where all of it must be read to know: something else than whole tables changed, or it is no valid policy.
    Whether the variables that paths use are defined is not looked at, see ``changes_references``.
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
    reading = before
    for run, own in reversed(runs):  # the last one first: the places of the others stay
        # What is left of tables that went goes with a neighbour.
        wider = run, range(max(0, run.start - 1), run.stop), range(run.start, min(len(starts), run.stop + 1))
        tries = (_reread_run(reading, format, blocks, starts[blocks.start], own) for blocks in dict.fromkeys(wider))
        found = next((each for each in tries if each is not None), None)
        if found is None:
            return None
        reading = found
    return reading


def _touched(starts: list[int], splice: Splice) -> range:
    """The blocks that ``splice`` changes: where it stands between two, the one behind it."""
    first = max(0, bisect_right(starts, splice.start) - 1)
    return range(first, max(first + 1, bisect_left(starts, splice.end)))


def _reread_run(
    before: ParsedText, format: Format, run: range, start: int, splices: Sequence[Splice]
) -> ParsedText | None:
    """As ``reread``, where all of ``splices`` are inside of the blocks ``run``, which start at ``start``."""
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
    # Places: those read anew count from the start of the run, those behind it moved as its end did.
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
        variables=_united(old.variables, policy.variables, place(keys.variable), moves),
        rulesets=_united(old.rulesets, policy.rulesets, place(keys.ruleset), moves),
        path_rules=_united(old.path_rules, policy.path_rules, place(keys.path_beneath), moves),
        port_rules=_united(old.port_rules, policy.port_rules, place(keys.net_port), moves),
    )
    inline = tuple(_stretched(field, end, delta) for field in before.outline.inline)
    span = Span(before.outline.span.start, before.outline.span.end + delta)
    return ParsedText(text, whole, Outline((*head, *fresh, *blocks[run.stop :]), inline, span))


# What stands in for an element behind the run, so that the comma before it is not missing unseen.
_NEXT = "0"


def _alone(
    part: str, format: Format, beside: Outline, run: range, policy: Policy
) -> tuple[tuple[Block, ...], Policy] | None:
    """The blocks of ``part``, which takes the place of ``run``, and what they say with places and numbers of their own.

    None where it is not a valid text of whole tables alone, or where something is wrong with what it says.
    """
    blocks = beside.blocks
    model = blocks[run.start]
    before, after = framing(model, format)
    follows = run.stop < len(blocks) and bool(blocks[run.stop].section)
    if not model.headed and follows:
        after = _NEXT + after
    elif model.headed and follows and not part.rstrip(" \t").endswith("\n"):
        return None  # the next header would not stand at the start of a line
    text = f"{before}{part}{after}"
    try:
        root = locate(text, format, policy.file)
        if not model.headed:
            root = _without_next(root, dummy=follows, bracket=len(before) - 1, end=len(text) - len(after))
    except (PolicyError, _OtherShapeError):
        return None
    outline = outline_of(text, root)
    inside = [block for block in outline.blocks if block.section]
    taken = {field.key for field in beside.inline} if model.headed else set()
    if any(block.headed != model.headed or block.section in taken for block in inside):
        return None  # another kind of tables, or a section that stands elsewhere in brackets
    if sum(block.size for block in inside) != len(part):
        return None  # it does not begin with a table
    said, problems = parse_collecting_errors(text, policy.file, format, root, references=False, abi=policy.abi)
    return None if problems else (tuple(inside), said)


class _OtherShapeError(Exception):
    """What was read is not the elements of one array."""


def _without_next(root: Node, *, dummy: bool, bracket: int, end: int) -> Node:
    """``root``, the array that is its only member cut off at ``end``, where what stands in for the next element is.

    Raises _OtherShapeError where it is no array of tables from ``bracket`` to behind ``end``.
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
    """A member of the top level after everything from ``end`` on moved by ``delta``: it may stand around that."""
    if field.key_span.start >= end:
        return moved_field(field, delta)
    start, stop = field.node.span
    if stop <= end:
        return field
    return field._replace(node=field.node._replace(span=Span(start, stop + delta)))


# Places


class _Move(NamedTuple):
    """What stands on line ``line`` or below goes ``lines`` down, what stands on it ``columns`` to the right as well."""

    line: int
    lines: int
    columns: int

    def of(self, location: Location) -> Location:
        file, line, column = location
        return Location(file, line + self.lines, column + self.columns if line == self.line else column)


class _Place(NamedTuple):
    """The rows of a section from ``first`` to before ``last``."""

    first: int
    last: int


_Row = TypeVar("_Row", Variable, RulesetTable, PathRule, PortRule)


def _united(
    rows: tuple[_Row, ...], new: tuple[_Row, ...], place: _Place, moves: tuple[_Move, _Move]
) -> tuple[_Row, ...]:
    """``rows`` with ``new`` in their place; ``moves`` are of what is new, and of what stands behind it."""
    first, last = place
    if not new and first == last == len(rows):
        return rows
    placed, behind = moves
    shift = first + len(new) - last
    return tuple(chain(rows[:first], _moved_rows(new, placed, first), _moved_rows(rows[last:], behind, shift)))


def _moved_rows(rows: tuple[_Row, ...], move: _Move, numbers: int) -> tuple[_Row, ...]:
    """``rows`` after ``move``, their numbers counted on by ``numbers``."""
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
    """Whether variables are others in ``policy`` than in ``before``, or paths use some that did not."""
    if policy.variables is not before.variables and policy.variables != before.variables:
        return True
    return any("$" in parent.template for rule in _new_rules(before, policy) for parent in rule.parents)


def references_are_valid(policy: Policy) -> bool:
    """Whether the variables that paths use are defined and not too many, as ``parse_policy`` demands it."""
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
