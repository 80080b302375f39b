"""Changes on disk are reported, however they are made, and only if the content differs."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from editor.workspace.watching import Watcher, places

OLD = b"abi = 6\n"
NEW = b"abi = 7\n"

# Far above the goal: these tests check that a change is reported. The benchmarks measure how fast.
DEADLINE_S = 5.0


class Watched(NamedTuple):
    """A watched file and the times at which changes were reported."""

    path: Path
    reports: list[float]
    woken: threading.Condition

    def wait(self, times: int = 1) -> float:
        """Wait for the ``times``th report and return its time."""
        with self.woken:
            assert self.woken.wait_for(lambda: len(self.reports) >= times, DEADLINE_S), "the change was never reported"
            return self.reports[times - 1]


def watch(path: Path, seen: bytes | None) -> tuple[Watched, Watcher]:
    watched = Watched(path, [], threading.Condition())

    def changed() -> None:
        with watched.woken:
            watched.reports.append(time.monotonic())
            watched.woken.notify_all()

    watcher = Watcher(str(path), changed, seen=seen)
    watcher.start()
    return watched, watcher


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "dir").mkdir()
    path = tmp_path / "dir" / "policy.toml"
    path.write_bytes(OLD)
    state, watcher = watch(path, OLD)
    # A first change shows that the watch has started. It is made atomically: a file that is truncated and then written
    # may be reported twice by a watch that is just starting.
    replace(path, b"warm\n")
    state.wait()
    state.reports.clear()
    yield state
    watcher.stop()


def replace(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.rename(path)


def each_is_reported(watched: Watched, change: Callable[[bytes], object]) -> None:
    """Make several changes, and wait for the report of each."""
    for number in range(1, 10):
        change(b"# %d\n" % number)
        watched.wait(number)


def test_truncate_and_write(watched: Watched) -> None:
    each_is_reported(watched, watched.path.write_bytes)


def test_replace_by_rename(watched: Watched) -> None:
    each_is_reported(watched, lambda data: replace(watched.path, data))


def test_each_of_many_replacements_is_reported(watched: Watched) -> None:
    for number in range(1, 11):
        replace(watched.path, b"# %d\n" % number)
        watched.wait(number)


def test_write_in_pieces_is_reported_once_when_complete(watched: Watched) -> None:
    for attempt in range(10):
        watched.reports.clear()
        times = [time.monotonic()]
        with watched.path.open("wb", buffering=0) as file:
            for byte in NEW * 2 + b"# %d\n" % attempt:
                file.write(bytes([byte]))
                time.sleep(0.005)
                times.append(time.monotonic())
        watched.wait()
        time.sleep(0.3)
        # Only conclusive if this machine was not too busy: the writer must not have paused for long.
        if max(later - before for before, later in pairwise(times)) < 0.05 and times[-1] - times[0] < 0.3:
            assert len(watched.reports) == 1
            return
    pytest.skip("this machine is too busy to write without long pauses")


def test_write_is_reported_even_if_the_file_stays_open(watched: Watched) -> None:
    with watched.path.open("wb", buffering=0) as file:
        file.write(NEW)
        watched.wait()


def test_rapid_saves_are_reported_a_few_times_including_the_last(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(OLD)
    contents: list[bytes] = []
    arrived = threading.Event()

    def changed() -> None:
        contents.append(path.read_bytes())
        if contents[-1] == b"# 99\n":
            arrived.set()

    watcher = Watcher(str(path), changed, seen=OLD)
    watcher.start()
    try:
        start = time.monotonic()
        for number in range(100):
            replace(path, b"# %d\n" % number)
            time.sleep(max(0.0, start + number / 100 - time.monotonic()))
        seconds = time.monotonic() - start
        assert arrived.wait(DEADLINE_S)
    finally:
        watcher.stop()
    assert 2 <= len(contents) <= seconds / 0.08 + 3


def test_file_is_deleted_and_recreated(watched: Watched) -> None:
    watched.path.unlink()
    watched.wait(1)
    watched.path.write_bytes(NEW)
    watched.wait(2)


def test_directory_is_deleted_and_recreated(watched: Watched) -> None:
    shutil.rmtree(watched.path.parent)
    watched.wait(1)
    watched.path.parent.mkdir()
    watched.path.write_bytes(NEW)
    watched.wait(2)
    replace(watched.path, OLD)
    watched.wait(3)


def test_directory_is_replaced(watched: Watched, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "policy.toml").write_bytes(NEW)
    watched.path.parent.rename(tmp_path / "away")
    other.rename(watched.path.parent)
    watched.wait(1)
    replace(watched.path, OLD)
    watched.wait(2)


def test_file_is_moved_away(watched: Watched, tmp_path: Path) -> None:
    watched.path.rename(tmp_path / "elsewhere")
    watched.wait(1)


def test_rewriting_the_same_content_is_not_reported(watched: Watched) -> None:
    replace(watched.path, b"warm\n")
    os.utime(watched.path)
    time.sleep(0.5)
    assert watched.reports == []


def test_reading_is_not_reported(watched: Watched) -> None:
    for _ in range(20):
        watched.path.read_bytes()
    time.sleep(0.3)
    assert watched.reports == []


def test_symlink_target_changes_in_its_own_directory(tmp_path: Path) -> None:
    for name in ("real", "link"):
        (tmp_path / name).mkdir()
    target = tmp_path / "real" / "policy.toml"
    target.write_bytes(OLD)
    link = tmp_path / "link" / "policy.toml"
    link.symlink_to("../real/policy.toml")
    state, watcher = watch(link, OLD)
    try:
        target.write_bytes(NEW)
        state.wait(1)
        replace(target, OLD)
        state.wait(2)
        other = tmp_path / "real" / "other.toml"
        other.write_bytes(b"other\n")
        new_link = tmp_path / "link" / "beside"
        new_link.symlink_to("../real/other.toml")
        new_link.rename(link)
        state.wait(3)
        other.write_bytes(b"again\n")
        state.wait(4)
    finally:
        watcher.stop()


def test_symlinked_directory_is_redirected(tmp_path: Path) -> None:
    """A container platform updates a mounted configuration by swapping one symlink to a directory."""
    for name, content in (("one", OLD), ("two", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.toml").write_bytes(content)
    (tmp_path / "data").symlink_to("one")
    state, watcher = watch(tmp_path / "data" / "policy.toml", OLD)
    try:
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").rename(tmp_path / "data")
        state.wait(1)
    finally:
        watcher.stop()


def test_mounted_configuration_is_updated_by_a_container_platform(tmp_path: Path) -> None:
    """File, symlink to a directory, symlink to its version: the middle one is replaced, the old version removed."""
    (tmp_path / "..1").mkdir()
    (tmp_path / "..1" / "policy.toml").write_bytes(OLD)
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "policy.toml"
    path.symlink_to("..data/policy.toml")
    state, watcher = watch(path, OLD)
    try:
        for version in (2, 3):
            new = tmp_path / f"..{version}"
            new.mkdir()
            (new / "policy.toml").write_bytes(b"abi = %d\n" % version)
            (tmp_path / "..data_tmp").symlink_to(new.name)
            (tmp_path / "..data_tmp").rename(tmp_path / "..data")
            shutil.rmtree(tmp_path / f"..{version - 1}")
            state.wait(version - 1)
            assert path.read_bytes() == b"abi = %d\n" % version
        time.sleep(0.3)
        assert len(state.reports) == 2
    finally:
        watcher.stop()


def test_directory_is_moved_away_and_back(watched: Watched, tmp_path: Path) -> None:
    watched.path.parent.rename(tmp_path / "away")
    watched.wait(1)
    (tmp_path / "away" / "policy.toml").write_bytes(NEW)
    (tmp_path / "away").rename(watched.path.parent)
    watched.wait(2)
    watched.path.write_bytes(OLD)
    watched.wait(3)


def test_change_before_start_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(NEW)
    state, watcher = watch(path, OLD)
    try:
        state.wait(1)
    finally:
        watcher.stop()


def test_new_file_is_reported_when_created(tmp_path: Path) -> None:
    path = tmp_path / "later.toml"
    state, watcher = watch(path, None)
    try:
        replace(path, NEW)
        state.wait(1)
    finally:
        watcher.stop()


def test_nothing_is_reported_after_stop(watched: Watched, tmp_path: Path) -> None:
    other, watcher = watch(tmp_path / "more.toml", None)
    watcher.stop()
    (tmp_path / "more.toml").write_bytes(NEW)
    watched.path.write_bytes(NEW)
    watched.wait(1)
    assert other.reports == []
    assert not any(thread.name == "more-watcher" for thread in threading.enumerate())


_ON_A_MOUNT = """
import os, subprocess, sys, threading
from editor.workspace.watching import Watcher

def mount(*words):
    subprocess.run(["mount", *words], check=True)

kind, base = sys.argv[1:]
path, behind = f"{base}/policy.toml", f"{base}/behind/policy.toml"
os.mkdir(f"{base}/behind")
for name in (path, behind):
    with open(name, "w") as file:
        file.write("old")
if kind == "file":
    mount("--bind", behind, path)
elif kind == "directory":
    os.mkdir(f"{base}/place")
    mount("--bind", f"{base}/behind", f"{base}/place")
    path = f"{base}/place/policy.toml"
else:
    for name in ("upper", "work", "place"):
        os.mkdir(f"{base}/{name}")
    options = f"lowerdir={base}/behind,upperdir={base}/upper,workdir={base}/work"
    mount("-t", "overlay", "overlay", "-o", options, f"{base}/place")
    path = behind = f"{base}/place/policy.toml"
reports = threading.Semaphore(0)
watcher = Watcher(path, reports.release, seen=b"old")
watcher.start()
for content in ("first", "second"):  # the first one to an overlay copies the file up
    with open(behind, "w") as file:
        file.write(content)
    assert reports.acquire(timeout=10), f"{content} was never reported"
    with open(path) as file:
        assert file.read() == content
if kind != "file":  # a file that is mounted itself cannot be replaced
    with open(f"{behind}.new", "w") as file:
        file.write("third")
    os.rename(f"{behind}.new", behind)
    assert reports.acquire(timeout=10), "the replacement was never reported"
watcher.stop()
"""


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", ["file", "directory", "overlay"])
def test_on_a_mount(tmp_path: Path, kind: str) -> None:
    """A bind mount is changed through its source, where inotify on the mounted directory may see nothing."""
    as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(
        ["unshare", "--mount", *as_user, sys.executable, "-c", _ON_A_MOUNT, kind, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_PERMISSIONS = """
import os, sys, threading
from editor.workspace.watching import Watcher

path = sys.argv[1]
reports = threading.Semaphore(0)
watcher = Watcher(path, reports.release, seen=b"abi = 6\\n")
watcher.start()

def expect(what):
    assert reports.acquire(timeout=10), f"{what} was never reported"

for name, mode in ((path, 0o600), (os.path.dirname(path), 0o700)):
    os.chmod(name, 0)
    expect(f"losing {name}")
    os.chmod(name, mode)
    expect(f"regaining {name}")
with open(path, "w") as file:
    file.write("new")
expect("a change afterwards")
watcher.stop()
"""


@pytest.mark.program("setpriv")
def test_losing_and_regaining_permission_is_reported(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    path = tmp_path / "dir" / "policy.toml"
    path.write_bytes(OLD)
    # Without these capabilities, file modes apply to root too.
    ordinary = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*ordinary, sys.executable, "-c", _PERMISSIONS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


_WITHOUT_INOTIFY = """
import ctypes, os, sys, threading, time
from editor.workspace.watching import Watcher
libc = ctypes.CDLL(None)
taken = []
while (descriptor := libc.inotify_init()) >= 0:  # until this user has no instance left
    taken.append(descriptor)
reports = threading.Event()
watcher = Watcher(sys.argv[1], reports.set, seen=b"abi = 6\\n")
watcher.start()
time.sleep(0.5)
with open(sys.argv[1], "wb") as file:
    file.write(b"abi = 7\\n")
print(reports.wait(5), watcher.polling)
watcher.stop()
"""


def test_polling_takes_over_when_inotify_is_exhausted(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(OLD)
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_INOTIFY, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    arrived, reason = done.stdout.strip().split(" ", 1)
    assert arrived == "True"
    assert "Too many open files" in reason or "inotify" in reason


def test_places_include_every_symlink_on_the_way(tmp_path: Path) -> None:
    base = os.path.realpath(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "policy.toml").write_bytes(OLD)
    (tmp_path / "data").symlink_to("real")
    (tmp_path / "link.toml").symlink_to("data/policy.toml")
    assert places(f"{base}/link.toml") == {
        (base, "link.toml"),
        (base, "data"),
        (f"{base}/real", "policy.toml"),
    }


def test_places_of_a_symlink_loop(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert {name for _, name in places(str(tmp_path / "a"))} == {"a", "b"}
