"""What the programs build on, which imports little: a guest takes a second for a dozen modules."""

import ctypes
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.sandbox import syscalls

AT_FDCWD = -100
MS_BIND, MS_REMOUNT = 0x1000, 0x20
MESSAGE_QUEUE_FLAGS = os.O_CREAT | os.O_RDWR

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# Calls that the tester does not trace (x86_64 and aarch64).
_MORE: Mapping[int, Mapping[str, int]] = MappingProxyType(
    {
        syscalls.AUDIT_ARCH_X86_64: {"mq_unlink": 241, "fanotify_init": 300, "fanotify_mark": 301},
        syscalls.AUDIT_ARCH_AARCH64: {"mq_unlink": 181, "fanotify_init": 262, "fanotify_mark": 263},
    }
)


class Missing(Exception):
    """This machine or kernel lacks what a way needs."""


class Place(NamedTuple):
    """A directory of one's own (``file``, an empty ``directory`` and more), and a process outside the sandbox."""

    path: str
    outsider: int

    @property
    def file(self) -> str:
        return f"{self.path}/f"

    @property
    def directory(self) -> str:
        return f"{self.path}/d"

    @property
    def name(self) -> str:
        """A name for what has no directory: queues, abstract sockets, formats of programs."""
        return os.path.basename(self.path)


def syscall(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """Make a system call; bytes are passed as a pointer to a copy. Raises OSError, Missing."""
    native = syscalls.machine().native
    number = {**syscalls.numbers(native), **_MORE[native], "io_uring_enter": 426}.get(name)
    if number is None:
        raise Missing(f"the call {name} on this processor")
    values = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *values))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def address(data: ctypes.Array[ctypes.c_char]) -> int:
    """Return where ``data`` is in memory; the caller keeps it alive."""
    return ctypes.addressof(data)


def buffer(data: bytes, size: int = 0) -> ctypes.Array[ctypes.c_char]:
    """Return memory that begins with ``data``, at least ``size`` long."""
    return ctypes.create_string_buffer(data, max(len(data), size))
