"""The promises there are, and how each is found on a system."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import FILE_RIGHTS
from editor.suggest.promises.certificates import authorities
from editor.suggest.promises.loader import loader_and_programs
from editor.suggest.promises.names import host_names, users_and_groups
from editor.suggest.promises.promise import Place, Port, Promise
from editor.suggest.promises.python import pythons
from editor.suggest.promises.system import System


class Entry(NamedTuple):
    """A promise of the catalogue; ``find`` yields what may belong to it, also what does not exist on the system.

    ``title`` and ``why`` are as in `Promise`.
    """

    title: str
    why: str
    find: Callable[[System], Iterable[Place | Port]]


CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        "exec": Entry(
            "start dynamically linked programs",
            "The kernel executes the ELF loader for a program, and the loader reads the libraries that it needs. The "
            "program itself is not among it, unless it is named: paddock promise exec FILE -- PROGRAM.",
            loader_and_programs,
        ),
        "dns": Entry(
            "look up hosts by name",
            "The C library reads where and how to ask, loads a module for each service in nsswitch.conf, and asks "
            "through its sockets or at port 53. Connecting to the hosts is not included.",
            host_names,
        ),
        "tls": Entry(
            "check certificates of servers",
            "Libraries read their settings and the certificates of the authorities that this system trusts. Private "
            "keys are not included, nor is connecting.",
            authorities,
        ),
        "getpw": Entry(
            "look up users and groups",
            "The C library reads names and numbers, and asks the services in nsswitch.conf. The passwords in "
            "/etc/shadow are not included.",
            users_and_groups,
        ),
        "python": Entry(
            "run Python programs",
            "Python executes itself, lists and reads its standard library, and reads installed packages. What "
            "packages load beyond that, such as shared libraries, needs exec.",
            pythons,
        ),
    }
)


class UnknownPromise(ValueError):
    """There is no promise of that name. The message is a sentence."""


def found(name: str, system: System | None = None, *, programs: Sequence[str] = ()) -> Promise:
    """Return what the promise ``name`` holds on ``system``, by default the running one.

    ``programs``, paths or commands in PATH, are what ``exec`` also starts; other promises take none. Raises
    UnknownPromise.
    """
    entry = CATALOGUE.get(name)
    if entry is None:
        raise UnknownPromise(f"There is no promise '{name}'.")
    system = System() if system is None else system
    parts = loader_and_programs(system, programs) if name == "exec" else entry.find(system)
    places: list[Place] = []
    ports: list[Port] = []
    for part in parts:
        if isinstance(part, Port):
            ports.append(part)
        elif (place := _existing(part, system)) is not None:
            places.append(place)
    return Promise(name, entry.title, entry.why, _distinct(places), tuple(ports), tuple(programs))


def all_found(system: System | None = None) -> tuple[Promise, ...]:
    """Return every promise of which ``system``, by default the running one, has anything."""
    system = System() if system is None else system
    return tuple(each for name in CATALOGUE if (each := found(name, system)).is_found)


def _existing(place: Place, system: System) -> Place | None:
    """Return ``place`` with where it leads and with rights that its kind of file can have; None if it is missing."""
    target = system.real(place.path)
    if target is None:
        return None
    rights = place.rights if system.is_directory(target) else place.rights & FILE_RIGHTS
    return place._replace(rights=rights, target=target) if rights else None


def _distinct(places: Sequence[Place]) -> tuple[Place, ...]:
    """Return each object once, with all its rights, and leave out what a directory above it has the rights for."""
    merged: dict[str, Place] = {}
    for place in places:
        known = merged.get(place.target)
        merged[place.target] = place if known is None else known._replace(rights=known.rights | place.rights)
    return tuple(place for place in merged.values() if not _is_covered(place, merged))


def _is_covered(place: Place, merged: Mapping[str, Place]) -> bool:
    above = place.target
    rights = place.rights
    while above != "/":
        above = os.path.dirname(above)
        if above in merged:
            rights -= merged[above].rights
    return not rights
