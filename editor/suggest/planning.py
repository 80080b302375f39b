"""Make a plan of what would allow all that runs were denied: what matters most first, folded, each grant once."""

import contextlib
import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from editor.editing.edits import AddPathRule, Edit, GrantPath, GrantPort, SetScope
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import NO_RIGHTS, Kind, RightSet, in_order, kind_of, listed
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest.folding import Group, Need
from editor.suggest.folding import fold as fold_needs
from editor.suggest.grant import port_of, refuse_hopeless, spellings
from editor.suggest.lasting import ALL_PROCESSES, COMMANDS_OWN, CannotGrant, LastingPlaces
from editor.suggest.listings import Listings
from editor.suggest.needed import TOLERATED, Standing, standings, standings_in_runs
from editor.suggest.plan import Fold, Plan, Proposal
from editor.suggest.promises.offering import Offer, offers
from editor.suggest.protected import ProtectedPlaces
from editor.suggest.purposes import READ

_MAX_EXAMPLES = 3
_FILE_RIGHTS: RightSet = frozenset({"execute", "read_file", "write_file", "truncate", "ioctl_dev", "resolve_unix"})


@cache
def _listed(rights: RightSet) -> str:
    return listed(rights)


@cache
def _kind(rights: RightSet) -> Kind | None:
    return kind_of(next(iter(rights)))


def make_plan(
    accesses: Iterable[Access],
    resolved: ResolvedPolicy,
    layer: int = 0,
    *,
    fold: Fold = "balanced",
    promises: bool = True,
    exit_code: int | None = None,
    output: str = "",
) -> Plan:
    """Return how to allow every denial by the policy ``resolved``, which is number ``layer`` of the run's layers.

    ``accesses`` are all accesses of the run, or of several, in the order in which the program came upon them. ``fold``
    says how far they fold into directories, ``promises`` whether bundles take their part. ``exit_code`` is the run's
    status and ``output`` what the command printed, where they are known: they tell what the program needed. First come
    the denials for which it gave up, then all others in order, then what no edit can allow, last what it tolerated.
    """
    with _without_collecting_garbage():
        denied = [access for access in accesses if access.verdict == "denied" and access.layer == layer]
        judged = [*zip(denied, standings(denied, exit_code, output), strict=True)]
        return _Planner(resolved, judged).plan(fold, promises=promises)


def plan_of(
    reports: Sequence[Report],
    resolved: ResolvedPolicy,
    layer: int = 0,
    *,
    fold: Fold = "balanced",
    promises: bool = True,
    output: str = "",
) -> Plan:
    """Return the plan for all denials in ``reports``; they tell how each run ended. The rest is as in ``make_plan``.

    ``output`` is what the command printed in the last of them.
    """
    with _without_collecting_garbage():
        return _Planner(resolved, standings_in_runs(reports, layer, output)).plan(fold, promises=promises)


@contextlib.contextmanager
def _without_collecting_garbage() -> Iterator[None]:
    """Spare the search for cycles, of which a plan has none: over many values, it would take most of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Planner:
    """Gathers what was denied by what a rule can be about, and makes proposals of it."""

    def __init__(self, resolved: ResolvedPolicy, judged: Sequence[tuple[Access, Standing]]) -> None:
        self._spellings = spellings(resolved)
        own = resolved.absolute(resolved.file)
        # A policy without rules is still to be learned, perhaps in place of that file.
        in_use = bool(resolved.paths or resolved.ports) and os.path.isfile(own)
        self._policy_directory = os.path.dirname(own) if in_use else None
        self._listings = Listings()
        self._lasting = LastingPlaces(self._listings)
        self._resolved = resolved
        # By identity: to hash an access takes longer than all else that is done with it.
        self._judged = {id(access): (standing, number) for number, (access, standing) in enumerate(judged)}
        # By whether the run got along without, then by what a need is about.
        self._wanted: dict[bool, dict[tuple[str, RightSet, bool], list[Access]]] = {False: {}, True: {}}
        self._ports: dict[int, list[Access]] = {}
        self._scopes: dict[str, list[Access]] = {}
        self._hopeless: dict[str, list[Access]] = {}
        for access, standing in judged:
            try:
                self._gather(access, tolerated=standing.rank == TOLERATED)
            except CannotGrant as error:
                self._hopeless.setdefault(str(error), []).append(access)

    def _gather(self, access: Access, *, tolerated: bool) -> None:
        refuse_hopeless(access)
        kind = _kind(access.missing)
        if kind == "scope":
            for name in in_order(access.missing):
                self._scopes.setdefault(name, []).append(access)
        elif kind == "net":
            self._ports.setdefault(port_of(access), []).append(access)
        else:
            place = self._lasting.of(access)
            about = place, access.missing, place != access.object_path
            self._wanted[tolerated].setdefault(about, []).append(access)

    def _needs(self, *, tolerated: bool) -> list[Need]:
        """Return what was needed on each path, or tolerated there."""
        return [
            Need(path, rights, tuple(accesses), passing)
            for (path, rights, passing), accesses in self._wanted[tolerated].items()
        ]

    def plan(self, fold: Fold, *, promises: bool) -> Plan:
        """Return all proposals, those that matter most first."""
        needs = self._needs(tolerated=False)
        offered, needs = self._offered(needs, fold) if promises and fold != "exact" else ((), needs)
        needed = self._folded(needs, fold)
        granted = [_grants_of_offer(offer) for offer in offered] + [_grants_of_group(group) for group in needed]
        covered, tolerated = _covered_by(granted, self._needs(tolerated=True))
        proposals = [self._promise(offer, more) for offer, more in zip(offered, covered, strict=False)]
        proposals += [self._on_paths(group, more) for group, more in zip(needed, covered[len(offered) :], strict=True)]
        proposals += [self._on_paths(group) for group in self._folded(tolerated, fold)]
        promised = {port for offer in offered for port in offer.ports}
        proposals += [self._on_port(port, each) for port, each in self._ports.items() if port not in promised]
        proposals += [self._on_scope(scope, accesses) for scope, accesses in self._scopes.items()]
        proposals += [self._refusal(reason, accesses) for reason, accesses in self._hopeless.items()]
        return Plan(tuple(sorted(proposals, key=self._importance)))

    def _offered(self, needs: list[Need], fold: Fold) -> tuple[tuple[Offer, ...], list[Need]]:
        """Return the promises to propose for ``needs`` and for ports, and what is left of the needs.

        None opens a protected place, and less than half of one may be unused unless the person wants broad rules.
        """
        ports = {
            port: _missing(accesses)
            for port, accesses in self._ports.items()
            if self._standing(accesses).rank != TOLERATED
        }
        if len(needs) + len(ports) <= 1:
            return (), needs
        places = ProtectedPlaces(self._policy_directory)
        found, _ = offers(needs, ports, self._resolved)
        taken = tuple(
            offer
            for offer in found
            if (fold == "broad" or _is_mostly_used(offer)) and not _opens_protected(offer, places)
        )
        held = {id(need) for offer in taken for need in offer.needs}
        return taken, [need for need in needs if id(need) not in held]

    def _folded(self, needs: Sequence[Need], fold: Fold) -> tuple[Group, ...]:
        """Return the rules for ``needs``; without any, nothing is looked up."""
        if not needs:
            return ()
        return fold_needs(needs, fold, policy_directory=self._policy_directory, listings=self._listings)

    def _importance(self, proposal: Proposal) -> tuple[int, bool, int]:
        judged = [self._judged[id(access)] for access in proposal.accesses]
        return min(judged)[0].rank, not proposal.edits, min(number for _, number in judged)

    def _standing(self, accesses: Iterable[Access]) -> Standing:
        """Return the standing of what matters most among ``accesses``."""
        return min([self._judged[id(access)] for access in accesses])[0]

    def _on_paths(self, group: Group, covered: Sequence[Access] = ()) -> Proposal:
        accesses = [access for need in group.needs for access in need.accesses]
        standing = self._standing(accesses)
        paths = group.paths
        edits: tuple[Edit, ...]
        if not self._spellings.keys().isdisjoint(paths):
            paths = tuple(self._spellings.get(path, path) for path in paths)
            edits = tuple(GrantPath(path, group.rights) for path in paths)
        elif group.purpose or len(paths) > 1:
            edits = (AddPathRule(paths, group.rights, group.purpose),)
        else:
            edits = (GrantPath(paths[0], group.rights),)
        return Proposal(
            edits,
            (*accesses, *covered),
            group.kind,
            _described(group, paths),
            why=f"{standing.why} {_uses(accesses)}".lstrip(),
            purpose=group.purpose,
            tolerated=standing.rank == TOLERATED,
            confirm=group.confirm,
        )

    def _promise(self, offer: Offer, covered: Sequence[Access]) -> Proposal:
        accesses = [access for need in offer.needs for access in need.accesses]
        accesses += [access for port in offer.ports for access in self._ports[port]]
        unused = f" Nothing needed {offer.unused} of it." if offer.unused else ""
        return Proposal(
            offer.edits,
            (*accesses, *covered),
            "promise",
            offer.sentence,
            why=f"{self._standing(accesses).why} {_uses(accesses)}{unused} {offer.why}".lstrip(),
            purpose=offer.purpose,
        )

    def _on_port(self, port: int, accesses: Sequence[Access]) -> Proposal:
        rights = _missing(accesses)
        sentence = f"Grant {_listed(rights)} on port {port}, for any address."
        return self._proposal(GrantPort(port, rights), accesses, sentence)

    def _on_scope(self, scope: str, accesses: Sequence[Access]) -> Proposal:
        sentence = (
            f"No longer restrict {scope}. This widens the policy: a scope has no rules, so programs under it may "
            "then reach every process outside the sandbox this way."
        )
        return self._proposal(
            SetScope(scope, False), accesses, sentence, confirm=f"every process outside the sandbox, through {scope}"
        )

    def _proposal(self, edit: Edit, accesses: Sequence[Access], sentence: str, confirm: str = "") -> Proposal:
        standing = self._standing(accesses)
        why = " ".join(filter(None, (standing.why, f"Used by {_processes(accesses)}.")))
        return Proposal(
            (edit,), tuple(accesses), "exact", sentence, why, tolerated=standing.rank == TOLERATED, confirm=confirm
        )

    def _refusal(self, reason: str, accesses: Sequence[Access]) -> Proposal:
        standing = self._standing(accesses)
        sentence = f"{', '.join(dict.fromkeys(map(_shown, accesses)))}: {reason}"
        return Proposal((), tuple(accesses), "exact", sentence, reason, tolerated=standing.rank == TOLERATED)


_Grants = Sequence[tuple[str, RightSet]]  # paths free of links, with the rights on them and on all beneath


def _missing(accesses: Iterable[Access]) -> RightSet:
    return NO_RIGHTS.union(*(access.missing for access in accesses))


def _grants_of_group(group: Group) -> _Grants:
    return [(path, group.rights) for path in group.paths]


def _grants_of_offer(offer: Offer) -> _Grants:
    return [
        (os.path.realpath(path), edit.rights)
        for edit in offer.edits
        if isinstance(edit, AddPathRule)
        for path in edit.paths
    ]


def _is_mostly_used(offer: Offer) -> bool:
    """Whether at least half of the paths of a promise are those of needs, or above them."""
    used = {"/"}
    for need in offer.needs:
        path = need.path
        while path not in used:
            used.add(path)
            path = os.path.dirname(path)
    grants = _grants_of_offer(offer)
    return 2 * sum(path in used for path, _ in grants) >= len(grants)


def _opens_protected(offer: Offer, places: ProtectedPlaces) -> bool:
    return any(places.inside(path, writing=not rights <= READ) for path, rights in _grants_of_offer(offer))


def _covered_by(grants: Sequence[_Grants], needs: Sequence[Need]) -> tuple[list[list[Access]], list[Need]]:
    """Return the accesses of those ``needs`` that each of the ``grants`` allows as well, and all other needs."""
    covered: list[list[Access]] = [[] for _ in grants]
    places: dict[str, tuple[RightSet, int]] = {}
    for number, each in enumerate(grants):
        for path, rights in each:
            places[path] = rights, number
    others = []
    for need in needs:
        path = need.path
        while (found := places.get(path)) is None or not need.rights <= found[0]:
            if path == "/":
                others.append(need)
                break
            path = os.path.dirname(path)
        else:
            covered[found[1]] += need.accesses
    return covered, others


def _described(group: Group, paths: Sequence[str]) -> str:
    """Return a sentence on what ``group``, whose paths the policy spells ``paths``, allows, and why not less."""
    beneath = ""
    if _names_directory(group):
        beneath = f" and everything beneath {'it' if len(paths) == 1 else 'them'}"
    sentence = f"Grant {_listed(group.rights)} on {_all_of([*map(printable, paths)])}{beneath}."
    passing = [need for need in group.needs if need.temporary]
    if not passing:
        return sentence
    names = dict.fromkeys(access.object_path for need in passing for access in need.accesses)
    itself = "itself" if len(names) == 1 else "themselves"
    sentence += f" A rule for {_some_of(names)} {itself} would not last"
    if paths[0] == COMMANDS_OWN:
        return f"{sentence}, but {COMMANDS_OWN} is the command's own process in each run."
    if paths[0] == ALL_PROCESSES:
        return f"{sentence}, and one for {COMMANDS_OWN} would cover the command's own process alone."
    return f"{sentence}."


def _names_directory(group: Group) -> bool:
    if group.kind in ("directory", "temporary") or not group.rights <= _FILE_RIGHTS:
        return True
    # The kernel checks these on a directory for no call, but a person may have asked what they would mean there.
    if group.kind == "exact" and group.needs[0].accesses[0].syscall:
        return False
    return any(map(os.path.isdir, group.paths))


def _uses(accesses: Sequence[Access]) -> str:
    """Return who used what, and which right for what if they differ."""
    sentence = f"Used by {_processes(accesses)}"
    if len(accesses) == 1:
        return f"{sentence}."
    by_rights: dict[RightSet, dict[str | None, None]] = {}
    for access in accesses:
        by_rights.setdefault(access.missing, {})[access.object_path] = None
    if len(set().union(*by_rights.values())) == 1:
        return f"{sentence}."
    used = "; ".join(f"{_listed(rights)} on {_some_of(names)}" for rights, names in by_rights.items())
    return f"{sentence}: {used}."


def _processes(accesses: Iterable[Access]) -> str:
    return _some_of(dict.fromkeys([access.process or "a program" for access in accesses]))


def _shown(access: Access) -> str:
    if access.port is not None:
        return f"port {access.port}"
    return printable(access.object_path or access.path or access.syscall)


def _some_of(names: Iterable[str | None]) -> str:
    """Return the first ``names``, made printable, in words, and the number of all others."""
    known = list(names)
    shown = [printable(name or "") for name in known[:_MAX_EXAMPLES]]
    if len(known) > _MAX_EXAMPLES:
        return f"{', '.join(shown)} and {len(known) - _MAX_EXAMPLES} others"
    return _all_of(shown)


def _all_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
