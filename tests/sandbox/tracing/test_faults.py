"""What befalls the tester itself is reported, and leaves no process behind."""

import contextlib
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import PADDOCK, POLICY, environment, json_of, paddock, write
from tests.sandbox.harness import alive, collect, everything, run, start

_PYTHON = (sys.executable, "-I", "-S", "-c")
EVERYTHING = 'abi = 7\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n\n[[path_beneath]]\nallowed_access = ["abi.all"]\n'
EVERYTHING += 'parent = ["/"]\n'


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", EVERYTHING)


@pytest.fixture
def marker() -> str:
    """Return a number of seconds for sleep(1) that no other process uses."""
    return f"9{int.from_bytes(os.urandom(4), 'big'):010d}"


def is_gone(marker: str) -> bool:
    """Wait a moment for the processes with ``marker`` in their command line to end."""
    until = time.monotonic() + 5
    while alive(marker) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(marker)


def tracer_of(pid: int) -> int:
    """Return the tracer that ``paddock test``, the process ``pid``, has started."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
            if children:
                return int(children[0])
        time.sleep(0.02)
    raise AssertionError("the tracer does not start")


def test_killed_tracer(policy: str, marker: str) -> None:
    script = f"setsid sleep {marker} & echo on; cat /etc/hostname >/dev/null; sleep {marker}"
    with subprocess.Popen(
        [*PADDOCK, "test", policy, "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        time.sleep(0.5)
        os.kill(tracer_of(process.pid), signal.SIGKILL)
        _, report = process.communicate(timeout=30)
    assert process.returncode == 125
    assert (
        "note: The tracer ended unexpectedly (signal 9); everything that it had started was killed, and the report "
        "ends there.\n" in report
    )
    assert "/etc/hostname" in report  # what was seen before is kept
    assert "the kernel has" not in report  # that has no Landlock
    assert is_gone(marker)


@pytest.mark.parametrize("room", [0, 1 << 20])
def test_tracer_without_memory(room: int, marker: str) -> None:
    script = (
        f"import os, subprocess, time\nsubprocess.Popen(['sleep', '{marker}'])\ntime.sleep(1)\n"
        "for n in range(100000):\n try: os.open(f'/none/{n}' * 20, 0)\n except OSError: pass\nprint('all')"
    )
    under_way = start(everything(), *_PYTHON, script)
    tracer = under_way._process.pid
    while len(alive(marker)) < 2:
        time.sleep(0.02)
    with open(f"/proc/{tracer}/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(tracer, resource.RLIMIT_AS, (used + room, used + room))
    done = collect(under_way, 120)
    if done.report.exit_code == 125:
        # Without any room, even the stack cannot grow: the interpreter may crash before it can raise MemoryError.
        how = "it ran out of memory)" if room else ""
        assert any(f"The tracer ended unexpectedly ({how}" in notice for notice in done.notices)
    else:  # it managed to go on: it says what it missed
        assert any("could not be shown" in notice for notice in done.notices)
    assert done.report.abi.kernel > 0
    assert is_gone(marker)


def test_nobody_reads_the_events(marker: str) -> None:
    """The end of the event pipe alone ends the run, which nobody would see any more."""
    under_way = start(everything(), "sh", "-c", f"setsid sleep {marker} & while cat /etc/passwd; do :; done >/dev/null")
    while not alive(marker):
        time.sleep(0.02)
    reader, writer = os.pipe()
    os.close(writer)
    os.dup2(reader, under_way._events)  # closes the pipe from the tracer, and gives this one its number
    os.close(reader)
    under_way._poller.register(under_way._events, select.EPOLLIN)
    assert under_way._process.wait(timeout=30) == 0
    assert is_gone(marker)
    collect(under_way)


def test_two_thousand_processes() -> None:
    script = """
import os, time
for _ in range(2000):
    if os.fork() == 0:
        try: open('/etc/passwd').close(); open('/none')
        except OSError: pass
        time.sleep(0.5); os._exit(0)
for _ in range(2000): os.wait()
print('all')
"""
    done = collect(start(everything(), *_PYTHON, script), 240)
    assert (done.out, done.report.exit_code, done.notices) == ("all\n", 0, [])
    assert sum(row.times for row in done.rows(path="/etc/passwd")) == 2000
    assert sum(row.times for row in done.rows(path="/none", errno="ENOENT")) == 2000


def test_program_that_closes_all_descriptors() -> None:
    script = """
import os
os.closerange(0, 65536)
os.close(os.open('/etc/passwd', os.O_RDONLY))
os.closerange(0, 65536)
os._exit(4)
"""
    done = run(everything(), *_PYTHON, script)
    assert (done.report.exit_code, done.notices) == (4, [])
    assert [row.verdict for row in done.rows(path="/etc/passwd")] == ["allowed"]


def inside(setting: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run ``paddock`` in namespaces of its own, after the shell commands ``setting``."""
    return paddock(*words, before=("unshare", "-m", "sh", "-c", f'{setting}; exec "$@"', "sh"))


@pytest.mark.root
@pytest.mark.parametrize("setting", ["umount -l /proc", "mount -t tmpfs none /proc"])
def test_without_proc(policy: str, setting: str) -> None:
    for mode in ("enforce", "observe"):
        done = inside(setting, "test", "--mode", mode, policy, "--", "echo", "started")
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr == (
            "paddock test: /proc is not mounted, and without it Paddock cannot see what a program does\n"
        )
    # It is not needed to enforce a policy.
    assert inside(setting, "run", policy, "--", "echo", "started").stdout == "started\n"


@pytest.mark.root
def test_proc_of_another_pid_namespace(policy: str) -> None:
    before = ("unshare", "--pid", "--fork")
    done = paddock("test", policy, "--", "echo", "started", before=before)
    assert (done.returncode, done.stdout) == (125, "")
    assert "/proc belongs to another PID namespace; mount this one's (mount -t proc proc /proc)" in done.stderr
    done = paddock("test", "--format", "json", policy, "--", "cat", "/etc/hostname", before=(*before, "--mount-proc"))
    assert {each["process"] for each in json_of(done)["accesses"]} == {"cat"}


USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def open_to_all(place: Path) -> None:
    """Let an ordinary user get to ``place``, which is below /tmp."""
    for each in (place, *place.parents[:-2]):
        os.chmod(each, 0o755)  # noqa: S103 for the user


def rows(report: Any, path: str) -> list[tuple[str, str]]:
    """Return verdict and process of each access to ``path``."""
    return [(each["verdict"], each["process"]) for each in report["accesses"] if each["path"] == path]


@pytest.mark.root
@pytest.mark.parametrize("setting", ["true", "mount -t proc -o hidepid=2 proc /proc"])
def test_process_that_hides_itself(tmp_path: Path, setting: str) -> None:
    """What an ordinary user cannot see is not guessed, but said to be hidden."""
    open_to_all(tmp_path)
    policy = write(tmp_path / "policy.toml", '[[ruleset]]\nhandled_access_fs = ["truncate"]\n')
    write(tmp_path / "file", "text")
    os.chmod(tmp_path / "file", 0o666)  # noqa: S103 for the user
    program = f"""
import ctypes, os
descriptor = os.open('{tmp_path}/file', os.O_RDWR)
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
try: os.ftruncate(descriptor, 0)
except OSError: os._exit(1)
"""
    before = ("unshare", "-m", "sh", "-c", f'{setting}; exec "$@"', "sh", *USER)
    report = json_of(paddock("test", "--format", "json", policy, "--", *_PYTHON, program, before=before))
    assert (report["exit_code"], os.path.getsize(tmp_path / "file")) == (1, 4)
    assert [each for each in report["accesses"] if each["syscall"] == "ftruncate" and each["verdict"] == "failed"] == []
    assert [note for note in report["notes"] if "hides its memory and descriptors" in note]


@pytest.mark.root
def test_hidden_processes(tmp_path: Path) -> None:
    """With hidepid=2, an ordinary user sees no other user's processes, but those of the run are its own."""
    policy = write(tmp_path / "policy.toml", POLICY)
    open_to_all(tmp_path)
    hidden = "mount -t proc -o hidepid=2 proc /proc"
    script = "cat /etc/hostname; cat /var/lib/dpkg/status; exit 5"
    done = paddock(
        "test", "--format", "json", policy, "--", "sh", "-c", script,
        before=("unshare", "-m", "sh", "-c", f'{hidden}; exec "$@"', "sh", *USER),
    )  # fmt: skip
    report = json_of(done)
    assert done.returncode == 5
    assert rows(report, "/etc/hostname") == [("allowed", "cat")]
    assert rows(report, "/var/lib/dpkg/status") == [("denied", "cat")]
    assert report["notes"] == []


@pytest.mark.root
def test_process_id_that_is_used_again(policy: str) -> None:
    script = """
import ctypes, os
libc = ctypes.CDLL(None)
def child(name, path):
    pid = os.fork()
    if pid == 0:
        libc.prctl(15, name.encode(), 0, 0, 0)  # PR_SET_NAME
        try: open(path).close()
        except OSError: pass
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
first = child('first', '/etc/passwd')
for _ in range(3):
    open('/proc/sys/kernel/ns_last_pid', 'w').write(str(first - 1))
    assert child('second', '/etc/group') == first
"""
    done = paddock(
        "test",
        "--format",
        "json",
        policy,
        "--",
        *_PYTHON,
        script,
        before=("unshare", "--pid", "--fork", "--mount-proc"),
    )
    report = json_of(done)
    assert (done.returncode, report["notes"]) == (0, [])
    assert rows(report, "/etc/passwd") == [("allowed", "first")]
    assert rows(report, "/etc/group") == [("allowed", "second")]


@pytest.mark.root
@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_full_disk(policy: str, tmp_path: Path, format: str, marker: str) -> None:
    (tmp_path / "full").mkdir()
    target = f"{tmp_path}/full/report"
    script = f"setsid sleep {marker} & ls -lR /usr/share >/dev/null; exit 3"
    done = inside(
        f"mount -t tmpfs -o size=8k none {tmp_path}/full",
        "test", "--format", format, "-o", target, policy, "--", "sh", "-c", script,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (125, "")
    status = 143 if format == "jsonl" else 3  # rows that cannot be written as they come end the run
    assert done.stderr == (
        f"paddock test: {target}: No space left on device: the report is incomplete; the command's own status was "
        f"{status}\n"
    )
    assert is_gone(marker)


def test_full_standard_streams(policy: str) -> None:
    with open("/dev/full", "w", encoding="ascii") as full:
        test = (*PADDOCK, "test", policy)
        command = ("--", "sh", "-c", "exit 3")
        unheard = subprocess.run([*test, *command], env=environment(), stderr=full, check=False, timeout=60)
        assert unheard.returncode == 125
        done = subprocess.run(
            [*test, "--format", "json", *command],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 125
    assert done.stderr == (
        "paddock test: standard output: No space left on device: the report is incomplete; the command's own status "
        "was 3\n"
    )
