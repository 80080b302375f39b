"""Find the promises that hold what programs needed."""

import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import NO_RIGHTS, RightSet, rights_of
from editor.suggest.folding import Need
from editor.suggest.promises.catalogue import all_found
from editor.suggest.promises.promise import Promise

_MIN_HELD = 2  # a rule for a single need says more than a promise, and allows less
_PASSIVE: RightSet = frozenset({"execute", "read_file", "read_dir"})
_ALL: RightSet = rights_of("fs") | rights_of("net")
_NO_PORTS: Mapping[int, RightSet] = MappingProxyType({})


class Cover(NamedTuple):
    """A promise that holds all rights of ``needs`` and on ``ports``; ``unused`` are its paths that no need is below.

    ``promise`` is without the paths for which promises of the covers before it have the rights.
    """

    promise: Promise
    needs: tuple[Need, ...]
    ports: tuple[int, ...] = ()
    unused: tuple[str, ...] = ()


def covering(
    needs: Sequence[Need],
    ports: Mapping[int, RightSet] = _NO_PORTS,
    promises: Iterable[Promise] | None = None,
    *,
    handled: RightSet = _ALL,
) -> tuple[Cover, ...]:
    """Return which of ``promises``, by default all that this system has, fit what was needed.

    ``ports`` are the rights needed on each port, ``handled`` those that the policy handles. A promise fits if it holds
    at least two paths or ports, if each of its rules holds one, and if nothing that it lets programs write or connect
    to on its paths goes beyond the needs. Each need and port is given to one promise: to the one that holds the most of
    all, then to the one that holds the most of what is left, and so on.
    """
    known = [each.handled(handled) for each in (all_found() if promises is None else promises)]
    held = _Index(known)
    answered: list[set[int]] = [set() for _ in known]
    for at, need in enumerate(needs):
        for number, rights in held.rights_at(need.path).items():
            if need.rights <= rights:
                answered[number].add(at)
    open_ports = [{port for port, rights in ports.items() if rights <= _rights_on(port, each)} for each in known]
    covers: list[Cover] = []
    waiting = set(range(len(known)))
    while waiting:
        best = max(sorted(waiting), key=lambda number: len(answered[number]) + len(open_ports[number]))
        waiting.remove(best)
        taken, taken_ports = answered[best], open_ports[best]
        if len({needs[at].path for at in taken}) + len(taken_ports) < _MIN_HELD:
            continue
        own = tuple(needs[at] for at in sorted(taken))
        promise = _without(known[best], [each.promise for each in covers])
        cover = Cover(promise, own, tuple(sorted(taken_ports)), _unused(promise, own))
        if _has_idle_rule(cover) or _goes_beyond(promise, own):
            continue
        covers.append(cover)
        answered = [each - taken for each in answered]
        open_ports = [each - taken_ports for each in open_ports]
    return tuple(covers)


def _has_idle_rule(cover: Cover) -> bool:
    """Whether a rule of the promise holds nothing of what the cover does; of the ports, one is enough for all."""
    if cover.promise.ports and not cover.ports:
        return True
    return any(rule.paths and set(rule.paths) <= set(cover.unused) for rule in cover.promise.rules)


def _goes_beyond(promise: Promise, needs: Sequence[Need]) -> bool:
    """Whether a path of ``promise`` has rights to change things or to connect that no need at or below it has."""
    rights: dict[str, RightSet] = {}
    for need in needs:
        rights[need.path] = rights.get(need.path, NO_RIGHTS) | need.rights
    for place in promise.places:
        active = place.rights - _PASSIVE
        if active:
            beneath = place.target.rstrip("/") + "/"
            used = (each for path, each in rights.items() if path == place.target or path.startswith(beneath))
            if not active <= NO_RIGHTS.union(*used):
                return True
    return False


def _without(promise: Promise, others: Sequence[Promise]) -> Promise:
    """Return ``promise`` without the paths for which ``others`` have all its rights."""
    granted = _Index(others)
    places = (
        place
        for place in promise.places
        if not place.rights <= NO_RIGHTS.union(*granted.rights_at(place.target).values())
    )
    return promise._replace(places=tuple(places))


class _Index:
    """The rights that promises hold on a path: those on itself and on each directory above it."""

    def __init__(self, promises: Sequence[Promise]) -> None:
        self._own: dict[str, dict[int, RightSet]] = {}
        for number, promise in enumerate(promises):
            for place in promise.places:
                self._own.setdefault(place.target, {})[number] = place.rights
        self._directories: dict[str, dict[int, RightSet]] = {}

    def rights_at(self, path: str) -> dict[int, RightSet]:
        """Return the rights on ``path`` by the number of the promise."""
        directory = path[: path.rfind("/")] or "/"
        above: dict[int, RightSet] = {}
        if directory != path:
            if directory not in self._directories:
                self._directories[directory] = self.rights_at(directory)
            above = self._directories[directory]
        own = self._own.get(path)
        if own is None:
            return above
        return above | {number: rights | above.get(number, NO_RIGHTS) for number, rights in own.items()}


def _rights_on(port: int, promise: Promise) -> RightSet:
    return NO_RIGHTS.union(*(each.rights for each in promise.ports if each.port == port))


def _unused(promise: Promise, needs: Sequence[Need]) -> tuple[str, ...]:
    """Return the paths of ``promise`` at or below which no need is."""
    used: set[str] = set()
    for need in needs:
        path = need.path
        while path not in used:
            used.add(path)
            path = os.path.dirname(path)
    return tuple(place.path for place in promise.places if place.target not in used)
