"""Run as a process of its own: restrict itself, try accesses, and say how each ended. Nothing tried does damage.

Input: JSON with ``ruleset`` (``RulesetSpec`` as JSON, or null for the control run), ``abi`` (a number or null) and
``attempts``, a list of the arguments of `Attempt`. Output: a JSON list with an errno name for each, or null if it got
past the kernel's checks. It imports everything before it restricts itself: then even Python's files may be unreadable.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import resource
import signal
import socket
import stat
import sys
from collections.abc import Callable
from typing import NamedTuple

from editor.landlock import kernel
from editor.landlock.ruleset import RulesetSpec, build, enforce

_LOOPBACK = "127.0.0.1"
# An address of no machine (RFC 5737): binding to it fails after Landlock's check, so no port is ever taken.
_NOT_OURS = "192.0.2.1"
_PTRACE_TRACEME = 0
_PR_SET_PDEATHSIG = 1
_NO_SUCH_IOCTL = 0x5F5F  # the refusal comes from the driver, or from Landlock before that
_OPEN_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_libc = ctypes.CDLL(None, use_errno=True)


class Attempt(NamedTuple):
    """What to try: ``right`` on ``path``, on ``port``, or on what is outside.

    ``name`` is that of an entry of the directory ``path``, to be made, or made to be removed or moved. ``outside`` is
    the process to signal, or the abstract name of the socket to connect to.
    """

    right: str
    path: str = ""
    port: int = 0
    name: str = ""
    outside: int | str = 0


def moved_name(name: str) -> str:
    """Return where in its directory the entry ``name`` is moved: into a directory that is there already."""
    return f"{name}.d/moved"


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags | _OPEN_FLAGS))


def _execute(path: str) -> None:
    """Execute ``path``, and kill it before its first instruction: a traced program stops when it has been executed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            if _libc.ptrace(_PTRACE_TRACEME, 0, None, None) != 0:
                raise OSError(ctypes.get_errno(), "ptrace")
            os.execve(path, [path], {})  # noqa: S606 whether that is allowed is the question
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:  # the execution closes it
        code = int(file.read() or 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if code not in (0, errno.ENOEXEC):  # a script without an interpreter, which a shell would run
        raise OSError(code, os.strerror(code))


def _truncate(path: str) -> None:
    """Ask for a size above this process's limit, which the kernel refuses only after Landlock has allowed it."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with _passing(errno.EFBIG):
            os.truncate(path, (1 << 63) - 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)  # the answer is written to a file


def _ioctl_dev(path: str) -> None:
    device = os.open(path, os.O_RDONLY | _OPEN_FLAGS)
    try:
        with _passing(errno.ENOTTY, errno.EINVAL):
            fcntl.ioctl(device, _NO_SUCH_IOCTL, 0)
    finally:
        os.close(device)


def _connect_unix(address: str) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.setblocking(False)
            try:
                with _passing(errno.EAGAIN):  # its queue is full
                    client.connect(address)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE or kind == socket.SOCK_SEQPACKET:
                    raise
            else:
                return


def _connect(port: int, kind: socket.SocketKind) -> None:
    """Connect to this machine; whether anything listens there says nothing about permission."""
    with socket.socket(socket.AF_INET, kind) as client, _only_refusals():
        client.setblocking(False)
        client.connect((_LOOPBACK, port))


def _bind(port: int, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as server, _only_refusals():
        server.bind((_NOT_OURS, port))


class _passing(contextlib.AbstractContextManager[None]):
    """Suppress OSErrors with these codes: they come after the kernel's checks."""

    def __init__(self, *codes: int) -> None:
        self._codes = codes

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, OSError) and error.errno in self._codes


class _only_refusals(contextlib.AbstractContextManager[None]):
    """Suppress all OSErrors but those of missing permission."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, OSError) and error.errno not in (errno.EACCES, errno.EPERM)


def _made(attempt: Attempt) -> str:
    return os.path.join(attempt.path, attempt.name)


_KINDS = {
    "make_char": stat.S_IFCHR,
    "make_block": stat.S_IFBLK,
    "make_reg": stat.S_IFREG,
    "make_fifo": stat.S_IFIFO,
    "make_sock": stat.S_IFSOCK,
}
_NULL = os.makedev(1, 3)

# One way to use each right, which does no damage.
WAYS: dict[str, Callable[[Attempt], None]] = {
    "execute": lambda attempt: _execute(attempt.path),
    "write_file": lambda attempt: _open(attempt.path, os.O_WRONLY),
    "read_file": lambda attempt: _open(attempt.path, os.O_RDONLY),
    "read_dir": lambda attempt: _open(attempt.path, os.O_RDONLY | os.O_DIRECTORY),
    "remove_dir": lambda attempt: os.rmdir(_made(attempt)),
    "remove_file": lambda attempt: os.unlink(_made(attempt)),
    "make_dir": lambda attempt: os.mkdir(_made(attempt), 0o700),
    "make_sym": lambda attempt: os.symlink("nowhere", _made(attempt)),
    "refer": lambda attempt: os.rename(_made(attempt), os.path.join(attempt.path, moved_name(attempt.name))),
    "truncate": lambda attempt: _truncate(attempt.path),
    "ioctl_dev": lambda attempt: _ioctl_dev(attempt.path),
    "resolve_unix": lambda attempt: _connect_unix(attempt.path),
    "connect_tcp": lambda attempt: _connect(attempt.port, socket.SOCK_STREAM),
    "bind_tcp": lambda attempt: _bind(attempt.port, socket.SOCK_STREAM),
    "connect_send_udp": lambda attempt: _connect(attempt.port, socket.SOCK_DGRAM),
    "bind_udp": lambda attempt: _bind(attempt.port, socket.SOCK_DGRAM),
    "abstract_unix_socket": lambda attempt: _connect_unix(f"\0{attempt.outside}"),
    "signal": lambda attempt: os.kill(int(attempt.outside), 0),
    **{
        right: lambda attempt, kind=kind: os.mknod(_made(attempt), 0o600 | kind, _NULL)  # type: ignore[misc]
        for right, kind in _KINDS.items()
    },
}


def _result(attempt: Attempt) -> str | None:
    try:
        WAYS[attempt.right](attempt)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    except ValueError:  # a path that is too long for a socket
        return "EINVAL"
    return None


def main() -> None:
    """Read the request, restrict this process, try, answer."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    request = json.load(sys.stdin)
    attempts = [Attempt(*each) for each in request["attempts"]]
    if request["ruleset"] is None:
        kernel.set_no_new_privs()  # the only other thing that a policy changes
    else:
        enforce(build(RulesetSpec.from_json(request["ruleset"]), request["abi"]))
    json.dump([_result(each) for each in attempts], sys.stdout)
