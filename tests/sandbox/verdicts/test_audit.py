"""The kernel's audit as the judge: each record has its row, and each denied row its record."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox import syscalls
from editor.sandbox.verdicts.audit import (
    AuditReader,
    Denial,
    parse_denial,
    parse_domain,
    parse_fields,
)
from editor.sandbox.verdicts.confirm import compare, expected_blockers
from tests.cli.harness import POLICY, write
from tests.sandbox.harness import ALL_FS, ALL_NET, READING, REPOSITORY, Outcome, policy, require_abi, run, system_rules

_HEAD = b"audit(1700000000.123:42): "


def test_parse_a_denial() -> None:
    denial = parse_denial(
        _HEAD + b'domain=195ba459b blockers=fs.read_file,fs.write_file path="/etc/shadow" dev="vda1" ino=1234\0'
    )
    assert denial is not None
    assert denial[:6] == (42, "195ba459b", frozenset({"read_file", "write_file"}), "/etc/shadow", "vda1", 1234)


def test_parse_names_in_hexadecimal() -> None:
    name = "/tmp/a b\n\udcff"
    denial = parse_denial(_HEAD + b"domain=1 blockers=fs.make_reg path=" + os.fsencode(name).hex().upper().encode())
    assert denial is not None
    assert denial.path == name


def test_parse_ports_scopes_and_topology() -> None:
    port = parse_denial(_HEAD + b"domain=1 blockers=net.connect_tcp daddr=127.0.0.1 dest=80")
    scope = parse_denial(_HEAD + b'domain=1 blockers=scope.signal opid=1 ocomm="init"')
    mount = parse_denial(_HEAD + b'domain=1 blockers=fs.change_topology name="/" dev="tmpfs" ino=1')
    assert port is not None and scope is not None and mount is not None
    assert (port.port, port.blockers, port.path) == (80, frozenset({"connect_tcp"}), None)
    assert scope.blockers == {"signal"}
    assert scope.process == "process 1 (init)"
    assert mount.blockers == {"change_topology"}


def test_blockers_of_an_unknown_kind_keep_it() -> None:
    denial = parse_denial(_HEAD + b"domain=1 blockers=namespace.use,capability.use,fs.refer,ptrace capability=21")
    assert denial is not None
    assert denial.blockers == {"namespace.use", "capability.use", "refer", "ptrace"}


def test_parse_domains() -> None:
    began = parse_domain(_HEAD + b'domain=1a status=allocated mode=enforcing pid=77 uid=0 exe="/x" comm="x"')
    ended = parse_domain(_HEAD + b"domain=1a status=deallocated denials=3")
    assert began == ("1a", 77, None)
    assert ended == ("1a", 0, 3)


@pytest.mark.parametrize(
    "text", [b"", b"\0", b"nonsense", b"audit(", b"audit(1.2:x): a=b", b"\xff\xfe", _HEAD, _HEAD + b"= =="]
)
def test_invalid_records_parse_to_none(text: bytes) -> None:
    assert parse_denial(text) is None
    assert parse_domain(text) is None
    fields = parse_fields(text)
    assert fields is None or fields.serial == 42


# With the kernel


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory to work in: sources, an archive, a repository."""
    top = Path(os.path.realpath(tmp_path_factory.mktemp("audited")))
    for name in ("in", "out", "half", "closed"):
        (top / name).mkdir()
        (top / name / "text").write_text("one\ntwo\nthree\n")
        (top / name / "sub").mkdir()
        (top / name / "sub" / "more").write_text("more\n")
        (top / name / "main.c").write_text('#include <stdio.h>\nint main(void) { return puts("x") < 0; }\n')
        (top / name / "Makefile").write_text("all: main.o\n")
    return top


def _cut(top: Path) -> ResolvedPolicy:
    """Programs may start; ``in`` is readable, ``half`` has some rights, ``out`` all, ``closed`` none."""
    rules = {
        **system_rules(),
        f"{top}/in": READING,
        f"{top}/half": ("read_file", "read_dir", "write_file", "make_reg", "refer"),
        f"{top}/out": ALL_FS,
    }
    return policy(rules, net=ALL_NET, scoped=["signal", "abstract_unix_socket"], ports={80: ["bind_tcp"]})


_PYTHON = f"{sys.executable} -I -S -c"
_PROGRAMS = {
    "cat": "cat closed/text in/text /etc/passwd",
    "ls": "ls -lR . /etc",
    "touch": "touch closed/new half/new out/new in/text",
    "cp": "cp -r in/sub closed/; cp -r in out/copy; cp -r in half/copy",
    "mv": "mv in/text out/; mv half/text out/; mv out/text half/; mv half/main.c half/renamed; mv half/sub out/",
    "ln": "ln in/main.c out/hard; ln -s x half/soft; ln half/renamed half/hard2; ln half/Makefile closed/hard",
    "rm": "rm -rf half closed; rm in/main.c",
    "mkdir": "mkdir -p closed/a/b half/c out/d/e; rmdir half/sub out/sub",
    "mkfifo": "mkfifo half/fifo closed/fifo out/fifo",
    "mknod": "mknod half/device c 1 3; mknod out/device c 1 3",
    "truncate": "truncate -s 0 half/main.c out/main.c closed/text",
    "dd": "dd if=in/main.c of=half/dd; dd if=in/main.c of=half/dd",
    "install": "install -m 600 in/main.c half/installed; install -d closed/directory",
    "tee": "echo x | tee closed/tee half/tee out/tee",
    "sed": "sed -i s/one/ONE/ half/text out/text in/text",
    "grep": "grep -r one . /etc/hosts",
    "find": "find . /etc -type f -exec cat {} + ; find out -delete",
    "awk": "awk '{ print > \"closed/awk\" }' in/main.c; awk '{ print > \"half/awk\" }' in/main.c",
    "tar": "tar cf half/archive.tar in; tar cf closed/archive.tar in; tar xf half/archive.tar -C half",
    "gzip": "gzip -k in/main.c; gzip half/main.c; gzip -kf out/main.c",
    "patch": r"printf -- '--- a\n+++ b\n@@ -1 +1 @@\n-one\n+1\n' >out/p; patch half/text out/p; patch in/text out/p",
    "diff": "diff -r in closed; diff -r in out",
    "split": "split -l 1 in/text half/part; split -l 1 in/text closed/part",
    "sort": "sort -o half/text in/text; sort -o closed/sorted in/text; sort -T closed in/text",
    "git": "git init -q half/repository; git -C out init -q .; git -C out add text; git -C closed status",
    "gcc": "gcc -o half/main in/main.c; gcc -c -o closed/main.o in/main.c; TMPDIR=out gcc -c -o out/main.o in/main.c",
    "make": "make -C half; make -C in; TMPDIR=$PWD/out make -C out CFLAGS=-O",
    "perl": "perl -e 'open(F, \">closed/x\") or warn; open(F, \">half/y\") or warn; unlink \"half/text\" or warn'",
    "ssh-keygen": "ssh-keygen -q -N '' -f half/key; ssh-keygen -q -N '' -f out/key; ssh-keygen -q -N '' -f closed/key",
    "openssl": "openssl rand -out half/random 10; openssl rand -out closed/random 10; openssl version -a",
    "mount": "mount -t tmpfs none out; umount /proc",
    "kill": "kill -0 1; kill -0 $$",
    "bash": "bash -c 'exec 3<>closed/x; exec 4<>half/x; echo > half/x; ./in/text; cd closed && ls; . closed/x'",
    "setsid": "setsid -w sh -c 'cat closed/text; echo > half/main.c'",
    "env": "env in/main.c; env closed/text; env -C closed cat text",
}  # fmt: skip
_SOCKETS = """
import _socket, os
for number in (80, 81):
    inner = _socket.socket()
    try: inner.bind(("127.0.0.1", number))
    except OSError as error: print(error)
    try: inner.connect(("127.0.0.1", number))
    except OSError as error: print(error)
for path in ("closed/socket", "half/socket", "out/socket"):
    try: _socket.socket(_socket.AF_UNIX).bind(path)
    except OSError as error: print(error)
os.execv("closed/text", ["x"])
"""


def _watched(resolved: ResolvedPolicy, cwd: Path, *command: str) -> tuple[Outcome, list[Denial]]:
    """Run a command; return the run, and all that the kernel recorded of it."""
    for _ in range(3):  # something else may turn audit off meanwhile: the kernel's count shows it
        with AuditReader(enable=True) as reader:
            done = run(
                resolved, *command, cwd=str(cwd), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}
            )
            # The process of the first call; once ids wrap around, its children may have lower ones.
            root = done.report.accesses[0].pid
            until = time.monotonic() + 2
            reader.read()
            expected = bool(done.rows(verdict="denied"))
            while (expected or reader.denials) and not reader.is_complete(root) and time.monotonic() < until:
                time.sleep(0.01)
                reader.read()
            if not (expected or reader.denials) or (reader.is_complete(root) and not reader.has_lost_records()):
                return done, reader.denials_of(root)
    pytest.fail("the kernel's records do not come whole")


_TWO_DIRECTORIES = ("rename", "renameat", "renameat2", "link", "linkat")


def _events(denials: list[Denial]) -> Counter[tuple[object, ...]]:
    """Count the records by content, except for calls on two directories, whose records name more than was requested."""
    numbers = syscalls.numbers(syscalls.machine().native)
    left_out = {numbers[name] for name in _TWO_DIRECTORIES if name in numbers}
    return Counter((denial.blockers, denial.path, denial.port) for denial in denials if denial.call not in left_out)


@pytest.mark.audit
@pytest.mark.parametrize("name", [*_PROGRAMS, "python3"])
def test_records_and_rows_match(name: str, workshop: Path, tmp_path: Path) -> None:
    require_abi(7)
    if name != "python3" and shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    top = Path(os.path.realpath(tmp_path)) / "work"
    shutil.copytree(workshop, top, symlinks=True)
    script = _PROGRAMS.get(name, "")
    command = ("sh", "-c", script) if script else (sys.executable, "-I", "-S", "-c", _SOCKETS)
    done, denials = _watched(_cut(top), top, *command)
    denied = done.rows(verdict="denied")
    found = compare(denied, denials)
    assert found.unmatched == ()
    assert [row for row, confirmed in zip(denied, found.confirmed, strict=True) if not confirmed] == []
    if name != "diff":
        assert denied, "the policy cuts nothing off"
    reported = Counter[tuple[object, ...]]()
    for row in denied:
        if row.syscall not in _TWO_DIRECTORIES:
            path = (
                None if row.syscall in ("umount", "umount2") else row.object_path
            )  # recorded by the root of the mount, which is "/"
            reported[expected_blockers(row), path, row.port] += row.times
    assert reported == _events(denials)


@pytest.mark.audit
def test_denials_are_confirmed(workshop: Path) -> None:
    require_abi(7)
    done = run(_cut(workshop), "cat", "closed/text", "in/text", cwd=str(workshop), confirm=True)
    rows = {row.path: row for row in done.report.accesses}
    assert rows[f"{workshop}/closed/text"].confirmed is True
    assert rows[f"{workshop}/in/text"].confirmed is None
    updates = [access for access in done.updates if access.confirmed is not None]
    assert [(access.path, access.times) for access in updates if access.path == f"{workshop}/closed/text"] == [
        (f"{workshop}/closed/text", 0)
    ]


_ELSEWHERE = """
import sys
from editor.sandbox.verdicts.audit import AuditReader
from tests.cli.harness import PADDOCK
import subprocess
with AuditReader(enable=True):
    sys.exit(subprocess.run(["unshare", "--net", *PADDOCK, *sys.argv[1:]]).returncode)
"""


@pytest.mark.audit
@pytest.mark.namespaces
def test_another_network_namespace_is_reported_as_the_reason(tmp_path: Path) -> None:
    """The kernel answers there, too, but sends its records to the initial namespace only."""
    require_abi(7)
    file = write(tmp_path / "policy.toml", POLICY)
    for command, denied in ((["cat", "/root"], True), (["true"], False)):
        done = subprocess.run(
            [sys.executable, "-c", _ELSEWHERE, "test", file, "--format", "json", "--", *command],
            capture_output=True,
            text=True,
            check=False,
            cwd=REPOSITORY,
        )
        report = json.loads(done.stdout)
        assert any(each["verdict"] == "denied" for each in report["accesses"]) == denied
        assert {each["confirmed"] for each in report["accesses"]} == {None}
        reported = [note for note in report["notes"] if "confirmed" in note]
        assert (
            reported
            == ["Denials are not confirmed: the kernel sends audit records to the initial network namespace only."][
                : int(denied)
            ]
        )


_PASSING = """
from editor.sandbox.verdicts.audit import AuditReader
AuditReader(enable=True).close()
"""


@pytest.mark.audit
def test_short_lived_reader_keeps_audit_on_for_others() -> None:
    with AuditReader(enable=True) as reader:
        subprocess.run([sys.executable, "-c", _PASSING], check=True, cwd=REPOSITORY)
        assert reader._state().enabled
        assert not reader.was_turned_off()
