"""Find the promises that hold what programs needed."""

import os
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.suggest.folding import Need
from editor.suggest.promises.catalogue import all_found
from editor.suggest.promises.promise import Promise

_NO_PORTS: Mapping[int, RightSet] = MappingProxyType({})


class Cover(NamedTuple):
    """A promise that holds all rights of ``needs`` and on ``ports``; ``unused`` are its paths that no need is below."""

    promise: Promise
    needs: tuple[Need, ...]
    ports: tuple[int, ...] = ()
    unused: tuple[str, ...] = ()


def covering(
    needs: Sequence[Need], ports: Mapping[int, RightSet] = _NO_PORTS, promises: Iterable[Promise] | None = None
) -> tuple[Cover, ...]:
    """Return which of ``promises``, by default all that this system has, hold what was needed.

    ``ports`` are the rights needed on each port. Each need and port is given to one promise: to the one that holds the
    most of all, then to the one that holds the most of what is left, and so on.
    """
    known = tuple(all_found() if promises is None else promises)
    held = _Index(known)
    answered: list[set[int]] = [set() for _ in known]
    for at, need in enumerate(needs):
        for number, rights in held.rights_at(need.path).items():
            if need.rights <= rights:
                answered[number].add(at)
    open_ports = [{port for port, rights in ports.items() if rights <= _rights_on(port, each)} for each in known]
    covers = []
    while known:
        best = max(range(len(known)), key=lambda number: len(answered[number]) + len(open_ports[number]))
        taken, taken_ports = answered[best], open_ports[best]
        if not taken and not taken_ports:
            break
        own = tuple(needs[at] for at in sorted(taken))
        covers.append(Cover(known[best], own, tuple(sorted(taken_ports)), _unused(known[best], own)))
        answered = [each - taken for each in answered]
        open_ports = [each - taken_ports for each in open_ports]
    return tuple(covers)


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
        directory = os.path.dirname(path)
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
