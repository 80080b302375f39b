"""Ways to link, rename, make, remove, truncate, control and mount: the hooks on files beside file_open."""

import ctypes
import fcntl
import mmap
import os
import socket
import struct
import termios

from tests.sandbox.hooks.programs.registry import ANY_RIGHT, path_bytes, way
from tests.sandbox.hooks.system import AT_FDCWD, MS_BIND, MS_REMOUNT, Missing, Place, address, buffer, syscall


@way("path_link", "link", "make_reg")
def _link(place: Place) -> object:
    return syscall("link", path_bytes(place.file), path_bytes(f"{place.path}/new"))


@way("path_link", "linkat", "make_reg")
def _linkat(place: Place) -> object:
    return syscall("linkat", AT_FDCWD, path_bytes(place.file), AT_FDCWD, path_bytes(f"{place.directory}/new"), 0)


@way("path_rename", "rename", "remove_file")
def _rename(place: Place) -> object:
    return syscall("rename", path_bytes(place.file), path_bytes(f"{place.path}/new"))


@way("path_rename", "renameat", "make_reg")
def _renameat(place: Place) -> object:
    return syscall("renameat", AT_FDCWD, path_bytes(place.file), AT_FDCWD, path_bytes(f"{place.path}/new"))


@way("path_rename", "renameat2", "execute")
def _renameat2(place: Place) -> object:
    """Between directories, which needs refer: any policy for files denies that unless it grants it."""
    return syscall("renameat2", AT_FDCWD, path_bytes(place.file), AT_FDCWD, path_bytes(f"{place.directory}/new"), 0)


@way("path_mkdir", "mkdir", "make_dir")
def _mkdir(place: Place) -> object:
    return syscall("mkdir", path_bytes(f"{place.path}/new"), 0o700)


@way("path_mkdir", "mkdirat", "make_dir")
def _mkdirat(place: Place) -> object:
    return syscall("mkdirat", AT_FDCWD, path_bytes(f"{place.path}/new"), 0o700)


@way("path_mknod", "mknod", "make_fifo")
def _mknod(place: Place) -> object:
    return syscall("mknod", path_bytes(f"{place.path}/new"), 0o010600, 0)


@way("path_mknod", "mknodat", "make_sock")
def _mknodat(place: Place) -> object:
    return syscall("mknodat", AT_FDCWD, path_bytes(f"{place.path}/new"), 0o140600, 0)


@way("path_mknod", "creating open", "make_reg")
def _creating_open(place: Place) -> object:
    return os.open(f"{place.path}/new", os.O_CREAT | os.O_WRONLY, 0o600)


@way("path_mknod", "creating creat", "make_reg")
def _creating_creat(place: Place) -> object:
    return syscall("creat", path_bytes(f"{place.path}/new"), 0o600)


@way("path_mknod", "bind of a UNIX socket", "make_sock")
def _bind_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{place.path}/new")


@way("path_mknod", "BPF_OBJ_PIN", "make_reg", prepared="mounts")
def _pin(place: Place) -> object:
    try:
        array = syscall("bpf", 0, struct.pack("=IIII", 2, 4, 4, 1).ljust(128, b"\0"), 128)
    except OSError as error:
        raise Missing(f"BPF ({error.strerror})") from error
    name = buffer(path_bytes(f"{place.path}/bpf/new") + b"\0")
    return syscall("bpf", 6, struct.pack("=QII", address(name), array, 0).ljust(128, b"\0"), 128)


@way("path_symlink", "symlink", "make_sym")
def _symlink(place: Place) -> object:
    return syscall("symlink", b"anything", path_bytes(f"{place.path}/new"))


@way("path_symlink", "symlinkat", "make_sym")
def _symlinkat(place: Place) -> object:
    return syscall("symlinkat", b"anything", AT_FDCWD, path_bytes(f"{place.path}/new"))


@way("path_unlink", "unlink", "remove_file")
def _unlink(place: Place) -> object:
    return syscall("unlink", path_bytes(place.file))


@way("path_unlink", "unlinkat", "remove_file")
def _unlinkat(place: Place) -> object:
    return syscall("unlinkat", AT_FDCWD, path_bytes(place.file), 0)


@way("path_rmdir", "rmdir", "remove_dir")
def _rmdir(place: Place) -> object:
    return syscall("rmdir", path_bytes(place.directory))


@way("path_rmdir", "unlinkat AT_REMOVEDIR", "remove_dir")
def _unlinkat_directory(place: Place) -> object:
    return syscall("unlinkat", AT_FDCWD, path_bytes(place.directory), 0x200)


@way("path_truncate", "truncate", "truncate")
def _truncate(place: Place) -> None:
    os.truncate(place.file, 1)


@way("path_truncate", "O_TRUNC", "truncate")
def _open_truncating(place: Place) -> object:
    return os.open(place.file, os.O_RDONLY | os.O_TRUNC)


@way("file_truncate", "ftruncate", "truncate")
def _ftruncate(place: Place) -> None:
    os.ftruncate(os.open(place.file, os.O_RDWR), 1)


@way("file_ioctl", "ioctl", "ioctl_dev")
def _ioctl(_place: Place) -> object:
    return fcntl.ioctl(os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY), termios.TIOCGWINSZ, bytes(8))


@way("file_ioctl_compat", "ioctl of a 32-bit program", "ioctl_dev")
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


@way("sb_mount", "mount", *ANY_RIGHT)
def _mount(place: Place) -> object:
    return syscall("mount", b"none", path_bytes(place.directory), b"tmpfs", 0, 0)


@way("sb_mount", "mount MS_REMOUNT", *ANY_RIGHT)
def _remount(place: Place) -> object:
    return syscall("mount", 0, path_bytes(place.directory), 0, MS_BIND | MS_REMOUNT, 0)


@way("move_mount", "move_mount", *ANY_RIGHT)
def _move_mount(place: Place) -> object:
    made = syscall("fsopen", b"tmpfs", 0)
    syscall("fsconfig", made, 6, 0, 0, 0)  # FSCONFIG_CMD_CREATE
    return syscall("move_mount", syscall("fsmount", made, 0, 0), b"", AT_FDCWD, path_bytes(place.directory), 4)


@way("sb_umount", "umount", *ANY_RIGHT, prepared="mounts")
def _umount(place: Place) -> object:
    return syscall("umount2", path_bytes(f"{place.path}/tmpfs"), 0)


@way("sb_remount", "FSCONFIG_CMD_RECONFIGURE", *ANY_RIGHT, prepared="mounts")
def _reconfigure(place: Place) -> object:
    picked = syscall("fspick", AT_FDCWD, path_bytes(f"{place.path}/tmpfs"), 0)
    return syscall("fsconfig", picked, 7, 0, 0, 0)


@way("sb_pivotroot", "pivot_root", *ANY_RIGHT, prepared="mounts")
def _pivot_root(place: Place) -> object:
    return syscall("pivot_root", path_bytes(f"{place.path}/tmpfs"), path_bytes(f"{place.path}/tmpfs"))
