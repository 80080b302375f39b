"""What the report can miss, and what leads around Landlock: each item of the README's two lists, tried out.

Elsewhere: rows from audit (verdicts/test_recorded.py), seccomp filters and strict mode (calls/test_filters.py), a
domain of the program's own and programs that trace (tracing/test_processes.py).
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.sandbox import events
from editor.sandbox.verdicts.report import Access
from tests.sandbox import uring
from tests.sandbox.harness import ALL_FS, ALL_SCOPES, Outcome, collect, policy, require_abi, run, start, system_rules

_ALL = policy({"/": ALL_FS}, scoped=ALL_SCOPES)


def _python(script: str, **options: object) -> Outcome:
    done = run(_ALL, sys.executable, "-I", "-S", "-c", script, **options)
    assert done.report.exit_code == 0, (done.output, done.notices)
    return done


@pytest.fixture
def outsider() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process.pid
        process.kill()


# Without audit: a note if the program did something of that sort, and only then

_OWNERS = {
    "F_SETOWN": "fcntl.fcntl(r, 8, {pid})",
    "F_SETOWN of a group": "fcntl.fcntl(r, 8, -{pid})",
    "F_SETOWN_EX": "fcntl.fcntl(r, 15, struct.pack('ii', 1, {pid}))",
    "F_SETOWN_EX of a group": "fcntl.fcntl(r, 15, struct.pack('ii', 2, {pid}))",
    "FIOSETOWN": "fcntl.ioctl(s, 0x8901, struct.pack('i', {pid}))",
    "SIOCSPGRP": "fcntl.ioctl(s, 0x8902, struct.pack('i', -{pid}))",
}
_PIPE = "import fcntl, os, socket, struct; r, w = os.pipe(); s = socket.socketpair()[0]; "


@pytest.mark.parametrize("name", _OWNERS)
def test_owner_of_sigio_outside_is_a_note(name: str, outsider: int) -> None:
    require_abi(6)
    done = _python(_PIPE + _OWNERS[name].format(pid=outsider))
    (note,) = done.notices
    assert f"SIGIO or SIGURG sent to process {'group ' if 'group' in note else ''}{outsider}" in note
    assert done.rows(verdict="denied") == []


@pytest.mark.parametrize("name", _OWNERS)
def test_owner_of_sigio_inside_is_no_note(name: str) -> None:
    script = "import os; os.setsid() if os.getpid() != os.getsid(0) else None\n" + _PIPE + _OWNERS[name]
    assert _python(script.replace("{pid}", "os.getpid()").replace("-os", "-os")).notices == []


def test_owner_of_sigio_is_no_note_without_the_scope(outsider: int) -> None:
    done = run(
        policy({"/": ALL_FS}), sys.executable, "-I", "-S", "-c", _PIPE + _OWNERS["F_SETOWN"].format(pid=outsider)
    )
    assert done.notices == []


@pytest.mark.root
@pytest.mark.parametrize("flags", [0, 0x200])
def test_fanotify_is_a_note_if_events_have_files(flags: int) -> None:
    done = _python(f"import ctypes; assert ctypes.CDLL(None).fanotify_init({flags}, 0) >= 0")
    assert len([note for note in done.notices if "fanotify" in note]) == int(not flags)


@pytest.mark.audit
def test_no_note_where_audit_is_read(outsider: int) -> None:
    """A signal that was dropped gets a row then, and one that was never sent is not worth a note."""
    require_abi(7)
    script = _PIPE + _OWNERS["F_SETOWN"].format(pid=outsider) + "; import ctypes; ctypes.CDLL(None).fanotify_init(0, 0)"
    assert _python(script, confirm=True).notices == []


def test_io_uring_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = _python(f"{uring.SOURCE}\nprint(request({uring.OPENAT}, 'file'))", cwd=str(tmp_path))
    if "none" in done.out:
        pytest.skip("the kernel has no io_uring for this user")
    assert int(done.out) > 0
    assert done.rows(path=str(tmp_path / "file")) == []
    assert any("io_uring" in note for note in done.notices)


@pytest.mark.parametrize("name", ["io", "syscall", "personality"])
def test_file_that_is_checked_when_it_is_read_says_so(name: str, outsider: int) -> None:
    script = f"""
file = open("/proc/{outsider}/{name}")
try: file.read()
except PermissionError: print("denied")
open("/proc/self/{name}").read()
"""
    with contextlib.suppress(AssertionError):
        done = _python(script)
    if not done.out:
        pytest.skip(f"the kernel shows {name} to everybody, or to nobody")
    (row,) = [row for row in done.report.accesses if row.path == f"/proc/{outsider}/{name}"]
    assert row.verdict == "allowed"
    assert "reading it fails" in row.reason
    own = [
        row
        for row in done.report.accesses
        if row.path and row.path.endswith(name) and row.path != f"/proc/{outsider}/{name}"
    ]
    assert all("reading it fails" not in row.reason for row in own)


def test_stat_through_a_link_of_another_process_leaves_no_row(outsider: int) -> None:
    done = _python(f"import os\ntry: os.stat('/proc/{outsider}/cwd/x')\nexcept PermissionError: print('denied')")
    assert done.out == "denied\n"
    assert [row for row in done.report.accesses if row.path and row.path.startswith(f"/proc/{outsider}")] == []


@pytest.mark.root
def test_set_user_id_program_does_not_change_user(tmp_path: Path) -> None:
    program = str(shutil.copy("/usr/bin/id", tmp_path))
    os.chown(program, 65534, 65534)
    os.chmod(program, 0o4755)  # noqa: S103 that is what it is about
    assert subprocess.run([program, "-u"], capture_output=True, text=True, check=True).stdout == "65534\n"
    assert run(_ALL, program, "-u").out == "0\n"


def test_path_that_changes_during_the_call_does_not_change_the_decision(tmp_path: Path) -> None:
    """The report may name either file, but what was read is what the kernel allowed."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    script = """
import os, threading
ended = False
def swap():
    while not ended:
        for name in ("open", "closed"):
            os.symlink(name, "new"); os.rename("new", "link")
os.symlink("open", "link")
thread = threading.Thread(target=swap); thread.start()
got = set()
for _ in range(200):
    try: got.add(open("link/file").read())
    except OSError as error: got.add(error.errno)
ended = True; thread.join()
print(*sorted(map(str, got)))
"""
    rights = ("make_sym", "remove_file")
    rules = {**system_rules(), str(tmp_path): rights, str(tmp_path / "open"): ("read_file",)}
    done = run(policy(rules), sys.executable, "-I", "-S", "-c", script, cwd=str(tmp_path))
    assert done.report.exit_code == 0, done.output
    assert "open" in done.out.split()
    assert "closed" not in done.out.split()


# Losing records


@pytest.mark.audit
def test_lost_audit_records_are_reported(outsider: int) -> None:
    """The tracer is stopped while the program does what is not traced and denied, so that nobody reads the records."""
    require_abi(7)
    script = f"""
import os, time
print("ready", flush=True); time.sleep(1)
for _ in range(15_000):
    try: os.stat("/proc/{outsider}/cwd/x")
    except OSError: pass
print("done", flush=True)
"""
    tried = start(_ALL, sys.executable, "-I", "-S", "-c", script, confirm=True)
    seen = b""

    def wait_for(word: bytes) -> None:
        nonlocal seen
        until = time.monotonic() + 60
        while word not in seen:
            assert time.monotonic() < until
            select.select([tried.fileno()], [], [], 1)
            seen += b"".join(event.data for event in tried.read_events() if isinstance(event, events.Output))

    wait_for(b"ready")
    os.kill(tried._process.pid, signal.SIGSTOP)
    try:
        wait_for(b"done")
    finally:
        os.kill(tried._process.pid, signal.SIGCONT)
    done = collect(tried)
    assert done.report.exit_code == 0
    (note,) = done.notices
    assert note.startswith("Some of the kernel's audit records were lost")
    assert {row.confirmed for row in done.rows(verdict="denied")} == {True}


# What leads around Landlock: it works, and there is no row that claims otherwise


def _denied(done: Outcome) -> list[Access]:
    return done.rows(verdict="denied")


def test_inherited_listener_accepts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as peer:
        done = run(
            policy(system_rules(), net=("bind_tcp", "connect_tcp")), sys.executable, "-I", "-S", "-c",
            "import socket; socket.socket(fileno=0).accept()[0].send(b'hello')", stdin=os.dup(listener.fileno()),
        )  # fmt: skip
        assert done.report.exit_code == 0, done.output
        assert peer.recv(10) == b"hello"
    assert _denied(done) == []


def test_open_file_stays_usable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("secret")
    file = os.open(tmp_path / "file", os.O_RDONLY)
    done = run(policy(system_rules()), "cat", stdin=file)
    assert done.out == "secret"
    assert _denied(done) == []


_NOTIFIED = """
import ctypes, signal, struct, sys
signal.signal(signal.SIGUSR1, lambda *_: (print("got", flush=True), sys.exit()))
event = struct.pack("qii48x", 0, signal.SIGUSR1, 0)  # struct sigevent with SIGEV_SIGNAL
assert ctypes.CDLL(None).mq_notify(0, event) == 0
print("ready", flush=True)
signal.pause()
"""


def test_signal_by_a_message_queue_arrives_outside() -> None:
    """mq_notify(3): the kernel sends it to who asked, without asking Landlock."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = f"/paddock-test-{os.getpid()}".encode()
    queue = libc.mq_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, None)
    if queue < 0:
        pytest.skip("the kernel has no message queues")
    libc.mq_unlink(name)
    with subprocess.Popen([sys.executable, "-c", _NOTIFIED], stdin=queue, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            done = _python("import ctypes; assert ctypes.CDLL(None).mq_send(0, b'x', 1, 0) == 0", stdin=queue)
            assert process.stdout.readline() == "got\n"
        finally:
            process.kill()
    os.close(queue)
    assert _denied(done) == []


_FOREGROUND = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, lambda *_: (print("got", flush=True), sys.exit()))
print("ready", flush=True)
signal.pause()
"""


def test_signal_by_a_terminal_arrives_outside() -> None:
    """TIOCSIG on the other end of a terminal goes to its foreground processes."""
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _FOREGROUND], stdin=theirs, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            done = _python(f"import fcntl; fcntl.ioctl(0, 0x40045436, {int(signal.SIGINT)})", stdin=ours)
            assert process.stdout.readline() == "got\n"
        finally:
            process.kill()
    os.close(theirs)
    assert _denied(done) == []
