"""Merge a policy three ways, rule by rule: what changed on disk and in the draft since their common base.

What is merged is the meaning: the rights on each path and port, and what is handled. The document of one side is kept,
with comments and layout, and the other side's changes are applied to it as edits.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, TypeVar

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError, SetHandled, SetPathRights, SetPortRights, SetScope
from editor.editing.meaning import Meaning, meaning_of
from editor.escape import printable
from editor.landlock.rights import NO_RIGHTS, RightSet, in_order

_Key = TypeVar("_Key", str, int)

Side = Literal["theirs", "mine"]


class Frame(NamedTuple):
    """What no edit of a rule changes: the ABI, which groups depend on, and the variables."""

    abi: int | None
    variables: Mapping[str, frozenset[str]]


class Unit(NamedTuple):
    """What is merged as one: all rights on a path, all rights on a port, or the frame (whose subject is empty)."""

    kind: Literal["path", "port", "frame"]
    subject: str | int

    def __str__(self) -> str:
        if self.kind == "frame":
            return "ABI and variables"
        return f"port {self.subject}" if self.kind == "port" else printable(str(self.subject))


class Collision(NamedTuple):
    """A unit that both sides changed differently. If a set of rights is empty, no rule names the unit."""

    unit: Unit
    base: RightSet | Frame
    theirs: RightSet | Frame
    mine: RightSet | Frame


def describe_side(value: RightSet | Frame) -> str:
    """Describe one side of a collision in words."""
    if not isinstance(value, Frame):
        return ", ".join(in_order(value)) or "no rule"
    parts = ["no ABI" if value.abi is None else f"ABI {value.abi}"]
    for name, literals in sorted(value.variables.items()):
        parts.append(f"{printable(name)} = {', '.join(map(printable, sorted(literals))) or 'nothing'}")
    return ", ".join(parts)


class MergeError(ValueError):
    """The sides cannot be merged; nothing has changed. The message is a sentence."""


class MergeConflict(MergeError):
    """Both sides changed the same unit, and no side has been chosen yet."""

    def __init__(self, collisions: tuple[Collision, ...]) -> None:
        self.collisions = collisions
        """The collisions for which a side must be chosen."""
        super().__init__(f"Both sides changed {', '.join(str(each.unit) for each in collisions)}.")


def collisions(base: Meaning, theirs: Meaning, mine: Meaning) -> tuple[Collision, ...]:
    """Return the units that both sides changed differently: the frame first, then paths and ports in order.

    Handled rights and scopes are on or off: if both sides changed one, they agree.
    """
    found = []
    frames = Frame(base.abi, base.variables), Frame(theirs.abi, theirs.variables), Frame(mine.abi, mine.variables)
    if _both_changed(*frames):
        found.append(Collision(Unit("frame", ""), *frames))
    for path in sorted(base.paths.keys() | theirs.paths.keys() | mine.paths.keys()):
        rights = tuple(side.paths.get(path, NO_RIGHTS) for side in (base, theirs, mine))
        if _both_changed(*rights):
            found.append(Collision(Unit("path", path), *rights))
    for port in sorted(base.ports.keys() | theirs.ports.keys() | mine.ports.keys()):
        rights = tuple(side.ports.get(port, NO_RIGHTS) for side in (base, theirs, mine))
        if _both_changed(*rights):
            found.append(Collision(Unit("port", port), *rights))
    return tuple(found)


def merge(
    base: PolicyDocument, disk: PolicyDocument, draft: PolicyDocument, choices: Mapping[Unit, Side] | None = None
) -> PolicyDocument:
    """Return a document with the changes from ``base`` to ``disk`` and from ``base`` to ``draft``.

    It is ``disk`` with the draft's changes applied. If the draft has another ABI or other variables, or the text on
    disk does not allow a change, it is ``draft`` with the changes of the disk. A right that a rule of the result grants
    is handled, even if one side stopped handling it.

    ``choices`` decides collisions. Raises MergeConflict with those that it leaves open, and MergeError if the result
    cannot be written by edits of rules.
    """
    if draft.text in (disk.text, base.text):
        return disk
    if base.text == disk.text:
        return draft
    chosen = {} if choices is None else choices
    before, theirs, mine = meaning_of(base.bound), meaning_of(disk.bound), meaning_of(draft.bound)
    found = collisions(before, theirs, mine)
    if left := tuple(each for each in found if each.unit not in chosen):
        raise MergeConflict(left)
    wanted = _merged(before, theirs, mine, chosen)
    problem = None
    for document in (disk, draft):
        meaning = meaning_of(document.bound)
        if (meaning.abi, meaning.variables) != (wanted.abi, wanted.variables):
            continue
        try:
            return _edit_until(document, wanted)
        except EditError as error:
            problem = problem or error
    raise MergeError(f"The two cannot be merged rule by rule. {problem}") from problem


def _both_changed(base: object, theirs: object, mine: object) -> bool:
    return base not in (theirs, mine) and theirs != mine


def _merged(base: Meaning, theirs: Meaning, mine: Meaning, choices: Mapping[Unit, Side]) -> Meaning:
    """Return the merged meaning; ``choices`` decides every collision."""
    frames = Frame(base.abi, base.variables), Frame(theirs.abi, theirs.variables), Frame(mine.abi, mine.variables)
    if _both_changed(*frames):
        frame = frames[1] if choices[Unit("frame", "")] == "theirs" else frames[2]
    else:
        frame = frames[1] if frames[2] == frames[0] else frames[2]
    paths = _merged_rules("path", (base.paths, theirs.paths, mine.paths), choices)
    ports = _merged_rules("port", (base.ports, theirs.ports, mine.ports), choices)
    return Meaning(
        paths,
        ports,
        _merged_set(base.handled_fs, theirs.handled_fs, mine.handled_fs).union(*paths.values()),
        _merged_set(base.handled_net, theirs.handled_net, mine.handled_net).union(*ports.values()),
        _merged_set(base.scoped, theirs.scoped, mine.scoped),
        frame.abi,
        frame.variables,
    )


def _merged_rules(
    kind: Literal["path", "port"],
    sides: tuple[Mapping[_Key, RightSet], Mapping[_Key, RightSet], Mapping[_Key, RightSet]],
    choices: Mapping[Unit, Side],
) -> dict[_Key, RightSet]:
    merged: dict[_Key, RightSet] = {}
    for subject in {**sides[0], **sides[1], **sides[2]}:
        base, theirs, mine = (side.get(subject, NO_RIGHTS) for side in sides)
        if _both_changed(base, theirs, mine):
            rights = theirs if choices[Unit(kind, subject)] == "theirs" else mine
        else:
            rights = theirs if mine == base else mine
        if rights:
            merged[subject] = rights
    return merged


def _merged_set(base: RightSet, theirs: RightSet, mine: RightSet) -> RightSet:
    return (base & theirs & mine) | (theirs - base) | (mine - base)


def _edit_until(document: PolicyDocument, wanted: Meaning) -> PolicyDocument:
    """Edit ``document`` until it means ``wanted``. Raises EditError if that is impossible."""
    for edit in _edits(meaning_of(document.bound), wanted):
        document = document.apply(edit)
    if meaning_of(document.bound) != wanted:
        raise EditError("The result would mean something else; edit the text instead.")
    return document


def _edits(now: Meaning, wanted: Meaning) -> Iterator[Edit]:
    """Yield the edits that lead from ``now`` to ``wanted``.

    Additions come first: otherwise the policy could be empty in between, and a right that is granted elsewhere later
    would be written as handled.
    """
    for name in in_order((wanted.handled_fs | wanted.handled_net) - (now.handled_fs | now.handled_net)):
        yield SetHandled(name, True)
    for name in in_order(wanted.scoped - now.scoped):
        yield SetScope(name, True)
    for path in {**wanted.paths, **now.paths}:
        if now.paths.get(path) != wanted.paths.get(path):
            yield SetPathRights(path, wanted.paths.get(path, NO_RIGHTS))
    for port in {**wanted.ports, **now.ports}:
        if now.ports.get(port) != wanted.ports.get(port):
            yield SetPortRights(port, wanted.ports.get(port, NO_RIGHTS))
    for name in in_order((now.handled_fs | now.handled_net) - (wanted.handled_fs | wanted.handled_net)):
        yield SetHandled(name, False)
    for name in in_order(now.scoped - wanted.scoped):
        yield SetScope(name, False)
