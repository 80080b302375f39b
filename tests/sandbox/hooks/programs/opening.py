"""Ways to open or execute a file (file_open)."""

import errno
import fcntl
import os
import struct

from tests.sandbox.hooks.programs.executing import argument_list, executed, run_program
from tests.sandbox.hooks.programs.registry import path_bytes, way
from tests.sandbox.hooks.system import AT_FDCWD, MESSAGE_QUEUE_FLAGS, Missing, Place, buffer, syscall


@way("file_open", "open", "read_file")
def _open(place: Place) -> object:
    return syscall("open", path_bytes(place.file), os.O_RDONLY)


@way("file_open", "openat", "write_file")
def _openat(place: Place) -> object:
    return syscall("openat", AT_FDCWD, path_bytes(place.file), os.O_WRONLY)


@way("file_open", "openat2", "read_dir")
def _openat2(place: Place) -> object:
    return syscall("openat2", AT_FDCWD, path_bytes(place.directory), struct.pack("=QQQ", os.O_RDONLY, 0, 0), 24)


@way("file_open", "creat", "write_file")
def _creat(place: Place) -> object:
    return syscall("creat", path_bytes(place.file), 0o600)


@way("file_open", "open_by_handle_at", "read_file")
def _open_by_handle(place: Place) -> object:
    handle, mount_id = buffer(struct.pack("=Ii", 128, 0), 136), buffer(b"", 4)
    try:
        syscall("name_to_handle_at", AT_FDCWD, path_bytes(place.file), handle, mount_id, 0)
    except OSError as error:
        raise Missing(f"a filesystem with file handles ({error.strerror})") from error
    return syscall("open_by_handle_at", os.open(place.path, os.O_RDONLY), handle, os.O_RDONLY)


@way("file_open", "execve", "execute")
def _execve(place: Place) -> None:
    run_program(f"{place.path}/x", ["true"])


@way("file_open", "execveat", "execute")
def _execveat(place: Place) -> None:
    words = argument_list("true")
    executed(lambda: syscall("execveat", AT_FDCWD, path_bytes(f"{place.path}/x"), words, 0, 0))


@way("file_open", "execveat AT_EXECVE_CHECK", "execute")
def _execveat_check(place: Place) -> None:
    try:
        syscall("execveat", AT_FDCWD, path_bytes(f"{place.path}/x"), argument_list("true"), 0, 0x10000)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Missing("AT_EXECVE_CHECK in the kernel") from error
        raise


@way("file_open", "interpreter of a script", "execute", prepared="script", granted=("script",))
def _script(place: Place) -> None:
    run_program(f"{place.path}/script", ["script"])


@way("file_open", "loader of a program", "execute", prepared="loader", granted=("program",), free=False)
def _loader(place: Place) -> None:
    run_program(f"{place.path}/program", ["program"])


@way("file_open", "interpreter by binfmt_misc", "execute", prepared="format", granted=("odd",))
def _format(place: Place) -> None:
    run_program(f"{place.path}/odd", ["true"])


@way("file_open", "uselib", "read_file")
def _uselib(place: Place) -> None:
    try:
        syscall("uselib", path_bytes(f"{place.path}/x"))
    except OSError as error:
        if error.errno == errno.ENOSYS:
            raise Missing("uselib in the kernel") from error
        raise


@way("file_open", "mq_open", "read_file", prepared="queue")
def _mq_open(place: Place) -> object:
    return syscall("mq_open", path_bytes(place.name), MESSAGE_QUEUE_FLAGS, 0o600, 0)


@way("file_open", "acct", "write_file")
def _acct(place: Place) -> None:
    syscall("acct", path_bytes(place.file))
    syscall("acct", 0)  # it is for the whole machine: off again


@way("file_open", "swapon", "write_file")
def _swapon(place: Place) -> object:
    return syscall("swapon", path_bytes(place.file), 0)


@way("file_open", "swapoff", "read_file")
def _swapoff(place: Place) -> object:
    return syscall("swapoff", path_bytes(place.file))


@way("file_open", "TIOCGPTPEER", "read_file", granted=("/dev/ptmx",))
def _peer(_place: Place) -> object:
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(master, 0x40045431, bytes(4))  # TIOCSPTLCK: unlock
    return syscall("ioctl", master, 0x5441, os.O_RDWR | os.O_NOCTTY)


@way("file_open", "descriptor in /proc", "read_file")
def _descriptor(place: Place) -> object:
    return os.open(f"/proc/self/fd/{os.open(place.file, os.O_PATH)}", os.O_RDONLY)


@way("file_open", "directory of a detached mount", "read_dir", granted=("",))
def _detached(place: Place) -> object:
    """The directory is below one with a rule, but the detached mount begins at the directory itself."""
    tree = syscall("open_tree", AT_FDCWD, path_bytes(place.directory), 1)
    return os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tree)
