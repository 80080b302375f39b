"""Findings about a policy on this machine as it is: its kernel, its sockets, and the kinds of its files."""

import errno
import os
from collections.abc import Iterable, Iterator

from editor.analysis.lint.catalogue import Finding, finding
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.landlock.kernel import LandlockError, query_abi, query_errata
from editor.landlock.rights import RIGHTS, RightSet, in_order, rights_of, unnamed
from editor.policy.model import Location, Policy

# Erratum 1: only sockets of TCP itself count as TCP, so that MPTCP is no longer restricted.
_ONLY_TCP_IS_TCP = 1 << 0
# What exists if a kind of socket does. Creating such a socket could load a kernel module.
_MPTCP, _SCTP, _VSOCK = "/proc/sys/net/mptcp/enabled", "/proc/net/sctp", "/dev/vsock"

# A socket that listens (__SO_ACCEPTCON), in the flags of /proc/net/unix.
_LISTENS = 0x10000
# How the addresses of displays and session buses start; @ stands for the null byte of an abstract address.
_SESSION = ("@/tmp/.X11-unix/", "@/tmp/dbus-", "@/tmp/.ICE-unix/", "@/run/user/", "@wayland-", "@/dbus-vfs-daemon/")
_SHOWN = 3


def lint_machine(policy: Policy, start: Location, *, for_this_kernel: bool) -> Iterator[Finding]:
    """Yield the findings that do not concern a path; ``start`` is their place.

    Unless ``for_this_kernel``, the policy is written for another one.
    """
    try:
        abi, errata = query_abi(), query_errata()
    except LandlockError:
        return
    if for_this_kernel:
        yield from _newer_than_kernel(policy, abi, start)
    yield from _around_tcp(policy, abi, errata, start)
    yield from _session(policy, abi, start)


def _newer_than_kernel(policy: Policy, abi: int, start: Location) -> Iterator[Finding]:
    everything = policy.handled_fs | policy.handled_net | policy.scoped
    lost = in_order(everything - _known(abi) - unnamed(everything) - {"refer"})
    if lost:
        names = ", ".join(f"{name} (ABI {RIGHTS[name].abi})" for name in lost)
        yield finding("newer-than-kernel", start, f"This machine's kernel has ABI {abi} and does not restrict {names}.")


def _known(abi: int) -> RightSet:
    return rights_of("fs", abi) | rights_of("net", abi) | rights_of("scope", abi)


def _around_tcp(policy: Policy, abi: int, errata: int, start: Location) -> Iterator[Finding]:
    """Find ways to send data out of a sandbox that may not connect by TCP."""
    known = rights_of("net", abi)
    if "connect_tcp" not in policy.handled_net & known:
        return
    ways = []
    if errata & _ONLY_TCP_IS_TCP and _reads(_MPTCP, b"1"):
        ways.append("MPTCP, which reaches every TCP server")
    if "connect_send_udp" not in policy.handled_net & known:
        ways.append("UDP" if "connect_send_udp" in known else f"UDP (restricted from ABI {_UDP_ABI} on)")
    ways += [name for name, sign in (("SCTP", _SCTP), ("vsock", _VSOCK)) if os.path.exists(sign)]
    if ways:
        message = f"connect_tcp is restricted, but other sockets lead out on this machine: {'; '.join(ways)}."
        yield finding("network-around", start, message)


_UDP_ABI = RIGHTS["connect_send_udp"].abi


def _reads(path: str, content: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(64).strip() == content
    except OSError:
        return False


def _session(policy: Policy, abi: int, start: Location) -> Iterator[Finding]:
    """Find a display or session bus here that the missing scopes lead to."""
    free = in_order(rights_of("scope", abi) - policy.scoped)
    if not free or not (policy.handled_fs or policy.handled_net or policy.scoped):
        return
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as file:
            found = session_sockets(file)
    except OSError:
        return
    if found:
        names = ", ".join([printable(name) for name in found[:_SHOWN]] + (["..."] if len(found) > _SHOWN else []))
        can = {"abstract_unix_socket": "connect to it", "signal": "signal its process"}
        acts = " and ".join(can[name] for name in free)
        message = f"A display or session bus listens here ({names}), and a program can {acts}: scope {', '.join(free)}."
        yield finding("session-reachable", start, message)


def session_sockets(lines: Iterable[str]) -> list[str]:
    """Return the abstract addresses of displays and session buses that listen, from the lines of /proc/net/unix."""
    found = dict[str, None]()
    for line in lines:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[7].startswith(_SESSION) and int(fields[3], 16) & _LISTENS:
            found[fields[7].rstrip("\n")] = None
    return list(found)


def missing_or_unreadable(path: ResolvedPath, resolved: ResolvedPolicy, location: Location) -> Finding:
    """Return the finding about a path that leads nowhere: it does not exist, or it cannot be reached."""
    shown = printable(path.path) or "The empty path"
    try:
        os.stat(resolved.absolute(path.path))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            message = f"{shown} cannot be reached ({error.strerror}): its rule grants nothing."
            return finding("unreadable-path", location, message)
    except ValueError:
        message = f"{shown} cannot be reached (it has a null byte): its rule grants nothing."
        return finding("unreadable-path", location, message)
    return finding("missing-path", location, f"{shown} does not exist: its rule grants nothing.")
