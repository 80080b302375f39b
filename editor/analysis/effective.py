"""``paddock explain --all``: everything that a policy gives on this machine, as a tree of the places with rules."""

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
    """One place that rules name, ``depth`` such places below /.

    ``given`` is what rules on just this place give, ``rights`` what holds there with all above it; ``spellings`` are
    the paths as written. Where it does not ``exist``, nothing is given yet, and ``rights`` is what would hold.
    """

    path: str
    depth: int
    given: tuple[GrantRef, ...]
    rights: RightSet
    spellings: tuple[str, ...]
    exists: bool
    is_dir: bool


class Effective(NamedTuple):
    """All that a policy gives. The sets of names are filesystem, network rights and scopes together.

    ``free`` is not restricted anywhere, ``denied`` is restricted and given by no rule; ``unknown`` would be restricted,
    but the ABI does not know it.
    """

    policy: str
    abi: AbiUsed
    free: RightSet
    denied: RightSet
    unknown: RightSet
    branches: tuple[Branch, ...]
    ports: tuple[ResolvedPort, ...]
    scoped: RightSet

    def to_json(self) -> dict[str, Any]:
        """The object that ``paddock explain --all --format json`` prints."""
        return {
            "policy": self.policy,
            "abi": self.abi._asdict(),
            "not_restricted": in_order(self.free),
            "always_denied": in_order(self.denied),
            "unknown": in_order(self.unknown),
            "paths": [
                {
                    "path": branch.path,
                    "depth": branch.depth,
                    "rights": in_order(branch.rights),
                    "given": [{"rights": in_order(each.rights), **each.ref._asdict()} for each in branch.given],
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


def effective(policy: Policy, abi: AbiUsed) -> Effective:
    """What ``policy`` gives, as Landlock version ``abi.enforced`` enforces it."""
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
    return Effective(
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
    for where in sorted(places, key=lambda path: [] if path == "/" else path.split("/")):
        while above and not is_beneath(where, above[-1]):
            above.pop()
        paths = places[where]
        exists = where == "/" or any(path.identity is not None for path in paths)
        is_dir = where == "/" or any(path.is_dir for path in paths)
        usable = known & FILE_RIGHTS if exists and not is_dir else known
        given = tuple(
            GrantRef(each.ref, each.rights & usable) for path in paths for each in path.refs if each.rights & usable
        )
        rights = decider.rights_on(where) & usable
        if not exists:
            rights = rights.union(*(each.rights for each in given))
        yield Branch(where, len(above), given, rights, tuple(path.path for path in paths), exists, is_dir)
        above.append(where)
