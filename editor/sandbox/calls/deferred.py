"""Calls that prepare what the kernel does later on its own: Landlock is asked only then, and no call shows the answer.

Sources: fs/fcntl.c and net/socket.c (who gets SIGIO and SIGURG), fs/notify/fanotify/fanotify_user.c (the kernel opens
the file of each event when it is read).
"""

import struct
from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Args, Attempt, Caller, Decoders, signed
from editor.sandbox.calls.processes import signal_request

F_SETOWN, F_SETOWN_EX = 8, 15
OWNER_COMMANDS = frozenset({0x8901, 0x8902})  # FIOSETOWN, SIOCSPGRP
_F_OWNER_PGRP = 2
_FAN_REPORT_FID = 0x200  # events have no descriptor


def _owner(caller: Caller, target: int) -> Attempt | None:
    if not target:
        return None
    request = signal_request(caller, target, 0)
    reason = (
        f"has SIGIO or SIGURG sent to {request.path}, which is outside the sandbox: the kernel drops these signals"
        " without an error, and no call shows it"
    )
    return Attempt("deferred", request, reason=reason)


def _fcntl(caller: Caller, args: Args) -> Attempt | None:
    if args[1] == F_SETOWN:
        return _owner(caller, signed(args[2]))
    kind, target = struct.unpack("=ii", caller.read_memory(args[2], 8))
    return _owner(caller, -target if kind == _F_OWNER_PGRP else target)


def set_owner(caller: Caller, args: Args) -> Attempt | None:
    """Decode ioctl(2) with one of ``OWNER_COMMANDS``."""
    return _owner(caller, struct.unpack("=i", caller.read_memory(args[2], 4))[0])


def _fanotify_init(_caller: Caller, args: Args) -> Attempt | None:
    if args[0] & _FAN_REPORT_FID:
        return None
    reason = (
        "uses fanotify: the kernel opens the file of each event under the policy, and if that is denied, reading the"
        " event fails with EACCES, which the report does not show"
    )
    return Attempt("deferred", AccessRequest(NO_RIGHTS), reason=reason)


DECODERS: Decoders = MappingProxyType({"fcntl": _fcntl, "fcntl64": _fcntl, "fanotify_init": _fanotify_init})
