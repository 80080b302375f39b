"""Ways to signal another process, directly or by what a descriptor does."""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable

from tests.sandbox.hooks.programs.registry import Dropped, way
from tests.sandbox.hooks.system import Missing, Place, syscall


@way("task_kill", "kill", "signal")
def _kill(place: Place) -> object:
    return syscall("kill", place.outsider, 0)


@way("task_kill", "tkill", "signal")
def _tkill(place: Place) -> object:
    return syscall("tkill", place.outsider, 0)


@way("task_kill", "tgkill", "signal")
def _tgkill(place: Place) -> object:
    return syscall("tgkill", place.outsider, place.outsider, 0)


def _information(number: int) -> bytes:
    return struct.pack("=iii", number, 0, -1).ljust(128, b"\0")  # SI_QUEUE


@way("task_kill", "rt_sigqueueinfo", "signal")
def _queue_signal(place: Place) -> object:
    return syscall("rt_sigqueueinfo", place.outsider, signal.SIGUSR1, _information(signal.SIGUSR1))


@way("task_kill", "rt_tgsigqueueinfo", "signal")
def _queue_signal_to_thread(place: Place) -> object:
    return syscall("rt_tgsigqueueinfo", place.outsider, place.outsider, signal.SIGUSR1, _information(signal.SIGUSR1))


@way("task_kill", "pidfd_send_signal", "signal")
def _pidfd_send_signal(place: Place) -> object:
    return syscall("pidfd_send_signal", os.pidfd_open(place.outsider), 0, 0, 0)


@way("task_kill", "kill of a group", "signal")
def _kill_group(place: Place) -> object:
    return syscall("kill", -place.outsider, 0)


@way("task_kill", "PR_SET_PDEATHSIG of a child outside", "signal")
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


@way("file_send_sigiotask", "F_SETOWN", "signal")
def _set_owner(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, fcntl.F_SETOWN, place.outsider))


@way("file_send_sigiotask", "owner is a group", "signal")
def _set_owning_group(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, fcntl.F_SETOWN, -place.outsider))


@way("file_send_sigiotask", "F_SETOWN_EX", "signal")
def _set_owner_extended(place: Place) -> None:
    _by_pipe(place, lambda reader: fcntl.fcntl(reader, 15, struct.pack("=ii", 1, place.outsider)))


@way("file_send_sigiotask", "F_SETSIG", "signal")
def _set_signal(place: Place) -> None:
    def own(reader: int) -> None:
        fcntl.fcntl(reader, fcntl.F_SETOWN, place.outsider)
        fcntl.fcntl(reader, 10, signal.SIGUSR1)

    _by_pipe(place, own)


@way("file_send_sigiotask", "FIOSETOWN", "signal")
def _set_owner_of_socket(place: Place) -> None:
    one, other = socket.socketpair()

    def arm() -> None:
        fcntl.ioctl(one, 0x8901, struct.pack("=i", place.outsider))
        fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
        other.send(b"x")

    _signalled(place, arm)


@way("file_send_sigiotask", "SIGURG", "signal")
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


@way("file_send_sigiotask", "F_NOTIFY", "signal")
def _notify(place: Place) -> None:
    def arm() -> None:
        watched = os.open(place.directory, os.O_RDONLY)
        fcntl.fcntl(watched, fcntl.F_NOTIFY, fcntl.DN_CREATE)
        fcntl.fcntl(watched, fcntl.F_SETOWN, place.outsider)
        os.close(os.open(f"{place.directory}/new", os.O_CREAT | os.O_WRONLY, 0o600))
        time.sleep(0.1)

    _signalled(place, arm)


@way("file_send_sigiotask", "F_SETLEASE", "signal")
def _lease(place: Place) -> None:
    def arm() -> None:
        leased = os.open(place.file, os.O_RDONLY)
        fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(leased, fcntl.F_SETOWN, place.outsider)
        with contextlib.suppress(BlockingIOError):
            os.open(place.file, os.O_WRONLY | os.O_NONBLOCK)
        os.close(leased)

    _signalled(place, arm)
