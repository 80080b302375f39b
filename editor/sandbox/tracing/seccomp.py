"""The seccomp filter that stops a traced program at the system calls worth seeing, and at no others.

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
_RET_TRACE = 0x7FF00000
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
_CLONE_UNTRACED = 0x00800000

_Instruction = struct.Struct("=HBBI")


def _op(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _Instruction.pack(code, if_true, if_false, operand)


def _argument(position: int, *, high: bool = False) -> int:
    """Return the offset of one half of an argument. Both supported machines are little-endian."""
    return _OFFSET_ARGUMENTS + 8 * position + (4 if high else 0)


_TRACE = _op(_RETURN, _RET_TRACE)
_ALLOW = _op(_RETURN, _RET_ALLOW)


def _action(name: str, wanted: frozenset[str], refused: frozenset[str]) -> list[bytes]:
    """Return the instructions for the call ``name``: usually to trace it, sometimes only with certain arguments."""
    if name in refused:
        return [_op(_RETURN, _RET_ERRNO | errno.ENOSYS)]
    only = ONLY_WITH.get(name)
    if only is not None and not (name == "ioctl" and ANY_IOCTL in wanted):
        # The kernel reads these arguments as 32-bit numbers, so the upper half does not matter.
        tests = [part for value in sorted(only.values) for part in (_op(_JUMP_EQUAL, value, 0, 1), _TRACE)]
        return [_op(_LOAD, _argument(only.position)), *tests, _ALLOW]
    if name == "clone":
        # CLONE_UNTRACED would hide a child from the tracer. Only a hostile program asks for it: refuse it.
        refuse = _op(_RETURN, _RET_ERRNO | errno.EPERM)
        return [_op(_LOAD, _argument(0)), _op(_JUMP_ANY_BIT, _CLONE_UNTRACED, 0, 1), refuse, _ALLOW]
    if name == "sendto" and SEND not in wanted:  # without an address, usually a write to a connected socket
        return [
            _op(_LOAD, _argument(4)),
            _op(_JUMP_EQUAL, 0, 1, 0),
            _TRACE,
            _op(_LOAD, _argument(4, high=True)),
            _op(_JUMP_EQUAL, 0, 1, 0),
            _TRACE,
            _ALLOW,
        ]
    return [_TRACE]


def _x32(refused: frozenset[str]) -> list[bytes]:
    """Return the instructions for the calls of x32: trace all but the refused ones, since they are rare."""
    table = syscalls.x32_numbers()
    block = []
    for name in sorted({"clone"} | refused & set(table)):
        action = _action(name, frozenset(), refused)
        block += [_op(_JUMP_EQUAL, table[name], 0, len(action)), *action]
    block.append(_TRACE)
    return [_op(_JUMP_AT_LEAST, syscalls.X32_BIT, 0, len(block)), *block]


def _block(arch: int, wanted: frozenset[str], refused: frozenset[str]) -> list[bytes]:
    """Return the instructions for the calls of one instruction set, beginning with loading the number."""
    table = syscalls.numbers(arch)
    block = [_op(_LOAD, _OFFSET_NUMBER)]
    if arch == syscalls.AUDIT_ARCH_X86_64:
        block += _x32(refused)
    for name in sorted((wanted | refused) & set(table), key=lambda known: table[known]):
        action = _action(name, wanted, refused)
        block += [_op(_JUMP_EQUAL, table[name], 0, len(action)), *action]
    block.append(_ALLOW)
    return block


def build_filter(machine: syscalls.Machine, wanted: Iterable[str], refused: frozenset[str] = frozenset()) -> bytes:
    """Return the filter for ``machine``: it traces the calls named in ``wanted``, and every unknown call.

    Those in ``refused`` fail with ENOSYS, as on a kernel that does not have them.

    Calls of the machine's 32-bit instruction set are traced by the same names if there is a table for it, otherwise all
    of them are, so that nothing passes unseen. The same goes for x32.
    """
    names = frozenset(wanted)
    code = [_op(_LOAD, _OFFSET_ARCH)]
    for arch in (machine.native, machine.compat):
        if arch is None:
            continue
        block = _block(arch, names, refused)
        # Conditional jumps reach only 255 instructions; a block is longer, so jump over it unconditionally.
        code += [_op(_JUMP_EQUAL, arch, 1, 0), _op(0x05, len(block)), *block]
    code.append(_TRACE)
    return b"".join(code)


def install(filter_program: bytes) -> None:
    """Install the filter on the calling thread and its future children. Needs no_new_privs. Raises OSError."""
    count = len(filter_program) // _Instruction.size
    code = ctypes.create_string_buffer(filter_program, len(filter_program))
    header = struct.pack("=H6xQ", count, ctypes.addressof(code))
    number = syscalls.numbers(syscalls.machine().native)["seccomp"]
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(
        ctypes.c_long(number), ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_FLAG_SPEC_ALLOW), ctypes.c_char_p(header)
    )
    if result != 0:
        code_number = ctypes.get_errno()
        raise OSError(code_number, f"seccomp: {os.strerror(code_number)}")
