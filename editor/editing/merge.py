"""Three-way merge of a policy, rule by rule: what changed on disk and what changed in the draft, since both were one.

What is merged is the meaning: which path and port gets which rights, and what is handled. The document of one side
stays as it is, comments and layout too, and the other side's changes are carried out on it as edits.
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
    """What rules are written with, and no edit of a rule changes: the ABI that groups mean, and the variables."""

    abi: int | None
    variables: Mapping[str, frozenset[str]]


class Unit(NamedTuple):
    """What is decided as one: all rights on a path, all rights on a port, or the frame (whose subject is empty)."""

    kind: Literal["path", "port", "frame"]
    subject: str | int

    def __str__(self) -> str:
        if self.kind == "frame":
            return "ABI and variables"
        return f"port {self.subject}" if self.kind == "port" else printable(str(self.subject))


class Collision(NamedTuple):
    """A unit that both sides changed, each in another way. An empty set of rights: no rule names it."""

    unit: Unit
    base: RightSet | Frame
    theirs: RightSet | Frame
    mine: RightSet | Frame


def describe_side(value: RightSet | Frame) -> str:
    """One side of a collision in words."""
    if not isinstance(value, Frame):
        return ", ".join(in_order(value)) or "no rule"
    parts = ["no ABI" if value.abi is None else f"ABI {value.abi}"]
    for name, literals in sorted(value.variables.items()):
        parts.append(f"{printable(name)} = {', '.join(map(printable, sorted(literals))) or 'nothing'}")
    return ", ".join(parts)


class MergeError(ValueError):
    """The sides cannot be merged; nothing has changed. The message is a sentence."""


class MergeConflict(MergeError):
    """Both sides changed the same, and nobody has chosen yet."""

    def __init__(self, collisions: tuple[Collision, ...]) -> None:
        self.collisions = collisions
        """What is left to choose."""
        super().__init__(f"Both sides changed {', '.join(str(each.unit) for each in collisions)}.")


def collisions(base: Meaning, theirs: Meaning, mine: Meaning) -> tuple[Collision, ...]:
    """What both sides changed, each in another way: the frame first, then paths and ports in their order.

    Handled rights and scopes are on or off: where both sides changed one, they agree.
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
    """The document that holds what changed from ``base`` to ``disk`` and from ``base`` to ``draft``.

    It is ``disk`` with the draft's changes carried out on it; where the draft has another ABI or other variables, or
    the file on disk is written so that a change cannot be made, it is the draft with the changes of the disk. A right
    that a rule of the result grants is handled, also where one side stopped to handle it.

    ``choices`` decides collisions; raises MergeConflict with those that it leaves open, and MergeError where the result
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
            return _led_to(document, wanted)
        except EditError as error:
            problem = problem or error
    raise MergeError(f"The two cannot be merged rule by rule. {problem}") from problem


def _both_changed(base: object, theirs: object, mine: object) -> bool:
    return base not in (theirs, mine) and theirs != mine


def _merged(base: Meaning, theirs: Meaning, mine: Meaning, choices: Mapping[Unit, Side]) -> Meaning:
    """What the result means; every collision is among ``choices``."""
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


def _led_to(document: PolicyDocument, wanted: Meaning) -> PolicyDocument:
    """``document`` edited until it means ``wanted``. Raises EditError where that cannot be done."""
    for edit in _edits(meaning_of(document.bound), wanted):
        document = document.apply(edit)
    if meaning_of(document.bound) != wanted:
        raise EditError("It would come to mean something else; edit the text instead.")
    return document


def _edits(now: Meaning, wanted: Meaning) -> Iterator[Edit]:
    """What leads from ``now`` to ``wanted``.

    What is added comes first: else the policy could be empty on the way, and a right that is granted elsewhere
    afterwards would be written down as handled for the moment between.
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
