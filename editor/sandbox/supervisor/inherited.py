"""The files that the command was started with: Landlock restricts nothing that was opened before."""

import contextlib
import ctypes
import fcntl
import os
import stat
from collections.abc import Iterable

from editor.sandbox import syscalls

_KCMP_FILE = 0

_libc = ctypes.CDLL(None, use_errno=True)


class Inherited:
    """Recognises the command's descriptors, ``given`` to this process as well, in any process that has them."""

    def __init__(self, given: Iterable[int]) -> None:
        self._number = syscalls.numbers(syscalls.machine().native)["kcmp"]
        self._own: list[int] = []
        for descriptor in set(given):
            with contextlib.suppress(OSError):
                kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
                # Only these are asked about. A copy of a pipe would keep its other end from seeing its end.
                if kind in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFREG):
                    self._own.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3))

    def has(self, tid: int, descriptor: int) -> bool:
        """Whether a thread's descriptor is one of them, or a copy: the same open file, not only the same object."""
        return any(self._is_same(own, tid, descriptor) for own in self._own)

    def _is_same(self, own: int, tid: int, descriptor: int) -> bool:
        numbers = (self._number, os.getpid(), tid, _KCMP_FILE, own, descriptor)
        return int(_libc.syscall(*map(ctypes.c_long, numbers))) == 0
