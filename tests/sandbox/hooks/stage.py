"""What a program finds when it starts, prepared outside its sandbox: files, sockets, mounts, and a process to reach."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from editor.evaluation.execchain import ImageReader
from tests.sandbox.hooks.system import MESSAGE_QUEUE_FLAGS, Missing, Place, syscall

MS_REC, MS_PRIVATE = 0x4000, 1 << 18
CLONE_NEWNS = 0x00020000
_BINFMT = "/proc/sys/fs/binfmt_misc"
_libc = ctypes.CDLL(None, use_errno=True)

# Ends at the first of these signals, so that its end shows that one has arrived. A shell starts fast.
_OUTSIDER = "trap exit IO URG USR1; echo; read nothing"


def mount(source: str, target: str, kind: str, flags: int = 0) -> None:
    """Mount a filesystem. Raises Missing where that is not possible."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None) != 0:
        raise Missing(f"mounting {kind} ({os.strerror(ctypes.get_errno())})")


def leave_mounts() -> None:
    """Give this process mounts of its own, if it may have them."""
    if _libc.unshare(CLONE_NEWNS) == 0:
        _libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)


def _sockets(place: Place, stack: contextlib.ExitStack) -> None:
    for kind, name in ((socket.SOCK_STREAM, "s"), (socket.SOCK_SEQPACKET, "q"), (socket.SOCK_DGRAM, "g")):
        for bound in (f"\0{place.name}{name}", f"{place.path}/{name}"):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            listener.bind(bound)
            if kind != socket.SOCK_DGRAM:
                listener.listen()


def _queue(place: Place, stack: contextlib.ExitStack) -> None:
    os.close(syscall("mq_open", place.name.encode(), MESSAGE_QUEUE_FLAGS, 0o600, 0))
    stack.callback(syscall, "mq_unlink", place.name.encode())


def _mounts(place: Place, stack: contextlib.ExitStack) -> None:
    for name, kind in (("tmpfs", "tmpfs"), ("bpf", "bpf")):
        target = f"{place.path}/{name}"
        os.mkdir(target)
        mount("none", target, kind)
        stack.callback(_libc.umount2, target.encode(), 2)


def _script(place: Place, _stack: contextlib.ExitStack) -> None:
    with open(f"{place.path}/script", "w", encoding="ascii") as file:
        file.write(f"#!{place.path}/x\n")
    os.chmod(f"{place.path}/script", 0o700)


def _loader(place: Place, _stack: contextlib.ExitStack) -> None:
    """Make a program whose loader is in the place."""
    program = os.path.realpath(sys.executable)
    loader = ImageReader().read(program).loader
    ours = f"{place.path}/x"
    if loader is None or len(ours) > len(loader):
        raise Missing("a program with a loader, whose name is long enough")
    with open(program, "rb") as file:
        data = file.read()
    theirs = os.fsencode(loader) + b"\0"
    with open(f"{place.path}/program", "wb") as file:
        file.write(data.replace(theirs, ours.encode().ljust(len(theirs), b"\0"), 1))
    os.chmod(f"{place.path}/program", 0o700)


def _format(place: Place, stack: contextlib.ExitStack) -> None:
    """Register an interpreter of the place with binfmt_misc."""
    if not os.path.exists(f"{_BINFMT}/register"):
        if not os.path.isdir(_BINFMT):
            raise Missing("binfmt_misc")
        mount("none", _BINFMT, "binfmt_misc")
        stack.callback(_libc.umount2, _BINFMT.encode(), 2)
    with open(f"{place.path}/odd", "w", encoding="ascii") as file:
        file.write("PADDOCK!")
    os.chmod(f"{place.path}/odd", 0o700)
    with open(f"{_BINFMT}/register", "w", encoding="ascii") as file:
        file.write(f":{place.name}:M::PADDOCK!::{place.path}/x:")

    def unregister() -> None:
        with open(f"{_BINFMT}/{place.name}", "w", encoding="ascii") as file:
            file.write("-1")

    stack.callback(unregister)


def _core(place: Place, _stack: contextlib.ExitStack) -> None:
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as file:
        if file.read().strip() != "core":
            raise Missing("core files in the working directory (kernel.core_pattern)")
    os.mkdir(f"{place.path}/dumps")


def _old_core(place: Place, stack: contextlib.ExitStack) -> None:
    _core(place, stack)
    with open(f"{place.path}/dumps/core", "w", encoding="ascii") as file:
        file.write("old")


PREPARATIONS: dict[str, Any] = {
    "sockets": _sockets, "queue": _queue, "mounts": _mounts, "script": _script, "loader": _loader, "format": _format,
    "core": _core, "old core": _old_core,
}  # fmt: skip


@contextlib.contextmanager
def staged(preparation: str) -> Iterator[Place]:
    """Make a place, prepared by one of ``PREPARATIONS`` ("": nothing more). Raises Missing."""
    with contextlib.ExitStack() as stack:
        path = tempfile.mkdtemp(prefix="h-", dir="/tmp")
        stack.callback(shutil.rmtree, path, ignore_errors=True)
        with open(f"{path}/f", "wb") as file:
            file.write(bytes(4096))
        os.mkdir(f"{path}/d")
        shutil.copy("/bin/true", f"{path}/x")
        outsider = subprocess.Popen(
            ("/bin/sh", "-c", _OUTSIDER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        stack.enter_context(outsider)
        stack.callback(outsider.send_signal, signal.SIGKILL)
        assert outsider.stdout is not None
        outsider.stdout.readline()
        place = Place(path, outsider.pid)
        if preparation:
            PREPARATIONS[preparation](place, stack)
        yield place
