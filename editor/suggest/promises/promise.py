"""A promise as values: what it holds, and why."""

from typing import NamedTuple

from editor.landlock.rights import RightSet

READ: RightSet = frozenset({"read_file"})
LIST: RightSet = frozenset({"read_file", "read_dir"})
RUN: RightSet = frozenset({"execute", "read_file"})
USE: RightSet = frozenset({"read_file", "write_file"})
CONNECT: RightSet = frozenset({"resolve_unix"})


class Place(NamedTuple):
    """Rights on one path and, if it is a directory, everything beneath it; ``reason`` is a few words, printable.

    ``target`` is the path without symbolic links.
    """

    path: str
    rights: RightSet
    reason: str
    target: str = ""


class Port(NamedTuple):
    """Rights on one port; ``reason`` is a few words."""

    port: int
    rights: RightSet
    reason: str


class PromiseRule(NamedTuple):
    """One rule of a promise: ``rights`` on each of ``paths``, or on each of ``ports``."""

    rights: RightSet
    paths: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()


class Promise(NamedTuple):
    """What a promise holds on one system; with neither places nor ports, the system has nothing of the kind.

    ``title`` says in a few words what programs can do with it, ``why`` in sentences what it takes and what it leaves
    out. ``programs`` are the commands that ``exec`` also starts, as given.
    """

    name: str
    title: str
    why: str
    places: tuple[Place, ...] = ()
    ports: tuple[Port, ...] = ()
    programs: tuple[str, ...] = ()

    @property
    def is_found(self) -> bool:
        """Whether this system has anything of the kind."""
        return bool(self.places or self.ports)

    @property
    def rules(self) -> tuple[PromiseRule, ...]:
        """The rules that hold it: one for each set of rights, paths before ports."""
        paths: dict[RightSet, list[str]] = {}
        for place in self.places:
            paths.setdefault(place.rights, []).append(place.path)
        ports: dict[RightSet, list[int]] = {}
        for port in self.ports:
            ports.setdefault(port.rights, []).append(port.port)
        return (
            *(PromiseRule(rights, paths=tuple(each)) for rights, each in paths.items()),
            *(PromiseRule(rights, ports=tuple(each)) for rights, each in ports.items()),
        )

    def handled(self, rights: RightSet) -> "Promise":
        """Return what is left of the promise in a policy that handles only ``rights``: the rest is not restricted."""
        places = [each._replace(rights=each.rights & rights) for each in self.places]
        ports = [each._replace(rights=each.rights & rights) for each in self.ports]
        return self._replace(
            places=tuple(each for each in places if each.rights), ports=tuple(each for each in ports if each.rights)
        )
