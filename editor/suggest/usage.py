"""What the rules of a policy were used for, as reports of runs show it."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy, path_ref
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RIGHTS, RightSet, unnamed
from editor.policy.model import Policy, RuleRef
from editor.sandbox.verdicts.report import Access
from editor.suggest.lasting import CannotGrant, LastingPlaces

_OVERWRITING: RightSet = frozenset({"write_file", "truncate"})
_MAKE_FILE: RightSet = frozenset({"make_reg"})
_MAKING: RightSet = frozenset(name for name in RIGHTS if name.startswith("make_"))

# The kernel looks a path up before it asks Landlock: with these errors nothing was granted.
_NOT_FOUND = frozenset({"ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EEXIST"})

# Too frequent to be traced for a policy or an ABI that does not restrict them.
_TRACED_ON_DEMAND: RightSet = frozenset({"ioctl_dev", "bind_udp"})


class Entry(NamedTuple):
    """One path or port of a rule, each counted from 0."""

    section: Literal["path_beneath", "net_port"]
    rule: int
    entry: int


class Use(NamedTuple):
    """What one entry was used for: ``rights``, and for a path which of them at which places beneath it.

    A place is where a rule could be instead, and still be in the next run: see `lasting_place`; those of names that
    will not be there next time are also in ``passing``. ``objects`` are the paths that were accessed. ``fixed`` is true
    if the entry must stay where it is, because files were moved between directories or an object has no place.
    """

    rights: RightSet = NO_RIGHTS
    places: Mapping[str, RightSet] = MappingProxyType({})
    passing: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    fixed: bool = False


class Recorded(NamedTuple):
    """The accesses of one run, and the ABI that was enforced; None if that is not known."""

    accesses: tuple[Access, ...]
    abi: int | None = None


class Usage(NamedTuple):
    """How the entries of a policy were used; ``used`` lacks those that were not.

    ``reached`` are the scopes in which something was accessed, perhaps inside the sandbox. Of the rights ``unseen``
    reports cannot tell whether they were used. ``anew`` counts the rows that name rules that the policy does not have,
    and were judged anew, and ``denied`` those of them that the policy denies.
    """

    used: Mapping[Entry, Use]
    reached: RightSet
    unseen: RightSet
    anew: int
    denied: int


def usage(policy: Policy, resolved: ResolvedPolicy, recorded: Sequence[Recorded]) -> Usage:
    """Find out which entries of ``policy`` granted what was ``recorded``.

    A row names the rules that allowed it; if the policy does not have these, since it was changed or another one was
    in force, it is judged anew. What failed counts as well where Landlock was asked first: without the right, the
    program would have seen another error.
    """
    counted = [access for one in recorded for access in one.accesses if _counts(access)]
    gatherer = _Gatherer(policy, resolved, made_by(counted))
    for access in counted:
        gatherer.expect(access)
    for access in counted:
        gatherer.add(access)
    late = frozenset(
        name for name in _TRACED_ON_DEMAND if any(one.abi is None or one.abi < RIGHTS[name].abi for one in recorded)
    )
    unseen = late | unnamed(resolved.handled_fs | resolved.handled_net)
    return Usage(gatherer.used(), gatherer.reached, unseen, gatherer.anew, gatherer.denied)


def _counts(access: Access) -> bool:
    """Whether Landlock granted ``access``, or would have if it restricted it."""
    return access.verdict != "denied" and not (access.verdict == "failed" and access.errno in _NOT_FOUND)


def made_by(accesses: Iterable[Access]) -> set[str]:
    """Return the paths that programs made: they were not there to begin with."""
    return {
        os.path.join(access.object_path, os.path.basename(access.path))
        for access in accesses
        if access.object_path and access.path and access.rights & _MAKING and _counts(access)
    }


def _place_of(ref: RuleRef) -> tuple[str, int, str]:
    return os.path.abspath(ref.file), ref.line, ref.rule


class _Gatherer:
    """Finds the entries that allowed each access."""

    def __init__(self, policy: Policy, resolved: ResolvedPolicy, made: set[str]) -> None:
        self.policy = policy
        self.made = made
        self.decider = Decider(resolved, LATEST_ABI, beyond=unnamed(resolved.handled_fs | resolved.handled_net))
        self.net = resolved.handled_net
        self.found: dict[Entry, _Using] = {}
        self.reached: RightSet = NO_RIGHTS
        self.anew = self.denied = 0
        self.lasting = LastingPlaces()
        self.moving: dict[Entry, None] = {}
        self.places: dict[str, tuple[str, bool] | None] = {}
        self.by_place: dict[tuple[str, int, str], list[Entry]] = {}
        self.by_ref: dict[RuleRef, list[Entry]] = {}
        for rule in policy.path_rules:
            for at, parent in enumerate(rule.parents):
                self.by_place.setdefault(_place_of(path_ref(parent)), []).append(Entry("path_beneath", rule.number, at))

    def rights_of(self, entry: Entry) -> RightSet:
        rules = self.policy.path_rules if entry.section == "path_beneath" else self.policy.port_rules
        return rules[entry.rule].rights

    def _named(self, ref: RuleRef) -> list[Entry]:
        """Return the entries that ``ref`` names, however the file is spelled."""
        found = self.by_ref.get(ref)
        if found is None:
            found = self.by_ref[ref] = self.by_place.get(_place_of(ref), [])
        return found

    def expect(self, access: Access) -> None:
        """Count a file that was overwritten as made, if the policy allows to make it: next time it may not be there.

        Most programs open what they overwrite so that it is made if it is not there.
        """
        path = access.object_path
        if (
            path is not None
            and access.rights >= _OVERWRITING
            and any(self._granting(os.path.dirname(path), _MAKE_FILE))
        ):
            self.made.add(path)

    def add(self, access: Access) -> None:
        kinds = {RIGHTS[name].kind for name in access.rights if name in RIGHTS}
        if "scope" in kinds:
            self.reached |= access.rights
        elif "net" in kinds:
            self._add_port(access)
        elif access.object_path is not None:
            self._add_path(access, access.object_path)

    def _add_port(self, access: Access) -> None:
        for rule in self.policy.port_rules:
            if rights := rule.rights & access.rights:
                for at, entry in enumerate(rule.ports):
                    if entry.port == access.port:
                        self._use(Entry("net_port", rule.number, at), rights)

    def _add_path(self, access: Access, path: str) -> None:
        named = [entry for ref in access.decided_by for entry in self._named(ref)]
        wanted = access.rights & self.decider.handled
        if unexplained := wanted - NO_RIGHTS.union(*(self.rights_of(entry) for entry in named)):
            self.anew += bool(access.decided_by)
            granting = list(self._granting(path, unexplained))
            if access.decided_by and unexplained - NO_RIGHTS.union(*(self.rights_of(entry) for entry in granting)):
                self.denied += 1
            named += granting
        if path in self.made and "write_file" in wanted:
            wanted |= _OVERWRITING  # what makes a file overwrites it if it is there already
            directory = os.path.dirname(path)
            for entry in self._granting(directory, _MAKE_FILE):
                self._use(entry, _MAKE_FILE, directory, self._place(access, directory))
        place = self._place(access, path)
        for entry in named:
            if rights := wanted & self.rights_of(entry):
                self._use(entry, rights, path, place)
        if "refer" in wanted:
            for each in self.decider.inherited(path):
                self.moving.update(dict.fromkeys(self._named(each.ref)))

    def _granting(self, path: str, rights: RightSet) -> Iterator[Entry]:
        """Yield the entries that grant ``rights`` on ``path``: of each right the nearest one."""
        for each in self.decider.inherited(path):
            if given := rights & each.rights:
                yield from self._named(each.ref)
                rights -= given

    def _place(self, access: Access, path: str) -> tuple[str, bool] | None:
        """Return where a rule for the access could be, and whether its own name is not there next time."""
        if path not in self.places:
            begun = self._made_in(path)
            try:
                place = self.lasting.of(access if begun == access.object_path else access._replace(object_path=begun))
            except CannotGrant:
                self.places[path] = None
            else:
                self.places[path] = place, place != path
        return self.places[path]

    def _made_in(self, path: str) -> str:
        """Return ``path``, or if programs made it or a directory that leads to it, where the first one was made."""
        at = path.find("/", 1)
        while at >= 0:
            if path[:at] in self.made:
                return os.path.dirname(path[:at])
            at = path.find("/", at + 1)
        return os.path.dirname(path) if path in self.made else path

    def _use(self, entry: Entry, rights: RightSet, path: str = "", place: tuple[str, bool] | None = None) -> None:
        use = self.found.setdefault(entry, _Using())
        use.rights |= rights
        if entry.section == "net_port":
            return
        use.objects.add(path)
        if place is None:
            use.fixed = True
        else:
            use.places[place[0]] = use.places.get(place[0], NO_RIGHTS) | rights
            if place[1]:
                use.passing.add(place[0])

    def used(self) -> dict[Entry, Use]:
        """Return what all entries were used for. Rules between which files were moved stay alike.

        A file may not gain rights by a move, so it would matter if one of them lost a right and another kept it.
        """
        shared = NO_RIGHTS.union(*(self.found[entry].rights for entry in self.moving if entry in self.found))
        for entry in self.moving:
            use = self.found.setdefault(entry, _Using())
            use.rights, use.fixed = self.rights_of(entry) & shared, True
        return {
            entry: Use(use.rights, use.places, frozenset(use.passing), frozenset(use.objects), use.fixed)
            for entry, use in self.found.items()
        }


class _Using:
    """The uses of one entry, being collected."""

    __slots__ = ("fixed", "objects", "passing", "places", "rights")

    def __init__(self) -> None:
        self.rights: RightSet = NO_RIGHTS
        self.places: dict[str, RightSet] = {}
        self.passing: set[str] = set()
        self.objects: set[str] = set()
        self.fixed = False
