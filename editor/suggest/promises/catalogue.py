"""The promises there are, and how each is found on a system."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import FILE_RIGHTS
from editor.suggest.promises.cargo import cargo
from editor.suggest.promises.certificates import authorities
from editor.suggest.promises.desktop import audio, dbus, wayland, x11
from editor.suggest.promises.devices import null, own_process, random, shared_memory, temporary, terminal
from editor.suggest.promises.git import git
from editor.suggest.promises.java import java
from editor.suggest.promises.loader import loader_and_programs
from editor.suggest.promises.names import host_names, users_and_groups
from editor.suggest.promises.node import node
from editor.suggest.promises.promise import Place, Port, Promise
from editor.suggest.promises.python import pythons
from editor.suggest.promises.settings import locale, time
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
        "locale": Entry(
            "use languages and character sets",
            "The C library reads the locale that the environment names, and programs read their translations.",
            locale,
        ),
        "tty": Entry(
            "use the terminal",
            "Programs open the terminal that they run in, and libraries read what it can do. Other terminals in "
            "/dev/pts are not included: whoever opens one can read what is typed there.",
            terminal,
        ),
        "tmp": Entry(
            "keep temporary files",
            "Programs make, change and remove files there, also those of other programs of the same user. A directory "
            "of its own, with TMPDIR, is safer.",
            temporary,
        ),
        "time": Entry("tell local time", "The C library reads the time zone of this system, or the one in TZ.", time),
        "random": Entry(
            "get random numbers", "Programs that do not call getrandom(2) read these. They cannot add to them.", random
        ),
        "shm": Entry(
            "share memory by name",
            "shm_open(3) and sem_open(3) make files there, also for other programs of the same user to open.",
            shared_memory,
        ),
        "null": Entry(
            "use the empty devices", "Programs send there what nobody needs. Nothing that they write is kept.", null
        ),
        "proc-self": Entry(
            "read about its own process",
            "Programs read what /proc says of themselves. A rule names one process: the one that becomes the command, "
            "not those that it starts.",
            own_process,
        ),
        "python": Entry(
            "run Python programs",
            "Python executes itself, lists and reads its standard library, and reads installed packages. The shared "
            "libraries that these load need exec.",
            pythons,
        ),
        "node": Entry(
            "run Node.js programs",
            "Node.js executes itself, and reads the packages that are installed for everybody; those of a project "
            "are beside it. ~/.npmrc is not included, since it holds passwords. Shared libraries need exec.",
            node,
        ),
        "java": Entry(
            "run Java programs",
            "Java executes itself, and reads its classes, libraries and settings. Shared libraries of the system need "
            "exec; what it counts in /tmp/hsperfdata_USER is not included, and it runs without.",
            java,
        ),
        "cargo": Entry(
            "build Rust crates",
            "Cargo and rustc execute themselves, and read the standard library and the crates that were downloaded. "
            "Downloading more is not included, nor are passwords of registries, nor the linker.",
            cargo,
        ),
        "git": Entry(
            "use Git",
            "Git executes itself and its commands, and reads its settings. Repositories are not included, nor are "
            "stored passwords. Shared libraries need exec.",
            git,
        ),
        "x11": Entry(
            "show windows with X11",
            "Programs connect to the display, with a cookie. Through it, they see what is typed into every other "
            "window: X11 leads out of any sandbox.",
            x11,
        ),
        "wayland": Entry(
            "show windows with Wayland",
            "Programs connect to the compositor, and libraries read keyboards, pointers and fonts. Graphics cards in "
            "/dev/dri are not included.",
            wayland,
        ),
        "dbus": Entry(
            "use D-Bus",
            "Programs connect to the session's and the system's bus. Services there act for them outside of the "
            "sandbox: with the session's bus, they can start anything.",
            dbus,
        ),
        "audio": Entry(
            "play and record sound",
            "Programs connect to PipeWire or PulseAudio, or open the sound cards. Recording is included, as neither "
            "Landlock nor those services can tell.",
            audio,
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
    """Return ``place`` with where it leads and with rights that its kind of file can have.

    None if it is missing, or if it is protected: the environment can name any directory.
    """
    target = system.real(place.path)
    if target is None:
        return None
    rights = place.rights if system.is_directory(target) else place.rights & FILE_RIGHTS
    if not rights or system.is_protected(target, rights):
        return None
    return place._replace(rights=rights, target=target)


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
