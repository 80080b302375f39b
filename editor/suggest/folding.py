"""Fold what programs needed on single paths into the few rules that a person would write."""

from collections.abc import Sequence
from typing import NamedTuple

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.verdicts.report import Access
from editor.suggest.plan import Fold, Kind


class Need(NamedTuple):
    """What programs needed on one path: ``rights``, as the denied ``accesses`` show.

    ``path`` is absolute and outlasts the run (see `lasting_place`). ``temporary`` is true if the accesses were to names
    that will not be there next time, so that ``path`` is a directory above them.
    """

    path: str
    rights: RightSet
    accesses: tuple[Access, ...] = ()
    temporary: bool = False


class Group(NamedTuple):
    """One rule: ``rights`` on ``paths`` and everything beneath them, for ``needs``.

    The rights are the union of what the needs have, and every need is at or below one of the paths. ``purpose`` is a
    few words for a comment. ``confirm``, unless empty, names the protected place that it opens and what is inside.
    """

    paths: tuple[str, ...]
    rights: RightSet
    needs: tuple[Need, ...]
    kind: Kind
    purpose: str = ""
    confirm: str = ""


def fold(needs: Sequence[Need], level: Fold) -> tuple[Group, ...]:  # noqa: ARG001
    """Return the rules that allow ``needs``, folded as far as ``level`` says; in the order of the needs."""
    by_path: dict[str, list[Need]] = {}
    for need in needs:
        by_path.setdefault(need.path, []).append(need)
    return tuple(
        Group(
            paths=(path,),
            rights=NO_RIGHTS.union(*(need.rights for need in found)),
            needs=tuple(found),
            kind="temporary" if any(need.temporary for need in found) else "exact",
        )
        for path, found in by_path.items()
    )
