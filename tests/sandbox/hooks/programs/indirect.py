"""Ways by which the kernel itself reaches a file: io_uring, core dumps, names written to devices."""

import fcntl
import mmap
import os
import resource
import signal
import struct

from tests.sandbox.hooks.programs.registry import Dropped, path_bytes, way
from tests.sandbox.hooks.system import AT_FDCWD, Missing, Place, address, buffer, syscall


@way("file_open", "read of fanotify", "read_file")
def _fanotify(place: Place) -> object:
    try:
        group = syscall("fanotify_init", 0, os.O_RDONLY)
    except OSError as error:
        raise Missing(f"fanotify ({error.strerror})") from error
    syscall("fanotify_mark", group, 1, 0x20, AT_FDCWD, path_bytes(place.file))  # FAN_MARK_ADD, FAN_OPEN
    os.close(os.open(place.file, os.O_WRONLY))
    return os.read(group, 4096)


def _crash(place: Place) -> bool:
    """Let a child crash, and return whether the kernel says that it left a core."""
    child = os.fork()
    if child == 0:
        os.chdir(f"{place.path}/dumps")
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 24, 1 << 24))
        signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest's handler would tell of the crash
        os.abort()
    return os.WCOREDUMP(os.waitpid(child, 0)[1])


@way("file_open", "core dump", "write_file", prepared="core")
@way("path_mknod", "creating core dump", "make_reg", prepared="core")
def _core(place: Place) -> None:
    if not _crash(place):
        raise Dropped


@way("path_unlink", "core dump over another", "remove_file", prepared="old core")
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
    name = buffer(path_bytes(path) + b"\0")
    entries[:64] = struct.pack("=BBHiQQIIQ", operation, 0, 0, AT_FDCWD, 0, address(name), length, flags, 7).ljust(
        64, b"\0"
    )
    queue[requests[6] : requests[6] + 4] = bytes(4)
    queue[requests[1] : requests[1] + 4] = struct.pack("=I", 1)
    syscall("io_uring_enter", ring, 1, 1, 1, 0, 0)
    result = struct.unpack_from("=Qi", done, answers[5])[1]
    if result < 0:
        raise OSError(-result, os.strerror(-result))


@way("file_open", "io_uring openat", "read_file")
def _io_uring_open(place: Place) -> None:
    _io_uring(18, place.file)


@way("path_mkdir", "io_uring mkdirat", "make_dir")
def _io_uring_mkdir(place: Place) -> None:
    _io_uring(37, f"{place.path}/new", 0o700)


@way("path_unlink", "io_uring unlinkat", "remove_file")
def _io_uring_unlink(place: Place) -> None:
    _io_uring(36, place.file)


def _write_name(file: str, name: str) -> None:
    if not os.path.exists(file):
        raise Missing(f"a kernel with {file}")
    with open(file, "wb", buffering=0) as store:
        store.write(path_bytes(name) + b"\n")


@way("file_open", "file named to zram", "read_file", "write_file", free=False)
def _zram(place: Place) -> None:
    _write_name("/sys/block/zram0/backing_dev", place.file)


@way("file_open", "policy named to IMA", "read_file", free=False)
def _ima(place: Place) -> None:
    _write_name("/sys/kernel/security/ima/policy", place.file)


@way("file_open", "autofs open by ioctl", "read_dir", free=False)
def _autofs(_place: Place) -> None:
    if not os.path.exists("/dev/autofs"):
        raise Missing("a kernel with /dev/autofs")
    control = os.open("/dev/autofs", os.O_RDONLY)
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = [line.split() for line in file if " - autofs " in line]
    if not mounted:
        raise Missing("a kernel on which something is mounted by autofs")
    major, minor = map(int, mounted[0][2].split(":"))
    name = path_bytes(mounted[0][4]) + b"\0"
    # struct autofs_dev_ioctl: version 1.1, size, no descriptor yet, the device of the mount, its path.
    request = struct.pack("=IIIiIi", 1, 1, 24 + len(name), -1, minor & 0xFF | major << 8, 0) + name
    fcntl.ioctl(control, 0xC0189374, request)  # AUTOFS_DEV_IOCTL_OPENMOUNT
