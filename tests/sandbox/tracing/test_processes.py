"""The program under test runs undisturbed, and leaves no process behind."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from editor.sandbox import events, runner
from tests.sandbox.harness import (
    PLAIN_ENV,
    READING,
    REPOSITORY,
    alive,
    collect,
    everything,
    policy,
    run,
    start,
    system_rules,
)

_PYTHON = (sys.executable, "-I", "-S", "-c")


def _marker() -> str:
    """Return a number of seconds for sleep(1) that no other process uses."""
    return f"9{int.from_bytes(os.urandom(4), 'big'):010d}"


def _gone(marker: str, within: float = 3.0) -> bool:
    until = time.monotonic() + within
    while alive(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _wait_for(marker: str, count: int) -> None:
    until = time.monotonic() + 20
    while len(alive(marker)) < count:
        assert time.monotonic() < until, "the processes do not start"
        time.sleep(0.02)


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_exit_status_is_the_commands_own(script: str, code: int) -> None:
    assert run(everything(), "sh", "-c", script).report.exit_code == code


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("paddock-no-such-command", 127, "command not found"),
        ("/nonexistent/program", 127, "No such file"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/etc", 126, "Is a directory"),
    ],
)
def test_command_that_cannot_start(command: str, code: int, words: str) -> None:
    done = run(everything(), command)
    assert done.report.exit_code == code
    assert any(words in notice for notice in done.notices)
    assert done.report.accesses == ()


def test_command_that_the_policy_denies() -> None:
    done = run(policy({"/etc": READING}), "/bin/true")
    assert done.report.exit_code == 126
    (row,) = done.report.accesses
    assert (row.verdict, row.missing, row.process) == ("denied", frozenset({"execute", "read_file"}), "true")


def test_script_without_interpreter_line_runs_in_a_shell(tmp_path: os.PathLike[str]) -> None:
    script = os.path.join(tmp_path, "script")
    with open(script, "w", encoding="ascii") as file:
        file.write("echo from a shell $1\n")
    os.chmod(script, 0o700)
    assert run(everything(), script, "word").out == "from a shell word\n"


def test_program_is_searched_in_the_commands_own_path(tmp_path: os.PathLike[str]) -> None:
    os.symlink("/bin/echo", os.path.join(tmp_path, "paddock-echo"))
    env = {**PLAIN_ENV, "PATH": f"/nonexistent:{tmp_path}"}
    assert run(everything(), "paddock-echo", "found", env=env).out == "found\n"
    assert run(everything(), "./paddock-echo", "here", cwd=str(tmp_path)).out == "here\n"


def test_signal_dispositions_mask_and_limits_are_defaults() -> None:
    status = run(everything(), "cat", "/proc/self/status").out
    with open("/proc/self/status", encoding="ascii") as file:
        ours = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    theirs = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    ignored = int(theirs["SigIgn"], 16)
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTSTP, signal.SIGTTOU):
        assert not ignored >> (number - 1) & 1, number
    assert theirs["SigBlk"] == ours["SigBlk"]
    assert theirs["Cpus_allowed"] == ours["Cpus_allowed"]
    assert theirs["Umask"] == ours["Umask"]
    assert theirs["NoNewPrivs"] == "1"
    limits = run(everything(), "cat", "/proc/self/limits").out
    with open("/proc/self/limits", encoding="ascii") as file:
        assert limits == file.read()


def test_environment_and_descriptors_are_the_commands_own() -> None:
    env = {"ONLY": "this", "BYTES": os.fsdecode(b"\xff\xfe"), "PATH": "/usr/bin:/bin"}
    done = run(everything(), "env", "-0", env=env)
    assert sorted(done.output["stdout"].split(b"\0")) == [b"", b"BYTES=\xff\xfe", b"ONLY=this", b"PATH=/usr/bin:/bin"]
    assert run(everything(), "ls", "/proc/self/fd").out.split() == ["0", "1", "2", "3"]


def test_environment_without_what_python_added() -> None:
    code = "from editor.sandbox.environment import original_environment; print(original_environment().get('LC_CTYPE'))"
    plain = {"PATH": os.environ["PATH"], "PYTHONPATH": REPOSITORY}

    def printed(env: dict[str, str]) -> str:
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    assert printed(plain) == "None\n"
    assert printed({**plain, "LC_CTYPE": "C.UTF-8"}) == "C.UTF-8\n"


def test_broken_pipe_ends_the_command() -> None:
    done = run(everything(), "sh", "-c", "yes | head -n 1; echo done")
    assert done.out == "y\ndone\n"
    assert "stderr" not in done.output


def test_streams_are_separate_and_input_is_empty() -> None:
    done = run(everything(), "sh", "-c", "echo out; echo err >&2; cat; echo end")
    assert done.output == {"stdout": b"out\nend\n", "stderr": b"err\n"}


def test_given_descriptors_are_used_directly(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")
    with open(path, "w+b") as file:
        file.write(b"from a file\n")
        file.seek(0)
        done = run(everything(), "sh", "-c", "cat >&2", stdin=file.fileno(), stdout=file.fileno())
        assert done.output == {"stderr": b"from a file\n"}


def test_large_output_arrives_completely() -> None:
    done = run(everything(), "head", "-c", "3000000", "/dev/zero")
    assert len(done.output["stdout"]) == 3_000_000


def test_stop_works_while_nobody_reads() -> None:
    marker = _marker()
    under_way = start(everything(), "sh", "-c", f"yes paddock & exec sleep {marker}")
    _wait_for(marker, 1)
    time.sleep(0.3)  # the pipe is full by now, and nobody reads it
    under_way.stop()
    assert _gone(marker)
    assert collect(under_way).report.exit_code == 143


# Processes


def test_forks_threads_and_vfork_are_followed(tmp_path: os.PathLike[str]) -> None:
    names = [os.path.join(tmp_path, name) for name in ("thread", "fork", "spawn", "grandchild")]
    for name in names:
        with open(name, "w", encoding="ascii"):
            pass
    script = """
import os, sys, threading
thread, fork, spawn, grandchild = sys.argv[1:]
threads = [threading.Thread(target=lambda: open(thread).close()) for _ in range(8)]
[each.start() for each in threads]; [each.join() for each in threads]
if os.fork() == 0:
    if os.fork() == 0:
        open(grandchild).close(); os._exit(0)
    os.wait(); open(fork).close(); os._exit(0)
os.wait()
os.waitpid(os.posix_spawn("/bin/cat", ["cat", spawn], {}), 0)
"""
    done = run(everything(), *_PYTHON, script, *names)
    assert done.report.exit_code == 0
    counted = {name: [(row.process, row.times) for row in done.rows(path=name, syscall="openat")] for name in names}
    comm = os.path.basename(sys.executable)[:15]
    assert counted == {
        names[0]: [(comm, 8)],
        names[1]: [(comm, 1)],
        names[2]: [("cat", 1)],
        names[3]: [(comm, 1)],
    }


def test_exec_in_a_thread_replaces_the_process() -> None:
    script = "import os, threading; threading.Thread(target=lambda: os.execv('/bin/echo', ['echo', 'taken'])).start()"
    done = run(everything(), *_PYTHON, script + "\nimport time; time.sleep(30)")
    assert done.report.exit_code == 0
    assert done.out == "taken\n"
    assert done.rows(process="echo")


def test_many_processes_at_once() -> None:
    script = (
        "import os\nfor _ in range(300):\n    if os.fork() == 0:\n        open('/etc/passwd').close(); os._exit(0)\n"
    )
    done = run(everything(), *_PYTHON, script + "for _ in range(300): os.wait()\nprint('all')")
    assert done.out == "all\n"
    assert sum(row.times for row in done.rows(path="/etc/passwd")) == 300


def test_sigstop_and_sigcont() -> None:
    script = """
import os, signal, time
child = os.fork()
if child == 0:
    signal.signal(signal.SIGCONT, lambda *_: None)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(5)
pid, status = os.waitpid(child, os.WUNTRACED)
print(os.WIFSTOPPED(status), os.WSTOPSIG(status) == signal.SIGSTOP)
time.sleep(0.1)
print(open(f"/proc/{child}/stat").read().split()[2] in "tT")
os.kill(child, signal.SIGCONT)
pid, status = os.waitpid(child, os.WUNTRACED)
print(os.WEXITSTATUS(status))
"""
    assert run(everything(), *_PYTHON, script).out.split() == ["True", "True", "True", "5"]


def test_signals_reach_handlers_and_calls_restart() -> None:
    script = """
import os, signal, threading, time
caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
signal.signal(signal.SIGALRM, lambda *_: caught.append(2))
for _ in range(300):
    os.close(os.open("/etc/passwd", os.O_RDONLY))
    os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0)
print(caught.count(1))
"""
    done = run(everything(), *_PYTHON, script)
    assert done.out == "300\n"
    assert sum(row.times for row in done.rows(path="/etc/passwd")) == 300


def test_terminal() -> None:
    done = run(everything(), "sh", "-c", "tty; stty size; echo error >&2", pty=True, size=(33, 77))
    lines = done.output["tty"].decode().split("\r\n")
    assert lines[0].startswith("/dev/pts/")
    assert lines[1:] == ["33 77", "error", ""]


def test_terminal_input_and_resize() -> None:
    under_way = start(everything(), "sh", "-c", "read line; echo got $line; stty size; read line", pty=True)
    under_way.resize(11, 22)
    under_way.write(b"hello\n")
    shown = b""
    while b"11 22" not in shown:
        select.select([under_way.fileno()], [], [], 10)
        shown += b"".join(event.data for event in under_way.read_events() if isinstance(event, events.Output))
    under_way.write(b"\x03")  # Ctrl-C reaches it as the foreground process
    done = collect(under_way)
    assert done.report.exit_code == 130
    assert b"got hello\r\n11 22\r\n" in shown + done.output["tty"]


def test_shell_with_job_control() -> None:
    script = "set -m; sleep 100 & kill -STOP %1; sleep 0.2; jobs; bg %1 >/dev/null; kill %1; wait %1; echo status $?"
    done = run(everything(), "bash", "-c", script, pty=True)
    shown = done.output["tty"].decode()
    assert "Stopped" in shown
    assert "status 143" in shown


def test_command_without_stdin_cannot_reach_our_terminal() -> None:
    script = "import os\ntry: os.open('/dev/tty', os.O_RDWR)\nexcept OSError as error: print(error.errno)"
    assert run(everything(), *_PYTHON, script).out == "6\n"


# Shutdown


def test_stop_ends_orphans_and_processes_that_ignore_sigterm() -> None:
    marker = _marker()
    script = f"trap '' TERM; (setsid sleep {marker} &); (trap '' TERM; sleep {marker}) & sleep {marker}; sleep {marker}"
    under_way = start(everything(), "sh", "-c", script)
    _wait_for(marker, 4)
    began = time.monotonic()
    under_way.stop()
    done = collect(under_way)
    assert time.monotonic() - began < 5
    assert done.report.exit_code == 137
    assert not alive(marker)


def test_stop_sends_sigterm_first(tmp_path: os.PathLike[str]) -> None:
    mark = os.path.join(tmp_path, "asked")
    marker = _marker()
    under_way = start(everything(), "sh", "-c", f"trap 'touch {mark}; exit 3' TERM; sleep {marker} & wait")
    _wait_for(marker, 2)
    under_way.stop()
    assert collect(under_way).report.exit_code == 3
    assert os.path.exists(mark)


def test_stop_from_another_thread_and_after_the_end() -> None:
    under_way = start(everything(), "sleep", _marker())
    stopper = threading.Timer(0.2, under_way.stop)
    stopper.start()
    assert collect(under_way).report.exit_code == 143
    stopper.join()
    under_way.stop()


def test_stopped_processes_can_be_ended() -> None:
    marker = _marker()
    under_way = start(everything(), "sh", "-c", f"sleep {marker} & kill -STOP $!; wait")
    _wait_for(marker, 2)
    under_way.stop()
    collect(under_way)
    assert not alive(marker)


def test_daemon_is_terminated_and_reported() -> None:
    marker = _marker()
    done = run(everything(), "sh", "-c", f"(setsid sleep {marker} >/dev/null 2>&1 &); echo started")
    assert done.out == "started\n"
    assert done.report.exit_code == 0
    assert any("outlived the command" in notice and "sleep" in notice for notice in done.notices)
    assert not alive(marker)


def test_hanging_tracer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editor.sandbox.runner._LAST_RESORT_S", 0.5)
    marker = _marker()
    under_way = start(everything(), "sleep", marker)
    _wait_for(marker, 1)
    os.kill(under_way._process.pid, signal.SIGSTOP)
    under_way.stop()
    done = collect(under_way)
    assert done.report.exit_code == 125
    assert _gone(marker)


def test_timeout() -> None:
    marker = _marker()
    began = time.monotonic()
    done = run(everything(), "sleep", marker, timeout=0.3)
    assert time.monotonic() - began < 5
    assert done.report.exit_code == 143
    assert any("0.3 seconds" in notice for notice in done.notices)
    assert not alive(marker)


def test_killed_tracer_leaves_nothing() -> None:
    marker = _marker()
    under_way = start(everything(), "sh", "-c", f"(setsid sleep {marker} &); sleep {marker}; sleep {marker}")
    _wait_for(marker, 3)
    os.kill(under_way._process.pid, signal.SIGKILL)
    done = collect(under_way)
    assert done.report.exit_code == 125
    assert any("unexpectedly" in notice for notice in done.notices)
    assert _gone(marker)


@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "other thread"])
def test_killed_caller_leaves_nothing(thread: bool) -> None:
    marker = _marker()
    starting = f"start(everything(), 'sh', '-c', '(setsid sleep {marker} &); sleep {marker}')"
    if thread:
        starting = f"import threading; each = threading.Thread(target=lambda: {starting}); each.start(); each.join()"
    code = f"from tests.sandbox.harness import *\n{starting}\nimport time; time.sleep(60)"
    starter = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    try:
        _wait_for(marker, 4)  # itself, the shell, and two sleeps
        time.sleep(0.2)
        assert len(alive(marker)) == 4
    finally:
        starter.kill()
        starter.wait()
    assert _gone(marker)


def test_program_cannot_hide_a_child() -> None:
    untraced = 0x00800000
    script = f"""
import ctypes, os
from editor.sandbox import syscalls
libc = ctypes.CDLL(None, use_errno=True)
numbers = syscalls.numbers(syscalls.machine().native)
print(libc.syscall(numbers["clone"], {untraced} | 17, 0, 0, 0, 0), ctypes.get_errno())
arguments = (ctypes.c_uint64 * 11)({untraced}, 0, 0, 0, 17)
pid = libc.syscall(numbers["clone3"], ctypes.byref(arguments), 88)
if pid == 0:
    os.open("/etc/passwd", os.O_RDONLY)
    os._exit(0)
os.waitpid(pid, 0)
"""
    program = f"import sys; sys.path.insert(0, {REPOSITORY!r})\n{script}"
    done = run(everything(), *_PYTHON, program)
    assert done.out == "-1 1\n"
    assert sum(row.times for row in done.rows(path="/etc/passwd")) == 1


def test_tracing_program_is_reported() -> None:
    script = "import ctypes; print(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0), ctypes.get_errno())"
    done = run(everything(), *_PYTHON, script)
    assert done.out == "-1 1\n"
    (notice,) = [notice for notice in done.notices if "traces other programs itself" in notice]
    assert "paddock run" in notice
    assert [row.verdict for row in done.rows(syscall="ptrace")] == ["failed"]


def test_program_that_restricts_itself() -> None:
    rules = system_rules()
    script = f"""
import sys; sys.path.insert(0, {REPOSITORY!r})
from editor.landlock.ruleset import *
spec = RulesetSpec(frozenset({{"read_file"}}), frozenset(), frozenset(), (), ())
enforce(build(spec))
try: open("/etc/passwd")
except OSError as error: print(error.errno)
"""
    done = run(policy({**rules, "/etc/passwd": ["read_file"]}), *_PYTHON, script)
    assert done.out == "13\n"
    (row,) = done.rows(path="/etc/passwd")
    assert (row.verdict, row.explained) == ("denied", False)
    assert "restricted itself further" in row.reason
    assert any("restricts itself" in notice for notice in done.notices)


def test_program_with_its_own_seccomp_filter() -> None:
    script = f"""
import sys; sys.path.insert(0, {REPOSITORY!r})
import os
from editor.sandbox.tracing import seccomp
from editor.sandbox import syscalls
allow = seccomp.build_filter(syscalls.machine(), [], action=seccomp._RET_ALLOW)
seccomp.install(allow)
os.close(os.open("/etc/passwd", os.O_RDONLY)); print("fine")
"""
    done = run(everything(), *_PYTHON, script)
    assert done.out == "fine\n"
    assert [row.verdict for row in done.rows(path="/etc/passwd")] == ["allowed"]


def test_empty_command_is_refused() -> None:
    with pytest.raises(ValueError, match="no command"):
        runner.start(runner.RunRequest(everything(), ()))
    with pytest.raises(ValueError, match="NUL"):
        runner.start(runner.RunRequest(everything(), ("echo", "a\0b")))


def test_no_descriptor_is_left_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    run(everything(), "true")
    run(everything(), "true", pty=True)
    run(everything(), "paddock-no-such-command")
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("confirm", [False, None])
def test_slow_reader_loses_nothing(confirm: bool | None) -> None:
    count = 3000  # more rows than a pipe can hold
    code = f"import os\nfor n in range({count}):\n try: os.open(f'/none/{{n}}', 0)\n except OSError: pass"
    started = start(everything(), sys.executable, "-I", "-S", "-c", code, confirm=confirm)
    time.sleep(1.5)  # nobody reads, and the program ends
    done = collect(started)
    assert len({row.path for row in done.report.accesses if row.path and row.path.startswith("/none/")}) == count


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="the kernel has no FUSE")
def test_fuse_server_in_the_run_does_not_block_the_tracer(tmp_path: Path) -> None:
    """A lookup there would wait for the server, while the server waits for its tracer."""
    point = Path(os.path.realpath(tmp_path)) / "served"
    point.mkdir()
    server = os.path.join(REPOSITORY, "tests", "sandbox", "serving.py")
    try:
        ports_only = policy({}, fs=(), net=["bind_tcp"])
        done = collect(start(ports_only, sys.executable, "-I", "-S", server, str(point)), 30)
    finally:
        subprocess.run(["umount", "-l", str(point)], check=False, capture_output=True)
    assert done.out.split() == ["opened", "opened", "2"]
    assert [notice for notice in done.notices if f"below {point} are not examined" in notice]
    rows = {row.path: row for row in done.report.accesses if row.path and row.path.startswith(f"{point}/")}
    assert [(path.rpartition("/")[2], row.verdict, row.errno) for path, row in rows.items()] == [
        ("file", "uncontrolled", None),
        ("none", "failed", "ENOENT"),
    ]
    assert "serve this filesystem" in rows[f"{point}/file"].reason
