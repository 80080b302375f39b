"""Which object a path means to the program, whatever the path looks like."""

import errno
import os
import random
import shutil
import stat
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from editor.sandbox import syscalls
from editor.sandbox.calls.paths import HOST_VIEW, View, Walker, normalize
from tests.sandbox.harness import ALL_FS, REPOSITORY, Outcome, call, everything, policy, run, system_rules

AT_FDCWD = -100
_READ = os.O_RDONLY


@pytest.fixture
def top(tmp_path: Path) -> str:
    """A fresh directory without symbolic links in its path."""
    return os.path.realpath(tmp_path)


def _opened(done: Outcome, start: str) -> list[tuple[str | None, str | None, str]]:
    """Return (path, object, verdict) of what was opened, for paths or objects below ``start``."""
    return [
        (row.path, row.object_path, row.verdict)
        for row in done.report.accesses
        if row.syscall == "openat" and any(name and name.startswith(start) for name in (row.path, row.object_path))
    ]


def test_walker_agrees_with_the_kernel_on_random_trees(top: str) -> None:
    chance = random.Random(7)  # noqa: S311 no secret
    directories = [top]
    for number in range(40):
        directories.append(os.path.join(chance.choice(directories), f"d{number}"))
        os.mkdir(directories[-1])
    for number in range(60):
        Path(chance.choice(directories), f"f{number}").write_text("")
    for number in range(80):
        target = chance.choice(
            [*directories, "..", ".", "../..", f"d{number % 40}", f"l{number % 7}", f"f{number % 60}"]
        )
        os.symlink(target, os.path.join(chance.choice(directories), f"l{number}"))
    walker = Walker()
    parts = ["..", ".", "", *[f"{kind}{number}" for kind in "dfl" for number in range(80)]]
    existing = 0
    for _ in range(4000):
        path = "/".join([chance.choice(directories), *chance.choices(parts, k=chance.randrange(4))])
        follow = chance.random() < 0.5
        try:
            status = os.stat(path, follow_symlinks=follow)
        except OSError:
            status = None
        place = walker.walk(HOST_VIEW, path, os.getpid(), follow=follow)
        assert (place.entry is None) == (status is None), (path, place)
        if status is not None and place.real_path is not None and place.entry is not None:
            existing += 1
            assert place.entry.identity == (status.st_dev, status.st_ino), (path, place)
            if follow or not stat.S_ISLNK(status.st_mode):
                assert place.real_path == os.path.realpath(path)
            else:
                assert place.real_path == os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    assert existing > 500


def test_walker_forgets_on_request(top: str) -> None:
    os.makedirs(f"{top}/one/inner")
    os.makedirs(f"{top}/two/inner")
    walker = Walker()
    assert walker.walk(HOST_VIEW, f"{top}/one/inner/x", 1, follow=True).real_path == f"{top}/one/inner/x"
    shutil.rmtree(f"{top}/one")
    os.symlink("two", f"{top}/one")
    walker.forget()
    assert walker.walk(HOST_VIEW, f"{top}/one/inner/x", 1, follow=True).real_path == f"{top}/two/inner/x"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/a", "/a"),
        ("//a///b/", "/a/b"),
        ("/a/./b/.", "/a/b"),
        ("/a/../b", "/a/../b"),
        ("/.a/b.", "/.a/b."),
    ],
)
def test_normalize(path: str, expected: str) -> None:
    assert normalize(path) == expected


def test_view_from_host_in_a_chroot() -> None:
    view = View("/jail", "/proc/1/root")
    assert view.host_path("/etc") == "/jail/etc"
    assert view.from_host("/jail/etc") == "/etc"
    assert view.from_host("/jail") == "/"
    assert view.from_host("/jailbird") == "/jailbird"


def test_links_dots_and_doubled_slashes(top: str) -> None:
    os.makedirs(f"{top}/real/deep")
    Path(f"{top}/real/f").write_text("")
    os.symlink("real/deep", f"{top}/link")
    names = [f"{top}/real/f", f"{top}//real/./f", f"{top}/link/../f", f"{top}/real/deep/../f"]
    _, done = call(everything(), *(["openat", AT_FDCWD, name, _READ] for name in names))
    assert _opened(done, top) == [
        (f"{top}/real/f", f"{top}/real/f", "allowed"),
        (f"{top}/link/../f", f"{top}/real/f", "allowed"),
        (f"{top}/real/deep/../f", f"{top}/real/f", "allowed"),
    ]
    assert [row.times for row in done.rows(path=f"{top}/real/f")] == [2]


def test_relative_to_directory_descriptor_and_working_directory(top: str) -> None:
    os.makedirs(f"{top}/a/b")
    Path(f"{top}/a/f").write_text("")
    Path(f"{top}/a/b/f").write_text("")
    results, done = call(
        everything(),
        ["openat", AT_FDCWD, "f", _READ],
        ["openat", AT_FDCWD, "b", _READ | os.O_DIRECTORY],
        ["openat", {"result": 1}, "f", _READ],
        ["openat", {"result": 1}, "../f", _READ],
        ["chdir", "b"],
        ["openat", AT_FDCWD, "f", _READ],
        ["openat", {"result": 1}, "../..", _READ | os.O_DIRECTORY],
        ["fchdir", {"result": 6}],
        ["openat", AT_FDCWD, "a/f", _READ],
        ["openat", 999, "f", _READ],
        cwd=f"{top}/a",
    )
    assert results[-1] == -9
    objects = [entry[1] for entry in _opened(done, top)]
    assert objects == [f"{top}/a/f", f"{top}/a/b", f"{top}/a/b/f", f"{top}/a/f", top]
    assert [row.times for row in done.rows(path=f"{top}/a/b/f")] == [2]
    assert [row.times for row in done.rows(path=f"{top}/a/f")] == [2]


def test_proc_self_is_the_programs_own(top: str) -> None:
    os.symlink("/proc/self", f"{top}/me")
    Path(f"{top}/f").write_text("")
    results, done = call(
        everything(),
        ["openat", AT_FDCWD, "/proc/self/comm", _READ],
        ["openat", AT_FDCWD, f"{top}/me/cwd/f", _READ],
        ["openat", AT_FDCWD, f"{top}/f", _READ],
        ["openat", AT_FDCWD, "/proc/self/fd/0", _READ],
        ["openat", AT_FDCWD, "/proc/thread-self/status", _READ],
        cwd=top,
    )
    assert all(result >= 0 for result in results)
    objects = {row.path: row.object_path for row in done.rows(syscall="openat")}
    (pid,) = {row.pid for row in done.rows(path="/proc/self/comm")}
    assert objects["/proc/self/comm"] == f"/proc/{pid}/comm"
    assert objects[f"{top}/me/cwd/f"] == f"{top}/f"
    assert objects["/proc/self/fd/0"] == "/dev/null"
    assert objects["/proc/thread-self/status"] == f"/proc/{pid}/task/{pid}/status"


def test_descriptors_that_are_not_files() -> None:
    script = """
import os
reader, writer = os.pipe()
os.close(os.open(f"/proc/self/fd/{reader}", os.O_RDONLY | os.O_NONBLOCK))
memory = os.memfd_create("paddock")
os.close(os.open(f"/dev/fd/{memory}", os.O_RDWR))
print("both")
"""
    done = run(policy(system_rules()), sys.executable, "-I", "-S", "-c", script)
    assert done.out == "both\n", done.output
    rows = [row for row in done.report.accesses if row.path and "/fd/" in row.path]
    assert [row.verdict for row in rows] == ["uncontrolled", "uncontrolled"]
    assert all("pipes" in row.reason for row in rows)


def test_removed_directory_and_removed_file(top: str) -> None:
    script = """
import os, sys
top = sys.argv[1]
os.mkdir(top + "/d"); os.chdir(top + "/d"); os.rmdir(top + "/d")
try: os.open("f", os.O_RDONLY)
except OSError as error: print(error.errno)
file = os.open(top + "/g", os.O_RDWR | os.O_CREAT); os.unlink(top + "/g")
os.close(os.open(f"/proc/self/fd/{file}", os.O_RDONLY))
os.ftruncate(file, 0)
"""
    done = run(policy({**system_rules(), top: ALL_FS}), sys.executable, "-I", "-S", "-c", script, top)
    assert done.report.exit_code == 0, done.output
    assert done.out == "2\n"
    assert {row.object_path for row in done.rows(syscall="ftruncate", verdict="allowed")} == {f"{top}/g"}
    assert done.notices == []


_HOSTILE = [
    b"line\nbreak",
    b"\x1b[2J\x1b]0;title\x07",
    b"\xff\xfe not utf-8",
    b'quote"and\\backslash',
    "\u202ereversed".encode(),
    b" ",
    b"-rf",
    b"(deleted)",
    b"file (deleted)",
    b"socket:[1]",
    "ü".encode() * 100,
    b"a" * 255,
]


@pytest.mark.parametrize("granted", [True, False])
def test_hostile_names(top: str, granted: bool) -> None:
    for name in _HOSTILE:
        with open(os.path.join(os.fsencode(top), name), "wb"):
            pass
    rules: dict[str, Any] = system_rules()
    if granted:
        rules[top] = ALL_FS
    calls = [["openat", AT_FDCWD, os.path.join(top, os.fsdecode(name)), _READ] for name in _HOSTILE]
    results, done = call(policy(rules), *calls)
    verdict = "allowed" if granted else "denied"
    assert all((result >= 0) == granted for result in results)
    expected = [os.path.join(top, os.fsdecode(name)) for name in _HOSTILE]
    assert _opened(done, top) == [(name, name, verdict) for name in expected]
    assert done.notices == []


def test_names_of_all_lengths(top: str) -> None:
    """Up to the kernel's limit of 4,096 bytes, even if the absolute path is longer."""
    deep = "/".join(["d" * 200] * 15)
    script = """
import os, sys
top, deep = sys.argv[1:]
os.chdir(top)
for name in deep.split("/"):
    os.mkdir(name); os.chdir(name)
inner = os.open(".", os.O_RDONLY)
os.chdir(top)
os.close(os.open(deep + "/" + "f" * 200, os.O_CREAT | os.O_WRONLY))
os.chdir(deep)
for name in deep.split("/"):
    os.mkdir(name); os.chdir(name)
os.close(os.open("g" * 200, os.O_CREAT | os.O_WRONLY))
os.close(os.open("g" * 200, os.O_RDONLY))
for name in ("x" * 255, "./" * 2047 + "y", "./" * 2048 + "z", "w" * 256):
    try: os.close(os.open(name, os.O_CREAT | os.O_WRONLY)); print("made", len(name))
    except OSError as error: print(error.errno, len(name))
"""
    done = run(policy({**system_rules(), top: ALL_FS}), sys.executable, "-I", "-S", "-c", script, top, deep)
    assert done.report.exit_code == 0, done.output
    assert done.out.splitlines() == ["made 255", "made 4095", "36 4097", "36 256"]
    first = f"{top}/{deep}/{'f' * 200}"
    assert [row.verdict for row in done.rows(object_path=first)] == ["allowed"]
    second = f"{top}/{deep}/{deep}/{'g' * 200}"
    assert [(row.verdict, row.times) for row in done.rows(path=second, object_path=second)] == [
        ("allowed", 1),
        ("allowed", 1),
    ], [row for row in done.report.accesses if row.path and row.path.endswith("g" * 200)]
    assert done.notices == []
    shutil.rmtree(top)


@pytest.mark.root
def test_chroot(top: str) -> None:
    jail = f"{top}/jail"
    os.makedirs(f"{jail}/etc")
    os.mkdir(f"{jail}/work")
    Path(f"{jail}/etc/inside").write_text("")
    os.symlink("/etc", f"{jail}/work/absolute")
    script = """
import os, sys
os.chroot(sys.argv[1]); os.chdir("/work")
os.close(os.open("/etc/inside", os.O_RDONLY))
os.close(os.open("absolute/inside", os.O_RDONLY))
os.close(os.open("/../etc/inside", os.O_RDONLY))
"""
    rules = {**system_rules(), jail: ALL_FS}
    done = run(policy(rules), sys.executable, "-I", "-S", "-c", script, jail)
    assert done.report.exit_code == 0, done.output
    rows = [row for row in done.report.accesses if row.object_path == f"{jail}/etc/inside"]
    assert [row.path for row in rows] == ["/etc/inside", "/work/absolute/inside", "/../etc/inside"]
    assert {row.verdict for row in rows} == {"allowed"}
    assert all(row.decided_by for row in rows)


def test_paths_in_a_view() -> None:
    """A chroot at /root must not be mistaken for the link /proc/PID/root."""
    assert (HOST_VIEW.host_path("/a"), HOST_VIEW.tracer_path("/a"), HOST_VIEW.tracer_path("/")) == ("/a", "/a", "/")
    jail = View("/root", "/proc/5/root")
    assert (jail.host_path("/a"), jail.tracer_path("/a"), jail.tracer_path("/")) == ("/root/a", "/root/a", "/root")
    elsewhere = View("", "/proc/5/root", foreign=True)
    assert (elsewhere.host_path("/"), elsewhere.tracer_path("/"), elsewhere.tracer_path("/a")) == (
        "/",
        "/proc/5/root/",
        "/proc/5/root/a",
    )
    both = View("/jail", "/proc/5/root/../jail", foreign=True)
    assert (both.host_path("/"), both.tracer_path("/"), both.tracer_path("/a")) == (
        "/jail",
        "/proc/5/root/../jail",
        "/proc/5/root/../jail/a",
    )


_CODE_32 = """
import ctypes, mmap, struct, sys
sys.path.insert(0, {repository!r})
from editor.sandbox import syscalls
numbers = syscalls.numbers(syscalls.AUDIT_ARCH_I386)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
page = libc.mmap(None, 8192, 7, 0x62, -1, 0)  # private, anonymous, below 2 GB
data = page + 4096
def call(name, *arguments):
    padded = [*arguments, *[0] * (3 - len(arguments))]
    code = b"\\x53" + b"\\xb8" + struct.pack("=I", numbers[name])
    for opcode, argument in zip((b"\\xbb", b"\\xb9", b"\\xba"), padded):
        code += opcode + struct.pack("=I", argument & 0xFFFFFFFF)
    code += b"\\xcd\\x80" + b"\\x5b" + b"\\xc3"
    ctypes.memmove(page, code, len(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(page)()
def text(value):
    ctypes.memmove(data, value + b"\\0", len(value) + 1)
    return data
print(call("open", text(sys.argv[1].encode()), 0), call("mkdir", text(sys.argv[1].encode() + b"-d"), 0o700))
words = struct.pack("=5I", 2, 1, 0, 0, 0)
ctypes.memmove(data, words, len(words))
socket = call("socketcall", 1, data)
address = struct.pack("=HH4s8x", 2, 0x5000, b"\\x7f\\0\\0\\1")
ctypes.memmove(data, struct.pack("=3I", socket, data + 64, 16), 12)
ctypes.memmove(data + 64, address, 16)
print(call("socketcall", 3, data))
ctypes.memmove(data, struct.pack("=2I", socket, 1), 8)
print(call("socketcall", 4, data))
"""


@pytest.mark.skipif(syscalls.machine().compat is None, reason="this kernel takes no 32-bit calls that are decoded")
def test_32_bit_calls_are_decoded(top: str) -> None:
    Path(f"{top}/f").write_text("")
    rules = {**system_rules(), top: ("read_file",)}
    network = policy(rules, net=["connect_tcp"])
    script = _CODE_32.format(repository=REPOSITORY)
    done = run(network, sys.executable, "-I", "-S", "-c", script, f"{top}/f")
    if done.report.exit_code < 0 or done.report.exit_code == 139:
        pytest.skip("the kernel takes no 32-bit calls")
    opened, made = done.out.splitlines()[0].split()
    assert int(opened) > 0
    assert int(made) == -13
    assert [(row.verdict, row.syscall) for row in done.rows(path=f"{top}/f")] == [("allowed", "open")]
    assert [(row.verdict, row.missing) for row in done.rows(path=f"{top}/f-d")] == [("denied", frozenset({"make_dir"}))]
    assert done.out.splitlines()[1] == "-13"
    assert [(row.verdict, row.syscall) for row in done.rows(port=80)] == [("denied", "connect")]
    assert done.out.splitlines()[2] == "0"
    assert [(row.verdict, row.port) for row in done.rows(syscall="listen")] == [("uncontrolled", 0)]


def test_invalid_pointer_and_unterminated_path() -> None:
    """What cannot be read fails for the program as well, and nothing hangs."""
    results, done = call(
        everything(),
        ["openat", AT_FDCWD, 0, _READ],
        ["openat", AT_FDCWD, "x" * 9000, _READ],
        ["openat", AT_FDCWD, "", _READ],
        ["bind", 0, 1, 16],
        ["renameat", AT_FDCWD, 8, AT_FDCWD, 8],
    )
    assert results in ([-14, -36, -2, -88, -14], [-14, -36, -2, -14, -14])
    assert done.notices == []


def test_directory_created_after_a_failed_lookup(top: str) -> None:
    new = f"{top}/new/file"
    flags = os.O_CREAT | os.O_WRONLY
    results, done = call(
        everything(), ["open", new, flags, 0o600], ["mkdir", f"{top}/new", 0o700], ["open", new, flags, 0o600],
        ["rename", new, f"{top}/new/other"], ["rename", f"{top}/new/other", f"{top}/other"], cwd=top,
    )  # fmt: skip
    assert results[0] == -errno.ENOENT
    assert min(results[1:]) >= 0
    assert {row.object_path for row in done.rows(syscall="open", errno=None, path=new)} == {f"{top}/new", new}
    assert {row.object_path for row in done.rows(syscall="rename")} == {f"{top}/new", top}


def test_program_that_hides_its_memory(top: str) -> None:
    """Only root may read its memory; otherwise the report says that something is missing."""
    _, done = call(everything(), ["prctl", 4, 0], ["open", "/etc/hosts", _READ], ["ftruncate", 0, 0], cwd=top)
    if os.geteuid() == 0:
        assert done.rows(path="/etc/hosts", verdict="allowed")
        assert done.notices == []
    else:
        assert done.rows(path="/etc/hosts") == []
        assert len(done.notices) == 1
        assert "hides its memory" in done.notices[0]


def test_openat2_resolve_in_root(top: str) -> None:
    """Links and ``..`` stay in the directory (RESOLVE_IN_ROOT), and so do the reported paths."""
    inside = f"{top}/inside"
    os.makedirs(f"{inside}/etc")
    for name in (f"{inside}/etc/name", f"{inside}/top"):
        with open(name, "w", encoding="ascii") as file:
            file.write("inside")
    os.symlink("/etc/name", f"{inside}/link")
    how = {"hex": struct.pack("=QQQ", os.O_RDONLY, 0, 0x10).hex()}
    asked = ["/etc/name", "link", "../../etc/name", "etc/../top", "/etc", "none"]
    results, done = call(
        everything(),
        ["openat", AT_FDCWD, inside, os.O_PATH],
        *(["openat2", {"result": 0}, name, how, 24] for name in asked),
    )
    assert [result >= 0 for result in results] == [True] * 6 + [False]
    rows = [(row.object_path, row.verdict) for row in done.report.accesses if row.syscall == "openat2"]
    name = f"{inside}/etc/name"
    assert rows == [
        (name, "allowed"),
        (name, "allowed"),
        (name, "allowed"),
        (f"{inside}/top", "allowed"),
        (f"{inside}/etc", "allowed"),
        (f"{inside}/none", "failed"),
    ]
