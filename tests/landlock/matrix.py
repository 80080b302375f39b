"""Every right against every Landlock version: an operation that needs it, and the expected result.

Plain functions, for tests on this machine's kernel and inside a guest.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from editor.landlock.rights import FS_RIGHTS, RIGHTS, SCOPES, rights_of
from editor.landlock.ruleset import PathGrant, PortGrant, RulesetSpec
from tests.landlock.attempt import attempt_restricted

ALL_FS, ALL_NET, ALL_SCOPES = rights_of("fs"), rights_of("net"), rights_of("scope")
NEEDS_ROOT = frozenset({"make_char", "make_block"})


def everything_but(right: str, paths: tuple[str, ...]) -> RulesetSpec:
    """Handle all fs rights, and grant all but ``right`` on ``paths``."""
    return RulesetSpec(ALL_FS, frozenset(), frozenset(), tuple(PathGrant(path, ALL_FS - {right}) for path in paths), ())


def make_tree(root: str) -> socket.socket:
    """Create in ``root`` two files, a directory, an empty directory, and a listening socket."""
    for name in ("file", "gone"):
        with open(f"{root}/{name}", "w", encoding="ascii") as file:
            file.write("content")
    os.mkdir(f"{root}/dir")
    os.mkdir(f"{root}/empty")
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{root}/socket")
    server.listen(8)
    return server


def operation_for(right: str, root: str) -> list[Any]:
    """Return an operation in ``root`` that needs the fs right ``right`` and nothing else that is not granted."""
    return {
        "execute": ["execute", "/bin/true"],
        "write_file": ["write_file", f"{root}/file"],
        "read_file": ["read_file", f"{root}/file"],
        "read_dir": ["read_dir", root],
        "remove_dir": ["remove_dir", f"{root}/empty"],
        "remove_file": ["remove_file", f"{root}/gone"],
        "refer": ["refer", f"{root}/file", f"{root}/dir/file"],
        "truncate": ["truncate", f"{root}/file"],
        "ioctl_dev": ["ioctl_dev", "/dev/null"],
        "resolve_unix": ["resolve_unix", f"{root}/socket"],
    }.get(right, [right, f"{root}/new"])


def denial(right: str, abi: int) -> str | None:
    """Return the errno name of an operation whose fs right is not granted, at Landlock version ``abi``."""
    if right == "refer":
        return "EXDEV"  # denied by any fs ruleset, even one that cannot name it
    return "EACCES" if RIGHTS[right].abi <= abi else None


class Ports:
    """A TCP port and a UDP port with listeners, and a port that is free for both."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.tcp: int = self._tcp.getsockname()[1]
        self.udp: int = self._udp.getsockname()[1]
        with socket.socket() as first, socket.socket(type=socket.SOCK_DGRAM) as second:
            first.bind(("127.0.0.1", 0))
            self.free: int = first.getsockname()[1]
            second.bind(("127.0.0.1", self.free))

    def close(self) -> None:
        """Stop listening."""
        self._tcp.close()
        self._udp.close()


class NetCase(NamedTuple):
    """An operation, and the ports that it needs with one right each."""

    operation: list[Any]
    needs: tuple[tuple[int, str], ...]


def net_cases(ports: Ports) -> list[NetCase]:
    """Return operations on ports. Connecting or sending UDP binds the socket as well (security/landlock/net.c)."""
    return [
        NetCase(["bind_tcp", ports.free], ((ports.free, "bind_tcp"),)),
        NetCase(["bind_tcp", 0], ((0, "bind_tcp"),)),
        NetCase(["connect_tcp", ports.tcp], ((ports.tcp, "connect_tcp"),)),
        NetCase(["bind_udp", ports.free], ((ports.free, "bind_udp"),)),
        NetCase(["bind_udp", 0], ((0, "bind_udp"),)),
        NetCase(["connect_send_udp", ports.udp], ((ports.udp, "connect_send_udp"), (0, "bind_udp"))),
        NetCase(["send_udp", ports.udp], ((ports.udp, "connect_send_udp"), (0, "bind_udp"))),
    ]


def net_spec(granted: tuple[tuple[int, str], ...]) -> RulesetSpec:
    """Handle all net rights, and grant only ``granted``."""
    ports = tuple(PortGrant(port, frozenset({right})) for port, right in granted)
    return RulesetSpec(frozenset(), ALL_NET, frozenset(), (), ports)


@contextmanager
def _fresh_tree() -> Iterator[str]:
    with TemporaryDirectory() as root, make_tree(root):
        yield root


class _Count:
    """How much was tried, and what went wrong."""

    def __init__(self) -> None:
        self.tried = 0
        self.problems: list[str] = []

    def expect(self, what: str, spec: RulesetSpec, abi: int, operation: list[Any], expected: str | None) -> None:
        self.tried += 1
        result = attempt_restricted(spec, abi, [operation])
        if result != [expected]:
            self.problems.append(f"{what} at ABI {abi}: expected {expected}, got {result[0]}")


def run(kernel_abi: int) -> tuple[int, list[str]]:
    """Try everything at every version up to ``kernel_abi``, the kernel's."""
    count = _Count()
    granted = RulesetSpec(ALL_FS, frozenset(), frozenset(), (PathGrant("/", ALL_FS),), ())
    for right in (right.name for right in FS_RIGHTS):
        if right in NEEDS_ROOT and os.geteuid() != 0:
            continue
        for abi in range(1, kernel_abi + 1):
            with _fresh_tree() as root:
                spec = everything_but(right, ("/",))
                count.expect(f"{right}, not granted", spec, abi, operation_for(right, root), denial(right, abi))
        with _fresh_tree() as root:
            count.expect(f"{right}, granted", granted, kernel_abi, operation_for(right, root), None)
    ports = Ports()
    for abi in range(1, kernel_abi + 1):
        for case in net_cases(ports):
            count.expect(f"{case.operation}, granted", net_spec(case.needs), abi, case.operation, None)
            for need in case.needs:
                rest = tuple(each for each in case.needs if each != need)
                expected = "EACCES" if RIGHTS[need[1]].abi <= abi else None
                what = f"{case.operation}, {need[1]} on {need[0]} not granted"
                count.expect(what, net_spec(rest), abi, case.operation, expected)
        _run_scopes(count, abi)
    ports.close()
    return count.tried, count.problems


def _run_scopes(count: _Count, abi: int) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        name = f"paddock-matrix-{os.getpid()}-{abi}"
        server.bind("\0" + name)
        server.listen(8)
        operations: dict[str, list[Any]] = {
            "abstract_unix_socket": ["abstract_unix_socket", name],
            "signal": ["signal", os.getpid()],
        }
        for scope in (scope.name for scope in SCOPES):
            expected = "EPERM" if RIGHTS[scope].abi <= abi else None
            for scoped, result in ((frozenset({scope}), expected), (ALL_SCOPES - {scope}, None)):
                spec = RulesetSpec(frozenset(), frozenset(), scoped, (), ())
                count.expect(f"scope {scope}, scoped {sorted(scoped)}", spec, abi, operations[scope], result)
