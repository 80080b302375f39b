"""The kernel's tracing calls through ctypes: ptrace(2), process_vm_readv(2), pidfd_getfd(2).

PyDLL is intended: the tracer has one thread, and keeping the interpreter lock saves two atomic operations in each of a
run's hundreds of thousands of calls.
"""

import ctypes
import errno
import os
import struct
from typing import NamedTuple

CONT = 7
SYSCALL = 24
GETEVENTMSG = 0x4201
SEIZE = 0x4206
INTERRUPT = 0x4207
LISTEN = 0x4208
_GET_SYSCALL_INFO = 0x420E
WALL = 0x40000000  # for wait(2): threads as well as processes

EVENT_FORK = 1
EVENT_VFORK = 2
EVENT_CLONE = 3
EVENT_EXEC = 4
EVENT_SECCOMP = 7
EVENT_STOP = 128

# SYSGOOD | FORK | VFORK | CLONE | EXEC | SECCOMP | EXITKILL (include/uapi/linux/ptrace.h). With the last one, the
# kernel kills everything that is traced as soon as the tracer is gone, for any reason.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000

SYSCALL_STOP_SIGNAL = 5 | 0x80
_OP_EXIT = 2
_OP_SECCOMP = 3
_SYS_PIDFD_GETFD = 438
_PAGE = 4096
_FIRST_READ = 256  # most names are shorter: one read within one page is enough

_libc = ctypes.PyDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_ulong, ctypes.c_ulong)
_readv = _libc.process_vm_readv
_readv.restype = ctypes.c_ssize_t
_readv.argtypes = (
    ctypes.c_long,
    ctypes.c_ulong,
    ctypes.c_ulong,
    ctypes.c_ulong,
    ctypes.c_ulong,
    ctypes.c_ulong,
)
_writev = _libc.process_vm_writev
_writev.restype = ctypes.c_ssize_t
_writev.argtypes = _readv.argtypes
_wait4 = _libc.wait4
_wait4.restype = ctypes.c_int
_wait4.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_int, ctypes.c_ulong)
_libc.syscall.restype = ctypes.c_long

_info = bytearray(88)
_info_address = ctypes.addressof(ctypes.c_char.from_buffer(_info))
_entry = struct.Struct("=I16xQ6Q")  # from offset 4: arch, (ip, sp), nr, args
_exit = struct.Struct("=q")  # at offset 24: rval
_status = ctypes.c_int()
_status_address = ctypes.addressof(_status)
_message = (ctypes.c_ulong * 1)()
_message_address = ctypes.addressof(_message)

_BUFFER_SIZE = 1 << 16
_buffer = bytearray(_BUFFER_SIZE)
_buffer_address = ctypes.addressof(ctypes.c_char.from_buffer(_buffer))
_vectors = bytearray(32)
_local_vector = ctypes.addressof(ctypes.c_char.from_buffer(_vectors))
_remote_vector = _local_vector + 16
_pack_vectors = struct.Struct("=QQQQ").pack_into


class Gone(ProcessLookupError):
    """The traced thread died, or is no longer stopped."""


class BadMemory(OSError):
    """The traced process has no memory at that address; the kernel will fail the call with EFAULT, too."""


class Call(NamedTuple):
    """A system call at entry: instruction set (``AUDIT_ARCH_*``), number, and its six arguments, unsigned."""

    arch: int
    number: int
    arguments: tuple[int, ...]


def _request(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    result: int = _ptrace(request, tid, address, data)
    if result < 0:
        code = ctypes.get_errno()
        if code == errno.ESRCH:
            raise Gone(code, os.strerror(code))
        raise OSError(code, f"ptrace: {os.strerror(code)}")
    return result


def seize(pid: int) -> None:
    """Trace ``pid`` without stopping it. Raises OSError (EPERM if tracing it is not permitted)."""
    _request(SEIZE, pid, 0, OPTIONS)


def resume(request: int, tid: int, signal: int = 0) -> None:
    """Resume a stopped thread (CONT, SYSCALL or LISTEN), delivering ``signal`` if any. Ignores a dead one."""
    if _ptrace(request, tid, 0, signal) < 0 and ctypes.get_errno() != errno.ESRCH:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def wait() -> tuple[int, int]:
    """Wait for the next stop or exit; return the thread and its wait(2) status, or (0, 0) after a handled signal.

    Unlike os.waitpid, this does not restart after a signal. Raises ChildProcessError if no child is left.
    """
    tid = _wait4(-1, _status_address, WALL, 0)
    if tid >= 0:
        return tid, _status.value
    code = ctypes.get_errno()
    if code == errno.EINTR:
        return 0, 0
    raise ChildProcessError(code, os.strerror(code))


def event_message(tid: int) -> int:
    """Return the value of the event stop of ``tid``: the new thread's id, or for an exec the former id. Raises Gone."""
    _request(GETEVENTMSG, tid, 0, _message_address)
    return int(_message[0])


def entered_call(tid: int) -> Call:
    """Return the call that ``tid`` is about to make, at its seccomp stop. Raises Gone."""
    if _ptrace(_GET_SYSCALL_INFO, tid, 88, _info_address) < 0 or _info[0] != _OP_SECCOMP:
        raise Gone(errno.ESRCH, "not at a seccomp stop")
    found = _entry.unpack_from(_info, 4)
    return Call(found[0], found[1], found[2:])


def call_result(tid: int) -> int:
    """Return the result of the call of ``tid`` (a negative errno if it failed), at its exit stop. Raises Gone."""
    if _ptrace(_GET_SYSCALL_INFO, tid, 88, _info_address) < 0 or _info[0] != _OP_EXIT:
        raise Gone(errno.ESRCH, "not at an exit stop")
    result: int = _exit.unpack_from(_info, 24)[0]
    return result


def _transfer(move: object, pid: int, address: int, size: int) -> int:
    _pack_vectors(_vectors, 0, _buffer_address, size, address & 0xFFFFFFFFFFFFFFFF, size)
    result: int = move(pid, _local_vector, 1, _remote_vector, 1, 0)  # type: ignore[operator]  # a ctypes function
    if result >= 0:
        return result
    code = ctypes.get_errno()
    if code == errno.ESRCH:
        raise Gone(code, os.strerror(code))
    raise BadMemory(code, os.strerror(code))


def read_memory(pid: int, address: int, size: int) -> bytes:
    """Return ``size`` bytes (at most 64 KiB) of the process's memory, fewer at its end. Raises BadMemory, Gone."""
    got = _transfer(_readv, pid, address, min(size, _BUFFER_SIZE))
    return bytes(_buffer[:got])


def write_memory(pid: int, address: int, data: bytes) -> None:
    """Write ``data`` (at most 64 KiB) into the process's memory. Raises BadMemory, Gone."""
    _buffer[: len(data)] = data
    if _transfer(_writev, pid, address, len(data)) != len(data):
        raise BadMemory(errno.EFAULT, os.strerror(errno.EFAULT))


def read_string(pid: int, address: int, limit: int = _PAGE) -> bytes:
    """Return the NUL-terminated string at ``address``, at most ``limit`` bytes of it. Raises BadMemory, Gone."""
    size = min(_FIRST_READ, _PAGE - (address & (_PAGE - 1)), limit)
    got = _transfer(_readv, pid, address, size)
    end = _buffer.find(0, 0, got)
    if end >= 0:
        return bytes(_buffer[:end])
    parts = [bytes(_buffer[:got])]
    length = got
    while length < limit and got:
        # Never read across a page boundary: the next page may not be mapped.
        size = min(_PAGE - ((address + length) & (_PAGE - 1)), limit - length)
        got = _transfer(_readv, pid, address + length, size)
        end = _buffer.find(0, 0, got)
        if end >= 0:
            parts.append(bytes(_buffer[:end]))
            break
        parts.append(bytes(_buffer[:got]))
        length += got
    return b"".join(parts)


def copy_descriptor(pid: int, descriptor: int) -> int:
    """Return a close-on-exec copy of another process's descriptor (pidfd_getfd(2), Linux 5.6). Raises OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        copied: int = _libc.syscall(
            ctypes.c_long(_SYS_PIDFD_GETFD), ctypes.c_int(pidfd), ctypes.c_int(descriptor), ctypes.c_uint(0)
        )
        if copied < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"pidfd_getfd: {os.strerror(code)}")
        return copied
    finally:
        os.close(pidfd)


def open_handle(mount: str, handle: bytes) -> int:
    """Return an O_PATH descriptor of what a file handle refers to, on the mount of ``mount``. Raises OSError."""
    anything = os.open(mount, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        opened: int = _libc.open_by_handle_at(
            ctypes.c_int(anything), ctypes.c_char_p(handle), ctypes.c_int(os.O_PATH | os.O_CLOEXEC)
        )
        if opened < 0:
            code = ctypes.get_errno()
            raise OSError(code, f"open_by_handle_at: {os.strerror(code)}")
        return opened
    finally:
        os.close(anything)
