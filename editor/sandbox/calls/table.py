"""The decoders of all traced system calls, by name, and which calls a policy makes worth tracing.

A decoder turns a call that is about to happen into what it requests of Landlock: which rights, on which objects.
Constants in the decoders are from include/uapi, and the same on x86_64 and aarch64 unless noted.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.calls import deferred, execution, files, filters, inspection, mounts, processes, sockets, terminals
from editor.sandbox.calls.attempt import Args, Attempt, Caller, Decoders


def _ioctl(caller: Caller, args: Args) -> Attempt | None:
    command = args[1] & 0xFFFFFFFF
    if command == terminals.TIOCGPTPEER:
        return terminals.open_peer(caller, args)
    if command in inspection.NAMESPACE_COMMANDS:
        return inspection.open_namespace(caller, args)
    if command in deferred.OWNER_COMMANDS:
        return deferred.set_owner(caller, args)
    return files.device_command(caller, args)


def _prctl(caller: Caller, args: Args) -> Attempt | None:
    option = args[0] & 0xFFFFFFFF
    return (_FILTERING if option == filters.PR_SET_SECCOMP else inspection.DECODERS)["prctl"](caller, args)


_REPORTED: Decoders = MappingProxyType(
    {
        **files.DECODERS, **execution.DECODERS, **sockets.DECODERS, **processes.DECODERS, **inspection.DECODERS,
        **mounts.DECODERS, "ioctl": _ioctl,
    }
)  # fmt: skip
_FILTERING = filters.decoders(frozenset(_REPORTED) - {"prctl", "clone3"})
DECODERS: Decoders = MappingProxyType(
    {**_REPORTED, **deferred.DECODERS, "prctl": _prctl, "seccomp": _FILTERING["seccomp"]}
)

# Handled before decoding: clone(2) could hide a child.
ALWAYS_TRACED: frozenset[str] = frozenset({"clone"})

SEND = "send"
"""A name for sendto(2) without an address, which is what send(2) calls."""

ANY_IOCTL = "any ioctl"
"""A name for ioctl(2) with other commands than those of ``ONLY_WITH``."""


class Only(NamedTuple):
    """The values of one argument with which a call is worth tracing, by the argument's position."""

    position: int
    values: frozenset[int]


# Frequent calls that matter with few arguments: the seccomp filter compares them, so that the others cost nothing.
ONLY_WITH: Mapping[str, Only] = MappingProxyType(
    {
        "prctl": Only(0, frozenset({processes.PR_SET_NAME, inspection.PR_SCHED_CORE, filters.PR_SET_SECCOMP})),
        "bpf": Only(0, frozenset({files.BPF_OBJ_PIN})),
        "ioctl": Only(1, frozenset({terminals.TIOCGPTPEER}) | inspection.NAMESPACE_COMMANDS | deferred.OWNER_COMMANDS),
        **dict.fromkeys(("fcntl", "fcntl64"), Only(1, frozenset({deferred.F_SETOWN, deferred.F_SETOWN_EX}))),
    }
)

# Traced only if the policy restricts what they need: they are frequent, and say nothing otherwise.
ON_DEMAND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ioctl_dev": frozenset({ANY_IOCTL}),
        "bind_udp": frozenset({SEND}),
        "signal": frozenset(
            {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "fcntl", "fcntl64"}
        ),
    }
)


def traced_calls(restricted: RightSet) -> frozenset[str]:
    """Return the names of the calls to trace for a policy that restricts ``restricted`` (rights and scopes)."""
    unneeded = frozenset[str]().union(*(calls for right, calls in ON_DEMAND.items() if right not in restricted))
    return (frozenset(DECODERS) | {SEND, ANY_IOCTL}) - unneeded | ALWAYS_TRACED
