"""Judge recorded accesses under another policy than they were recorded under: which of them it would deny."""

from collections.abc import Iterable, Iterator

from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import NO_RIGHTS, RightSet, kind_of
from editor.sandbox.verdicts.report import Access


def denials_under(resolved: ResolvedPolicy, accesses: Iterable[Access], abi: int, layer: int = 0) -> tuple[Access, ...]:
    """Return those of ``accesses`` that ``resolved``, number ``layer`` of a run's policies, would deny at ``abi``.

    They say what is missing under it. What failed for other reasons than a policy needs no rule.
    """
    return tuple(_denied(Decider(resolved, abi), accesses, layer))


def _denied(decider: Decider, accesses: Iterable[Access], layer: int) -> Iterator[Access]:
    for access in accesses:
        if access.verdict == "failed":
            continue
        missing = _missing(decider, access)
        if missing:
            yield access._replace(
                verdict="denied", missing=missing, layer=layer, predicted=True, decided_by=(), confirmed=None, reason=""
            )


def _missing(decider: Decider, access: Access) -> RightSet:
    rights = access.rights | access.missing
    kinds = {kind_of(name) for name in rights}
    if kinds == {"net"}:
        return NO_RIGHTS.union(*(decider.port(access.port, name).missing for name in rights))
    if kinds == {"scope"}:
        return NO_RIGHTS.union(*(decider.scope(name).missing for name in rights))
    if kinds == {"fs"} and access.object_path is not None and access.object_path.startswith("/"):
        return decider.file(access.object_path, rights).missing
    return rights if kinds else NO_RIGHTS
