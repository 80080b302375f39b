"""Run a command with Landlock's system calls failing with ENOSYS, as under a container's seccomp filter.

Usage: without_landlock.py COMMAND [ARGUMENT]...
"""

import ctypes
import errno
import os
import struct
import sys

_LD_NUMBER, _JUMP_LESS, _JUMP_MORE, _RETURN = 0x20, 0x35, 0x25, 0x06
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
_SECCOMP_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def hide_landlock(first: int = 444) -> None:
    """Make system calls ``first`` to 446, the same on every architecture, fail from now on."""
    code = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LD_NUMBER, 0, 0, 0),
            (_JUMP_LESS, 0, 2, first),  # >= first: go on, else allow
            (_JUMP_MORE, 1, 0, 446),  # > 446: allow
            (_RETURN, 0, 0, _FAIL | errno.ENOSYS),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


if __name__ == "__main__":
    hide_landlock()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
