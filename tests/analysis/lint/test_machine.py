"""Findings about this machine: its kernel and its sockets. Each claim is tried."""

import os
import socket
import sys
from pathlib import Path

import pytest

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.engine import lint
from editor.analysis.lint.machine import session_sockets
from editor.evaluation.resolve import resolve
from editor.landlock.kernel import query_abi, query_errata
from editor.landlock.rights import RIGHTS
from editor.policy.parse import parse_policy
from tests.cli.harness import json_of, paddock, write

ABI = query_abi()
TCP = '[[ruleset]]\nhandled_access_net = ["connect_tcp"]\n'


def findings(text: str, id: str, target_abi: int | None = None) -> list[Finding]:
    policy = parse_policy(text, "policy.toml", "toml")
    return [each for each in lint(policy, resolve(policy), target_abi=target_abi) if each.id == id]


def test_rights_that_this_kernel_does_not_know() -> None:
    newest = max(RIGHTS.values(), key=lambda right: right.abi)
    text = f'[[ruleset]]\nhandled_access_net = ["bind_tcp", "{newest.name}"]\n'
    found = findings(text, "newer-than-kernel")
    assert len(found) == (newest.abi > ABI)
    if found:
        expected = f"This machine's kernel has ABI {ABI} and does not restrict {newest.name} (ABI {newest.abi})."
        assert (found[0].severity, found[0].message) == ("note", expected)
    # Not if the policy is meant for another machine.
    assert findings(text, "newer-than-kernel", target_abi=newest.abi) == []


@pytest.mark.skipif(ABI < 4, reason="this kernel does not restrict TCP")
def test_sockets_that_lead_around_tcp() -> None:
    (found,) = findings(TCP, "network-around")
    assert ("MPTCP" in found.message) == (bool(query_errata() & 1) and _mptcp() is not None)
    assert "UDP" in found.message
    assert findings('[[ruleset]]\nhandled_access_net = ["bind_tcp"]\n', "network-around") == []
    if ABI >= 10:
        handled = TCP.replace('"connect_tcp"', '"connect_tcp", "connect_send_udp"')
        assert not any("UDP" in each.message for each in findings(handled, "network-around"))


_CONNECT = "socket.socket(socket.AF_INET, socket.SOCK_STREAM, int(argv[0])).connect(('127.0.0.1', int(argv[1])))"
_SEND = "socket.socket(type=socket.SOCK_DGRAM).sendto(b'out', ('127.0.0.1', int(argv[0])))"
_REACH = "socket.socket(socket.AF_UNIX).connect(chr(0) + argv[0])"


def tried(policy: str, act: str, *words: str) -> str:
    """Return the error of ``act``, a line of Python, under ``policy``; an empty string if there is none."""
    code = (
        f"import socket, sys\nargv = sys.argv[1:]\ntry:\n    {act}\nexcept OSError as error:\n    print(error.strerror)"
    )
    done = paddock("run", "--quiet", policy, "--", sys.executable, "-c", code, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def _mptcp() -> socket.socket | None:
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    except OSError:
        return None


@pytest.mark.skipif(ABI < 4, reason="this kernel does not restrict TCP")
def test_kernel_lets_other_sockets_through(tmp_path: Path) -> None:
    """A server that TCP may not reach is reached by MPTCP, if the finding says so, and a datagram by UDP."""
    (found,) = findings(TCP, "network-around")
    policy = write(tmp_path / "p.toml", TCP)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tried(policy, _CONNECT, "0", str(port)) == "Permission denied"
        around = tried(policy, _CONNECT, "262", str(port))
        assert (around == "") == ("MPTCP" in found.message), around
    if "UDP" in found.message:
        with socket.socket(type=socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            port = receiver.getsockname()[1]
            assert tried(policy, _SEND, str(port)) == ""
            receiver.settimeout(5)
            assert receiver.recv(9) == b"out"


@pytest.mark.skipif(ABI < 6, reason="this kernel has no scopes")
def test_session_that_can_be_reached(tmp_path: Path) -> None:
    """A socket with an address of a session bus is named, unless the scopes keep the program from it."""
    name = f"/tmp/dbus-paddock-{os.getpid()}"
    text = '[[ruleset]]\nhandled_access_fs = ["make_char"]\n'
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(f"\0{name}")
        assert not any(name in each.message for each in findings(text, "session-reachable"))  # it does not listen
        bus.listen()
        (found,) = findings(text, "session-reachable")
        assert f"@{name}" in found.message and found.message.endswith("scope abstract_unix_socket, signal.")
        scoped = text + 'scoped = ["abstract_unix_socket"]\n'
        (found,) = findings(scoped, "session-reachable")
        assert found.message.endswith("a program can signal its process: scope signal.")
        assert findings(text + 'scoped = ["abstract_unix_socket", "signal"]\n', "session-reachable") == []
        for policy, error in ((text, ""), (scoped, "Operation not permitted")):
            assert tried(write(tmp_path / "p.toml", policy), _REACH, name) == error
    assert not any(name in each.message for each in findings(text, "session-reachable"))


def test_addresses_of_sessions() -> None:
    lines = [
        "Num       RefCount Protocol Flags    Type St Inode Path\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14105 @/tmp/.X11-unix/X0\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14106 /tmp/.X11-unix/X0\n",
        "0000000000000000: 00000003 00000000 00000000 0001 03 14107 @/tmp/.X11-unix/X1\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14108 @/tmp/dbus-a b\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14109 @/containerd-shim/x.sock\n",
        "0000000000000000: 00000002 00000000 00010000 0001 01 14110\n",
    ]
    assert session_sockets(lines) == ["@/tmp/.X11-unix/X0", "@/tmp/dbus-a b"]


def test_path_that_takes_no_rule(tmp_path: Path) -> None:
    """The findings are those that ``run`` warns of, with the same ids."""
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    paths = ["/proc/1/ns/net" if os.geteuid() == 0 else "/proc/self/x", str(loop), str(tmp_path / "gone")]
    rule = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{}"]\n'
    policy = write(tmp_path / "p.toml", "".join(rule.format(path) for path in paths) + rule.format("/"))
    expected = ["unreadable-path" if os.geteuid() == 0 else "missing-path", "unreadable-path", "missing-path"]
    (checked,) = json_of(paddock("check", "--format", "json", policy))["files"]
    said = [each["id"] for each in checked["findings"] if each["id"].endswith("-path")]
    assert said == expected
    warned = paddock("run", "--verbose", policy, "--", "true").stderr.splitlines()
    assert [line.rpartition("[")[2].rstrip("]") for line in warned] == expected
    notes = json_of(paddock("test", "--format", "json", policy, "--", "true"))["notes"]
    assert sorted(note.rpartition("[")[2].rstrip("]") for note in notes if note.endswith("-path]")) == sorted(expected)
