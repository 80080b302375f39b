"""Landlock's system calls through ctypes, and what their errors mean.

Numbers and structures: include/uapi/linux/landlock.h; errors: landlock_create_ruleset(2), landlock_add_rule(2),
landlock_restrict_self(2). The three numbers are the same on every architecture.
"""

import ctypes
import errno
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import KINDS, Kind

_SYS_CREATE_RULESET = 444
_SYS_ADD_RULE = 445
_SYS_RESTRICT_SELF = 446

_CREATE_RULESET_VERSION = 1 << 0
_CREATE_RULESET_ERRATA = 1 << 1
_RULE_PATH_BENEATH = 1
_RULE_NET_PORT = 2
_PR_SET_NO_NEW_PRIVS = 38

LOG_SAME_EXEC_OFF = 1 << 0
LOG_NEW_EXEC_ON = 1 << 1
LOG_SUBDOMAINS_OFF = 1 << 2
TSYNC = 1 << 3
SELF_NO_NEW_PRIVS = 1 << 4


class Flag(NamedTuple):
    """A flag of a Landlock system call: its kernel name in snake case, bit, first ABI, and meaning."""

    name: str
    bit: int
    abi: int
    meaning: str


RESTRICT_FLAGS: tuple[Flag, ...] = (
    Flag("log_same_exec_off", 0, 7, "Do not log denials of the program that restricts itself."),
    Flag("log_new_exec_on", 1, 7, "Log denials of the programs that it executes."),
    Flag("log_subdomains_off", 2, 7, "Do not log denials of domains nested in this one."),
    Flag("tsync", 3, 8, "Restrict all threads of the process at once."),
    Flag("no_new_privs", 4, 11, "Set no_new_privs in the same call."),
)
RULE_FLAGS: tuple[Flag, ...] = (Flag("quiet", 0, 10, "Do not log denials on this object."),)

_MEMBER_BYTES = 8
# Size of struct landlock_ruleset_attr by the first ABI that knows it: older kernels reject a larger one with E2BIG.
_RULESET_SIZES: Mapping[int, int] = MappingProxyType({1: 8, 4: 16, 6: 24, 10: 48})


class LandlockError(OSError):
    """A Landlock system call failed; the text explains ``errno``."""


class LandlockUnavailable(LandlockError):
    """This kernel has no Landlock (ENOSYS), or it is turned off (EOPNOTSUPP)."""


_MEANINGS: Mapping[tuple[str, int], str] = MappingProxyType(
    {
        ("create_ruleset", errno.EINVAL): "the kernel does not know one of the handled rights or flags",
        ("create_ruleset", errno.E2BIG): "the kernel does not know this size of ruleset",
        ("create_ruleset", errno.ENOMSG): "a ruleset must handle at least one right",
        ("add_rule", errno.EINVAL): "the ruleset does not handle a right, or it does not apply to this object",
        ("add_rule", errno.ENOMSG): "a rule must grant at least one right",
        ("add_rule", errno.EBADFD): "a rule cannot refer to files of this filesystem",
        ("add_rule", errno.EAFNOSUPPORT): "this kernel has no TCP/IP",
        ("restrict_self", errno.EPERM): "no_new_privs is not set",
        ("restrict_self", errno.E2BIG): "this process already has 16 layers",
        ("restrict_self", errno.EINVAL): "the kernel does not know one of the flags",
    }
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]


class _RulesetAttr(ctypes.Structure):
    # The masks of what is handled come first, in the order of KINDS.
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
        ("quiet_access_fs", ctypes.c_uint64),
        ("quiet_access_net", ctypes.c_uint64),
        ("quiet_scoped", ctypes.c_uint64),
    )


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # implied by _pack_, but Python 3.14 wants it spelled out
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPortAttr(ctypes.Structure):
    _fields_ = (("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64))


def _call(name: str, number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result >= 0:
        return result
    code = ctypes.get_errno()
    if code == errno.ENOSYS:
        raise LandlockUnavailable(code, "this kernel is built without Landlock (added in Linux 5.13)")
    if code == errno.EOPNOTSUPP:
        raise LandlockUnavailable(code, "Landlock is disabled on this kernel: add landlock to its lsm= boot parameter")
    meaning = _MEANINGS.get((name, code), os.strerror(code))
    raise LandlockError(code, f"landlock_{name}: {meaning}")


def query_abi() -> int:
    """Return the Landlock ABI of this kernel, 1 or more. Raises LandlockUnavailable if it has none."""
    return _call(
        "create_ruleset", _SYS_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)
    )


def query_errata() -> int:
    """Return the bit mask of Landlock errata fixed in this kernel; 0 if it cannot say.

    The query came with Linux 6.15 and was backported to stable kernels: Debian's 6.12 has it, at ABI 6. Raises
    LandlockUnavailable without Landlock.
    """
    try:
        return _call(
            "create_ruleset", _SYS_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_ERRATA)
        )
    except LandlockUnavailable:
        raise
    except LandlockError:
        return 0


def create_ruleset(handled_fs: int, handled_net: int, scoped: int, abi: int) -> int:
    """Create a ruleset and return its close-on-exec descriptor. The masks must only contain what ``abi`` knows.

    ``abi`` is the kernel's: it determines the size of the structure. Raises LandlockError.
    """
    attr = _RulesetAttr(handled_fs, handled_net, scoped)
    size = max(size for first, size in _RULESET_SIZES.items() if first <= abi)
    return _call("create_ruleset", _SYS_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0))


def knows(kind: Kind, mask: int) -> bool:
    """Return whether this kernel knows all rights of ``kind`` in ``mask``. Raises LandlockUnavailable."""
    return _refusal(KINDS.index(kind), mask) == 0


class UnknownCategory(NamedTuple):
    """A member of struct landlock_ruleset_attr that Paddock has no name for: its offset in bytes, and a mask.

    ``handled`` are the bits that the kernel accepts in it alone, so that a ruleset may handle them.
    """

    offset: int
    handled: int


def unknown_categories(known_size: int = ctypes.sizeof(_RulesetAttr)) -> tuple[UnknownCategory, ...]:
    """Return what this kernel handles beyond the first ``known_size`` bytes of the structure, by asking it.

    A member in which no single bit is accepted (such as one that only modifies others) is left out. Raises
    LandlockUnavailable.
    """
    found = []
    member = known_size // _MEMBER_BYTES
    while _refusal(member, 1) != errno.E2BIG:
        handled = sum(1 << bit for bit in range(8 * _MEMBER_BYTES) if _refusal(member, 1 << bit) == 0)
        if handled:
            found.append(UnknownCategory(member * _MEMBER_BYTES, handled))
        member += 1
    return tuple(found)


def _refusal(member: int, mask: int) -> int:
    """Return the errno of creating a ruleset with ``mask`` as its only member that is not 0; 0 if that works.

    E2BIG: the kernel's structure has no such member. Raises LandlockUnavailable.
    """
    attr = (ctypes.c_uint64 * (member + 1))()
    attr[member] = mask
    size = ctypes.c_size_t(ctypes.sizeof(attr))
    try:
        os.close(_call("create_ruleset", _SYS_CREATE_RULESET, attr, size, ctypes.c_uint32(0)))
    except LandlockUnavailable:
        raise
    except LandlockError as error:
        return error.errno or errno.EINVAL
    return 0


def _add_rule(ruleset_fd: int, kind: int, attr: ctypes.Structure) -> None:
    _call(
        "add_rule",
        _SYS_ADD_RULE,
        ctypes.c_int(ruleset_fd),
        ctypes.c_int(kind),
        ctypes.byref(attr),
        ctypes.c_uint32(0),
    )


def add_path_rule(ruleset_fd: int, parent_fd: int, access: int) -> None:
    """Grant ``access`` (a mask of fs rights) beneath what ``parent_fd`` (O_PATH suffices) opens.

    Raises LandlockError: EINVAL if a file is given a right that only applies to directories.
    """
    _add_rule(ruleset_fd, _RULE_PATH_BENEATH, _PathBeneathAttr(access, parent_fd))


def add_port_rule(ruleset_fd: int, port: int, access: int) -> None:
    """Grant ``access`` (a mask of net rights) on ``port``, 0 to 65535. Raises LandlockError. Needs ABI 4."""
    _add_rule(ruleset_fd, _RULE_NET_PORT, _NetPortAttr(access, port))


def set_no_new_privs() -> None:
    """Set no_new_privs (prctl(2)), which Landlock and seccomp require of unprivileged processes."""
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise LandlockError(code, f"prctl(PR_SET_NO_NEW_PRIVS): {os.strerror(code)}")


def restrict_self(ruleset_fd: int, flags: int = 0) -> None:
    """Put the calling thread and its future children in a new domain. Raises LandlockError.

    This cannot be undone. Other threads of the process stay as they are (unless TSYNC, ABI 8).
    """
    _call("restrict_self", _SYS_RESTRICT_SELF, ctypes.c_int(ruleset_fd), ctypes.c_uint32(flags))
