"""Whose rules count if a name says something else: removed, moved, replaced, covered and misleading names.

Each program is refused something, and another process may change the tree meanwhile. The kernel decides; the report
must name what the kernel reached, and must not call a denial a failure.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.kernel import query_abi
from tests.sandbox.harness import ALL_FS, ALL_SCOPES, REPOSITORY, Outcome, policy, require_abi, run, system_rules

_HEAD = """
import os, sys, time, errno
top = sys.argv[1]
os.chdir(top)
def attempt(name, *arguments, **options):
    try:
        result = getattr(os, name)(*arguments, **options)
        print("ok")
        return result
    except OSError as error:
        print(errno.errorcode[error.errno])
def others_turn():
    os.close(os.open(top + "/w/ready", os.O_CREAT | os.O_WRONLY))
    while not os.path.exists(top + "/w/go"):
        time.sleep(0.002)
"""
_WAIT_S = 20.0
_AUDIT_ABI = 7


@pytest.fixture
def top(tmp_path: Path) -> str:
    """A directory with ``open/`` and ``w/`` that the policy grants, and ``closed/`` that it does not."""
    path = os.path.realpath(tmp_path)
    for name in ("open", "closed", "w"):
        os.mkdir(f"{path}/{name}")
        Path(path, name, "f").write_text(name)
    return path


def _policy(top: str, *more: str, scoped: Iterable[str] = ()) -> ResolvedPolicy:
    rules: dict[str, Any] = {**system_rules(), f"{top}/open": ALL_FS, f"{top}/w": ALL_FS}
    return policy({**rules, **dict.fromkeys(more, ("read_file",))}, scoped=scoped)


def _run(
    resolved: ResolvedPolicy, top: str, script: str, act: Callable[[], object] | None = None, **how: Any
) -> Outcome:
    """Run ``script``; once it calls ``others_turn``, ``act`` happens outside the sandbox."""

    def follow() -> None:
        until = time.monotonic() + _WAIT_S
        while not os.path.exists(f"{top}/w/ready") and time.monotonic() < until:
            time.sleep(0.002)
        if act is not None:
            act()
        Path(f"{top}/w/go").touch()

    other = threading.Thread(target=follow)
    if act is not None:
        other.start()
    judged = os.geteuid() == 0 and how.get("mode") != "observe" and query_abi() >= _AUDIT_ABI
    done = run(resolved, sys.executable, "-I", "-S", "-c", _HEAD + script, top, confirm=judged, **how)
    if act is not None:
        other.join()
    assert done.report.exit_code == 0, done.output
    if judged:
        for row in done.report.accesses:
            assert row.observed == "call"
            assert row.verdict != "denied" or row.confirmed, (row, done.notices)
    return done


def _denied(done: Outcome) -> list[tuple[str | None, tuple[str, ...], bool]]:
    return [
        (row.object_path, tuple(sorted(row.missing)), row.explained)
        for row in done.report.accesses
        if row.verdict == "denied"
    ]


def _refused(done: Outcome) -> set[str]:
    """Return the verdicts of all that was refused or would be."""
    return {row.verdict for row in done.report.accesses if row.errno in ("EACCES", "EXDEV", "EPERM")}


def test_file_whose_name_ends_like_that_of_a_removed_one(top: str) -> None:
    Path(f"{top}/closed/f (deleted)").write_text("")
    script = """
fd = os.open("closed/f (deleted)", os.O_PATH)
attempt("open", f"/proc/self/fd/{fd}", os.O_RDONLY)
"""
    done = _run(_policy(top, f"{top}/closed/f"), top, script)
    assert done.out == "EACCES\n"
    assert _denied(done) == [(f"{top}/closed/f (deleted)", ("read_file",), True)]
    observed = _run(_policy(top, f"{top}/closed/f"), top, script, mode="observe")
    assert observed.out == "ok\n"
    assert _denied(observed) == [(f"{top}/closed/f (deleted)", ("read_file",), True)]


def test_removed_file_reached_through_its_descriptor(top: str) -> None:
    """It keeps its directory; a new file of its name, which has a rule, does not count."""
    script = """
fd = os.open("closed/f", os.O_PATH)
others_turn()
attempt("open", f"/proc/self/fd/{fd}", os.O_RDONLY)
"""

    def replace() -> None:
        os.unlink(f"{top}/closed/f")
        Path(f"{top}/closed/f").write_text("")

    done = _run(_policy(top), top, script, replace)
    assert done.out == "EACCES\n"
    assert _denied(done) == [(f"{top}/closed/f", ("read_file",), True)]


def test_unlinked_name_of_a_file_that_has_another(top: str) -> None:
    """The rule on the other name is on the same file."""
    os.link(f"{top}/closed/f", f"{top}/closed/g")
    script = """
fd = os.open("closed/f", os.O_PATH)
others_turn()
attempt("open", f"/proc/self/fd/{fd}", os.O_RDONLY)
attempt("open", f"/proc/self/fd/{fd}", os.O_RDWR)
"""
    done = _run(_policy(top, f"{top}/closed/g"), top, script, lambda: os.unlink(f"{top}/closed/f"))
    assert done.out == "ok\nEACCES\n"
    assert _denied(done) == [(f"{top}/closed/f", ("write_file",), True)]


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_removed_working_directory(top: str, mode: str) -> None:
    os.mkdir(f"{top}/closed/d")
    script = """
os.chdir("closed/d")
others_turn()
attempt("open", ".", os.O_RDONLY)
attempt("open", "../f", os.O_RDONLY)
attempt("mkdir", "../new")
attempt("open", "../../open/f", os.O_RDONLY)
"""
    done = _run(_policy(top), top, script, lambda: os.rmdir(f"{top}/closed/d"), mode=mode)
    assert done.out == ("EACCES\nEACCES\nEACCES\nok\n" if mode == "enforce" else "ok\nok\nok\nok\n")
    assert _denied(done) == [
        (f"{top}/closed/d", ("read_dir",), True),
        (f"{top}/closed/f", ("read_file",), True),
        (f"{top}/closed", ("make_dir",), True),
    ]
    assert {row.verdict for row in done.rows(object_path=f"{top}/open/f")} == {"allowed"}


def test_removed_working_directory_whose_name_is_taken_again(top: str) -> None:
    os.mkdir(f"{top}/closed/d")
    script = """
os.chdir("closed/d")
others_turn()
attempt("open", ".", os.O_RDONLY)
"""

    def replace() -> None:
        os.rmdir(f"{top}/closed/d")
        os.symlink(f"{top}/open", f"{top}/closed/d")

    done = _run(_policy(top), top, script, replace)
    assert done.out == "EACCES\n"
    assert _denied(done) == [(f"{top}/closed/d", ("read_dir",), True)]


def test_working_directory_called_as_if_it_were_removed(top: str) -> None:
    os.mkdir(f"{top}/closed/d (deleted)")
    Path(f"{top}/closed/d (deleted)/f").write_text("")
    done = _run(_policy(top), top, 'os.chdir("closed/d (deleted)"); attempt("open", "f", os.O_RDONLY)')
    assert done.out == "EACCES\n"
    assert _denied(done) == [(f"{top}/closed/d (deleted)/f", ("read_file",), True)]


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_working_directory_moved_by_another_process(top: str, mode: str) -> None:
    os.mkdir(f"{top}/open/d")
    Path(f"{top}/open/d/f").write_text("")
    script = """
os.chdir("open/d")
attempt("open", "f", os.O_RDONLY)
others_turn()
attempt("open", "f", os.O_RDONLY)
"""
    done = _run(_policy(top), top, script, lambda: os.rename(f"{top}/open/d", f"{top}/closed/d"), mode=mode)
    if mode == "enforce":
        assert done.out == "ok\nEACCES\n"
        assert _denied(done) == [(f"{top}/closed/d/f", ("read_file",), True)]
    assert _refused(done) <= {"denied"}


def test_descriptor_of_a_directory_moved_or_removed_by_another_process(top: str) -> None:
    for name in ("d", "e"):
        os.mkdir(f"{top}/open/{name}")
    Path(f"{top}/open/d/f").write_text("")
    script = """
moved, gone = os.open("open/d", os.O_RDONLY), os.open("open/e", os.O_RDONLY)
attempt("open", "f", os.O_RDONLY, dir_fd=moved)
others_turn()
attempt("open", "f", os.O_RDONLY, dir_fd=moved)
attempt("open", ".", os.O_RDONLY, dir_fd=gone)
attempt("unlink", "f", dir_fd=moved)
attempt("rename", "f", "../../open/g", src_dir_fd=moved, dst_dir_fd=gone)
"""

    def act() -> None:
        os.rename(f"{top}/open/d", f"{top}/closed/d")
        os.rename(f"{top}/open/e", f"{top}/closed/e")
        os.rmdir(f"{top}/closed/e")

    done = _run(_policy(top), top, script, act)
    assert done.out.splitlines()[:4] == ["ok", "EACCES", "EACCES", "EACCES"]
    assert _denied(done)[:3] == [
        (f"{top}/closed/d/f", ("read_file",), True),
        (f"{top}/closed/e", ("read_dir",), True),
        (f"{top}/closed/d", ("remove_file",), True),
    ]
    assert _refused(done) == {"denied"}


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_directory_replaced_by_a_link_by_another_process(top: str, mode: str) -> None:
    os.mkdir(f"{top}/open/d")
    Path(f"{top}/open/d/f").write_text("")
    script = """
for _ in range(3): attempt("open", f"{top}/open/d/f", os.O_RDONLY)
others_turn()
for _ in range(3): attempt("open", f"{top}/open/d/f", os.O_RDONLY)
"""

    def replace() -> None:
        shutil.rmtree(f"{top}/open/d")
        os.symlink(f"{top}/closed", f"{top}/open/d")

    done = _run(_policy(top), top, script, replace, mode=mode)
    assert done.out.split() == ["ok"] * 3 + (["EACCES"] if mode == "enforce" else ["ok"]) * 3
    assert _denied(done) == [(f"{top}/closed/f", ("read_file",), True)]
    assert [row.times for row in done.report.accesses if row.verdict == "denied"] == [3]


def test_link_that_another_process_turns_all_the_time(top: str) -> None:
    """No denial may be lost, though the name leads elsewhere by the time that it is looked up."""
    os.symlink("open", f"{top}/turning")
    script = """
refused = 0
for _ in range(1500):
    try: os.close(os.open(f"{top}/turning/f", os.O_RDONLY))
    except OSError as error: refused += error.errno == errno.EACCES
print(refused)
"""
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            for target in ("open", "closed"):
                os.symlink(target, f"{top}/next")
                os.rename(f"{top}/next", f"{top}/turning")

    turner = threading.Thread(target=turn)
    turner.start()
    try:
        done = _run(_policy(top), top, script)
    finally:
        stop.set()
        turner.join()
    rows = [row for row in done.report.accesses if row.path == f"{top}/turning/f" and row.errno == "EACCES"]
    assert {row.verdict for row in rows} <= {"denied"}, rows
    assert sum(row.times for row in rows) == int(done.out)


def test_hard_link_made_by_another_process(top: str) -> None:
    """A rule on a file holds for its other names, of which one is in a directory without rules."""
    script = """
attempt("open", "closed/f", os.O_RDONLY)
others_turn()
attempt("open", "closed/f", os.O_RDONLY)
attempt("truncate", "closed/f", 0)
"""

    def link() -> None:
        os.unlink(f"{top}/closed/f")
        os.link(f"{top}/single", f"{top}/closed/f")

    Path(f"{top}/single").write_text("")
    done = _run(_policy(top, f"{top}/single"), top, script, link)
    assert done.out == "EACCES\nok\nEACCES\n"
    assert [row[1] for row in _denied(done)] == [("read_file",), ("truncate",)]


def test_program_reached_only_by_its_descriptor(top: str) -> None:
    shutil.copy("/bin/true", f"{top}/closed/true (deleted)")
    script = """
fd = os.open("closed/true (deleted)", os.O_PATH)
attempt("execve", f"/proc/self/fd/{fd}", ["true"], {})
attempt("execve", fd, ["true"], {})
"""
    done = _run(_policy(top), top, script)
    assert done.out == "EACCES\nEACCES\n"
    assert {row[0] for row in _denied(done)} == {f"{top}/closed/true (deleted)"}
    assert _refused(done) == {"denied"}


def test_what_only_rules_of_the_program_deny_is_denied_but_not_explained(top: str) -> None:
    script = f"""
sys.path.insert(0, {REPOSITORY!r})
from editor.landlock.ruleset import *
enforce(build(RulesetSpec(frozenset({{"read_file", "make_reg", "remove_file"}}), frozenset(), frozenset(), (), ())))
attempt("open", "open/f", os.O_RDONLY)
attempt("open", "open/new", os.O_CREAT | os.O_WRONLY)
attempt("unlink", "open/f")
attempt("rename", "open/f", "w/g")
"""
    done = _run(_policy(top), top, script)
    assert done.out == "EACCES\nEACCES\nEACCES\nEACCES\n"
    assert {(row.verdict, row.explained) for row in done.report.accesses if row.errno == "EACCES"} == {
        ("denied", False)
    }
    assert done.report.unexplained == done.report.counts()["denied"]


def test_new_file_that_may_be_made_but_not_written(top: str) -> None:
    """The kernel leaves it behind empty: what was asked for it is still what the row says."""
    os.mkdir(f"{top}/half")
    rules: dict[str, Any] = {**system_rules(), f"{top}/half": ("make_reg",)}
    done = _run(policy(rules), top, 'attempt("open", "half/new", os.O_CREAT | os.O_WRONLY)')
    assert done.out == "EACCES\n"
    assert {(row.verdict, tuple(sorted(row.rights))) for row in done.rows(path=f"{top}/half/new")} == {
        ("allowed", ("make_reg",)),
        ("denied", ("write_file",)),
    }


@pytest.mark.root
def test_directory_covered_by_a_mount_of_another_process(top: str) -> None:
    """Who is inside still has the rules of the covered directory, and who looks it up has not."""
    os.mkdir(f"{top}/open/d")
    Path(f"{top}/open/d/f").write_text("")
    script = """
fd = os.open("open", os.O_RDONLY)
others_turn()
attempt("open", "d/f", os.O_RDONLY, dir_fd=fd)
attempt("mkdir", "new", dir_fd=fd)
attempt("mkdir", f"{top}/open/other")
attempt("open", f"{top}/open/f", os.O_RDWR)
"""
    resolved = policy({**system_rules(), f"{top}/open": ("read_file", "read_dir"), f"{top}/w": ALL_FS})
    mounted: list[str] = []

    def cover() -> None:
        subprocess.run(["mount", "-t", "tmpfs", "none", f"{top}/open"], check=True)
        mounted.append(f"{top}/open")
        Path(f"{top}/open/f").write_text("")

    try:
        done = _run(resolved, top, script, cover)
    finally:
        for point in mounted:
            subprocess.run(["umount", "-l", point], check=True)
    assert done.out == "ok\nEACCES\nEACCES\nEACCES\n"
    assert _denied(done) == [
        (f"{top}/open", ("make_dir",), True),
        (f"{top}/open", ("make_dir",), True),
        (f"{top}/open/f", ("read_file", "write_file"), True),
    ]
    assert not [row for row in done.report.accesses if row.path == f"{top}/open/d/f" and row.verdict != "allowed"]


@pytest.mark.root
def test_mount_taken_away_while_a_program_is_inside(top: str) -> None:
    """Above the root of a mount that is nowhere attached there is nothing, though its path begins like any other."""
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{top}/open"], check=True)
    mounted = [f"{top}/open"]
    script = """
os.chdir("open/etc")
attempt("open", "f", os.O_RDONLY)
others_turn()
attempt("open", "f", os.O_RDONLY)
attempt("open", "..", os.O_RDONLY)
"""

    def detach() -> None:
        subprocess.run(["umount", "-l", mounted.pop()], check=True)

    try:
        os.mkdir(f"{top}/open/etc")
        Path(f"{top}/open/etc/f").write_text("")
        resolved = policy({**system_rules(), top: ("read_file", "read_dir"), f"{top}/w": ALL_FS, "/etc": ALL_FS})
        done = _run(resolved, top, script, detach)
    finally:
        for point in mounted:
            subprocess.run(["umount", "-l", point], check=True)
    assert done.out == "ok\nEACCES\nEACCES\n"
    assert [(row[1], row[2]) for row in _denied(done)] == [(("read_file",), True), (("read_dir",), True)]


_CONNECT = """
import socket
def connect(name):
    try: socket.socket(socket.AF_UNIX).connect(name); print("ok")
    except OSError as error: print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_abstract_address_bound_again_by_another_process(top: str, mode: str) -> None:
    require_abi(6)
    name = f"paddock-{os.getpid()}"
    script = f"""{_CONNECT}
own = socket.socket(socket.AF_UNIX); own.bind("\\0{name}"); own.listen()
connect("\\0{name}")
own.close()
others_turn()
connect("\\0{name}")
"""
    with socket.socket(socket.AF_UNIX) as outside:

        def bind() -> None:
            outside.bind(f"\0{name}")
            outside.listen()

        done = _run(_policy(top, scoped=ALL_SCOPES), top, script, bind, mode=mode)
    assert done.out == ("ok\nEPERM\n" if mode == "enforce" else "ok\nok\n")
    rows = done.rows(syscall="connect", path=f"@{name}")
    assert [(row.verdict, row.errno, row.explained) for row in rows] == [
        ("allowed", None, True),
        ("denied", "EPERM", True),
    ]


def test_abstract_address_of_a_socket_without_a_chosen_name(top: str) -> None:
    """The kernel picks the name; in observe mode the run's descriptors tell whose it is."""
    require_abi(6)
    script = f"""{_CONNECT}
own = socket.socket(socket.AF_UNIX); own.bind(""); own.listen()
connect(own.getsockname())
"""
    done = _run(_policy(top, scoped=ALL_SCOPES), top, script, mode="observe")
    assert done.out == "ok\n"
    assert [row.verdict for row in done.rows(syscall="connect")] == ["allowed"]


def test_socket_created_outside_and_bound_inside(top: str) -> None:
    """Landlock asks who created a socket; the address is bound, and the socket held, by the run alone."""
    require_abi(6)
    name = f"paddock-{os.getpid()}"
    script = f"""{_CONNECT}
door = socket.socket(socket.AF_UNIX); door.bind(top + "/w/door"); door.listen()
others_turn()
inside, _ = door.accept()
_, (number,), _, _ = socket.recv_fds(inside, 1, 1)
given = socket.socket(fileno=number); given.bind("\\0{name}"); given.listen()
connect("\\0{name}")
"""

    def give() -> None:
        with socket.socket(socket.AF_UNIX) as way, socket.socket(socket.AF_UNIX) as given:
            way.connect(f"{top}/w/door")
            socket.send_fds(way, [b"x"], [given.fileno()])

    done = _run(_policy(top, scoped=ALL_SCOPES), top, script, give)
    assert done.out == "EPERM\n"
    (row,) = done.rows(syscall="connect", path=f"@{name}")
    assert (row.verdict, row.explained) == ("denied", False)


@pytest.mark.root
def test_refusals_that_a_mount_option_explains(top: str) -> None:
    """Neither is Landlock's: the policy grants both, and the rows say why they failed."""
    point = f"{top}/open"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec,nodev", "none", point], check=True)
    try:
        shutil.copy("/bin/true", f"{point}/true")
        os.mknod(f"{point}/null", 0o020666, os.makedev(1, 3))
        script = """
attempt("execve", "open/true", ["true"], {})
attempt("open", "open/null", os.O_RDONLY)
"""
        done = _run(_policy(top), top, script)
    finally:
        subprocess.run(["umount", "-l", point], check=True)
    assert done.out == "EACCES\nEACCES\n"
    rows = [row for row in done.report.accesses if row.errno == "EACCES"]
    assert [row.verdict for row in rows] == ["failed", "failed"]
    assert ["noexec" in rows[0].reason, "nodev" in rows[1].reason] == [True, True]


def test_descriptor_keeps_the_rights_of_the_directory_where_it_was_opened(top: str) -> None:
    require_abi(3)
    os.mkdir(f"{top}/half")
    Path(f"{top}/half/f").write_text("half")
    script = """
fd = os.open("half/f", os.O_WRONLY)
others_turn()
attempt("ftruncate", fd, 0)
attempt("truncate", f"{top}/open/g", 0)
"""
    rules: dict[str, Any] = {**system_rules(), f"{top}/half": ("write_file",)}
    resolved = policy({**rules, f"{top}/open": ALL_FS, f"{top}/w": ALL_FS})
    done = _run(resolved, top, script, lambda: os.rename(f"{top}/half/f", f"{top}/open/g"))
    assert done.out == "EACCES\nok\n"
    (row,) = done.rows(syscall="ftruncate")
    assert (row.verdict, row.object_path, row.explained) == ("denied", f"{top}/open/g", False)
    assert "keeps the rights" in row.reason


def test_directory_made_where_another_process_has_put_an_open_one(top: str) -> None:
    """What was looked up before is outdated, but the kernel allows it: there is nothing to complain of."""
    os.mkdir(f"{top}/closed/d")
    Path(f"{top}/closed/d/f").write_text("")
    script = """
attempt("mkdir", f"{top}/closed/d/one")
attempt("open", f"{top}/closed/d/f", os.O_RDONLY)
others_turn()
attempt("mkdir", f"{top}/closed/d/two")
attempt("open", f"{top}/closed/d/f", os.O_RDONLY)
"""

    def replace() -> None:
        shutil.rmtree(f"{top}/closed/d")
        os.symlink(f"{top}/open", f"{top}/closed/d")

    done = _run(_policy(top), top, script, replace)
    assert done.out == "EACCES\nEACCES\nok\nok\n"
    assert done.notices == []
    below = [row for row in done.report.accesses if (row.path or "").startswith(f"{top}/closed/d/")]
    assert [row.object_path for row in below if row.verdict == "allowed"] == [f"{top}/open", f"{top}/open/f"]


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_other_mount_namespace(top: str, mode: str) -> None:
    """The same holds for a program that has unshared its view of the filesystem."""
    os.mkdir(f"{top}/closed/d")
    script = """
import ctypes
flags = 0x20000 if os.geteuid() == 0 else 0x10020000
if ctypes.CDLL(None).unshare(flags):
    print("no namespaces"); sys.exit()
os.chdir("closed/d")
others_turn()
attempt("open", f"{top}/closed/f", os.O_RDONLY)
attempt("open", ".", os.O_RDONLY)
attempt("open", "../f", os.O_RDONLY)
attempt("open", f"{top}/open/f", os.O_RDONLY)
"""
    done = _run(_policy(top), top, script, lambda: os.rmdir(f"{top}/closed/d"), mode=mode)
    if done.out == "no namespaces\n":
        pytest.skip("no user namespaces here")
    assert done.out == ("EACCES\n" * 3 if mode == "enforce" else "ok\n" * 3) + "ok\n"
    assert {row[:2] for row in _denied(done)} == {
        (f"{top}/closed/f", ("read_file",)),
        (f"{top}/closed/d", ("read_dir",)),
    }
    assert [row.verdict for row in done.rows(object_path=f"{top}/open/f")] == ["allowed"]


@pytest.mark.root
@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_chroot_and_links_to_other_directories(top: str, mode: str) -> None:
    """In a chroot, absolute links and ``..`` stay inside, and rules from above its root still count."""
    for name in ("open/etc", "closed/etc"):
        os.mkdir(f"{top}/{name}")
        Path(f"{top}/{name}/f").write_text("")
    os.symlink("/closed/etc", f"{top}/open/turn")
    script = """
os.chroot(top); os.chdir("/open")
attempt("open", "turn/f", os.O_RDONLY)
attempt("open", "/../../open/etc/f", os.O_RDONLY)
attempt("open", "/closed/etc/../f", os.O_RDONLY)
"""
    done = _run(_policy(top), top, script, mode=mode)
    assert done.out == ("EACCES\nok\nEACCES\n" if mode == "enforce" else "ok\nok\nok\n")
    assert _denied(done) == [
        (f"{top}/closed/etc/f", ("read_file",), True),
        (f"{top}/closed/f", ("read_file",), True),
    ]
    assert [row.verdict for row in done.rows(object_path=f"{top}/open/etc/f")] == ["allowed"]


@pytest.mark.root
def test_what_lies_outside_the_root_of_a_chroot_has_its_own_name(top: str) -> None:
    """A working directory or descriptor opened before chroot(2) leads outside: names there do not begin at the root."""
    script = """
before = os.open("/", os.O_PATH)
os.chdir("closed")
os.chroot(top + "/w")
attempt("open", "f", os.O_RDONLY)
attempt("mkdir", "new")
attempt("rename", "/f", "moved")
attempt("open", top[1:] + "/closed/f", os.O_RDONLY, dir_fd=before)
"""
    done = _run(_policy(top), top, script)
    assert done.out.split() == ["EACCES"] * 4
    closed = f"{top}/closed"
    assert {(path, explained) for path, _, explained in _denied(done)} == {(f"{closed}/f", True), (closed, True)}
    (source,) = [row for row in done.report.accesses if row.syscall == "rename" and row.path == "/f"]
    assert (source.verdict, source.object_path) == ("allowed", f"{top}/w")


def test_interpreter_of_a_script_in_no_directory(top: str) -> None:
    """The kernel opens the interpreter of a memory file by its name, as for any other script."""
    shutil.copy("/usr/bin/true", f"{top}/closed/true")
    script = """
for path in ("descriptor", "name"):
    memory = os.memfd_create("script", 0)
    os.write(memory, f"#!{top}/closed/true\\n".encode())
    attempt("execve", memory if path == "descriptor" else f"/proc/self/fd/{memory}", ["script"], {})
"""
    done = _run(_policy(top), top, script)
    assert done.out.split() == ["EACCES", "EACCES"]
    assert {(path, explained) for path, _, explained in _denied(done)} == {(f"{top}/closed/true", True)}
    assert not [row for row in done.rows(verdict="failed") if row.errno == "EACCES"]


@pytest.mark.root
def test_handle_that_is_only_named_or_also_truncated(top: str) -> None:
    """open_by_handle_at(2) takes the flags of open(2)."""
    script = """
import ctypes
call = ctypes.CDLL(None).syscall
numbers = {"x86_64": (303, 304), "aarch64": (264, 265)}[os.uname().machine]
def handle(path):
    known = ctypes.create_string_buffer(bytes([128, 0, 0, 0]) + bytes(132))
    assert call(numbers[0], -100, path.encode(), known, ctypes.byref(ctypes.c_int()), 0) == 0
    return known
mount = os.open("w", os.O_RDONLY)
for name, flags in (("closed/f", os.O_PATH), ("readable/f", os.O_RDONLY), ("readable/f", os.O_TRUNC)):
    print(call(numbers[1], mount, handle(name), flags) >= 0)
"""
    os.mkdir(f"{top}/readable")
    Path(f"{top}/readable/f").write_text("x")
    done = _run(_policy(top, f"{top}/readable"), top, script)
    if not done.out:
        pytest.skip("the filesystem has no file handles")
    assert done.out.split() == ["True", "True", "False"]
    assert _denied(done) == [(f"{top}/readable/f", ("truncate",), True)]
    assert not done.notices
    rows = done.rows(syscall="open_by_handle_at", object_path=f"{top}/closed/f")
    assert {row.verdict for row in rows} == {"uncontrolled"}


def test_script_that_observe_mode_would_deny_although_it_fails_later(top: str) -> None:
    """Its interpreter is missing: the policy would have refused the script before."""
    Path(f"{top}/closed/script").write_text(f"#!{top}/missing\n")
    os.chmod(f"{top}/closed/script", 0o700)
    script = "attempt('execve', 'closed/script', ['script'], {})"
    done = _run(_policy(top), top, script, mode="observe")
    assert done.out.split() == ["ENOENT"]
    assert (f"{top}/closed/script", ("execute", "read_file"), True) in _denied(done)
    assert not done.notices
