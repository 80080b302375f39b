"""Nested policies, limits of a run, and processes in other mount namespaces."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.evaluation.decider import Decider
from editor.evaluation.layers import LayersDecider
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.verdicts.audit import AuditReader
from editor.sandbox.verdicts.confirm import compare
from tests.cli.harness import json_of, paddock, write
from tests.sandbox.harness import ALL_FS, READING, call, everything, policy, require_abi, run, system_rules

AT_FDCWD = -100


def _named(resolved: ResolvedPolicy, name: str) -> ResolvedPolicy:
    return resolved._replace(file=name)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text").write_text("text\n")
    return tmp_path


@pytest.mark.audit
def test_each_layer_denies_what_it_does_not_grant(top: Path) -> None:
    """Read the kernel's audit: there are two domains, and each denial is of the layer that the row names."""
    require_abi(7)
    first = _named(policy({**system_rules(), str(top / "a"): READING}), "first.json")
    second = _named(policy({**system_rules(), str(top / "b"): READING}), "second.json")
    script = f"cat {top}/a/text; cat {top}/b/text; cat {top}/none; cat /proc/self/comm"
    with AuditReader(enable=True) as reader:
        done = run(first, "sh", "-c", script, layers=(second,), confirm=False)
        reader.read()
    rows = {row.object_path: row for row in done.rows(verdict="denied")}
    in_a, in_b = rows[str(top / "a" / "text")], rows[str(top / "b" / "text")]
    assert (in_a.layer, in_b.layer) == (2, 1)
    assert in_a.reason.startswith("layer 2 (second.json): ")
    assert in_b.reason.startswith("layer 1 (first.json): ")
    assert in_a.missing == in_b.missing == {"read_file"}
    assert done.out == "cat\n"
    recorded = {denial.path: denial for denial in reader.denials}
    by_second, by_first = recorded[str(top / "a" / "text")], recorded[str(top / "b" / "text")]
    assert int(by_second.domain, 16) > int(by_first.domain, 16)  # numbers only grow, so it is the younger domain
    assert all(compare([in_a, in_b], [by_first, by_second]).confirmed)


def test_denial_by_two_layers_is_reported_for_the_youngest(top: Path) -> None:
    one, two = _named(policy(system_rules()), "one.json"), _named(policy(system_rules()), "two.json")
    done = run(one, "cat", f"{top}/a/text", layers=(two,))
    (row,) = done.rows(verdict="denied")
    assert row.layer == 2
    assert row.reason.endswith("; layer 1 (one.json) would deny it as well")


@pytest.mark.audit
def test_denials_of_layers_are_confirmed_by_the_kernel(top: Path) -> None:
    require_abi(7)
    first = policy({**system_rules(), str(top): (*READING, "make_reg", "remove_file", "refer")})
    second = policy({**system_rules(), str(top): READING, "/dev": (*READING, "write_file")})
    script = f"cat {top}/a/text; mv {top}/a/text {top}/b/new; touch {top}/new; rm {top}/b/text; mkdir {top}/c"
    done = run(first, "sh", "-c", script, layers=(second,), confirm=True)
    denied = done.rows(verdict="denied")
    assert {"touch", "rm", "mv", "mkdir"} <= {row.process for row in denied}
    assert [row for row in denied if row.confirmed is not True] == []


@pytest.mark.parametrize(
    ("above", "error"),
    [((), 0), (("refer",), 18), (("refer", "make_reg"), 13)],
    ids=["both", "without refer", "without refer and make_reg"],
)
def test_rename_is_checked_by_every_layer(top: Path, above: tuple[str, ...], error: int) -> None:
    moving = {"refer", "make_reg", "remove_file"}
    free = policy({str(top): ALL_FS, **system_rules()})
    cut = policy({str(top): sorted({*ALL_FS} - set(above)), **system_rules()}, fs=[*READING, *moving])
    results, done = call(free, ["renameat", AT_FDCWD, f"{top}/a/text", AT_FDCWD, f"{top}/b/new"], layers=(cut,))
    assert results == [-error]
    rows = done.rows(syscall="renameat")
    assert {row.verdict for row in rows} >= ({"denied"} if error else {"allowed"})
    assert {row.layer for row in rows if row.verdict == "denied"} == ({2} if error else set())


def test_layer_of_ports_only_denies_refer_on_top_of_files(top: Path) -> None:
    """It handles no filesystem right, yet the kernel counts refer as handled by every layer of such a domain."""
    free = policy({str(top): ALL_FS, **system_rules()})
    ports = policy({}, fs=(), net=("connect_tcp",))
    moving = ["renameat", AT_FDCWD, f"{top}/a/text", AT_FDCWD, f"{top}/b/new"]
    results, done = call(free, moving, layers=(ports,))
    assert results == [-18]
    assert {(row.verdict, row.layer) for row in done.rows(syscall="renameat")} == {("denied", 2)}
    results, _ = call(ports, moving)
    assert results == [0]


def test_seventeen_layers_are_too_many() -> None:
    with pytest.raises(ValueError, match="16 layers"):
        LayersDecider([everything()] * 17, 7)
    assert run(everything(), "true", layers=(everything(),) * 15).report.exit_code == 0


def test_allowed_names_the_rules_of_all_layers(top: Path) -> None:
    one, two = _named(policy({"/": ALL_FS}), "one.json"), _named(policy({str(top): READING}), "two.json")
    decision = LayersDecider((one, two), 7).file(f"{top}/a/text", frozenset({"read_file"}))
    assert decision.allowed
    assert len(decision.decided_by) == 2


_POLICY = """
[[ruleset]]
handled_access_fs = ["write_file", "make_reg"]
"""
_LAYER = """
[[ruleset]]
handled_access_net = ["bind_tcp"]
"""


def test_command_line_of_layers(tmp_path: Path) -> None:
    below, above = write(tmp_path / "below.toml", _POLICY), write(tmp_path / "above.toml", _LAYER)
    code = "import socket, sys\ntry: socket.socket().bind(('127.0.0.1', 0))\nexcept PermissionError: sys.exit(9)"
    words = ("--layer", above, below, "--", "python3", "-c", code)
    report = json_of(paddock("test", "--format", "json", *words))
    (denied,) = (each for each in report["accesses"] if each["verdict"] == "denied" and each["rights"] == ["bind_tcp"])
    assert (denied["layer"], report["layers"]) == (2, [above])
    assert (report["exit_code"], paddock("run", *words).returncode) == (9, 9)
    assert paddock("run", below, "--", "python3", "-c", code).returncode == 0
    text = paddock("test", *words).stderr
    assert f"paddock edit {above}" in text
    many = [word for _ in range(16) for word in ("--layer", above)]
    assert paddock("run", *many, below, "--", "true").returncode == 125


# Limits


def test_process_limit_kills_a_fork_bomb() -> None:
    code = "import os, time\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.01)"
    done = run(everything(), sys.executable, "-I", "-S", "-c", code, max_processes=20)
    assert done.report.exit_code == 125
    assert any("more than 20 processes and threads" in notice for notice in done.notices)


def test_process_limit_is_invisible_below_it() -> None:
    done = run(everything(), "sh", "-c", "ulimit -u; true | true | true; exit 3", max_processes=10)
    assert done.report.exit_code == 3
    assert done.out == run(everything(), "sh", "-c", "ulimit -u").out


def test_io_uring_can_be_denied() -> None:
    script = "import ctypes; l = ctypes.CDLL(None, use_errno=True); l.syscall(425, 1, 0); print(ctypes.get_errno())"
    command = (sys.executable, "-I", "-S", "-c", script)
    refused = run(everything(), *command, deny_io_uring=True)
    assert refused.out == "38\n"
    plain = run(everything(), *command)
    assert any("io_uring" in notice for notice in plain.notices)


# Mount namespaces


@pytest.fixture
def elsewhere(top: Path) -> Iterator[tuple[str, ...]]:
    """Return a command prefix that enters a mount namespace in which ``b`` is ``a``."""
    if os.geteuid() != 0 or shutil.which("nsenter") is None:
        pytest.skip("the kernel lets only root do it, by nsenter")
    mounts = top / "mounts"
    mounts.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", mounts], check=True)
    try:
        subprocess.run(["mount", "--make-private", mounts], check=True)
        (mounts / "handle").touch()
        made = subprocess.run(
            ["unshare", f"--mount={mounts}/handle", "mount", "--bind", str(top / "a"), str(top / "b")], check=False
        )
        if made.returncode:
            pytest.skip("the kernel makes no mount namespaces here")
        (top / "a" / "text").write_text("of a\n")
        yield ("nsenter", f"--mount={mounts}/handle")
        subprocess.run(["umount", str(mounts / "handle")], check=True)
    finally:
        subprocess.run(["umount", "-l", str(mounts)], check=True)


def test_objects_in_another_mount_namespace(top: Path, elsewhere: tuple[str, ...]) -> None:
    """The command enters the namespace, in which the rules on ``a`` apply to ``b``."""
    handle = {str(top / "mounts"): READING}
    done = run(policy({**system_rules(), str(top / "a"): READING, **handle}), *elsewhere, "cat", f"{top}/b/text")
    assert done.out == "of a\n"
    (row,) = [row for row in done.report.accesses if row.path == f"{top}/b/text"]
    assert (row.verdict, row.decided_by != (), done.notices) == ("allowed", True, [])
    # With a rule on b alone, the kernel denies it: that rule is on the directory that b hides.
    done = run(policy({**system_rules(), str(top / "b"): READING, **handle}), *elsewhere, "cat", f"{top}/b/text")
    assert [row.verdict for row in done.report.accesses if row.path == f"{top}/b/text"] == ["denied"]


_IN_A_CHROOT = """
import os, sys
os.chroot(sys.argv[1])
os.chdir("/")
for name in ("/text", "text", "/sub/text", "/none"):
    try:
        os.close(os.open(name, os.O_RDONLY))
        print("opened")
    except OSError as error:
        print(error.errno)
os.mkdir("/moved")
try:
    os.rename("/text", "/moved/text")
    print("moved")
except OSError as error:
    print(error.errno)
"""


def test_chroot_in_another_mount_namespace(top: Path, elsewhere: tuple[str, ...]) -> None:
    """Paths start from a new root there, while the rules stay on ``a``, and on a directory above the chroot."""
    (top / "a" / "sub").mkdir()
    (top / "a" / "sub" / "text").touch()
    handle = {str(top / "mounts"): READING}
    script = (sys.executable, "-I", "-S", "-c", _IN_A_CHROOT)
    making = (*READING, "make_dir", "make_reg", "remove_file", "refer")
    done = run(policy({**system_rules(), str(top / "a"): making, **handle}), *elsewhere, *script, f"{top}/b")
    assert done.out.split() == ["opened", "opened", "opened", "2", "moved"]
    rows = {row.path: row for row in done.rows(syscall="openat")}
    assert (rows["/text"].verdict, rows["/text"].object_path) == ("allowed", f"{top}/b/text")
    assert [ref.rule for ref in rows["/sub/text"].decided_by] == [f'path_beneath "{top}/a"']
    assert (rows["/none"].verdict, rows["/none"].errno, done.notices) == ("failed", "ENOENT", [])
    moves = [row for row in done.report.accesses if row.syscall.startswith("rename")]
    assert [(row.verdict, row.object_path) for row in moves] == [
        ("allowed", f"{top}/b"),
        ("allowed", f"{top}/b/moved"),
    ]

    (top / "a" / "moved" / "text").rename(top / "a" / "text")
    (top / "a" / "moved").rmdir()
    cut = policy({**system_rules(), str(top / "a" / "sub"): making, str(top / "b"): making, **handle})
    done = run(cut, *elsewhere, *script, f"{top}/b")
    assert done.out.split()[:4] == ["13", "13", "opened", "2"]
    rows = {row.path: row for row in done.report.accesses if row.path in ("/text", "/sub/text")}
    assert (rows["/text"].verdict, rows["/text"].missing) == ("denied", frozenset({"read_file"}))
    assert rows["/sub/text"].verdict == "allowed"


def test_decider_with_another_root(top: Path) -> None:
    resolved = policy({str(top / "a"): READING})
    decider = Decider(resolved, 7, root="/proc/self/root")
    assert decider.file(f"{top}/a/text", frozenset({"read_file"})).allowed
    assert not decider.file(f"{top}/b/text", frozenset({"read_file"})).allowed
    assert json.dumps(list(decider.rights_on(f"{top}/b"))) == "[]"


# What cannot be followed is reported


_X32 = """
import ctypes, errno, json
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
results = []
for number, *arguments in [(257, -100, b"{file}", 0), (2, b"{file}", 0), (520, b"{file}", 0, 0)]:
    result = libc.syscall(ctypes.c_long(0x40000000 | number), *arguments)
    results.append("ok" if result >= 0 else errno.errorcode[ctypes.get_errno()])
print(json.dumps(results))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 calls are those of x86_64")
def test_x32_calls_are_decoded(top: Path) -> None:
    """Most kernels have no x32: the rows are the same except for the kernel's result."""
    file = top / "a" / "text"
    done = run(policy(system_rules()), sys.executable, "-I", "-S", "-c", _X32.replace("{file}", str(file)))
    results = json.loads(done.out)
    rows = done.rows(path=str(file))
    assert [(row.syscall, row.errno) for row in rows] == list(zip(("openat", "open", "execve"), results, strict=True))
    verdict = {"ENOSYS": "failed", "EACCES": "denied"}
    assert [row.verdict for row in rows] == [verdict[result] for result in results]


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_strace_inside_a_run_is_reported() -> None:
    done = run(everything(), "strace", "-o", "/dev/null", "true")
    assert done.report.exit_code != 0
    assert [notice for notice in done.notices if "traces other programs itself" in notice]


def test_tracing_program_works_under_paddock_run(tmp_path: Path) -> None:
    """As the notice says: under paddock run, a program may trace its own child."""
    script = (
        "import ctypes, os\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0 else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    rule = f'[[path_beneath]]\nallowed_access = {json.dumps(ALL_FS)}\nparent = ["/"]\n'
    file = write(tmp_path / "all.toml", f"[[ruleset]]\nhandled_access_fs = {json.dumps(ALL_FS)}\n{rule}")
    done = paddock("run", file, "--", sys.executable, "-I", "-S", "-c", script)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


_MANY = """
import os, sys
with open(f"/proc/{os.getppid()}/status") as status:
    print([line for line in status if line.startswith("VmHWM")][0].split()[1])
for again in range(2):
    for number in range(int(sys.argv[1])):
        try:
            os.open(f"/nonexistent/{number}", 0)
        except OSError:
            pass
with open(f"/proc/{os.getppid()}/status") as status:
    print([line for line in status if line.startswith("VmHWM")][0].split()[1])
"""


def test_tracer_memory_grows_only_with_names() -> None:
    """The program reads the peak memory of its tracer, its parent: 4 KiB per different name is plenty."""
    count = 5000
    done = run(everything(), sys.executable, "-I", "-S", "-c", _MANY, str(count))
    before, after = (int(line) for line in done.out.split())
    assert after - before < 4 * count
