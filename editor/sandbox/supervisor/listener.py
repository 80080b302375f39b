"""The listener of a seccomp filter: calls arrive at it, and wait for an answer (seccomp_unotify(2)).

An answer "go on" does not fix what the call does: the kernel reads the arguments again, and another thread of the
program may have changed them. So this is no security boundary.
"""

import contextlib
import errno
import fcntl
import os
import struct
from typing import NamedTuple

from editor.sandbox.tracing.ptrace import Call

# _IOWR('!', 0, struct seccomp_notif) and so on: include/uapi/linux/seccomp.h.
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_ID_IS_VALID = 0x40082102
_SET_FLAGS = 0x40082104  # Linux 6.6
_SYNC_WAKE_UP = 1
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")  # id, pid, flags; then struct seccomp_data: nr, arch, ip, arguments
_RESPONSE = struct.Struct("=QqiI")


class Notification(NamedTuple):
    """A call that waits, and the thread that makes it. ``cookie`` identifies it until it is answered."""

    cookie: int
    tid: int
    call: Call


class Listener:
    """Receives and answers the calls of one filter."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Whoever answers waits for the next call: the kernel may switch to the program at once.
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, _SET_FLAGS, _SYNC_WAKE_UP)

    def fileno(self) -> int:
        """Return the descriptor, which is readable when a call waits to be received."""
        return self._descriptor

    def close(self) -> None:
        """Close the listener: calls of the filter fail with ENOSYS from now on."""
        os.close(self._descriptor)

    def receive(self) -> Notification | None:
        """Return a waiting call; None if its thread was killed or interrupted meanwhile."""
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._descriptor, _RECEIVE, buffer, True)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        cookie, tid, _flags, number, arch, _ip, *arguments = _NOTIFICATION.unpack(buffer)
        return Notification(cookie, tid, Call(arch, number & 0xFFFFFFFF, tuple(arguments)))

    def is_waiting(self, notification: Notification) -> bool:
        """Whether the call still waits. Only then what was read of its thread was certainly of that thread."""
        try:
            fcntl.ioctl(self._descriptor, _ID_IS_VALID, notification.cookie.to_bytes(8, "little"))
        except OSError:
            return False
        return True

    def let_go(self, notification: Notification) -> None:
        """Have the kernel carry out the call, if it still waits."""
        self._send(_RESPONSE.pack(notification.cookie, 0, 0, _CONTINUE))

    def refuse(self, notification: Notification, error: int) -> None:
        """Have the call fail with ``error``, if it still waits."""
        self._send(_RESPONSE.pack(notification.cookie, 0, -error, 0))

    def _send(self, response: bytes) -> None:
        try:
            fcntl.ioctl(self._descriptor, _SEND, response)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINPROGRESS):  # its thread is gone
                raise
