"""The decoders of all system calls that a run traces, by name, and which calls a policy makes worth stopping at.

A decoder turns a call that is about to happen into what it wants of Landlock: which rights, on which object. The
numbers in the decoders are those of include/uapi; they are the same on x86_64 and aarch64 unless said.
"""

from collections.abc import Mapping
from types import MappingProxyType

from editor.landlock.rights import RightSet
from editor.sandbox.calls import execution, files, mounts, processes, sockets
from editor.sandbox.calls.attempt import Decoders

DECODERS: Decoders = MappingProxyType(
    {**files.DECODERS, **execution.DECODERS, **sockets.DECODERS, **processes.DECODERS, **mounts.DECODERS}
)

# Calls of the filter that are handled before decoding: the program's new name, and hiding a child.
ALWAYS_TRACED: frozenset[str] = frozenset({"prctl", "clone"})

SEND = "send"
"""Among the calls to trace: sendto(2) also where it names no address, which is what send(2) makes of it."""

# Traced only where the policy restricts what they need: they are frequent, and say nothing otherwise.
ON_DEMAND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ioctl_dev": frozenset({"ioctl"}),
        "bind_udp": frozenset({SEND}),
        "signal": frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}),
    }
)


def traced_calls(restricted: RightSet) -> frozenset[str]:
    """The names of the calls to trace for a policy that restricts ``restricted`` (rights and scopes)."""
    unneeded = frozenset[str]().union(*(calls for right, calls in ON_DEMAND.items() if right not in restricted))
    return (frozenset(DECODERS) | {SEND}) - unneeded | ALWAYS_TRACED
