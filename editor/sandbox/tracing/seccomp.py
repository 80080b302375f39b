"""The seccomp filter that stops a watched program at the system calls worth seeing, and at no others.

It is a classic BPF program over struct seccomp_data (seccomp(2)). Calls that it always allows cost next to nothing: the
kernel caches them in a bitmap.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from editor.sandbox import syscalls
from editor.sandbox.calls.table import ANY_IOCTL, ONLY_WITH, SEND

_RET_ALLOW = 0x7FFF0000
RET_TRACE = 0x7FF00000
"""The action that stops the thread for its tracer."""
RET_USER_NOTIF = 0x7FC00000
"""The action that has the thread wait for an answer of whoever holds the filter's listener."""
_RET_ERRNO = 0x00050000

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15
_JUMP_AT_LEAST = 0x35
_JUMP_ANY_BIT = 0x45
_RETURN = 0x06

_OFFSET_NUMBER = 0
_OFFSET_ARCH = 4
_OFFSET_ARGUMENTS = 16

_SET_MODE_FILTER = 1
_FLAG_SPEC_ALLOW = 1 << 2  # leaves speculation mitigations as they are: the program keeps its speed
_FLAG_NEW_LISTENER = 1 << 3
_FLAG_WAIT_KILLABLE_RECV = 1 << 5  # Linux 5.19: only a fatal signal interrupts a call that was received
_CLONE_UNTRACED = 0x00800000

_ONLY_ONE = (
    "seccomp: this process has a filter with a listener already, as in some containers, and the kernel allows only one"
)

_Instruction = struct.Struct("=HBBI")


def _op(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _Instruction.pack(code, if_true, if_false, operand)


def _argument(position: int, *, high: bool = False) -> int:
    """Return the offset of one half of an argument. Both supported machines are little-endian."""
    return _OFFSET_ARGUMENTS + 8 * position + (4 if high else 0)


_ALLOW = _op(_RETURN, _RET_ALLOW)


class _Builder:
    """Builds one filter: ``seen`` is the instruction for the ``wanted`` calls; those in ``refused`` fail."""

    def __init__(self, seen: bytes, wanted: frozenset[str], refused: frozenset[str]) -> None:
        self._seen = seen
        self._wanted = wanted
        self._refused = refused

    def _action(self, name: str, wanted: frozenset[str]) -> list[bytes]:
        """Return the instructions for the call ``name``: usually to see it, sometimes only with certain arguments."""
        if name in self._refused:
            return [_op(_RETURN, _RET_ERRNO | errno.ENOSYS)]
        only = ONLY_WITH.get(name)
        if only is not None and not (name == "ioctl" and ANY_IOCTL in wanted):
            # The kernel reads these arguments as 32-bit numbers, so the upper half does not matter.
            tests = [part for value in sorted(only.values) for part in (_op(_JUMP_EQUAL, value, 0, 1), self._seen)]
            return [_op(_LOAD, _argument(only.position)), *tests, _ALLOW]
        if name == "clone":
            # CLONE_UNTRACED would hide a child from the tracer. Only a hostile program asks for it: refuse it.
            refuse = _op(_RETURN, _RET_ERRNO | errno.EPERM)
            return [_op(_LOAD, _argument(0)), _op(_JUMP_ANY_BIT, _CLONE_UNTRACED, 0, 1), refuse, _ALLOW]
        if name == "sendto" and SEND not in wanted:  # without an address, usually a write to a connected socket
            return [
                _op(_LOAD, _argument(4)),
                _op(_JUMP_EQUAL, 0, 1, 0),
                self._seen,
                _op(_LOAD, _argument(4, high=True)),
                _op(_JUMP_EQUAL, 0, 1, 0),
                self._seen,
                _ALLOW,
            ]
        return [self._seen]

    def _x32(self) -> list[bytes]:
        """Return the instructions for the calls of x32: see all but the refused ones, since they are rare."""
        table = syscalls.x32_numbers()
        block = []
        for name in sorted({"clone"} | self._refused & set(table)):
            action = self._action(name, frozenset())
            block += [_op(_JUMP_EQUAL, table[name], 0, len(action)), *action]
        block.append(self._seen)
        return [_op(_JUMP_AT_LEAST, syscalls.X32_BIT, 0, len(block)), *block]

    def block(self, arch: int) -> list[bytes]:
        """Return the instructions for the calls of one instruction set, beginning with loading the number."""
        table = syscalls.numbers(arch)
        block = [_op(_LOAD, _OFFSET_NUMBER)]
        if arch == syscalls.AUDIT_ARCH_X86_64:
            block += self._x32()
        for name in sorted((self._wanted | self._refused) & set(table), key=lambda known: table[known]):
            action = self._action(name, self._wanted)
            block += [_op(_JUMP_EQUAL, table[name], 0, len(action)), *action]
        block.append(_ALLOW)
        return block


def build_filter(
    machine: syscalls.Machine,
    wanted: Iterable[str],
    refused: frozenset[str] = frozenset(),
    *,
    action: int = RET_TRACE,
) -> bytes:
    """Return the filter for ``machine``: ``action`` (RET_TRACE or RET_USER_NOTIF) is for the calls named in ``wanted``.

    It is for every unknown call, too. Those in ``refused`` fail with ENOSYS, as on a kernel that does not have them.

    Calls of the machine's 32-bit instruction set are seen by the same names if there is a table for it, otherwise all
    of them are, so that nothing passes unseen. The same goes for x32.
    """
    seen = _op(_RETURN, action)
    builder = _Builder(seen, frozenset(wanted), refused)
    code = [_op(_LOAD, _OFFSET_ARCH)]
    for arch in (machine.native, machine.compat):
        if arch is None:
            continue
        block = builder.block(arch)
        # Conditional jumps reach only 255 instructions; a block is longer, so jump over it unconditionally.
        code += [_op(_JUMP_EQUAL, arch, 1, 0), _op(0x05, len(block)), *block]
    code.append(seen)
    return b"".join(code)


def install(filter_program: bytes) -> None:
    """Install the filter on the calling thread and its future children. Needs no_new_privs. Raises OSError."""
    _install(filter_program, _FLAG_SPEC_ALLOW)


def install_with_listener(filter_program: bytes) -> int:
    """Install a filter with RET_USER_NOTIF, as ``install`` does; return the descriptor that its calls arrive at."""
    flags = _FLAG_SPEC_ALLOW | _FLAG_NEW_LISTENER
    try:
        return _install(filter_program, flags | _FLAG_WAIT_KILLABLE_RECV)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise OSError(errno.EBUSY, _ONLY_ONE) from error
        if error.errno != errno.EINVAL:
            raise
    return _install(filter_program, flags)  # an interrupted call arrives again


def _install(filter_program: bytes, flags: int) -> int:
    count = len(filter_program) // _Instruction.size
    code = ctypes.create_string_buffer(filter_program, len(filter_program))
    header = struct.pack("=H6xQ", count, ctypes.addressof(code))
    number = syscalls.numbers(syscalls.machine().native)["seccomp"]
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(
        ctypes.c_long(number), ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(flags), ctypes.c_char_p(header)
    )
    if result < 0:
        code_number = ctypes.get_errno()
        raise OSError(code_number, f"seccomp: {os.strerror(code_number)}")
    return int(result)
