"""The programs: one for each way, with the policy that denies it.

A program returns nothing if what it tried was done, and raises OSError if the kernel refused it. ``DROPPED`` is raised
for what the kernel drops without an error. ``main`` takes HOOK WAY PATH OUTSIDER, and prints what came out as JSON.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.sandbox.hooks.stage import MESSAGE_QUEUE_FLAGS, MS_BIND, MS_REMOUNT, Place
from tests.sandbox.hooks.system import AT_FDCWD, Missing, address, buffer, syscall

Run = Callable[[Place], object]


class Dropped(Exception):
    """The kernel did not do it, and told nobody."""


class Program(NamedTuple):
    """One way: the rights that its policy handles, what it needs prepared, and paths of the place that are granted.

    ``free`` is false where it should not be tried without a sandbox.
    """

    run: Run
    rights: tuple[str, ...]
    prepared: str = ""
    granted: tuple[str, ...] = ()
    free: bool = True


PROGRAMS: dict[tuple[str, str], Program] = {}

_ANY = ("make_sym",)  # any right makes a domain, which is all that matters for mounts and other processes


def _way(
    hook: str, way: str, *rights: str, prepared: str = "", granted: tuple[str, ...] = (), free: bool = True
) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        PROGRAMS[hook, way] = Program(run, rights, prepared, granted, free)
        return run

    return add


def _path(path: str) -> bytes:
    return os.fsencode(path)


# file_open


@_way("file_open", "open", "read_file")
def _open(place: Place) -> object:
    return syscall("open", _path(place.file), os.O_RDONLY)


@_way("file_open", "openat", "write_file")
def _openat(place: Place) -> object:
    return syscall("openat", AT_FDCWD, _path(place.file), os.O_WRONLY)


@_way("file_open", "openat2", "read_dir")
def _openat2(place: Place) -> object:
    return syscall("openat2", AT_FDCWD, _path(place.directory), struct.pack("=QQQ", os.O_RDONLY, 0, 0), 24)


@_way("file_open", "creat", "write_file")
def _creat(place: Place) -> object:
    return syscall("creat", _path(place.file), 0o600)


@_way("file_open", "open_by_handle_at", "read_file")
def _open_by_handle(place: Place) -> object:
    handle, mount_id = buffer(struct.pack("=Ii", 128, 0), 136), buffer(b"", 4)
    try:
        syscall("name_to_handle_at", AT_FDCWD, _path(place.file), handle, mount_id, 0)
    except OSError as error:
        raise Missing(f"a filesystem with file handles ({error.strerror})") from error
    return syscall("open_by_handle_at", os.open(place.path, os.O_RDONLY), handle, os.O_RDONLY)


def _executed(execute: Callable[[], object]) -> None:
    """Execute a program in a child, so that this one can tell what came of it."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            execute()
        except OSError as error:
            os.write(tell, b"%d" % (error.errno or 0))
        os._exit(99)
    os.close(tell)
    code = os.read(told, 9)
    os.waitpid(child, 0)
    if code:
        raise OSError(int(code), os.strerror(int(code)))


def _run(path: str, words: list[str]) -> None:
    _executed(lambda: os.execve(path, words, {}))  # noqa: S606 executing it is what is tried


def _words(*words: str) -> bytes:
    strings = [buffer(_path(word) + b"\0") for word in words]
    _kept.extend(strings)
    return struct.pack(f"={len(words) + 1}Q", *map(address, strings), 0)


_kept: list[object] = []


@_way("file_open", "execve", "execute")
def _execve(place: Place) -> None:
    _run(f"{place.path}/x", ["true"])


@_way("file_open", "execveat", "execute")
def _execveat(place: Place) -> None:
    words = _words("true")
    _executed(lambda: syscall("execveat", AT_FDCWD, _path(f"{place.path}/x"), words, 0, 0))


@_way("file_open", "execveat AT_EXECVE_CHECK", "execute")
def _execveat_check(place: Place) -> None:
    try:
        syscall("execveat", AT_FDCWD, _path(f"{place.path}/x"), _words("true"), 0, 0x10000)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Missing("AT_EXECVE_CHECK in the kernel") from error
        raise


@_way("file_open", "interpreter of a script", "execute", prepared="script", granted=("script",))
def _script(place: Place) -> None:
    _run(f"{place.path}/script", ["script"])


@_way("file_open", "loader of a program", "execute", prepared="loader", granted=("program",), free=False)
def _loader(place: Place) -> None:
    _run(f"{place.path}/program", ["program"])


@_way("file_open", "interpreter by binfmt_misc", "execute", prepared="format", granted=("odd",))
def _format(place: Place) -> None:
    _run(f"{place.path}/odd", ["true"])


@_way("file_open", "uselib", "read_file")
def _uselib(place: Place) -> None:
    try:
        syscall("uselib", _path(f"{place.path}/x"))
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing("uselib in the kernel") from error
        raise


@_way("file_open", "mq_open", "read_file", prepared="queue")
def _mq_open(place: Place) -> object:
    return syscall("mq_open", _path(place.name), MESSAGE_QUEUE_FLAGS, 0o600, 0)


@_way("file_open", "acct", "write_file")
def _acct(place: Place) -> None:
    syscall("acct", _path(place.file))
    syscall("acct", 0)  # it is for the whole machine: off again


@_way("file_open", "swapon", "write_file")
def _swapon(place: Place) -> object:
    return syscall("swapon", _path(place.file), 0)


@_way("file_open", "swapoff", "read_file")
def _swapoff(place: Place) -> object:
    return syscall("swapoff", _path(place.file))


@_way("file_open", "TIOCGPTPEER", "read_file", granted=("/dev/ptmx",))
def _peer(_place: Place) -> object:
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, 0x40045431, bytes(4))  # TIOCSPTLCK: unlock
    return syscall("ioctl", master, 0x5441, os.O_RDWR | os.O_NOCTTY)


@_way("file_open", "descriptor in /proc", "read_file")
def _descriptor(place: Place) -> object:
    return os.open(f"/proc/self/fd/{os.open(place.file, os.O_PATH)}", os.O_RDONLY)


@_way("file_open", "directory of a detached mount", "read_dir", granted=("",))
def _detached(place: Place) -> object:
    """The directory is below one with a rule, but the detached mount begins at the directory itself."""
    tree = syscall("open_tree", AT_FDCWD, _path(place.directory), 1)
    return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tree)


@_way("file_open", "read of fanotify", "read_file")
def _fanotify(place: Place) -> object:
    try:
        group = syscall("fanotify_init", 0, os.O_RDONLY)
    except OSError as error:
        raise Missing(f"fanotify ({error.strerror})") from error
    syscall("fanotify_mark", group, 1, 0x20, AT_FDCWD, _path(place.file))  # FAN_MARK_ADD, FAN_OPEN
    os.close(os.open(place.file, os.O_WRONLY))
    return os.read(group, 4096)


def _crash(place: Place) -> bool:
    """Let a child crash, and return whether the kernel says that it left a core."""
    child = os.fork()
    if child == 0:
        os.chdir(f"{place.path}/dumps")
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 24, 1 << 24))
        os.abort()
    return os.WCOREDUMP(os.waitpid(child, 0)[1])


@_way("file_open", "core dump", "write_file", prepared="core")
@_way("path_mknod", "creating core dump", "make_reg", prepared="core")
def _core(place: Place) -> None:
    if not _crash(place):
        raise Dropped


@_way("path_unlink", "core dump over another", "remove_file", prepared="old core")
def _core_over_another(place: Place) -> None:
    _crash(place)
    if os.path.getsize(f"{place.path}/dumps/core") == 3:
        raise Dropped


def _io_uring(operation: int, path: str, length: int = 0, flags: int = 0) -> None:
    """Make one request of io_uring(7) on a path. Raises Missing where io_uring is not available."""
    parameters = buffer(b"", 120)
    try:
        ring = syscall("io_uring_setup", 4, parameters)
    except OSError as error:
        raise Missing(f"io_uring ({error.strerror})") from error
    numbers = struct.unpack("=30I", parameters.raw)
    requests, answers = numbers[10:20], numbers[20:30]
    queue = mmap.mmap(ring, requests[6] + 4 * numbers[0] + 64, offset=0)
    entries = mmap.mmap(ring, numbers[0] * 64, offset=0x10000000)
    done = mmap.mmap(ring, answers[5] + 16 * numbers[1], offset=0x8000000)
    name = buffer(_path(path) + b"\0")
    entries[:64] = struct.pack("=BBHiQQIIQ", operation, 0, 0, AT_FDCWD, 0, address(name), length, flags, 7).ljust(
        64, b"\0"
    )
    queue[requests[6] : requests[6] + 4] = bytes(4)
    queue[requests[1] : requests[1] + 4] = struct.pack("=I", 1)
    syscall("io_uring_enter", ring, 1, 1, 1, 0, 0)
    result = struct.unpack_from("=Qi", done, answers[5])[1]
    if result < 0:
        raise OSError(-result, os.strerror(-result))


@_way("file_open", "io_uring openat", "read_file")
def _io_uring_open(place: Place) -> None:
    _io_uring(18, place.file)


@_way("path_mkdir", "io_uring mkdirat", "make_dir")
def _io_uring_mkdir(place: Place) -> None:
    _io_uring(37, f"{place.path}/new", 0o700)


@_way("path_unlink", "io_uring unlinkat", "remove_file")
def _io_uring_unlink(place: Place) -> None:
    _io_uring(36, place.file)


def _write_name(file: str, name: str) -> None:
    if not os.path.exists(file):
        raise Missing(f"a kernel with {file}")
    with open(file, "wb", buffering=0) as store:
        store.write(_path(name) + b"\n")


@_way("file_open", "file named to zram", "read_file", "write_file", free=False)
def _zram(place: Place) -> None:
    _write_name("/sys/block/zram0/backing_dev", place.file)


@_way("file_open", "policy named to IMA", "read_file", free=False)
def _ima(place: Place) -> None:
    _write_name("/sys/kernel/security/ima/policy", place.file)


@_way("file_open", "autofs open by ioctl", "read_dir", free=False)
def _autofs(_place: Place) -> None:
    if not os.path.exists("/dev/autofs"):
        raise Missing("a kernel with /dev/autofs")
    control = os.open("/dev/autofs", os.O_RDONLY)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = [line.split() for line in file if " - autofs " in line]
    if not mounted:
        raise Missing("a kernel on which something is mounted by autofs")
    major, minor = map(int, mounted[0][2].split(":"))
    name = _path(mounted[0][4]) + b"\0"
    # struct autofs_dev_ioctl: version 1.1, size, no descriptor yet, the device of the mount, its path.
    request = struct.pack("=IIIiIi", 1, 1, 24 + len(name), -1, minor & 0xFF | major << 8, 0) + name
    fcntl.ioctl(control, 0xC0189374, request)  # AUTOFS_DEV_IOCTL_OPENMOUNT


# The other file hooks


@_way("path_link", "link", "make_reg")
def _link(place: Place) -> object:
    return syscall("link", _path(place.file), _path(f"{place.path}/new"))


@_way("path_link", "linkat", "make_reg")
def _linkat(place: Place) -> object:
    return syscall("linkat", AT_FDCWD, _path(place.file), AT_FDCWD, _path(f"{place.directory}/new"), 0)


@_way("path_rename", "rename", "remove_file")
def _rename(place: Place) -> object:
    return syscall("rename", _path(place.file), _path(f"{place.path}/new"))


@_way("path_rename", "renameat", "make_reg")
def _renameat(place: Place) -> object:
    return syscall("renameat", AT_FDCWD, _path(place.file), AT_FDCWD, _path(f"{place.path}/new"))


@_way("path_rename", "renameat2", "execute")
def _renameat2(place: Place) -> object:
    """Between directories, which needs refer: any policy for files denies that unless it grants it."""
    return syscall("renameat2", AT_FDCWD, _path(place.file), AT_FDCWD, _path(f"{place.directory}/new"), 0)


@_way("path_mkdir", "mkdir", "make_dir")
def _mkdir(place: Place) -> object:
    return syscall("mkdir", _path(f"{place.path}/new"), 0o700)


@_way("path_mkdir", "mkdirat", "make_dir")
def _mkdirat(place: Place) -> object:
    return syscall("mkdirat", AT_FDCWD, _path(f"{place.path}/new"), 0o700)


@_way("path_mknod", "mknod", "make_fifo")
def _mknod(place: Place) -> object:
    return syscall("mknod", _path(f"{place.path}/new"), 0o010600, 0)


@_way("path_mknod", "mknodat", "make_sock")
def _mknodat(place: Place) -> object:
    return syscall("mknodat", AT_FDCWD, _path(f"{place.path}/new"), 0o140600, 0)


@_way("path_mknod", "creating open", "make_reg")
def _creating_open(place: Place) -> object:
    return os.open(f"{place.path}/new", os.O_CREAT | os.O_WRONLY, 0o600)


@_way("path_mknod", "creating creat", "make_reg")
def _creating_creat(place: Place) -> object:
    return syscall("creat", _path(f"{place.path}/new"), 0o600)


@_way("path_mknod", "bind of a UNIX socket", "make_sock")
def _bind_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{place.path}/new")


@_way("path_mknod", "BPF_OBJ_PIN", "make_reg", prepared="mounts")
def _pin(place: Place) -> object:
    try:
        array = syscall("bpf", 0, struct.pack("=IIII", 2, 4, 4, 1).ljust(128, b"\0"), 128)
    except OSError as error:
        raise Missing(f"BPF ({error.strerror})") from error
    name = buffer(_path(f"{place.path}/bpf/new") + b"\0")
    return syscall("bpf", 6, struct.pack("=QII", address(name), array, 0).ljust(128, b"\0"), 128)


@_way("path_symlink", "symlink", "make_sym")
def _symlink(place: Place) -> object:
    return syscall("symlink", b"anything", _path(f"{place.path}/new"))


@_way("path_symlink", "symlinkat", "make_sym")
def _symlinkat(place: Place) -> object:
    return syscall("symlinkat", b"anything", AT_FDCWD, _path(f"{place.path}/new"))


@_way("path_unlink", "unlink", "remove_file")
def _unlink(place: Place) -> object:
    return syscall("unlink", _path(place.file))


@_way("path_unlink", "unlinkat", "remove_file")
def _unlinkat(place: Place) -> object:
    return syscall("unlinkat", AT_FDCWD, _path(place.file), 0)


@_way("path_rmdir", "rmdir", "remove_dir")
def _rmdir(place: Place) -> object:
    return syscall("rmdir", _path(place.directory))


@_way("path_rmdir", "unlinkat AT_REMOVEDIR", "remove_dir")
def _unlinkat_directory(place: Place) -> object:
    return syscall("unlinkat", AT_FDCWD, _path(place.directory), 0x200)


@_way("path_truncate", "truncate", "truncate")
def _truncate(place: Place) -> None:
    os.truncate(place.file, 1)


@_way("path_truncate", "O_TRUNC", "truncate")
def _open_truncating(place: Place) -> object:
    return os.open(place.file, os.O_RDONLY | os.O_TRUNC)


@_way("file_truncate", "ftruncate", "truncate")
def _ftruncate(place: Place) -> None:
    os.ftruncate(os.open(place.file, os.O_RDWR), 1)


@_way("file_ioctl", "ioctl", "ioctl_dev")
def _ioctl(_place: Place) -> object:
    return fcntl.ioctl(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY), termios.TIOCGWINSZ, bytes(8))


@_way("file_ioctl_compat", "ioctl of a 32-bit program", "ioctl_dev")
def _ioctl_32(_place: Place) -> None:
    if os.uname().machine != "x86_64":
        raise Missing("32-bit calls of x86")
    page = mmap.mmap(
        -1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    )  # MAP_32BIT
    # push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; ret
    page.write(bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3"))
    begin = address(ctypes.c_char.from_buffer(page))  # type: ignore[arg-type]  # any ctypes object has an address
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_uint)(begin)
    terminal = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    result = call(54, terminal, termios.TIOCGWINSZ, begin + 64)
    if result < 0:
        raise OSError(-result, os.strerror(-result))


@_way("sb_mount", "mount", *_ANY)
def _mount(place: Place) -> object:
    return syscall("mount", b"none", _path(place.directory), b"tmpfs", 0, 0)


@_way("sb_mount", "mount MS_REMOUNT", *_ANY)
def _remount(place: Place) -> object:
    return syscall("mount", 0, _path(place.directory), 0, MS_BIND | MS_REMOUNT, 0)


@_way("move_mount", "move_mount", *_ANY)
def _move_mount(place: Place) -> object:
    made = syscall("fsopen", b"tmpfs", 0)
    syscall("fsconfig", made, 6, 0, 0, 0)  # FSCONFIG_CMD_CREATE
    return syscall("move_mount", syscall("fsmount", made, 0, 0), b"", AT_FDCWD, _path(place.directory), 4)


@_way("sb_umount", "umount", *_ANY, prepared="mounts")
def _umount(place: Place) -> object:
    return syscall("umount2", _path(f"{place.path}/tmpfs"), 0)


@_way("sb_remount", "FSCONFIG_CMD_RECONFIGURE", *_ANY, prepared="mounts")
def _reconfigure(place: Place) -> object:
    picked = syscall("fspick", AT_FDCWD, _path(f"{place.path}/tmpfs"), 0)
    return syscall("fsconfig", picked, 7, 0, 0, 0)


@_way("sb_pivotroot", "pivot_root", *_ANY, prepared="mounts")
def _pivot_root(place: Place) -> object:
    return syscall("pivot_root", _path(f"{place.path}/tmpfs"), _path(f"{place.path}/tmpfs"))


# Sockets


@_way("unix_find", "connect to a path", "resolve_unix", prepared="sockets")
def _connect_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(f"{place.path}/s")


@_way("unix_find", "sendto a path", "resolve_unix", prepared="sockets")
def _send_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", f"{place.path}/g")


@_way("unix_find", "sendmsg to a path", "resolve_unix", prepared="sockets")
def _message_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, f"{place.path}/g")


@_way("unix_stream_connect", "connect of a stream", "abstract_unix_socket", prepared="sockets")
def _connect_stream(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(f"\0{place.name}s")


@_way("unix_stream_connect", "connect of a seqpacket", "abstract_unix_socket", prepared="sockets")
def _connect_seqpacket(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.connect(f"\0{place.name}q")


@_way("unix_may_send", "connect of a datagram", "abstract_unix_socket", prepared="sockets")
def _connect_datagram(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.connect(f"\0{place.name}g")


@_way("unix_may_send", "datagram by sendto", "abstract_unix_socket", prepared="sockets")
def _sendto_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", f"\0{place.name}g")


@_way("unix_may_send", "datagram by sendmsg", "abstract_unix_socket", prepared="sockets")
def _sendmsg_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, f"\0{place.name}g")


def _sendmmsg(one: socket.socket, destination: bytes) -> None:
    name, data = buffer(destination), buffer(b"x")
    part = buffer(struct.pack("=QQ", address(data), 1))
    header = struct.pack("=QI4xQQQQI4xI4x", address(name), len(destination), address(part), 1, 0, 0, 0, 0)
    syscall("sendmmsg", one.fileno(), header, 1, 0)


@_way("unix_may_send", "datagram by sendmmsg", "abstract_unix_socket", prepared="sockets")
def _sendmmsg_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        _sendmmsg(one, struct.pack("=H", socket.AF_UNIX) + b"\0" + _path(f"{place.name}g"))


_NOWHERE = ("127.0.0.1", 9)  # discard: nobody listens


@_way("socket_bind", "bind", "bind_tcp")
def _bind(_place: Place) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


@_way("socket_bind", "bind for UDP", "bind_udp")
def _bind_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))


@_way("socket_connect", "connect", "connect_tcp")
def _connect(_place: Place) -> None:
    with socket.socket() as one:
        one.connect(_NOWHERE)


@_way("socket_connect", "connect for UDP", "connect_send_udp")
def _connect_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(_NOWHERE)


@_way("socket_sendmsg", "sendto", "connect_send_udp")
def _sendto(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", _NOWHERE)


@_way("socket_sendmsg", "sendmsg", "connect_send_udp")
def _sendmsg(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, _NOWHERE)


@_way("socket_sendmsg", "sendmmsg", "connect_send_udp")
def _sendmmsg_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        _sendmmsg(one, struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", 9, socket.inet_aton("127.0.0.1")))


# Other processes


@_way("ptrace_access_check", "PTRACE_ATTACH", *_ANY)
def _attach(place: Place) -> object:
    return syscall("ptrace", 16, place.outsider, 0, 0)


@_way("ptrace_access_check", "PTRACE_SEIZE", *_ANY)
def _seize(place: Place) -> object:
    return syscall("ptrace", 0x4206, place.outsider, 0, 0)


@_way("ptrace_traceme", "PTRACE_TRACEME", *_ANY)
def _traceme(_place: Place) -> object:
    return syscall("ptrace", 0, 0, 0, 0)


def _copy_memory(name: str, target: int) -> None:
    part = struct.pack("=QQ", address(buffer(bytes(8))), 8)
    try:
        syscall(name, target, part, 1, part, 1, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:  # the address means nothing to the other, which is found out later
            raise


@_way("ptrace_access_check", "process_vm_readv", *_ANY)
def _process_vm_readv(place: Place) -> None:
    _copy_memory("process_vm_readv", place.outsider)


@_way("ptrace_access_check", "process_vm_writev", *_ANY)
def _process_vm_writev(place: Place) -> None:
    _copy_memory("process_vm_writev", place.outsider)


@_way("ptrace_access_check", "process_madvise", *_ANY)
def _process_madvise(place: Place) -> None:
    try:
        syscall("process_madvise", os.pidfd_open(place.outsider), struct.pack("=QQ", 0x10000, 4096), 1, 20, 0)
    except OSError as error:
        if error.errno != errno.ENOMEM:  # nothing is mapped there
            raise


@_way("ptrace_access_check", "pidfd_getfd", *_ANY)
def _pidfd_getfd(place: Place) -> object:
    return syscall("pidfd_getfd", os.pidfd_open(place.outsider), 0, 0)


@_way("ptrace_access_check", "kcmp", *_ANY)
def _kcmp(place: Place) -> None:
    try:
        syscall("kcmp", os.getpid(), place.outsider, 1, 0, 0)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing("kcmp in the kernel") from error
        raise


@_way("ptrace_access_check", "move_pages", *_ANY)
def _move_pages(place: Place) -> None:
    _numa("move_pages", place.outsider, 0, 0, 0, 0, 0)


@_way("ptrace_access_check", "migrate_pages", *_ANY)
def _migrate_pages(place: Place) -> None:
    nodes = struct.pack("=Q", 1)
    _numa("migrate_pages", place.outsider, 64, nodes, nodes)


def _numa(name: str, *arguments: int | bytes) -> None:
    try:
        syscall(name, *arguments)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing(f"{name} in the kernel") from error
        raise


@_way("ptrace_access_check", "get_robust_list", *_ANY)
def _get_robust_list(place: Place) -> object:
    return syscall("get_robust_list", place.outsider, buffer(b"", 8), buffer(b"", 8))


@_way("ptrace_access_check", "perf_event_open", *_ANY)
def _perf_event_open(place: Place) -> None:
    # A software clock, without the kernel and the hypervisor, which perf_event_paranoid may forbid by itself.
    attributes = struct.pack("=IIQ24xQ", 1, 128, 1, 1 << 5 | 1 << 6).ljust(128, b"\0")
    try:
        os.close(syscall("perf_event_open", attributes, 0, -1, -1, 8))
    except OSError as error:
        raise Missing(f"performance events ({error.strerror})") from error
    syscall("perf_event_open", attributes, place.outsider, -1, -1, 8)


@_way("ptrace_access_check", "setns with a pidfd", *_ANY)
def _setns(place: Place) -> None:
    try:
        syscall("setns", os.pidfd_open(place.outsider), 0x10000000)  # CLONE_NEWUSER
    except OSError as error:
        if error.errno != errno.EINVAL:  # it is in that namespace already
            raise


@_way("ptrace_access_check", "PIDFD_GET_PID_NAMESPACE", *_ANY)
def _pidfd_namespace(place: Place) -> None:
    try:
        syscall("ioctl", os.pidfd_open(place.outsider), 0xFF05, 0)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTTY):
            raise Missing("namespaces by pidfd in the kernel") from error
        raise


@_way("ptrace_access_check", "PR_SCHED_CORE", *_ANY)
def _sched_core(place: Place) -> None:
    try:
        syscall("prctl", 62, 2, place.outsider, 0, 0)  # PR_SCHED_CORE_SHARE_TO, one thread
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENODEV):
            raise Missing("a kernel with core scheduling, on a processor with SMT") from error
        raise


def _opens(name: str) -> Run:
    return lambda place: os.open(f"/proc/{place.outsider}/{name}", os.O_RDONLY)


for _name, _below in (
    ("mem", "mem"), ("maps", "maps"), ("environ", "environ"), ("auxv", "auxv"), ("timers", "timers"),
    ("fdinfo", "fdinfo"), ("exe", "exe"), ("ns", "ns/pid"),
):  # fmt: skip
    _way("ptrace_access_check", f"open of {_name}", *_ANY)(_opens(_below))


def _reads_link(name: str) -> Run:
    return lambda place: os.readlink(f"/proc/{place.outsider}/{name}")


for _name, _below in (("exe", "exe"), ("a descriptor", "fd/0"), ("ns", "ns/pid")):
    _way("ptrace_access_check", f"readlink of {_name}", *_ANY)(_reads_link(_below))


@_way("ptrace_access_check", "readlinkat in its directory", *_ANY)
def _readlinkat(place: Place) -> object:
    return os.readlink("exe", dir_fd=os.open(f"/proc/{place.outsider}", os.O_PATH))


@_way("ptrace_access_check", "chdir to cwd", *_ANY)
def _chdir(place: Place) -> None:
    os.chdir(f"/proc/{place.outsider}/cwd")


@_way("ptrace_access_check", "execve of exe", *_ANY)
def _execve_of_process(place: Place) -> None:
    _run(f"/proc/{place.outsider}/exe", ["python3", "-c", ""])


@_way("ptrace_access_check", "mkdir below root", *_ANY)
def _mkdir_below_root(place: Place) -> None:
    os.mkdir(f"/proc/{place.outsider}/root{place.path}/new")


@_way("ptrace_access_check", "stat of exe", *_ANY)
def _stat(place: Place) -> object:
    return os.stat(f"/proc/{place.outsider}/exe")


def _reads(name: str) -> Run:
    def run(place: Place) -> object:
        try:
            file = os.open(f"/proc/{place.outsider}/{name}", os.O_RDONLY)
        except FileNotFoundError as error:
            raise Missing(f"/proc/PID/{name}") from error
        return os.read(file, 4096)

    return run


for _name in ("io", "syscall", "personality"):
    _way("ptrace_access_check", f"read of {_name}", *_ANY)(_reads(_name))


@_way("task_kill", "kill", "signal")
def _kill(place: Place) -> object:
    return syscall("kill", place.outsider, 0)


@_way("task_kill", "tkill", "signal")
def _tkill(place: Place) -> object:
    return syscall("tkill", place.outsider, 0)


@_way("task_kill", "tgkill", "signal")
def _tgkill(place: Place) -> object:
    return syscall("tgkill", place.outsider, place.outsider, 0)


def _information(number: int) -> bytes:
    return struct.pack("=iii", number, 0, -1).ljust(128, b"\0")  # SI_QUEUE


@_way("task_kill", "rt_sigqueueinfo", "signal")
def _queue_signal(place: Place) -> object:
    return syscall("rt_sigqueueinfo", place.outsider, signal.SIGUSR1, _information(signal.SIGUSR1))


@_way("task_kill", "rt_tgsigqueueinfo", "signal")
def _queue_signal_to_thread(place: Place) -> object:
    return syscall("rt_tgsigqueueinfo", place.outsider, place.outsider, signal.SIGUSR1, _information(signal.SIGUSR1))


@_way("task_kill", "pidfd_send_signal", "signal")
def _pidfd_send_signal(place: Place) -> object:
    return syscall("pidfd_send_signal", os.pidfd_open(place.outsider), 0, 0, 0)


@_way("task_kill", "kill of a group", "signal")
def _kill_group(place: Place) -> object:
    return syscall("kill", -place.outsider, 0)


@_way("task_kill", "PR_SET_PDEATHSIG of a child outside", "signal")
def _parent_death(_place: Place) -> None:
    raise Missing(
        "a child from before the sandbox: the kernel never denies this to a run, whose children are all inside"
    )


def _signalled(place: Place, arm: Callable[[], object]) -> None:
    """Arm something that signals the outsider, which ends when it gets the signal."""
    arm()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        with open(f"/proc/{place.outsider}/stat", encoding="ascii") as file:
            if file.read().rpartition(")")[2].split()[0] in "ZX":
                return
        time.sleep(0.02)
    raise Dropped


def _by_pipe(place: Place, own: Callable[[int], object]) -> None:
    """Let ``own`` choose the owner of a pipe, and write to it."""

    def arm() -> None:
        reader, writer = os.pipe()
        own(reader)
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writer, b"x")

    _signalled(place, arm)


@_way("file_send_sigiotask", "F_SETOWN", "signal")
def _set_owner(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, fcntl.F_SETOWN, place.outsider))


@_way("file_send_sigiotask", "owner is a group", "signal")
def _set_owning_group(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, fcntl.F_SETOWN, -place.outsider))


@_way("file_send_sigiotask", "F_SETOWN_EX", "signal")
def _set_owner_extended(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, 15, struct.pack("=ii", 1, place.outsider)))


@_way("file_send_sigiotask", "F_SETSIG", "signal")
def _set_signal(place: Place) -> None:
    def own(reader: int) -> None:
        fcntl.fcntl(reader, fcntl.F_SETOWN, place.outsider)
        fcntl.fcntl(reader, 10, signal.SIGUSR1)

    _by_pipe(place, own)


@_way("file_send_sigiotask", "FIOSETOWN", "signal")
def _set_owner_of_socket(place: Place) -> None:
    one, other = socket.socketpair()

    def arm() -> None:
        fcntl.ioctl(one, 0x8901, struct.pack("=i", place.outsider))
        fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
        other.send(b"x")

    _signalled(place, arm)


@_way("file_send_sigiotask", "SIGURG", "signal")
def _urgent(place: Place) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with socket.socket() as client:
            client.connect(listener.getsockname())
            accepted = listener.accept()[0]

            def arm() -> None:
                fcntl.fcntl(accepted, fcntl.F_SETOWN, place.outsider)
                client.send(b"x", socket.MSG_OOB)
                select.select([], [], [accepted], 1)

            _signalled(place, arm)


@_way("file_send_sigiotask", "F_NOTIFY", "signal")
def _notify(place: Place) -> None:
    def arm() -> None:
        watched = os.open(place.directory, os.O_RDONLY)
        fcntl.fcntl(watched, fcntl.F_NOTIFY, fcntl.DN_CREATE)
        fcntl.fcntl(watched, fcntl.F_SETOWN, place.outsider)
        os.close(os.open(f"{place.directory}/new", os.O_CREAT | os.O_WRONLY, 0o600))
        time.sleep(0.1)

    _signalled(place, arm)


@_way("file_send_sigiotask", "F_SETLEASE", "signal")
def _lease(place: Place) -> None:
    def arm() -> None:
        leased = os.open(place.file, os.O_RDONLY)
        fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(leased, fcntl.F_SETOWN, place.outsider)
        with contextlib.suppress(BlockingIOError):
            os.open(place.file, os.O_WRONLY | os.O_NONBLOCK)
        os.close(leased)

    _signalled(place, arm)


def main() -> None:
    """Run one program, and print its result: an errno, "done", "dropped", or what is missing."""
    hook, way, path, outsider = sys.argv[1:]
    try:
        PROGRAMS[hook, way].run(Place(path, int(outsider)))
        result: dict[str, object] = {"result": "done"}
    except Dropped:
        result = {"result": "dropped"}
    except OSError as error:
        result = {"result": errno.errorcode.get(error.errno or 0, str(error))}
    except Missing as error:
        result = {"result": "missing", "missing": str(error)}
    print(json.dumps(result), flush=True)
