"""``paddock explain --all``: everything that a policy grants on this machine, as a tree of the paths with rules."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from editor.evaluation.decider import Decider
from editor.evaluation.mounts import is_beneath
from editor.evaluation.resolve import GrantRef, ResolvedPath, ResolvedPort, resolve
from editor.landlock.rights import FILE_RIGHTS, RightSet, in_order, rights_of
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import AbiUsed


class Branch(NamedTuple):
    """A path that rules name; ``depth`` counts the named paths above it.

    ``granted`` is what rules on this very path grant, ``rights`` includes what it inherits; ``spellings`` are the paths
    as written. If it does not exist, nothing is granted yet, and ``rights`` is what would be.
    """

    path: str
    depth: int
    granted: tuple[GrantRef, ...]
    rights: RightSet
    spellings: tuple[str, ...]
    exists: bool
    is_dir: bool


class EffectiveRights(NamedTuple):
    """Everything that a policy grants. The sets combine filesystem rights, network rights and scopes.

    ``unrestricted`` is not restricted anywhere, ``always_denied`` is restricted and no rule grants it, ``unknown``
    would be restricted if the ABI knew it.
    """

    policy: str
    abi: AbiUsed
    unrestricted: RightSet
    always_denied: RightSet
    unknown: RightSet
    branches: tuple[Branch, ...]
    ports: tuple[ResolvedPort, ...]
    scoped: RightSet

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``paddock explain --all --format json`` prints."""
        return {
            "policy": self.policy,
            "abi": self.abi._asdict(),
            "not_restricted": in_order(self.unrestricted),
            "always_denied": in_order(self.always_denied),
            "unknown": in_order(self.unknown),
            "paths": [
                {
                    "path": branch.path,
                    "depth": branch.depth,
                    "rights": in_order(branch.rights),
                    "given": [{"rights": in_order(each.rights), **each.ref._asdict()} for each in branch.granted],
                    "spelled": list(branch.spellings),
                    "exists": branch.exists,
                    "directory": branch.is_dir,
                }
                for branch in self.branches
            ],
            "ports": [
                {
                    "port": port.port,
                    "rights": in_order(port.rights),
                    "given": [{"rights": in_order(each.rights), **each.ref._asdict()} for each in port.refs],
                }
                for port in self.ports
            ],
            "scoped": in_order(self.scoped),
        }


def effective_rights(policy: Policy, abi: AbiUsed) -> EffectiveRights:
    """Return what ``policy`` grants when Landlock ABI ``abi.enforced`` enforces it."""
    resolved = resolve(policy)
    decider = Decider(resolved, abi.enforced)
    known = {kind: rights_of(kind, abi.enforced) for kind in ("fs", "net", "scope")}
    places: dict[str, list[ResolvedPath]] = {"/": []}
    for path in resolved.paths:
        where = path.target or (os.path.normpath(resolved.absolute(path.path)) if path.path else "")
        if where:
            places.setdefault(where, []).append(path)
    fs = resolved.handled_fs & known["fs"]
    net = resolved.handled_net & known["net"]
    scoped = resolved.scoped & known["scope"]
    branches = tuple(_branches(places, decider, known["fs"]))
    granted = frozenset[str]().union(*(branch.rights for branch in branches if branch.exists))
    granted = granted.union(*(port.rights for port in resolved.ports))
    return EffectiveRights(
        policy.file,
        abi,
        (known["fs"] - decider.handled) | (known["net"] - net) | (known["scope"] - scoped),
        ((fs | decider.handled) - granted) | (net - granted),
        (resolved.handled_fs | resolved.handled_net | resolved.scoped) - fs - net - scoped,
        branches,
        tuple(sorted(port._replace(rights=port.rights & known["net"]) for port in resolved.ports)),
        scoped,
    )


def _branches(places: dict[str, list[ResolvedPath]], decider: Decider, known: RightSet) -> Iterator[Branch]:
    above: list[str] = []
    for place in sorted(places, key=lambda path: [] if path == "/" else path.split("/")):
        while above and not is_beneath(place, above[-1]):
            above.pop()
        paths = places[place]
        exists = place == "/" or any(path.identity is not None for path in paths)
        is_dir = place == "/" or any(path.is_dir for path in paths)
        usable = known & FILE_RIGHTS if exists and not is_dir else known
        granted = tuple(
            GrantRef(each.ref, each.rights & usable) for path in paths for each in path.refs if each.rights & usable
        )
        rights = decider.rights_on(place) & usable
        if not exists:
            rights = rights.union(*(each.rights for each in granted))
        yield Branch(place, len(above), granted, rights, tuple(path.path for path in paths), exists, is_dir)
        above.append(place)
