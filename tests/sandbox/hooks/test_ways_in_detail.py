"""What the walk of the table cannot show: the objects that rows name, and what rules on them do."""

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.harness import ALL_FS, call, policy, system_rules
from tests.sandbox.hooks.stage import leave_mounts

AT_FDCWD = -100
_HANDLED = ("make_sym",)  # any right makes a domain


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process outside the sandbox."""
    with subprocess.Popen(("sleep", "60")) as process:
        yield process.pid
        process.kill()


def test_two_processes_of_one_call_are_both_examined(sleeper: int) -> None:
    own = {"here": True}
    results, outcome = call(
        policy({}, fs=_HANDLED), ["kcmp", own, sleeper, 1, 0, 0], ["kcmp", sleeper, own, 1, 0, 0],
        ["kcmp", sleeper, sleeper, 1, 0, 0], ["kcmp", own, own, 1, 0, 0],
    )  # fmt: skip
    if results[3] == -38:
        pytest.skip("the kernel has no kcmp")
    assert results == [-1, -1, -1, 0]
    denied = outcome.rows(syscall="kcmp", verdict="denied")
    assert [(row.path, row.errno, row.times) for row in denied] == [(f"process {sleeper} (sleep)", "EPERM", 3)]
    assert [row.verdict for row in outcome.rows(syscall="kcmp") if row not in denied] == ["uncontrolled"]


def test_process_zero_is_the_caller(sleeper: int) -> None:
    nothing = {"hex": bytes(16).hex()}
    results, outcome = call(
        policy({}, fs=_HANDLED),
        ["get_robust_list", 0, nothing, nothing],
        ["get_robust_list", sleeper, nothing, nothing],
    )
    assert results == [0, -1]
    assert {row.verdict for row in outcome.rows(syscall="get_robust_list")} == {"uncontrolled", "denied"}


def test_links_of_processes_inside_are_not_denied(sleeper: int) -> None:
    where = f"/proc/{sleeper}/exe"
    text = {"hex": bytes(64).hex()}
    results, outcome = call(
        policy({}, fs=_HANDLED), ["readlinkat", AT_FDCWD, "/proc/self/exe", text, 64],
        ["readlinkat", AT_FDCWD, where, text, 64], ["readlinkat", AT_FDCWD, "/bin", text, 64],
    )  # fmt: skip
    assert results[0] > 0
    assert results[1] == -13
    rows = outcome.rows(syscall="readlinkat")
    assert [(row.verdict, row.path, row.errno) for row in rows] == [("denied", where, "EACCES")]


def test_a_process_of_another_user_is_no_denial() -> None:
    if os.geteuid() == 0:
        pytest.skip("the kernel lets root reach processes of other users")
    nothing = {"hex": bytes(16).hex()}
    results, outcome = call(policy({}, fs=_HANDLED), ["get_robust_list", 1, nothing, nothing])
    assert results == [-1]
    assert [row.verdict for row in outcome.rows(syscall="get_robust_list")] == ["failed"]


def test_moving_shared_pages_takes_a_capability_first(sleeper: int) -> None:
    results, outcome = call(policy({}, fs=_HANDLED), ["move_pages", sleeper, 0, 0, 0, 0, 4])
    if results == [-38]:
        pytest.skip("the kernel has no move_pages")
    expected = "denied" if os.geteuid() == 0 else "failed"
    assert results == [-1]
    assert [row.verdict for row in outcome.rows(syscall="move_pages")] == [expected]


def test_message_queues_without_a_mount() -> None:
    name = f"paddock-{os.getpid()}"
    restricting = policy(system_rules(), fs=("execute", "read_file", "write_file"))
    results, outcome = call(restricting, ["mq_open", name, os.O_CREAT | os.O_RDWR, 0o600, 0])
    subprocess.run((sys.executable, "-c", _UNLINK, name), check=True)
    assert results == [-13]
    (row,) = outcome.rows(syscall="mq_open")
    assert (row.verdict, row.path, row.object_path) == ("denied", f"mqueue:/{name}", None)
    assert row.missing == {"read_file", "write_file"}


_UNLINK = "import ctypes, sys; ctypes.CDLL(None).mq_unlink(b'/' + sys.argv[1].encode())"


@pytest.mark.root
def test_a_rule_on_a_mounted_mqueue_grants_its_queues(tmp_path: Path) -> None:
    """The kernel opens queues in a mount of its own, with the same root: rules above the mount point do not count."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]);"
        " from tests.sandbox.hooks.test_ways_in_detail import mounted_queue; mounted_queue(sys.argv[1])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    done = subprocess.run(
        (sys.executable, "-c", program, str(tmp_path), root), preexec_fn=leave_mounts, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["on the mount"] == [0, "allowed", f"{tmp_path}/q/paddock"]
    assert said["above it"] == [-13, "denied", f"{tmp_path}/q/paddock"]


def mounted_queue(where: str) -> None:
    """Open a queue under a rule on the mount, and under one above it; print what came of both."""
    point = f"{where}/q"
    os.mkdir(point)
    subprocess.run(("mount", "-t", "mqueue", "none", point), check=True)
    said = {}
    for name, path in (("on the mount", point), ("above it", where)):
        rules = {**system_rules(), path: ("read_file",)}
        results, outcome = call(policy(rules, fs=("read_file",)), ["mq_open", "paddock", os.O_CREAT, 0o600, 0])
        (row,) = outcome.rows(syscall="mq_open")
        said[name] = [min(results[0], 0), row.verdict, row.object_path]
        os.unlink(f"{point}/paddock")
    print(json.dumps(said))


def test_the_other_end_of_a_terminal_opened_outside() -> None:
    handled = ("execute", "read_file", "write_file")
    directories = [path for path in system_rules() if path != "/dev" and os.path.isdir(path)]
    master, other = os.openpty()
    try:
        resolved = policy(dict.fromkeys(directories, handled), fs=handled)
        results, outcome = call(resolved, ["ioctl", 0, 0x5441, os.O_RDWR], stdin=master)
        name = os.ttyname(other)
    finally:
        os.close(master)
        os.close(other)
    assert results == [-13]
    (denied,) = outcome.rows(syscall="ioctl", verdict="denied")
    assert denied.object_path == name
    assert denied.missing == {"read_file", "write_file"}


@pytest.mark.root
def test_names_in_a_detached_mount(tmp_path: Path) -> None:
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/sub/f").write_text("x")
    rules = {**system_rules(), str(tmp_path): ALL_FS}
    tree = ["open_tree", AT_FDCWD, str(tmp_path / "d"), 1]
    results, outcome = call(
        policy(rules), tree, ["openat", {"result": 0}, "sub/f", os.O_RDONLY], ["mkdirat", {"result": 0}, "new", 0o700],
        ["openat2", {"result": 0}, "sub", {"hex": struct.pack("=QQQ", os.O_DIRECTORY, 0, 0).hex()}, 24],
    )  # fmt: skip
    assert results[1:] == [-13, -13, -13]
    assert {(row.syscall, row.object_path) for row in outcome.rows(verdict="denied")} == {
        ("openat", "detached mount:/sub/f"),
        ("mkdirat", "detached mount:/"),
        ("openat2", "detached mount:/sub"),
    }


@pytest.mark.root
def test_a_rule_on_the_root_of_a_detached_mount_counts(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("x")
    rules = {**system_rules(), str(tmp_path / "d"): ALL_FS}
    results, outcome = call(
        policy(rules), ["open_tree", AT_FDCWD, str(tmp_path / "d"), 1], ["openat", {"result": 0}, "f", os.O_RDONLY]
    )
    assert results[1] > 0
    assert outcome.rows(verdict="denied") == []
    assert not [note for note in outcome.notices if "although" in note]


@pytest.mark.root
def test_names_in_a_chroot_are_not_those_of_a_detached_mount(tmp_path: Path) -> None:
    (tmp_path / "r/d").mkdir(parents=True)
    (tmp_path / "r/d/f").write_text("x")
    _, outcome = call(
        policy(system_rules()), ["chroot", str(tmp_path / "r")], ["openat", AT_FDCWD, "/d/f", os.O_RDONLY]
    )
    (row,) = outcome.rows(verdict="denied", syscall="openat")
    assert row.object_path == str(tmp_path / "r/d/f")
