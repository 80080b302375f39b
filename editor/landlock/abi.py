"""The versions of Landlock: which kernel introduced each, and what changes for a policy that upgrades."""

import os
from typing import NamedTuple

from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI


class AbiVersion(NamedTuple):
    """One Landlock version: its number, the first mainline kernel that has it, and what it adds."""

    number: int
    kernel: str
    adds: str


ABI_VERSIONS: tuple[AbiVersion, ...] = (
    AbiVersion(1, "5.13", "The first version: 13 filesystem rights."),
    AbiVersion(2, "5.19", "refer: moving and linking between directories can be granted."),
    AbiVersion(3, "6.2", "truncate: truncating a file can be denied."),
    AbiVersion(4, "6.7", "bind_tcp and connect_tcp, granted by port."),
    AbiVersion(5, "6.10", "ioctl_dev: ioctls on devices can be denied when the device is opened."),
    AbiVersion(6, "6.12", "Scopes: abstract_unix_socket and signal."),
    AbiVersion(7, "6.15", "Denials in the audit log, with flags to control them; errata can be queried."),
    AbiVersion(8, "7.0", "A process can restrict all its threads at once."),
    AbiVersion(9, "7.1", "resolve_unix: connecting to pathname UNIX sockets can be denied."),
    AbiVersion(10, "7.2", "bind_udp and connect_send_udp; rules that keep the audit log quiet."),
    AbiVersion(11, "7.3", "no_new_privs in the same call; tracepoints."),
)


class KernelState(NamedTuple):
    """This kernel's support for Landlock. ``abi`` is 0 without it, and ``problem`` says why.

    ``lsms`` lists the active security modules in order; None if securityfs is not mounted. ``unknown`` are the
    categories that this kernel handles beside rights and scopes, and Paddock has no name for.
    """

    release: str
    abi: int
    errata: int
    lsms: tuple[str, ...] | None
    problem: str
    unknown: tuple[kernel.UnknownCategory, ...] = ()

    @property
    def effective_abi(self) -> int:
        """The version whose rights are used: a kernel newer than this table counts as the newest known one."""
        return min(self.abi, LATEST_ABI)


def _active_lsms() -> tuple[str, ...] | None:
    try:
        with open("/sys/kernel/security/lsm", encoding="ascii") as file:
            return tuple(file.read().strip().split(","))
    except OSError:
        return None


def probe() -> KernelState:
    """Ask the kernel and not its release number, because distributions backport."""
    release = os.uname().release
    try:
        abi, errata, unknown = kernel.query_abi(), kernel.query_errata(), kernel.unknown_categories()
        return KernelState(release, abi, errata, _active_lsms(), "", unknown)
    except kernel.LandlockUnavailable as error:
        return KernelState(release, 0, 0, _active_lsms(), error.strerror or str(error))
