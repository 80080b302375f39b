"""What observe mode says of calls on other processes is what enforce mode, where the kernel decides, says of them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.sandbox.syscalls import machine, numbers
from tests.sandbox.harness import policy, require_abi, run, system_rules

_SCRIPT = """
import contextlib, ctypes, os, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
outsider = int(sys.argv[1])
{numbers}
{kind}
def tried(action, *arguments):
    with contextlib.suppress(OSError):
        return action(*arguments)
def read(path):
    with open(path, "rb") as file:
        file.read(1)
{body}
"""
_TARGETS = {
    "outside": "target = outsider",
    "a child": "target = os.fork() or signal.pause()",
    "a zombie": "target = os.fork() or os._exit(0); os.waitid(os.P_PID, target, os.WEXITED | os.WNOWAIT)",
    "a grandchild whose parent has ended": """
told, tell = os.pipe()
if os.fork() == 0:
    grandchild = os.fork() or signal.pause()
    os.write(tell, b"%d" % grandchild)
    os._exit(0)
os.wait()
target = int(os.read(told, 20))
""",
}
_ACTIONS = {
    "signals": "tried(os.kill, target, 0); tried(os.kill, target, signal.SIGCONT)",
    "pidfd": "fd = tried(os.pidfd_open, target); tried(signal.pidfd_send_signal, fd, signal.SIGCONT)",
    "kcmp": "libc.syscall(nr_kcmp, os.getpid(), target, 1, 0, 0)",
    "kcmp of a missing descriptor": "libc.syscall(nr_kcmp, os.getpid(), target, 0, 900, 900)",
    "pidfd_getfd of a missing descriptor": "fd = os.pidfd_open(target); libc.syscall(nr_pidfd_getfd, fd, 900, 0)",
    "process_vm_readv of a bad address": """
here, there = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8), (ctypes.c_size_t * 2)(8, 8)
libc.process_vm_readv(target, here, 1, there, 1, 0)
""",
    "get_robust_list": "libc.syscall(nr_get_robust_list, target, (ctypes.c_size_t * 1)(), (ctypes.c_size_t * 1)())",
    "migrate_pages": "libc.syscall(nr_migrate_pages, target, 1, (ctypes.c_size_t * 1)(1), (ctypes.c_size_t * 1)(1))",
    "links": "for name in ('exe', 'cwd', 'root', 'fd/0', 'ns/pid'): tried(os.readlink, f'/proc/{target}/{name}')",
    "files": "for name in ('environ', 'maps', 'mem', 'auxv', 'status', 'stat'): tried(read, f'/proc/{target}/{name}')",
    "directories": "for name in ('fd', 'fdinfo', 'task', 'ns'): tried(os.listdir, f'/proc/{target}/{name}')",
    "through its root": "tried(read, f'/proc/{target}/root/etc/passwd')",
    "through its root to nothing": "tried(read, f'/proc/{target}/root/etc/nothing')",
    "through a link to its root": "os.symlink(f'/proc/{target}/root', 'link'); tried(read, 'link/etc/passwd')",
    "into its working directory": "tried(os.chdir, f'/proc/{target}/cwd')",
    "into its directory": "tried(os.chdir, f'/proc/{target}/task')",
    "from its directory": "fd = os.open(f'/proc/{target}', os.O_PATH); "
    "tried(lambda: os.open('root/etc/passwd', os.O_RDONLY, dir_fd=fd))",
}
_LAST = "os.kill(target, signal.SIGKILL) if target != outsider else None"


@pytest.fixture
def outsider() -> Iterator[int]:
    with subprocess.Popen(("sleep", "1000"), process_group=0) as process:
        yield process.pid
        process.kill()


def _numbers() -> str:
    return "; ".join(f"nr_{name} = {number}" for name, number in numbers(machine().native).items())


def _rows(place: Path, outsider: int, kind: str, body: str, mode: str) -> list[tuple[object, ...]]:
    os.mkdir(place)
    script = _SCRIPT.format(numbers=_numbers(), kind=_TARGETS.get(kind, kind), body=body)
    done = run(
        policy({**system_rules(), "/": ("read_file", "read_dir", "make_sym", "write_file")}, scoped=["signal"]),
        sys.executable, "-I", "-S", "-c", script, str(outsider),
        cwd=str(place), mode=mode,
    )  # fmt: skip
    assert done.output.get("stderr", b"") == b"", done.output
    assert all(row.predicted == (mode == "observe") for row in done.report.accesses)
    calls = sorted(
        (row.syscall, re.sub(r"\d+", "N", (row.path or "").replace(str(place), "")), row.verdict, row.errno or "")
        for row in done.report.accesses
        if row.syscall in _SHOWN or "/proc/" in (row.path or "") or "link" in (row.path or "")
    )
    return list(dict.fromkeys(calls))


_SHOWN = frozenset(
    {
        "kill", "pidfd_send_signal", "kcmp", "pidfd_getfd", "process_vm_readv", "get_robust_list", "migrate_pages",
        "readlink", "readlinkat", "chdir", "ptrace",
    }
)  # fmt: skip


@pytest.mark.parametrize("kind", _TARGETS)
@pytest.mark.parametrize("action", _ACTIONS)
def test_a_call_on_another_process_is_predicted(action: str, kind: str, tmp_path: Path, outsider: int) -> None:
    require_abi(6)
    body = f"{_ACTIONS[action]}\nos.chdir('/')\n{_LAST}"
    enforced, observed = (_rows(tmp_path / mode, outsider, kind, body, mode) for mode in ("enforce", "observe"))
    assert enforced
    assert observed == enforced


_GROUPS = {
    "of outsiders": "tried(os.killpg, outsider, signal.SIGCONT)",
    "of a child": "child = os.fork() or signal.pause(); os.setpgid(child, child); os.killpg(child, signal.SIGKILL)",
    "its own": "os.kill(0, 0)",
    "all": "tried(os.kill, -1, 0)",
    "all, with a child": "child = os.fork() or signal.pause(); tried(os.kill, -1, 0); os.kill(child, signal.SIGKILL)",
}


@pytest.mark.parametrize("group", _GROUPS)
def test_a_signal_to_a_group_is_predicted(group: str, tmp_path: Path, outsider: int) -> None:
    require_abi(6)
    enforced, observed = (_rows(tmp_path / mode, outsider, "", _GROUPS[group], mode) for mode in ("enforce", "observe"))
    assert enforced
    assert observed == enforced


def test_a_process_that_a_signal_has_ended_was_inside(tmp_path: Path, outsider: int) -> None:
    """Nothing is left of it when the call is judged: its parent has asked the kernel to forget it."""
    require_abi(6)
    kill = "for _ in range(50): os.kill(os.fork() or signal.pause(), signal.SIGKILL)"
    body = f"signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n{kill}"
    enforced, observed = (_rows(tmp_path / mode, outsider, "", body, mode) for mode in ("enforce", "observe"))
    assert {row[2] for row in enforced} == {"allowed"}
    assert observed == enforced
