"""``dns`` and ``getpw``: what the C library reads and asks to look up hosts, users and groups."""

import os
import re
from collections.abc import Iterator

from editor.escape import printable
from editor.suggest.promises.loader import library_directories
from editor.suggest.promises.promise import CONNECT, READ, Place, Port
from editor.suggest.promises.system import System

_NSSWITCH = "/etc/nsswitch.conf"
# What glibc asks if nsswitch.conf does not say (nss/nss_database.c).
_DEFAULTS = {"hosts": ("dns", "files"), "passwd": ("files",), "group": ("files",)}
_DNS = 53


def host_names(system: System) -> Iterator[Place | Port]:
    """Yield what getaddrinfo(3) needs: its files, the modules and services that nsswitch.conf names, port 53."""
    resolv_conf = "/etc/resolv.conf"
    target = system.real(resolv_conf)
    leads = f"; leads to {printable(target)}" if target not in (None, resolv_conf) else ""
    yield Place(resolv_conf, READ, f"name servers to ask{leads}")
    yield Place(_NSSWITCH, READ, "where names are looked up")
    yield Place("/etc/hosts", READ, "names given there")
    yield Place("/etc/host.conf", READ, "how names are resolved")
    yield Place("/etc/gai.conf", READ, "which addresses are preferred")
    yield Place("/etc/services", READ, "ports by name")
    asked = _services(system, "hosts")
    yield from _modules(system, "hosts", asked)
    yield from _sockets(system, "/run/nscd/socket", "the name service cache")
    yield from _sockets(system, "/run/systemd/resolve/io.systemd.Resolve", "systemd-resolved")
    if any(each.startswith("mdns") for each in asked):
        yield from _sockets(system, "/run/avahi-daemon/socket", "names on the local network")
    if not system.is_file(resolv_conf):
        return
    yield Port(_DNS, frozenset({"connect_tcp"}), "name servers, for long answers")
    yield Port(_DNS, frozenset({"connect_send_udp"}), "name servers")
    yield Port(0, frozenset({"bind_udp"}), "a free port for the answers")


def users_and_groups(system: System) -> Iterator[Place]:
    """Yield what getpwnam(3) and getgrnam(3) need, without /etc/shadow: names and numbers, no passwords."""
    yield Place("/etc/passwd", READ, "users")
    yield Place("/etc/group", READ, "groups")
    yield Place(_NSSWITCH, READ, "where users and groups are looked up")
    asked = {*_services(system, "passwd"), *_services(system, "group")}
    for database in ("passwd", "group"):
        yield from _modules(system, database, _services(system, database))
    yield from _sockets(system, "/run/nscd/socket", "the name service cache")
    if "systemd" in asked:
        for directory in ("/run/systemd/userdb", "/etc/userdb", "/run/userdb", "/run/host/userdb", "/usr/lib/userdb"):
            yield Place(directory, READ | CONNECT | {"read_dir"}, "users of services, as systemd lists them")
    if "sss" in asked:
        for name in ("passwd", "group", "initgroups"):
            yield Place(f"/var/lib/sss/mc/{name}", READ, "users and groups that sssd has looked up")
        yield from _sockets(system, "/var/lib/sss/pipes/nss", "sssd")
    if "extrausers" in asked:
        yield Place("/var/lib/extrausers/passwd", READ, "more users")
        yield Place("/var/lib/extrausers/group", READ, "more groups")


def _services(system: System, database: str) -> tuple[str, ...]:
    """Return the services that nsswitch.conf names for ``database``, without what to do about their answers."""
    for line in system.lines(_NSSWITCH):
        name, colon, rest = line.partition(":")
        if colon and name.strip() == database:
            return tuple(re.sub(r"\[[^]]*\]", " ", rest).split())
    return _DEFAULTS[database]


def _modules(system: System, database: str, services: tuple[str, ...]) -> Iterator[Place]:
    """Yield the library of each service; those that are built into the C library have none."""
    for service in services:
        if "/" in service:
            continue
        for directory in library_directories(system):
            for path in system.matches(os.path.join(directory, f"libnss_{service}.so*")):
                yield Place(path, READ, f'looks {database} up in "{printable(service)}"')


def _sockets(system: System, path: str, what: str) -> Iterator[Place]:
    if system.is_socket(path):
        yield Place(path, CONNECT, f"asks {what}")
