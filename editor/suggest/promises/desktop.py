"""``x11``, ``wayland``, ``dbus`` and ``audio``: the services of a person's session."""

import re
from collections.abc import Iterator

from editor.suggest.promises.promise import CONNECT, LIST, READ, USE, Place, Port
from editor.suggest.promises.system import System

_X11_SOCKETS = "/tmp/.X11-unix"  # noqa: S108
_X11_PORT = 6000  # of display 0
_DISPLAY = re.compile(r"(?P<host>[\w.-]*):(?P<number>\d{1,4})(\.\d+)?")
_BUS_PATH = re.compile(r"unix:(?:[^;]*,)?path=(/[^,;]+)")


def x11(system: System) -> Iterator[Place | Port]:
    """Yield the socket of the display, the cookie that opens it, and the data of the libraries."""
    display = _DISPLAY.fullmatch(system.environment.get("DISPLAY", ""))
    sockets = system.matches(f"{_X11_SOCKETS}/X*")
    if display is not None:
        sockets = [each for each in sockets if each == f"{_X11_SOCKETS}/X{display['number']}"]
        if display["host"] not in ("", "unix"):
            sockets = []
            yield Port(_X11_PORT + int(display["number"]), frozenset({"connect_tcp"}), "the display")
    sockets = [each for each in sockets if system.is_socket(each)]
    for path in sockets:
        yield Place(path, CONNECT, "the display")
    if not sockets and (display is None or display["host"] in ("", "unix")):
        return
    given = system.environment.get("XAUTHORITY", "")
    for path in [given] if given.startswith("/") else system.in_home(".Xauthority"):
        yield Place(path, READ, "the cookie that opens the display")
    yield Place("/usr/share/X11", LIST, "keyboards, colours and locales of X11")
    yield from _fonts(system)


def wayland(system: System) -> Iterator[Place]:
    """Yield the socket of the compositor, and the data of the libraries."""
    given = system.environment.get("WAYLAND_DISPLAY", "")
    if given.startswith("/"):
        sockets = [given]
    elif system.runtime is None:
        sockets = []
    else:
        sockets = [f"{system.runtime}/{given}"] if given else system.matches(f"{system.runtime}/wayland-*")
    sockets = [each for each in sockets if system.is_socket(each)]
    for path in sockets:
        yield Place(path, CONNECT, "the compositor")
    if not sockets:
        return
    yield Place("/usr/share/X11/xkb", LIST, "keyboards")
    yield Place("/usr/share/icons", LIST, "pointers and icons")
    yield from _fonts(system)


def dbus(system: System) -> Iterator[Place]:
    """Yield the sockets of the session's and the system's bus."""
    named = _BUS_PATH.match(system.environment.get("DBUS_SESSION_BUS_ADDRESS", ""))
    usual = None if system.runtime is None else f"{system.runtime}/bus"
    session = usual if named is None else named[1]
    found = [*(_socket(system, session, "the bus of the session") if session else ())]
    found += _socket(system, "/run/dbus/system_bus_socket", "the bus of the system")
    if not found:
        return
    yield from found
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        yield Place(path, READ, "the name of this machine, by which a bus is found")


def audio(system: System) -> Iterator[Place]:
    """Yield the sockets of PipeWire and PulseAudio, and the devices and settings of ALSA."""
    found: list[Place] = []
    if system.runtime is not None:
        found += _socket(system, f"{system.runtime}/pipewire-0", "PipeWire")
        found += _socket(system, f"{system.runtime}/pulse/native", "PulseAudio")
    if system.is_directory("/dev/snd"):
        found.append(Place("/dev/snd", USE | {"read_dir", "ioctl_dev"}, "sound cards"))
    if not found:
        return
    yield from found
    for path in system.in_home(".config/pulse/cookie", ".asoundrc"):
        yield Place(path, READ, "your settings of sound")
    for path in ("/etc/pulse", "/etc/pipewire", "/etc/alsa", "/usr/share/pipewire", "/usr/share/alsa"):
        yield Place(path, LIST, "settings of sound")
    yield Place("/etc/asound.conf", READ, "settings of sound")


def _socket(system: System, path: str, what: str) -> Iterator[Place]:
    if system.is_socket(path):
        yield Place(path, CONNECT, what)


def _fonts(system: System) -> Iterator[Place]:
    for path in ("/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig"):
        yield Place(path, LIST, "fonts")
    yield Place("/var/cache/fontconfig", LIST, "lists of fonts")
    for path in system.in_home(".fonts", ".local/share/fonts", ".cache/fontconfig"):
        yield Place(path, LIST, "your fonts")
