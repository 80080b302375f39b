"""Denials that no traced call shows: rows from the kernel's audit, and notes for those who cannot read it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.evaluation.layers import Deciders
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.recorded import row_of
from editor.sandbox.verdicts.report import Access
from tests.sandbox import uring
from tests.sandbox.harness import ALL_FS, ALL_SCOPES, READING, Outcome, policy, require_abi, run, system_rules

_CRASH = """
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, ({limit}, {limit}))
os.kill(os.getpid(), signal.SIGSEGV)
"""
# How a program makes the kernel send a signal to the process ``owner`` on its own.
_OWN_SIGNALS = {
    "a pipe": "r, w = os.pipe(); arm(r); os.write(w, b'x')",
    "a pipe with a signal of its own": "r, w = os.pipe(); fcntl.fcntl(r, 10, 12); arm(r); os.write(w, b'x')",
    "a socket": "a, b = socket.socketpair(); arm(a.fileno()); b.send(b'x')",
    "a directory": (
        "d = os.open('.', os.O_RDONLY); fcntl.fcntl(d, fcntl.F_NOTIFY, fcntl.DN_CREATE);"
        "fcntl.fcntl(d, fcntl.F_SETOWN, owner); open('new', 'w').close()"
    ),
    "a lease": (
        "open('leased', 'w').close(); f = os.open('leased', os.O_RDONLY); fcntl.fcntl(f, 1024, fcntl.F_RDLCK);"
        "fcntl.fcntl(f, fcntl.F_SETOWN, owner)\n"
        "try: os.open('leased', os.O_WRONLY | os.O_NONBLOCK)\n"
        "except BlockingIOError: pass"
    ),
    "a terminal": "m, s = os.openpty(); arm(s); os.write(m, b'x\\n'); time.sleep(0.2)",
}
_ARM = """
import fcntl, os, socket, time
owner = {owner}
def arm(file):
    fcntl.fcntl(file, fcntl.F_SETOWN, owner)
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_ASYNC)
"""


@pytest.fixture
def outsider() -> Iterator[int]:
    """A process outside the sandbox that SIGIO would kill."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        assert process.poll() is None, "a signal reached it"
        process.kill()


def _python(resolved: ResolvedPolicy, script: str, cwd: Path, **options: object) -> Outcome:
    return run(resolved, sys.executable, "-I", "-S", "-c", script, cwd=str(cwd), **options)


def _audited(resolved: ResolvedPolicy, script: str, cwd: Path) -> Outcome:
    """Run ``script``, which is denied something that only audit shows; other programs may turn audit off meanwhile."""
    for _ in range(3):
        done = _python(resolved, script, cwd, confirm=True)
        if done.rows(observed="audit"):
            break
    return done


def _from_audit(done: Outcome) -> list[Access]:
    rows = done.rows(observed="audit")
    assert {(row.verdict, row.confirmed) for row in rows} <= {("denied", True)}
    return rows


def _require_core_files() -> None:
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        if (pattern := file.read().strip()) != "core":
            pytest.skip(f"the kernel writes core dumps elsewhere: {pattern}")


# Core dumps


@pytest.mark.audit
@pytest.mark.parametrize("missing", ["make_reg", "write_file", "remove_file"])
def test_core_dump_is_a_row(missing: str, tmp_path: Path) -> None:
    require_abi(7)
    _require_core_files()
    if missing == "remove_file":
        (tmp_path / "core").write_text("old")
    granted = [name for name in ALL_FS if name != missing]
    resolved = policy({**system_rules(), str(tmp_path): granted})
    done = _audited(resolved, _CRASH.format(limit=-1), tmp_path)
    (row,) = _from_audit(done)
    assert row.missing == {missing}
    assert row.object_path == str(tmp_path if missing != "write_file" else tmp_path / "core")
    assert row.process.startswith("python")
    assert "core dump" in row.reason
    assert row.pid and not row.syscall and row.errno is None
    assert not any("core dump" in notice for notice in done.notices)


@pytest.mark.parametrize("missing", ["make_reg", "write_file", "remove_file", "nothing"])
def test_core_dump_is_a_note_where_audit_is_not_read(missing: str, tmp_path: Path) -> None:
    require_abi(3)
    _require_core_files()
    if missing == "remove_file":
        (tmp_path / "core").write_text("old")
    granted = [name for name in ALL_FS if name != missing]
    resolved = policy({**system_rules(), str(tmp_path): granted})
    done = _python(resolved, _CRASH.format(limit=-1), tmp_path)
    assert done.report.exit_code == 128 + signal.SIGSEGV
    notes = [notice for notice in done.notices if "core dump" in notice]
    assert len(notes) == int(missing != "nothing")
    if notes:
        assert f"SIGSEGV and left no core dump in {tmp_path}" in notes[0]
        assert missing in notes[0]
        assert not os.path.exists(tmp_path / "core") or (tmp_path / "core").stat().st_size < 100
    else:
        assert (tmp_path / "core").stat().st_size > 4096


_CRASHES = {
    "abort": "os.abort()",
    "a thread": "threading.Thread(target=lambda: ctypes.string_at(0)).start(); signal.pause()",
    "another program": "os.execv('/bin/sh', ['sh', '-c', 'kill -QUIT $$'])",
    "a child": "if os.fork() == 0: os.abort()\nos.wait()",
    "a seccomp filter": (
        "code = b''.join(struct.pack('=HBBI', *each) for each in ((32, 0, 0, 0), (21, 0, 1, {getppid}),"
        " (6, 0, 0, 0x80000000), (6, 0, 0, 0x7fff0000))); held = ctypes.create_string_buffer(code, len(code))\n"
        "ctypes.CDLL(None).prctl(22, 2, struct.pack('=H6xQ', 4, ctypes.addressof(held)), 0, 0); os.getppid()"
    ),
}


@pytest.mark.parametrize("name", _CRASHES)
def test_every_kind_of_crash_is_seen(name: str, tmp_path: Path) -> None:
    require_abi(3)
    _require_core_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("the kernel writes no core dumps here: the limit is 0")
    script = "import ctypes, os, signal, struct, threading\n"
    script += _CRASHES[name].replace("{getppid}", "110" if os.uname().machine == "x86_64" else "173")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        done = _python(policy(system_rules()), script, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    (note,) = [note for note in done.notices if "core dump" in note]
    assert f"left no core dump in {tmp_path}" in note


def test_caught_signal_is_no_crash(tmp_path: Path) -> None:
    script = "import os, signal; signal.signal(11, lambda *_: None); os.kill(os.getpid(), 11)"
    done = _python(
        policy(system_rules()), f"import resource as r; r.setrlimit(r.RLIMIT_CORE, (-1, -1)); {script}", tmp_path
    )
    assert done.notices == []


def test_crash_without_core_limit_leaves_no_note(tmp_path: Path) -> None:
    done = _python(policy(system_rules()), _CRASH.format(limit=0), tmp_path)
    assert done.report.exit_code == 128 + signal.SIGSEGV
    assert done.notices == []


# Signals that the kernel sends


@pytest.mark.audit
@pytest.mark.parametrize("name", _OWN_SIGNALS)
def test_signal_of_the_kernel_is_a_row(name: str, outsider: int, tmp_path: Path) -> None:
    require_abi(7)
    resolved = policy({"/": ALL_FS}, scoped=ALL_SCOPES)
    done = _audited(resolved, _ARM.format(owner=outsider) + _OWN_SIGNALS[name], tmp_path)
    assert done.report.exit_code == 0, done.output
    rows = _from_audit(done)
    assert {(row.missing, row.path) for row in rows} == {(frozenset({"signal"}), f"process {outsider} (sleep)")}
    assert all("sends on its own" in row.reason for row in rows)


# Calls that are not traced


@pytest.mark.audit
def test_inspections_by_untraced_calls_are_rows(outsider: int, tmp_path: Path) -> None:
    require_abi(7)
    script = f"""
import os
for path in ("cwd/x", "exe", "fd/0"):
    try: os.stat("/proc/{outsider}/" + path)
    except OSError: pass
try: open("/proc/{outsider}/io").read()
except OSError: pass
"""
    done = _audited(policy({"/": ALL_FS}), script, tmp_path)
    rows = _from_audit(done)
    assert {(row.syscall, row.path, row.errno) for row in rows} == {
        ("stat", f"process {outsider} (sleep)", "EACCES"),
        ("read", f"process {outsider} (sleep)", "EACCES"),
    } or {row.syscall for row in rows} == {"newfstatat", "read"}
    assert all(not row.rights and "inspecting" in row.reason for row in rows)


@pytest.mark.audit
def test_what_a_capability_lets_through_is_no_denial(outsider: int, tmp_path: Path) -> None:
    """Landlock denies reading the maps of a process, records that, and then CAP_PERFMON allows it."""
    require_abi(7)
    done = _python(policy({"/": ALL_FS}), f"print(len(open('/proc/{outsider}/maps').read()))", tmp_path, confirm=True)
    if done.report.exit_code:
        pytest.skip("the kernel does not let CAP_PERFMON read this")
    assert int(done.out) > 0
    assert _from_audit(done) == []
    assert [row.verdict for row in done.rows(path=f"/proc/{outsider}/maps")] == ["allowed"]
    assert done.notices == []


@pytest.mark.audit
@pytest.mark.parametrize("submission", [0, uring.ASYNC])
def test_denials_in_io_uring_are_rows(submission: int, tmp_path: Path) -> None:
    require_abi(7)
    (tmp_path / "file").write_text("x")
    script = f"""{uring.SOURCE}
print(request({uring.OPENAT}, "file", submission={submission}), request({uring.UNLINKAT}, "file"))
print(request({uring.MKDIRAT}, "directory", 0, 0o755))
"""
    done = _audited(policy(system_rules()), script, tmp_path)
    if "none" in done.out:
        pytest.skip("the kernel has no io_uring")
    assert done.out.split() == ["-13"] * 3
    assert {(*row.missing, row.object_path) for row in _from_audit(done)} == {
        ("read_file", str(tmp_path / "file")),
        ("remove_file", str(tmp_path)),
        ("make_dir", str(tmp_path)),
    }


_FANOTIFY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
group = libc.fanotify_init({flags}, os.O_RDONLY)
assert group >= 0, os.strerror(ctypes.get_errno())
assert libc.fanotify_mark(group, 1, ctypes.c_ulonglong(0x20), -100, b"closed/file") == 0
held = os.open("closed/file", os.O_WRONLY)
try: print(len(os.read(group, 200)))
except PermissionError: print("denied")
"""


@pytest.mark.audit
@pytest.mark.parametrize("flags", [0, 0x2000])
def test_files_of_fanotify_events_are_rows(flags: int, tmp_path: Path) -> None:
    """With FAN_REPORT_FD_ERROR the read succeeds and the event holds the error."""
    require_abi(7)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "file").write_text("x")
    resolved = policy({**system_rules(), str(tmp_path / "closed"): ["write_file"]})
    done = _audited(resolved, _FANOTIFY.format(flags=flags), tmp_path)
    assert done.out == ("denied\n" if not flags else "24\n"), done.output
    (row,) = _from_audit(done)
    assert row.missing == {"read_file"}
    assert row.object_path == str(tmp_path / "closed" / "file")
    assert (row.syscall, row.errno) == ("read", None if flags else "EACCES")


@pytest.mark.audit
def test_domain_of_the_programs_own_is_not_explained(tmp_path: Path) -> None:
    """What only the program's own domain denies in io_uring is not blamed on the policy."""
    require_abi(7)
    (tmp_path / "file").write_text("x")
    script = f"""{uring.SOURCE}
call = ctypes.CDLL(None).syscall
rules = call(444, struct.pack("Q", 4), 8, 0)  # handles read_file, and grants it nowhere
assert call(446, rules, 0) == 0
print(request({uring.OPENAT}, "file"))
"""
    done = _audited(policy({**system_rules(), str(tmp_path): READING}), script, tmp_path)
    if "none" in done.out:
        pytest.skip("the kernel has no io_uring")
    assert done.out == "-13\n"
    (row,) = _from_audit(done)
    assert row.object_path == str(tmp_path / "file")
    assert not row.explained
    assert "restricted itself" in row.reason


# Records


def _record(*blockers: str, **values: object) -> Denial:
    plain = Denial(1, "1", frozenset(blockers), "/queue", "mqueue", 1, None, 7, "x", 0, -13)
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def test_name_that_leads_elsewhere_is_no_object() -> None:
    """The path of a record may begin at the root of a mount: no rule for it may be proposed."""
    deciders = Deciders((policy({"/usr": READING}),), 7, 0)
    row = row_of(_record("read_file"), deciders)
    assert row is not None
    assert (row.path, row.object_path) == ("/queue", None)
    status = os.stat("/etc/passwd")
    row = row_of(_record("read_file", path="/etc/passwd", ino=status.st_ino), deciders)
    assert row is not None
    assert row.object_path == "/etc/passwd"
