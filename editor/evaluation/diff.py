"""Compare what two policies allow on this machine, not their texts.

A right that is not handled counts as allowed everywhere. Rights only change at paths that have rules, so comparing /
and those paths covers the whole filesystem. Paths that do not exist are compared as if they did.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from editor.evaluation.decider import Decider
from editor.evaluation.mounts import is_beneath
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import DIRECTORY_RIGHTS, LATEST_ABI, NO_RIGHTS, RightSet, in_order, rights_of, unnamed
from editor.policy.model import RuleRef

Kind = Literal["path", "port", "scope"]


class Difference(NamedTuple):
    """Rights that one policy allows on ``subject`` (a path and all beneath it, a port, a scope) and the other does not.

    For ports ``subject`` is the number, or ``*`` for all that no rule of either names. ``exists`` is for paths only.
    ``rules`` grant the rights; none if they are not restricted. ``excepted`` are paths beneath ``subject`` to which the
    difference does not apply, nor to anything beneath them unless another difference does.
    """

    kind: Kind
    subject: str
    rights: RightSet
    rules: tuple[RuleRef, ...]
    exists: bool = True
    excepted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return an element of ``only_a`` or ``only_b`` in ``paddock diff --format json``."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "rights": in_order(self.rights),
            "rules": [ref._asdict() for ref in self.rules],
            "exists": self.exists,
            "except": list(self.excepted),
        }


class Comparison(NamedTuple):
    """What only the first policy allows, and what only the second does."""

    only_a: tuple[Difference, ...]
    only_b: tuple[Difference, ...]

    @property
    def same(self) -> bool:
        """Whether both allow the same."""
        return not (self.only_a or self.only_b)


def compare(a: ResolvedPolicy, b: ResolvedPolicy, abi: int = LATEST_ABI) -> Comparison:
    """Compare two policies as Landlock version ``abi`` enforces them; the newest known counts for later ones too."""
    known = _Known(rights_of("fs", abi), rights_of("net", abi), rights_of("scope", abi))
    if abi == LATEST_ABI:
        known = _Known(
            known.fs | unnamed(a.handled_fs | b.handled_fs),
            known.net | unnamed(a.handled_net | b.handled_net),
            known.scopes | unnamed(a.scoped | b.scoped),
        )
    sides = (_Side(a, abi, known), _Side(b, abi, known))
    points = sorted({"/"}.union(*(side.points for side in sides)), key=lambda path: path.split("/"))
    return Comparison(tuple(_only(sides[0], sides[1], points)), tuple(_only(sides[1], sides[0], points)))


class _Known(NamedTuple):
    """The rights to compare."""

    fs: RightSet
    net: RightSet
    scopes: RightSet


class _Side:
    """One policy and what it allows at any path."""

    def __init__(self, resolved: ResolvedPolicy, abi: int, known: _Known) -> None:
        self.resolved = resolved
        self.decider = Decider(resolved, abi, beyond=unnamed(NO_RIGHTS.union(*known)))
        self.known = known.fs
        self.free = known.fs - self.decider.handled
        self.net = known.net
        self.scopes = known.scopes - resolved.scoped
        self.free_net = self.net - resolved.handled_net
        self.ports = {each.port: each for each in resolved.ports}
        self.missing: dict[str, tuple[RightSet, tuple[RuleRef, ...]]] = {}
        self.points: set[str] = set()
        for path in resolved.paths:
            if path.target is not None:
                self.points.add(path.target)
            elif path.path:
                spelled = os.path.normpath(resolved.absolute(path.path))
                rights, refs = self.missing.get(spelled, (NO_RIGHTS, ()))
                self.missing[spelled] = (rights | path.rights, (*refs, *(each.ref for each in path.refs)))
                self.points.add(spelled)

    def allowed(self, point: str) -> RightSet:
        """Return the filesystem rights at ``point``: granted by rules there or above it, or not restricted."""
        rights = self.free | self.decider.rights_on(point)
        for given, _ in self._missing_at(point):
            rights |= given
        return rights & self.known

    def _missing_at(self, point: str) -> Iterator[tuple[RightSet, tuple[RuleRef, ...]]]:
        """Yield what rules on paths that do not exist would grant at ``point``, from there up."""
        path = point
        while self.missing:
            if (found := self.missing.get(path)) is not None:
                yield found
            if path == "/":
                return
            path = os.path.dirname(path)

    def rules(self, point: str, rights: RightSet) -> tuple[RuleRef, ...]:
        """Return the rules that grant any of ``rights`` at ``point``, nearest first."""
        refs: dict[RuleRef, None] = {}
        for given, found in self._missing_at(point):
            if given & rights:
                refs.update(dict.fromkeys(found))
        for right in in_order(rights - self.free):
            decision = self.decider.file(point, frozenset({right}))
            refs.update(dict.fromkeys(decision.decided_by if decision.allowed else ()))
        return tuple(refs)

    def port(self, port: int) -> RightSet:
        rule = self.ports.get(port)
        return self.free_net if rule is None else (self.free_net | rule.rights) & self.net


def _only(allowing: _Side, other: _Side, points: list[str]) -> Iterator[Difference]:
    """Yield what ``allowing`` allows and ``other`` does not."""
    extra: dict[str, RightSet] = {}
    shapes: dict[str, RightSet] = {}
    above: dict[str, str | None] = {}
    for point in points:  # from the root down
        there = os.path.lexists(point)
        shapes[point] = allowing.known - (DIRECTORY_RIGHTS if there and not os.path.isdir(point) else NO_RIGHTS)
        extra[point] = (allowing.allowed(point) - other.allowed(point)) & shapes[point]
        above[point] = _nearest(point, extra)
    for at, point in enumerate(points):
        parent = above[point]
        new = extra[point] - (extra[parent] if parent is not None else NO_RIGHTS)
        if not new:
            continue
        lacking: dict[str, list[str]] = {right: [] for right in new}
        for below in itertools.islice(points, at + 1, None):
            # Points are sorted so that what is beneath one follows it directly.
            if not is_beneath(below, point):
                break
            for right in (new & shapes[below]) - extra[below]:
                lacking[right].append(below)
        alike: dict[tuple[str, ...], list[str]] = {}
        for right in in_order(new):
            alike.setdefault(tuple(lacking[right]), []).append(right)
        for excepted, rights in alike.items():
            names = frozenset(rights)
            yield Difference("path", point, names, allowing.rules(point, names), os.path.lexists(point), excepted)
    rest = allowing.free_net - other.free_net
    if rest:
        yield Difference("port", "*", rest, ())
    for port in sorted({*allowing.ports, *other.ports}):
        new = allowing.port(port) - other.port(port) - rest
        if new:
            rule = allowing.ports.get(port)
            refs = [each.ref for each in rule.refs if each.rights & new] if rule is not None else []
            yield Difference("port", str(port), new, tuple(dict.fromkeys(refs)))
    for scope in in_order(allowing.scopes - other.scopes):
        yield Difference("scope", scope, frozenset({scope}), ())


def _nearest(point: str, known: dict[str, RightSet]) -> str | None:
    """Return the nearest directory above ``point`` that is compared too."""
    path = point
    while path != "/":
        path = os.path.dirname(path)
        if path in known:
            return path
    return None
