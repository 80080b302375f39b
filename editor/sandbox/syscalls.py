"""Numbers of the traced system calls: x86_64, the 32-bit calls of x86_64, and aarch64.

Source: the kernel's arch/x86/entry/syscalls/syscall_64.tbl (with x32) and syscall_32.tbl, and
include/uapi/asm-generic/unistd.h. A name missing from a table does not exist there (aarch64 has only the ``*at``
calls).
"""

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

# Instruction sets as seccomp and PTRACE_GET_SYSCALL_INFO number them (include/uapi/linux/audit.h).
AUDIT_ARCH_X86_64 = 0xC000003E
AUDIT_ARCH_I386 = 0x40000003
AUDIT_ARCH_AARCH64 = 0xC00000B7
X32_BIT = 0x40000000  # set in the numbers of calls by 64-bit code with 32-bit pointers

# Since Linux 5.1 a new call has the same number on all architectures.
_EVERYWHERE: Mapping[str, int] = MappingProxyType(
    {
        "pidfd_send_signal": 424,
        "io_uring_setup": 425,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsconfig": 431,
        "fsmount": 432,
        "fspick": 433,
        "clone3": 435,
        "openat2": 437,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
        "landlock_restrict_self": 446,
        "fchmodat2": 452,
        "setxattrat": 463,
        "removexattrat": 466,
        "open_tree_attr": 467,
        "file_setattr": 469,
    }
)
_X86_64: Mapping[str, int] = MappingProxyType(
    {
        "open": 2,
        "ioctl": 16,
        "fcntl": 72,
        "fanotify_init": 300,
        "connect": 42,
        "sendto": 44,
        "sendmsg": 46,
        "bind": 49,
        "listen": 50,
        "clone": 56,
        "execve": 59,
        "kill": 62,
        "truncate": 76,
        "ftruncate": 77,
        "chdir": 80,
        "fchdir": 81,
        "rename": 82,
        "mkdir": 83,
        "rmdir": 84,
        "creat": 85,
        "link": 86,
        "unlink": 87,
        "symlink": 88,
        "readlink": 89,
        "chmod": 90,
        "fchmod": 91,
        "chown": 92,
        "fchown": 93,
        "lchown": 94,
        "ptrace": 101,
        "rt_sigqueueinfo": 129,
        "utime": 132,
        "mknod": 133,
        "uselib": 134,
        "pivot_root": 155,
        "prctl": 157,
        "chroot": 161,
        "acct": 163,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "setxattr": 188,
        "lsetxattr": 189,
        "fsetxattr": 190,
        "removexattr": 197,
        "lremovexattr": 198,
        "fremovexattr": 199,
        "tkill": 200,
        "tgkill": 234,
        "utimes": 235,
        "mq_open": 240,
        "migrate_pages": 256,
        "openat": 257,
        "mkdirat": 258,
        "mknodat": 259,
        "fchownat": 260,
        "futimesat": 261,
        "unlinkat": 263,
        "renameat": 264,
        "linkat": 265,
        "symlinkat": 266,
        "readlinkat": 267,
        "fchmodat": 268,
        "unshare": 272,
        "get_robust_list": 274,
        "move_pages": 279,
        "utimensat": 280,
        "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "sendmmsg": 307,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "renameat2": 316,
        "seccomp": 317,
        "bpf": 321,
        "execveat": 322,
        **_EVERYWHERE,
    }
)
_NOT_X32 = frozenset({"uselib"})
# x32 calls with a number of their own, because their arguments contain pointers; all others share it.
_X32: Mapping[str, int] = MappingProxyType(
    {
        "ioctl": 514,
        "sendmsg": 518,
        "execve": 520,
        "ptrace": 521,
        "rt_sigqueueinfo": 524,
        "get_robust_list": 531,
        "move_pages": 533,
        "rt_tgsigqueueinfo": 536,
        "sendmmsg": 538,
        "process_vm_readv": 539,
        "process_vm_writev": 540,
        "execveat": 545,
    }
)
_I386: Mapping[str, int] = MappingProxyType(
    {
        "open": 5,
        "creat": 8,
        "link": 9,
        "unlink": 10,
        "execve": 11,
        "chdir": 12,
        "mknod": 14,
        "chmod": 15,
        "lchown": 16,
        "mount": 21,
        "umount": 22,
        "ptrace": 26,
        "utime": 30,
        "kill": 37,
        "rename": 38,
        "mkdir": 39,
        "rmdir": 40,
        "acct": 51,
        "umount2": 52,
        "ioctl": 54,
        "fcntl": 55,
        "fcntl64": 221,
        "fanotify_init": 338,
        "chroot": 61,
        "symlink": 83,
        "readlink": 85,
        "uselib": 86,
        "swapon": 87,
        "truncate": 92,
        "ftruncate": 93,
        "fchmod": 94,
        "fchown": 95,
        "socketcall": 102,
        "swapoff": 115,
        "clone": 120,
        "fchdir": 133,
        "prctl": 172,
        "rt_sigqueueinfo": 178,
        "chown": 182,
        "truncate64": 193,
        "ftruncate64": 194,
        "lchown32": 198,
        "fchown32": 207,
        "chown32": 212,
        "pivot_root": 217,
        "setxattr": 226,
        "lsetxattr": 227,
        "fsetxattr": 228,
        "removexattr": 235,
        "lremovexattr": 236,
        "fremovexattr": 237,
        "tkill": 238,
        "tgkill": 270,
        "utimes": 271,
        "mq_open": 277,
        "migrate_pages": 294,
        "openat": 295,
        "mkdirat": 296,
        "mknodat": 297,
        "fchownat": 298,
        "futimesat": 299,
        "unlinkat": 301,
        "renameat": 302,
        "linkat": 303,
        "symlinkat": 304,
        "readlinkat": 305,
        "fchmodat": 306,
        "unshare": 310,
        "get_robust_list": 312,
        "move_pages": 317,
        "utimensat": 320,
        "rt_tgsigqueueinfo": 335,
        "perf_event_open": 336,
        "name_to_handle_at": 341,
        "open_by_handle_at": 342,
        "sendmmsg": 345,
        "setns": 346,
        "process_vm_readv": 347,
        "process_vm_writev": 348,
        "kcmp": 349,
        "renameat2": 353,
        "seccomp": 354,
        "bpf": 357,
        "execveat": 358,
        "bind": 361,
        "connect": 362,
        "listen": 363,
        "sendto": 369,
        "sendmsg": 370,
        "utimensat_time64": 412,
        **_EVERYWHERE,
    }
)
_AARCH64: Mapping[str, int] = MappingProxyType(
    {
        "setxattr": 5,
        "lsetxattr": 6,
        "fsetxattr": 7,
        "removexattr": 14,
        "lremovexattr": 15,
        "fremovexattr": 16,
        "ioctl": 29,
        "fcntl": 25,
        "fanotify_init": 262,
        "mknodat": 33,
        "mkdirat": 34,
        "unlinkat": 35,
        "symlinkat": 36,
        "linkat": 37,
        "renameat": 38,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "truncate": 45,
        "ftruncate": 46,
        "chdir": 49,
        "fchdir": 50,
        "chroot": 51,
        "fchmod": 52,
        "fchmodat": 53,
        "fchownat": 54,
        "fchown": 55,
        "openat": 56,
        "readlinkat": 78,
        "utimensat": 88,
        "acct": 89,
        "unshare": 97,
        "get_robust_list": 100,
        "ptrace": 117,
        "kill": 129,
        "tkill": 130,
        "tgkill": 131,
        "rt_sigqueueinfo": 138,
        "prctl": 167,
        "mq_open": 180,
        "bind": 200,
        "listen": 201,
        "connect": 203,
        "sendto": 206,
        "sendmsg": 211,
        "clone": 220,
        "execve": 221,
        "swapon": 224,
        "swapoff": 225,
        "migrate_pages": 238,
        "move_pages": 239,
        "rt_tgsigqueueinfo": 240,
        "perf_event_open": 241,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "setns": 268,
        "sendmmsg": 269,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "renameat2": 276,
        "seccomp": 277,
        "bpf": 280,
        "execveat": 281,
        "utimensat_time64": 412,
        **_EVERYWHERE,
    }
)

_ABIS: Mapping[int, Mapping[str, int]] = MappingProxyType(
    {AUDIT_ARCH_X86_64: _X86_64, AUDIT_ARCH_I386: _I386, AUDIT_ARCH_AARCH64: _AARCH64}
)


class Machine(NamedTuple):
    """A processor: its own instruction set, and the older one that its kernel also accepts (None: not decoded)."""

    native: int
    compat: int | None


_MACHINES: Mapping[str, Machine] = MappingProxyType(
    {"x86_64": Machine(AUDIT_ARCH_X86_64, AUDIT_ARCH_I386), "aarch64": Machine(AUDIT_ARCH_AARCH64, None)}
)


class UnsupportedMachine(RuntimeError):
    """There is no system call table for this processor."""


def machine(name: str = "") -> Machine:
    """Return the machine called ``name`` by uname(2), or this one if empty. Raises UnsupportedMachine."""
    wanted = name or os.uname().machine
    found = _MACHINES.get(wanted)
    if found is None:
        raise UnsupportedMachine(f"commands cannot be traced on {wanted}: only x86_64 and aarch64 are known")
    return found


def numbers(arch: int) -> Mapping[str, int]:
    """Map names to numbers for the instruction set ``arch`` (an ``AUDIT_ARCH_*``). Raises KeyError if unknown."""
    return _ABIS[arch]


def x32_numbers() -> dict[str, int]:
    """Map names to numbers, including the x32 bit, for the calls of x32."""
    return {name: X32_BIT | number for name, number in {**_X86_64, **_X32}.items() if name not in _NOT_X32}


def names(arch: int) -> dict[int, str]:
    """Map numbers to names, the inverse of ``numbers``; for x86_64 including the calls of x32."""
    tables = [_ABIS[arch], x32_numbers()] if arch == AUDIT_ARCH_X86_64 else [_ABIS[arch]]
    return {number: name for table in tables for name, number in table.items()}


# Calls that are not traced, but found in audit records, by instruction set.
_NAMED_IN_RECORDS: Mapping[int, Mapping[int, str]] = MappingProxyType(
    {
        AUDIT_ARCH_X86_64: {
            0: "read", 1: "write", 3: "close", 4: "stat", 6: "lstat", 17: "pread64", 18: "pwrite64", 19: "readv",
            20: "writev", 21: "access", 40: "sendfile", 60: "exit", 89: "readlink", 217: "getdents64",
            231: "exit_group", 262: "newfstatat", 267: "readlinkat", 269: "faccessat", 275: "splice", 332: "statx",
            426: "io_uring_enter", 439: "faccessat2",
        },
        AUDIT_ARCH_I386: {
            1: "exit", 3: "read", 4: "write", 6: "close", 33: "access", 85: "readlink", 106: "stat", 107: "lstat",
            145: "readv", 146: "writev", 187: "sendfile", 195: "stat64", 196: "lstat64", 220: "getdents64",
            252: "exit_group", 300: "fstatat64", 305: "readlinkat", 307: "faccessat", 313: "splice",
            383: "statx", 426: "io_uring_enter", 439: "faccessat2",
        },
        AUDIT_ARCH_AARCH64: {
            48: "faccessat", 57: "close", 61: "getdents64", 63: "read", 64: "write", 65: "readv",
            66: "writev", 67: "pread64", 68: "pwrite64", 71: "sendfile", 76: "splice", 78: "readlinkat",
            79: "newfstatat", 93: "exit", 94: "exit_group", 291: "statx", 426: "io_uring_enter", 439: "faccessat2",
        },
    }
)  # fmt: skip


def call_name(arch: int, number: int | None) -> str:
    """Return the name of a call in an audit record: ``call N`` if it has none here, empty for None (no call)."""
    if number is None:
        return ""
    found = _by_number(arch or machine().native)
    return found.get(number, f"call {number}")


@cache
def _by_number(arch: int) -> dict[int, str]:
    return {**_NAMED_IN_RECORDS[arch], **names(arch)} if arch in _ABIS else {}
