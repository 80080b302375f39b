"""The decoders of all traced system calls, by name, and which calls a policy makes worth tracing.

A decoder turns a call that is about to happen into what it requests of Landlock: which rights, on which objects.
Constants in the decoders are from include/uapi, and the same on x86_64 and aarch64 unless noted.
"""

from collections.abc import Mapping
from types import MappingProxyType

from editor.landlock.rights import RightSet
from editor.sandbox.calls import execution, files, mounts, processes, sockets
from editor.sandbox.calls.attempt import Decoders

DECODERS: Decoders = MappingProxyType(
    {**files.DECODERS, **execution.DECODERS, **sockets.DECODERS, **processes.DECODERS, **mounts.DECODERS}
)

# Handled before decoding: prctl(2) renames a process, and clone(2) could hide a child.
ALWAYS_TRACED: frozenset[str] = frozenset({"prctl", "clone"})

SEND = "send"
"""A name for sendto(2) without an address, which is what send(2) calls."""

# Traced only if the policy restricts what they need: they are frequent, and say nothing otherwise.
ON_DEMAND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ioctl_dev": frozenset({"ioctl"}),
        "bind_udp": frozenset({SEND}),
        "signal": frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}),
    }
)


def traced_calls(restricted: RightSet) -> frozenset[str]:
    """Return the names of the calls to trace for a policy that restricts ``restricted`` (rights and scopes)."""
    unneeded = frozenset[str]().union(*(calls for right, calls in ON_DEMAND.items() if right not in restricted))
    return (frozenset(DECODERS) | {SEND}) - unneeded | ALWAYS_TRACED
