"""Run as a program: restrict itself with the ruleset on standard input, try operations, print their errno names.

Input: {"spec": RulesetSpec as JSON or null (control run), "abi": number or null, "operations": [[name, argument...]]}.
Output: a JSON list with an errno name or null per operation. It is a process of its own because restricting cannot be
undone.
"""

import ctypes
import errno
import fcntl
import json
import os
import socket
import stat
import sys
from collections.abc import Callable
from typing import Any

from editor.landlock.ruleset import RulesetSpec, build, enforce

_libc = ctypes.CDLL(None, use_errno=True)


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


def _execute(path: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.execv(path, [path])  # noqa: S606 - running it is the question
        except OSError as error:
            os._exit(error.errno or 255)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))


def _truncate(path: str) -> None:
    os.truncate(path, 0)


def _ioctl_dev(path: str) -> None:
    device = os.open(path, os.O_RDONLY)
    try:
        # An ioctl that no device knows: ENOTTY comes from the driver, EACCES from Landlock before that.
        fcntl.ioctl(device, 0x5F5F, 0)
    except OSError as error:
        if error.errno != errno.ENOTTY:
            raise
    finally:
        os.close(device)


def _make_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)


def _bind(port: int) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))


def _connect(port: int) -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", port))


def _bind_udp(port: int) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", port))


def _connect_udp(port: int) -> None:
    # This also binds the socket to a free port, which is bind_udp on port 0.
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", port))


def _send_udp(port: int) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", ("127.0.0.1", port))


def _send_udp_nowhere() -> None:
    # The kernel reports the missing address, but may first check the socket's port.
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.send(b"")


def _send_udp_without_family() -> None:
    # Sent from IPv6, AF_UNSPEC is the same as no address, but no rule grants it.
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        if _libc.sendto(sender.fileno(), b"", 0, 0, bytes(28), 28) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def _connect_unix_to_own(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(1)
        _connect_unix(path)


def _connect_abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name)


def _mount(path: str) -> None:
    if _libc.mount(b"none", os.fsencode(path), b"tmpfs", 0, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


OPERATIONS: dict[str, Callable[..., None]] = {
    "execute": _execute,
    "write_file": lambda path: _open(path, os.O_WRONLY),
    "read_file": lambda path: _open(path, os.O_RDONLY),
    "read_dir": lambda path: _open(path, os.O_RDONLY | os.O_DIRECTORY),
    "remove_dir": os.rmdir,
    "remove_file": os.unlink,
    "make_char": lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3)),
    "make_dir": os.mkdir,
    "make_reg": lambda path: os.mknod(path, 0o600 | stat.S_IFREG),
    "make_sock": _make_socket,
    "make_fifo": lambda path: os.mknod(path, 0o600 | stat.S_IFIFO),
    "make_block": lambda path: os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 0)),
    "make_sym": lambda path: os.symlink("target", path),
    "refer": os.rename,
    "truncate": _truncate,
    "ioctl_dev": _ioctl_dev,
    "resolve_unix": _connect_unix,
    "resolve_own_unix": _connect_unix_to_own,
    "bind_tcp": _bind,
    "connect_tcp": _connect,
    "bind_udp": _bind_udp,
    "connect_send_udp": _connect_udp,
    "send_udp": _send_udp,
    "send_udp_nowhere": _send_udp_nowhere,
    "send_udp_without_family": _send_udp_without_family,
    "abstract_unix_socket": _connect_abstract,
    "signal": lambda pid: os.kill(pid, 0),
    "mount": _mount,
}


def attempt(operations: list[list[Any]]) -> list[str | None]:
    """Try each operation (its name and arguments); return its errno name, or None if it worked."""
    results: list[str | None] = []
    for name, *arguments in operations:
        try:
            OPERATIONS[name](*arguments)
        except OSError as error:
            results.append(errno.errorcode[error.errno or 0])
        else:
            results.append(None)
    return results


def attempt_restricted(spec: RulesetSpec | None, abi: int | None, operations: list[list[Any]]) -> list[str | None]:
    """Return what `attempt` returns in a forked child under ``spec`` at ``abi``. Raises RuntimeError if it died.

    For single-threaded programs; others run this module as a program.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            if spec is not None:
                enforce(build(spec, abi))
            with open(writing, "w", encoding="ascii") as stream:
                json.dump(attempt(operations), stream)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="ascii") as stream:
        text = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the restricted child failed")
    results: list[str | None] = json.loads(text)
    return results


def main() -> None:
    """Read the request, restrict, attempt, answer."""
    request = json.load(sys.stdin)
    if request["spec"] is not None:
        enforce(build(RulesetSpec.from_json(request["spec"]), request["abi"]))
    json.dump(attempt(request["operations"]), sys.stdout)


if __name__ == "__main__":
    main()
