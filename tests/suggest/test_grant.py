"""Grants: what a real command is denied under a real policy is allowed once the edits are applied, and no more."""

import os
import pty
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, GrantPath, GrantPort, SetScope
from editor.escape import printable
from editor.evaluation.resolve import resolve
from editor.landlock.kernel import query_abi
from editor.sandbox.runner import RunRequest, start
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest.grant import grant
from editor.suggest.lasting import CannotGrant
from editor.suggest.planning import make_plan

BASE = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
scoped = ["abi.all"]

[[path_beneath]]
allowed_access = ["execute", "read_file", "read_dir"]
parent = ["/usr", "/etc"]

[[path_beneath]]
allowed_access = ["read_file", "write_file"]
parent = ["/dev/null", "/proc/filesystems"]
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
_MAX_ROUNDS = 4


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """Return a directory of files to work on; ``furnish`` creates it again before each run."""
    path = tmp_path / "place"
    furnish(os.fspath(path))
    yield os.fspath(path)
    shutil.rmtree(path)


def furnish(place: str) -> None:
    if os.path.lexists(place):
        shutil.rmtree(place)
    for directory in ("", "one", "two", "empty"):
        os.mkdir(os.path.join(place, directory))
    for name in ("file", "one/moved", "program"):
        with open(os.path.join(place, name), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho ran\n")
    os.chmod(os.path.join(place, "program"), 0o755)  # noqa: S103 it is a program
    os.symlink("file", os.path.join(place, "link"))
    os.mkfifo(os.path.join(place, "pipe"))


def document(text: str = BASE) -> PolicyDocument:
    return PolicyDocument.parse(text, "policy.toml", "toml")


def run(policy: PolicyDocument, command: tuple[str, ...], place: str) -> Report:
    resolved = resolve(policy.policy, base=place)
    return start(RunRequest(resolved, command, cwd=place, env=ENVIRONMENT, timeout=60)).wait()


def denials(report: Report) -> list[Access]:
    return [access for access in report.accesses if access.verdict == "denied"]


class Granted(NamedTuple):
    """The edits until nothing was denied, and the run that shows it."""

    edits: list[Edit]
    sentences: list[str]
    document: PolicyDocument
    report: Report


def grant_until_nothing_is_denied(policy: PolicyDocument, command: tuple[str, ...], place: str) -> Granted:
    """Run and grant every denial until there is none. Each denial must be gone in the run after its grant."""
    edits: list[Edit] = []
    sentences: list[str] = []
    granted: set[tuple[object, ...]] = set()
    for _ in range(_MAX_ROUNDS):
        furnish(place)
        report = run(policy, command, place)
        denied = denials(report)
        again = {(row.object_path, row.port, right) for row in denied for right in row.missing} & granted
        assert not again
        if not denied:
            return Granted(edits, sentences, policy, report)
        for row in denied:
            granted |= {(row.object_path, row.port, right) for right in row.missing}
            sentences += [each.sentence for each in make_plan((row,), resolve(policy.policy, base=place)).proposals]
            for edit in grant(row, resolve(policy.policy, base=place), rows=report.accesses):
                policy = policy.apply(edit)
                if edit not in edits:
                    edits.append(edit)
    raise AssertionError(f"still denied after {_MAX_ROUNDS} runs: {denied}")


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(script: str) -> tuple[str, ...]:
    return ("/usr/bin/python3", "-I", "-c", script)


def path(place: str, name: str, *rights: str) -> GrantPath:
    return GrantPath(os.path.join(place, name) if name else place, frozenset(rights))


CASES: dict[str, tuple[tuple[str, ...], Callable[[str], list[Edit]]]] = {
    "read": (("cat", "file"), lambda at: [path(at, "file", "read_file")]),
    "read through a link": (("cat", "link"), lambda at: [path(at, "file", "read_file")]),
    "list": (("ls", "one"), lambda at: [path(at, "one", "read_dir")]),
    "execute": (("./program",), lambda at: [path(at, "program", "execute", "read_file")]),
    "overwrite": (sh("echo x > file"), lambda at: [path(at, "file", "write_file", "truncate")]),
    "append": (sh("echo x >> file"), lambda at: [path(at, "file", "write_file")]),
    "make a file": (
        sh("echo x > one/new"),
        lambda at: [path(at, "one", "make_reg"), path(at, "one", "write_file")],
    ),
    "make a directory": (("mkdir", "one/new"), lambda at: [path(at, "one", "make_dir")]),
    "make a link": (("ln", "-s", "x", "one/new"), lambda at: [path(at, "one", "make_sym")]),
    "make a pipe": (("mkfifo", "one/new"), lambda at: [path(at, "one", "make_fifo")]),
    "remove a file": (("rm", "-f", "one/moved"), lambda at: [path(at, "one", "remove_file")]),
    "remove a directory": (("rmdir", "empty"), lambda at: [path(at, "", "remove_dir")]),
    "rename in a directory": (
        python("import os; os.rename('one/moved', 'one/new')"),
        lambda at: [path(at, "one", "remove_file", "make_reg")],
    ),
    "rename between directories": (
        python("import os; os.rename('one/moved', 'two/new')"),
        lambda at: [path(at, "one", "remove_file", "refer"), path(at, "two", "make_reg", "refer")],
    ),
    "link between directories": (
        python("import os; os.link('one/moved', 'two/new')"),
        lambda at: [path(at, "one", "refer"), path(at, "two", "make_reg", "refer")],
    ),
    "read the own process": (
        ("cat", "/proc/self/status"),
        lambda _: [GrantPath("/proc/self", frozenset({"read_file"}))],
    ),
    "read the own thread": (
        ("cat", "/proc/thread-self/status", "/proc/self/maps"),
        lambda _: [GrantPath("/proc/self", frozenset({"read_file"}))],
    ),
    "list the own descriptors": (
        ("ls", "/proc/self/fd"),
        lambda _: [GrantPath("/proc/self", frozenset({"read_dir"}))],
    ),
    "read a child's process": (
        sh("cat /proc/self/status && true"),
        lambda _: [GrantPath("/proc", frozenset({"read_file"}))],
    ),
    "read the process of a parent": (
        sh("read name < /proc/self/comm && cat /proc/$$/comm && true"),
        lambda _: [GrantPath("/proc/self", frozenset({"read_file"}))],
    ),
    "bind": (
        python("import socket; socket.socket().bind(('127.0.0.1', 0))"),
        lambda _: [GrantPort(0, frozenset({"bind_tcp"}))],
    ),
    "connect": (
        python("import socket; assert socket.socket().connect_ex(('127.0.0.1', 1)) == 111"),
        lambda _: [GrantPort(1, frozenset({"connect_tcp"}))],
    ),
    "signal": (sh("kill -0 $PPID"), lambda _: [SetScope("signal", False)]),
}


@pytest.mark.program("/usr/bin/python3")
@pytest.mark.parametrize("name", CASES)
def test_grant_allows_what_was_denied(name: str, place: str) -> None:
    command, expected = CASES[name]
    furnish(place)
    assert run(document(), command, place).exit_code != 0
    done = grant_until_nothing_is_denied(document(), command, place)
    assert done.report.exit_code == 0
    assert done.edits == expected(place)


def test_move_that_would_gain_rights(place: str) -> None:
    """refer alone is not enough: the file must not gain rights by the move."""
    text = f"""{BASE}
[[path_beneath]]
allowed_access = ["refer", "remove_file", "make_reg"]
parent = ["{place}/one", "{place}/two"]

[[path_beneath]]
allowed_access = ["execute"]
parent = ["{place}/two"]
"""
    command = python("import os; os.rename('one/moved', 'two/new')")
    done = grant_until_nothing_is_denied(document(text), command, place)
    assert done.report.exit_code == 0
    assert done.edits == [path(place, "one", "execute")]


def test_abstract_socket(place: str) -> None:
    name = f"\0paddock-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        command = python(f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})")
        done = grant_until_nothing_is_denied(document(), command, place)
    assert done.report.exit_code == 0
    assert done.edits == [SetScope("abstract_unix_socket", False)]
    assert "This widens the policy" in done.sentences[0]


def test_device(place: str) -> None:
    if query_abi() < 5:
        pytest.skip("needs Landlock ABI 5")
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    script = f"import os, termios; termios.tcgetattr(os.open({name!r}, os.O_RDWR | os.O_NOCTTY))"
    done = grant_until_nothing_is_denied(document(), python(script), place)
    os.close(ours)
    os.close(theirs)
    assert done.report.exit_code == 0
    assert done.edits == [
        GrantPath(name, frozenset({"read_file", "write_file"})),
        GrantPath(name, frozenset({"ioctl_dev"})),
    ]


def test_names_that_differ_in_every_run(place: str) -> None:
    script = "import tempfile; tempfile.NamedTemporaryFile(dir='one').write(b'x')"
    done = grant_until_nothing_is_denied(document(), python(script), place)
    assert done.report.exit_code == 0
    assert all(isinstance(edit, GrantPath) and edit.path == f"{place}/one" for edit in done.edits)
    assert any("itself would not last" in sentence for sentence in done.sentences)


def test_name_that_is_not_valid_in_a_policy(place: str) -> None:
    name = b"\xff\n"
    script = f"import os; open({name!r}, 'a')"
    policy = document().apply(GrantPath(place, frozenset({"make_reg"})))
    done = grant_until_nothing_is_denied(policy, python(script), place)
    assert done.report.exit_code == 0
    assert done.edits == [GrantPath(place, frozenset({"write_file"}))]


class TestSpelling:
    """A grant extends an existing rule, however that spells the path."""

    def granted(self, rule: str, place: str) -> PolicyDocument:
        text = f"{BASE}\n{rule}\n"
        return grant_until_nothing_is_denied(document(text), ("cat", "file"), place).document

    def test_relative(self, place: str) -> None:
        after = self.granted('[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["./file"]', place)
        assert after.text.endswith('allowed_access = ["write_file", "read_file"]\nparent = ["./file"]\n')

    def test_through_a_link(self, place: str) -> None:
        after = self.granted(f'[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["{place}/link"]', place)
        assert after.text.endswith(f'allowed_access = ["write_file", "read_file"]\nparent = ["{place}/link"]\n')

    def test_through_a_variable(self, place: str) -> None:
        rule = (
            f'[[variable]]\nname = "place"\nliteral = ["{place}"]\n\n'
            '[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["${place}/file"]'
        )
        after = self.granted(rule, place)
        assert after.text.endswith('allowed_access = ["write_file", "read_file"]\nparent = ["${place}/file"]\n')

    def test_through_a_variable_with_several_values(self, place: str) -> None:
        rule = (
            f'[[variable]]\nname = "place"\nliteral = ["{place}", "/other"]\n\n'
            '[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["${place}/file"]'
        )
        after = self.granted(rule, place)
        assert 'allowed_access = ["write_file"]\nparent = ["${place}/file"]\n' in after.text
        assert f'allowed_access = ["read_file"]\nparent = ["{place}/file"]\n' in after.text


class TestCannotGrant:
    def reason(self, command: tuple[str, ...], place: str, verdict: str, name: str) -> str:
        report = run(document(), command, place)
        (row,) = (row for row in report.accesses if row.verdict == verdict and (row.path or "").endswith(name))
        with pytest.raises(CannotGrant) as caught:
            grant(row, resolve(document().policy, base=place), rows=report.accesses)
        return str(caught.value)

    def test_failed_for_another_reason(self, place: str) -> None:
        said = self.reason(sh("cat /etc/no-such-file"), place, "failed", "/no-such-file")
        assert said == "The kernel refused this for a reason other than the policy (ENOENT)."

    def test_not_controlled_by_landlock(self, place: str) -> None:
        said = self.reason(("chmod", "600", "file"), place, "uncontrolled", "/file")
        assert said.startswith(
            "The policy does not control this, so there is nothing to grant: Landlock has no right for"
        )

    @pytest.mark.root
    def test_mounts(self, place: str) -> None:
        script = (
            "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "libc.mount(b'none', b'one', b'tmpfs', 0, None)\nassert ctypes.get_errno() == 1"
        )
        said = self.reason(python(script), place, "denied", "/one")
        assert said.startswith("No rule can allow this: a policy that handles any filesystem right denies")

    def test_allowed(self, place: str) -> None:
        report = run(document(), ("true",), place)
        with pytest.raises(CannotGrant, match="there is nothing to grant"):
            grant(report.accesses[0], resolve(document().policy))

    def test_objects_without_a_path(self, place: str) -> None:
        row = denials(run(document(), ("cat", "file"), place))[0]
        for nowhere in (None, "pipe:[4026531]", "memfd:\x1b[31m (deleted)"):
            with pytest.raises(CannotGrant, match="is not on a filesystem path") as caught:
                grant(row._replace(object_path=nowhere), resolve(document().policy, base=place))
            assert printable(str(caught.value)) == str(caught.value)
