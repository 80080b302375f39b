"""What the kernel checks before it asks Landlock: if that refuses, Landlock has denied nothing."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from editor.sandbox.verdicts.report import Access
from tests.sandbox.harness import ALL_FS, call, policy, require_abi, run, system_rules

_ORDINARY = 65534
_AS_ORDINARY = ("setpriv", f"--reuid={_ORDINARY}", f"--regid={_ORDINARY}", "--clear-groups")
_EPERM = -errno.EPERM


@pytest.fixture
def outside() -> Iterator[int]:
    """A process of the same user outside any sandbox, in its own process group."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        yield process.pid
        process.kill()


def _row(rows: list[Access]) -> tuple[str, str | None, str]:
    assert len(rows) == 1
    return rows[0].verdict, rows[0].errno, rows[0].reason


def _as_ordinary(*command: str, **options: Any) -> list[Access]:
    """What an unprivileged program does, even if its tracer is root."""
    become = _AS_ORDINARY if os.geteuid() == 0 else ()
    done = run(policy(system_rules(), scoped=["signal"]), *become, *command, cwd="/", **options)
    return list(done.report.accesses)


def _python(code: str) -> tuple[str, ...]:
    return "/usr/bin/python3", "-I", "-S", "-c", f"import ctypes; ctypes.CDLL(None).{code}"


def test_signal_to_a_process_of_another_user() -> None:
    require_abi(6)
    rows = [row for row in _as_ordinary("sh", "-c", "kill -0 1") if row.syscall == "kill"]
    verdict, error, reason = _row(rows)
    assert (verdict, error) == ("failed", "EPERM")
    assert "another user" in reason


def test_signal_to_a_process_of_the_same_user_outside(outside: int) -> None:
    require_abi(6)
    results, done = call(policy(system_rules(), scoped=["signal"]), ["kill", outside, 0])
    assert results == [_EPERM]
    assert _row(done.rows(syscall="kill"))[:2] == ("denied", "EPERM")


def test_signal_to_a_group_with_members_outside(outside: int) -> None:
    require_abi(6)
    resolved = policy(system_rules(), scoped=["signal"])
    results, done = call(resolved, ["kill", -outside, 0])
    assert results == [_EPERM]
    assert _row(done.rows(syscall="kill"))[:2] == ("denied", "EPERM")
    with open(os.devnull, "rb") as null:  # stays in the process group of the test
        results, done = call(resolved, ["kill", 0, 0], stdin=null.fileno())
    assert results == [0]
    assert [(row.verdict, row.errno) for row in done.rows(syscall="kill")] == [("allowed", None), ("denied", None)]


def test_signal_to_the_callers_group_inside() -> None:
    require_abi(6)
    results, done = call(policy(system_rules(), scoped=["signal"]), ["kill", 0, 0])
    assert results == [0]
    assert _row(done.rows(syscall="kill"))[:2] == ("allowed", None)


def test_sigcont_in_the_same_session_is_checked_by_landlock() -> None:
    """SIGCONT may be sent to any process of the session: kernel/signal.c."""
    require_abi(6)
    resolved = policy(system_rules(), scoped=["signal"])
    with open(os.devnull, "rb") as null:
        results, done = call(resolved, ["kill", os.getpid(), int(signal.SIGCONT)], stdin=null.fileno())
    assert results == [_EPERM]
    assert _row(done.rows(syscall="kill"))[:2] == ("denied", "EPERM")


def test_mounts_without_the_capability() -> None:
    require_abi(6)
    rows = [row for row in _as_ordinary(*_python("umount2(b'/proc', 0)")) if row.syscall == "umount2"]
    verdict, error, reason = _row(rows)
    assert (verdict, error) == ("failed", "EPERM")
    assert "CAP_SYS_ADMIN" in reason


def test_tracing_a_process_outside(outside: int) -> None:
    require_abi(6)
    results, done = call(policy(system_rules()), ["ptrace", 16, outside, 0, 0])
    assert results == [_EPERM]
    assert _row(done.rows(syscall="ptrace"))[:2] == ("denied", "EPERM")
    rows = [row for row in _as_ordinary(*_python("ptrace(16, 1, None, None)")) if row.syscall == "ptrace"]
    assert _row(rows)[:2] == ("failed", "EPERM")


def test_inspecting_processes_outside(outside: int) -> None:
    """The files exist and the policy grants all of them, but Landlock also checks access to a process."""
    require_abi(1)
    resolved = policy({"/": ALL_FS})
    names = [f"/proc/{outside}/{name}" for name in ("mem", "exe", "cwd", "fd/0", "ns/net")]
    own = ["/proc/self/mem", "/proc/self/exe", "/proc/self/ns/net"]
    results, done = call(
        resolved,
        *(["openat", -100, name, os.O_RDONLY] for name in (*names, *own)),
        ["openat", -100, f"/proc/{outside}/exe", os.O_PATH],
        ["openat", -100, f"/proc/{outside}/comm", os.O_RDONLY],
        ["execve", f"/proc/{outside}/exe", {"words": ["sleep", 0]}, 0],
    )
    assert results[: len(names)] == [-errno.EACCES] * len(names)
    assert min(results[len(names) : len(names) + len(own)]) >= 0
    assert results[-3] == -errno.EACCES
    assert results[-2] >= 0
    assert results[-1] == -errno.EACCES
    denied = [(row.path, row.rights, row.object_path) for row in done.rows(verdict="denied")]
    exe = f"/proc/{outside}/exe"
    assert denied == [(name, frozenset(), None) for name in (*names, exe)]  # opened twice, counted in one row
    assert all("inside its own domain" in row.reason for row in done.rows(verdict="denied"))
    assert not [row for row in done.rows(verdict="failed") if row.path and row.path.startswith("/proc/")]


@pytest.mark.root
def test_unsearchable_directory(tmp_path: Path) -> None:
    """The tracer is root and may search it; the program runs as another user and may not."""
    require_abi(1)
    locked = Path(os.path.realpath(tmp_path)) / "locked"
    locked.mkdir(mode=0o600)
    (locked / "file").touch()
    os.chown(locked, _ORDINARY, _ORDINARY)
    script = "mkdir locked/new; echo >locked/other; rm -f locked/file; mv locked/file .; ln -s x locked/link"
    done = run(policy(system_rules()), *_AS_ORDINARY, "sh", "-c", script, cwd=str(tmp_path))
    rows = [row for row in done.report.accesses if row.path is not None and row.path.startswith(f"{locked}/")]
    asked = {row.syscall for row in rows}
    assert asked & {"mkdir", "mkdirat"} and asked & {"rename", "renameat2"} and "unlinkat" in asked
    assert {row.verdict for row in rows if row.errno == "EACCES"} == {"failed"}
    assert all("search" in row.reason for row in rows if row.errno == "EACCES" and row.syscall != "newfstatat")


def test_failed_rename_reports_both_names(tmp_path: Path) -> None:
    require_abi(2)
    top = os.path.realpath(tmp_path)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    results, done = call(
        policy({**system_rules(), top: ALL_FS}), ["renameat2", -100, f"{top}/one/file", -100, f"{top}/other/file", 1]
    )
    assert results == [-errno.EEXIST]
    rows = done.rows(syscall="renameat2")
    assert {(row.verdict, row.path, row.errno) for row in rows} == {
        ("failed", f"{top}/one/file", "EEXIST"),
        ("failed", f"{top}/other/file", "EEXIST"),
    }


def test_rename_within_a_directory_reports_both_names(tmp_path: Path) -> None:
    require_abi(2)
    top = os.path.realpath(tmp_path)
    (tmp_path / "one").touch()
    calls = (
        ["renameat2", -100, f"{top}/one", -100, f"{top}/other", 0],
        ["linkat", -100, f"{top}/other", -100, f"{top}/more", 0],
    )
    for rules, verdict in (({}, "denied"), ({top: ALL_FS}, "allowed")):
        _, done = call(policy({**system_rules(), **rules}), calls[0])
        (row,) = done.rows(syscall="renameat2")
        assert (row.verdict, row.old_path, row.path) == (verdict, f"{top}/one", f"{top}/other")
        assert Access.from_json(row.to_json()) == row
    _, done = call(policy({**system_rules(), top: ALL_FS}), calls[1])
    (row,) = done.rows(syscall="linkat")
    assert (row.old_path, row.path) == (f"{top}/other", f"{top}/more")
