"""Offer promises for what programs needed, ready to be proposed."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from editor.editing.edits import NewRule
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RightSet
from editor.suggest.folding import Need
from editor.suggest.promises.catalogue import all_found
from editor.suggest.promises.covering import covering
from editor.suggest.promises.writing import comment_of, new_rules, without_granted

_MOST_UNUSED = 3  # paths to name


class Offer(NamedTuple):
    """A promise that fits: ``edits``, all together, allow ``needs`` and what was needed on ``ports``.

    ``sentence`` says what it grants, ``why`` what for, both printable; ``purpose`` is the comment of its rules. On
    ``unused``, printable, it grants what nothing needed.
    """

    edits: tuple[NewRule, ...]
    needs: tuple[Need, ...]
    ports: tuple[int, ...]
    sentence: str
    why: str
    purpose: str
    unused: str


def offers(
    needs: Sequence[Need], ports: Mapping[int, RightSet], policy: ResolvedPolicy
) -> tuple[tuple[Offer, ...], tuple[Need, ...]]:
    """Return the promises of this system that fit what ``policy`` denied, and all needs that are not among it.

    ``needs`` and the rights needed on ``ports`` are what it denied. What it grants already is not offered again.
    """
    if not needs and not ports:
        return (), ()
    handled = policy.handled_fs | policy.handled_net
    found = []
    held: set[int] = set()
    promises = [without_granted(each, policy) for each in all_found()]
    for cover in covering(needs, ports, promises, handled=handled):
        promise = cover.promise
        held |= {id(need) for need in cover.needs}
        found.append(
            Offer(
                new_rules(promise, handled),
                cover.needs,
                cover.ports,
                f"Add the promise {promise.name}: {promise.title}.",
                promise.why,
                comment_of(promise),
                _listed(cover.unused),
            )
        )
    return tuple(found), tuple(need for need in needs if id(need) not in held)


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - _MOST_UNUSED
    return ", ".join((*map(printable, paths[:_MOST_UNUSED]), *([f"and {more} more"] if more > 0 else [])))
