"""What only the rules of the program's own Landlock domain deny: never a failure, and never blamed on the policy."""

import os
import sys
from pathlib import Path

import pytest

from tests.sandbox.harness import ALL_NET, Outcome, everything, policy, require_abi, run, system_rules

_RESTRICTED = """
import ctypes, errno, os, socket, struct, sys
top = sys.argv[1]
call = ctypes.CDLL(None).syscall
def attempt(name, action):
    try:
        action()
        print(name, "ok")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
def restrict(fs=0, net=0, scoped=0):
    assert call(157, 38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    rules = call(444, struct.pack("QQQ", fs, net, scoped), 24, 0)
    assert call(446, rules, 0) == 0
def in_child(action):
    pid = os.fork()
    if not pid:
        action()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
"""


def _run(script: str, top: Path, **ports: object) -> Outcome:
    require_abi(6)
    if os.uname().machine != "x86_64":
        pytest.skip("the script has numbers of x86_64")
    resolved = everything() if not ports else policy(system_rules(), fs=(), **ports)  # type: ignore[arg-type]
    return run(resolved, sys.executable, "-I", "-S", "-c", _RESTRICTED + script, str(top))


def _unexplained(done: Outcome, verdict: str = "denied") -> set[str]:
    rows = done.rows(verdict=verdict, explained=False)
    assert all("restricted itself" in row.reason for row in rows)
    return {row.syscall for row in rows}


def test_ports(tmp_path: Path) -> None:
    script = """
restrict(net=3)
attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
attempt("connect", lambda: socket.socket().connect(("127.0.0.1", 9)))
"""
    done = _run(script, tmp_path)
    assert done.out.split() == ["bind", "EACCES", "connect", "EACCES"]
    assert _unexplained(done) == {"bind", "connect"}
    assert not done.rows(verdict="failed", errno="EACCES")


def test_processes_of_the_run(tmp_path: Path) -> None:
    """The parent belongs to the run, but not to the domain that its child has made."""
    script = """
def inside():
    restrict(scoped=3)
    parent = os.getppid()
    attempt("mem", lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY))
    attempt("fdinfo", lambda: os.open(f"/proc/{parent}/fdinfo", os.O_RDONLY))
    print("kcmp", call(312, parent, os.getpid(), 1, 0, 0))
in_child(inside)
"""
    done = _run(script, tmp_path)
    assert done.out.split() == ["mem", "EACCES", "fdinfo", "EACCES", "kcmp", "-1"]
    assert _unexplained(done) == {"openat", "kcmp"}
    assert not [row for row in done.rows(verdict="failed") if row.errno in ("EACCES", "EPERM")]


def test_sockets_of_the_run(tmp_path: Path) -> None:
    script = """
server = socket.socket(socket.AF_UNIX)
server.bind(f"\\0{top}")
server.listen()
def inside():
    restrict(scoped=1)
    attempt("connect", lambda: socket.socket(socket.AF_UNIX).connect(f"\\0{top}"))
in_child(inside)
"""
    done = _run(script, tmp_path)
    assert done.out.split() == ["connect", "EPERM"]
    (row,) = [row for row in done.rows(syscall="connect") if row.errno == "EPERM"]
    assert (row.verdict, row.explained) == ("denied", False)


def test_low_port_without_the_capability_is_no_denial(tmp_path: Path) -> None:
    """The kernel's own refusal has the same errno as Landlock's."""
    if Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text().strip() != "1024":
        pytest.skip("low ports are free here")
    script = """
if not os.geteuid():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
attempt("bind", lambda: socket.socket().bind(("127.0.0.1", 81)))
"""
    done = _run(script, tmp_path, net=ALL_NET, ports={81: ("bind_tcp",)})
    assert done.out.split() == ["bind", "EACCES"]
    (row,) = done.rows(syscall="bind")
    assert row.verdict == "failed"
    assert "CAP_NET_BIND_SERVICE" in row.reason
