"""Whether programs reach what promises let them reach, and nothing else: sockets and ports, on any kernel.

Plain functions, for this machine's kernel and for others.
"""

import errno
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

from editor.evaluation.resolve import resolve
from editor.landlock.kernel import query_abi
from editor.landlock.ruleset import build, enforce
from editor.suggest.promises.catalogue import found
from editor.suggest.promises.promise import Promise
from editor.suggest.promises.system import System
from tests.suggest.promises.enforced import document_of

_DNS = 53
_OTHER = 54
_HOST = "127.0.0.1"


class _Case(NamedTuple):
    """An attempt that ``promise`` allows; without, the kernel denies it from ``abi`` on."""

    name: str
    attempt: Callable[[], None]
    promise: Promise | None
    abi: int


def check() -> tuple[int, list[str]]:
    """Try everything; return how many attempts were made, and a sentence for each wrong result. Ports need root."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        bus = os.path.join(directory, "bus")
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(bus)
        listening.listen()
        session = found("dbus", System(environment={"XDG_RUNTIME_DIR": directory}))
        cases = [_Case("bus", lambda: _connect_unix(bus), session, 9)]
        if os.geteuid() == 0:
            os.mkdir(os.path.join(directory, "etc"))
            with open(os.path.join(directory, "etc", "resolv.conf"), "w", encoding="ascii"):
                pass
            dns = found("dns", System(directory))
            for kind, abi in ((socket.SOCK_STREAM, 4), (socket.SOCK_DGRAM, 10)):
                for port, promise in ((_DNS, dns), (_OTHER, None)):
                    served = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    served.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    served.bind((_HOST, port))
                    if kind == socket.SOCK_STREAM:
                        served.listen()
                    cases.append(_Case(f"{kind.name} {port}", _connecting(kind, port), promise, abi))
            everything = [session, dns]
        else:
            everything = [session]
        return _tried(cases, everything)


def _tried(cases: list[_Case], everything: list[Promise]) -> tuple[int, list[str]]:
    here = query_abi()
    problems = []
    tried = 0
    for case in cases:
        for promises in ([], everything):
            allowed = case.promise in promises or here < case.abi
            got = _errno_under(promises, case.attempt)
            tried += 1
            if got != (0 if allowed else errno.EACCES):
                names = ", ".join(each.name for each in promises) or "no promise"
                problems.append(f"{case.name} under {names}: {errno.errorcode.get(got, 'allowed')}")
    return tried, problems


def _errno_under(promises: list[Promise], attempt: Callable[[], None]) -> int:
    """Return the errno of ``attempt`` by a process that is restricted to ``promises``, 0 if it succeeds."""
    policy = document_of(*promises, abi=11).policy
    child = os.fork()
    if child == 0:
        status = 255
        try:
            enforce(build(resolve(policy).ruleset()))
            attempt()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def _connecting(kind: socket.SocketKind, port: int) -> Callable[[], None]:
    def connect() -> None:
        with socket.socket(socket.AF_INET, kind) as client:
            client.connect((_HOST, port))
            client.sendall(b"?")

    return connect
