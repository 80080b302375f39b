"""Paths such as /proc/self, /dev/stdin and ``.`` mean the same to ``run``, ``test`` and ``explain``."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from editor.evaluation.resolve import resolve
from editor.policy.parse import parse_policy
from editor.sandbox.runner import RunRequest
from editor.sandbox.runner import start as start_request
from tests.cli.harness import PADDOCK, environment
from tests.sandbox.harness import PLAIN_ENV, alive, collect, everything, require_abi, run

pytestmark = pytest.mark.usefixtures("place")

RULED = ("/usr", "/etc/ld.so.cache")
# A rule's path, and a command that reads something: whether it may is up to the kernel.
CASES = [
    ("/proc/self", "/proc/self/stat"),
    ("/proc/self/", "/proc/self/stat"),
    ("/proc/self/stat", "/proc/self/stat"),
    ("/proc/self/task", "/proc/thread-self/stat"),
    ("/proc/thread-self", "/proc/thread-self/stat"),
    ("/proc/thread-self", "/proc/self/stat"),
    ("/proc/./self/../self", "/proc/self/status"),
    ("/proc/mounts", "/proc/mounts"),
    ("/proc/net", "/proc/net/dev"),
    ("/proc/net", "/proc/self/net/dev"),
    ("/etc/mtab", "/proc/self/mounts"),
    ("/dev/fd", "/proc/self/fdinfo/0"),
    ("/proc/self/fdinfo", "/proc/self/fdinfo/0"),
    ("/dev/stdin", "/dev/stdin"),
    ("/dev/stdin", "input"),
    ("/proc/self/fd/0", "input"),
    ("/dev/fd/1", "input"),
    ("/proc/self/cwd", "input"),
    ("/proc/self/cwd/input", "input"),
    ("/proc/self/root", "input"),
    ("link", "/proc/self/stat"),
    ("link/cwd/input", "input"),
    (".", "input"),
    ("./.", "input"),
    ("down/..", "input"),
    ("", "input"),
]


def text_of(*parents: str) -> str:
    """Return a policy that lets programs start and read ``parents``."""
    return (
        'abi = 3\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n[[path_beneath]]\n'
        f'allowed_access = ["abi.read_execute"]\nparent = {json.dumps([*RULED, *parents])}\n'
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "input").write_text("read\n")
    (tmp_path / "down").mkdir()
    (tmp_path / "link").symlink_to("/proc/self")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paddock(*words: str) -> int:
    """Run ``paddock`` with ``input`` as its standard input; return the exit status."""
    with open("input", "rb") as file:
        return subprocess.run(
            [*PADDOCK, *words], stdin=file, capture_output=True, env=environment(), timeout=60, check=False
        ).returncode


@pytest.mark.parametrize(("rule", "target"), CASES)
def test_all_verbs_agree(place: Path, rule: str, target: str) -> None:
    Path("p.toml").write_text(text_of(rule))
    kernel = paddock("run", "p.toml", "--", "cat", target)
    assert kernel in (0, 1)
    tested = paddock("test", "p.toml", "--format", "json", "-o", "report.json", "--", "cat", target)
    explained = paddock("explain", "p.toml", target)
    assert (tested, explained) == (kernel, kernel)
    report = json.loads(Path("report.json").read_text())
    assert [note for note in report["notes"] if "although" in note] == []
    rows = [
        row for row in report["accesses"] if row["path"] in (target, f"{place}/{target}") and row["errno"] != "ENOENT"
    ]
    assert [row["verdict"] for row in rows] == ["denied" if kernel else "allowed"]
    if kernel == 0:
        assert [each["line"] for each in rows[0]["decided_by"]] == [6]


def test_layers_are_built_in_the_command_too() -> None:
    Path("p.toml").write_text(text_of("/proc"))
    Path("own.toml").write_text(text_of("/proc/self"))
    Path("none.toml").write_text(text_of())
    for layer in ("own.toml", "none.toml"):
        status = [paddock(verb, "p.toml", "--layer", layer, "--", "cat", "/proc/self/stat") for verb in ("run", "test")]
        assert status == [layer == "none.toml"] * 2


def test_the_rule_does_not_cover_a_child() -> None:
    require_abi(3)
    policy = resolve(parse_policy(text_of("/proc/self"), "p.toml", "toml"))
    done = run(policy, "sh", "-c", "cat /proc/self/stat; exit $?", stdin=os.open("input", os.O_RDONLY))
    assert done.report.exit_code == 1
    (row,) = done.rows(path="/proc/self/stat")
    assert row.verdict == "denied"
    assert row.reason == "the rule on /proc/self (p.toml:6) covers the command's own process only"


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_observing_predicts_what_enforcing_does(mode: str) -> None:
    require_abi(3)
    policy = resolve(parse_policy(text_of("/proc/self", "/dev/stdout"), "p.toml", "toml"))
    script = "read -r line < /proc/$$/stat; cat /proc/$$/comm; exit 0"
    done = run(policy, "sh", "-c", script, mode=mode)
    verdicts = {row.path: row.verdict for row in done.report.accesses if row.path and row.path.startswith("/proc/")}
    assert set(verdicts.values()) == {"allowed"}
    assert len(verdicts) == 2, "the shell's own number names the same directory"


def test_working_directory_of_the_run(place: Path) -> None:
    """The rule on /proc/self/cwd is on the directory that the command starts in, not on the caller's."""
    require_abi(3)
    policy = resolve(parse_policy(text_of("/proc/self/cwd"), "p.toml", "toml"), base="/")
    done = run(policy, "cat", f"{place}/input", cwd=str(place))
    assert (done.report.exit_code, done.out) == (0, "read\n")
    assert run(policy, "cat", f"{place}/input", cwd=f"{place}/down").report.exit_code == 1


@pytest.mark.parametrize("rule", ["/proc/self/fd/5", "/dev/fd/5", "/proc/self/fd/6"])
def test_inherited_descriptors(rule: str) -> None:
    """The command has the caller's descriptors under their numbers, and a rule can mean one."""
    Path("p.toml").write_text(text_of(rule))
    Path("other").write_text("other\n")
    command = "sh -c 'read -r line <&5; echo $line; cat input; cat /dev/fd/7' 5<input 6<other 7< <(echo pipe)"
    answers = []
    for verb in ("run p.toml", "test p.toml --format json -o report.json"):
        script = f"{' '.join(PADDOCK)} {verb} -- {command}"
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, env=environment(), text=True, timeout=60, check=False
        )
        answers.append((done.returncode, done.stdout))
    granted = "read\n" if rule.endswith("5") else ""
    assert answers == [(0, f"read\n{granted}pipe\n")] * 2


def test_no_rule_means_a_descriptor_of_the_tracer() -> None:
    require_abi(3)
    policy = resolve(parse_policy(text_of(*(f"/proc/self/fd/{number}" for number in range(3, 60))), "p.toml", "toml"))
    done = run(policy, "cat", "/proc/self/fd/0", stdin=os.open("input", os.O_RDONLY))
    assert done.report.exit_code == 1
    assert done.rows(path="/proc/self/fd/0")[0].verdict == "denied"
    opened = [each for each in range(3, 60) if f"/proc/self/fd/{each}: A rule cannot" in " ".join(done.notices)]
    assert len(opened) == 3, "the ruleset and two pipes"


def test_answers_name_no_process() -> None:
    Path("p.toml").write_text(text_of("/proc/self", "/proc/thread-self", "/dev/fd", "/proc/mounts"))
    for words in (
        ("explain", "p.toml", "/proc/self/stat"),
        ("explain", "p.toml", "/proc/thread-self/stat", "--format", "json"),
        ("explain", "p.toml", "/proc/mounts"),
        ("explain", "p.toml", "/proc/self/fd/0"),
        ("explain", "p.toml", "/proc/self/nothing"),
        ("explain", "--all", "p.toml"),
        ("check", "--notes", "p.toml"),
        ("diff", "p.toml", "other.toml"),
        ("export", "p.toml", "--to", "resolved"),
        ("export", "p.toml", "--to", "landlock-json"),
    ):
        Path("other.toml").write_text(text_of())
        with subprocess.Popen(
            [*PADDOCK, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment(), text=True
        ) as process:
            out = process.communicate()[0]
        assert "/proc" in out
        assert str(process.pid) not in out
    assert '"/proc/self"' in out
    assert '"/dev/fd"' in out


def test_the_next_program_in_path(place: Path) -> None:
    """As execvp(3) does, also under the policy: a program that it refuses is passed over."""
    require_abi(3)
    program = place / "down" / "true"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    Path("p.toml").write_text(text_of())
    path = f"{program.parent}:/usr/bin:/bin"
    for verb in ("run", "test"):
        words = [*PADDOCK, verb, "p.toml", "--", "true"]
        done = subprocess.run(words, capture_output=True, env=environment(PATH=path), timeout=60, check=False)
        assert done.returncode == 0
    policy = resolve(parse_policy(text_of(), "p.toml", "toml"))
    done_here = run(policy, "true", env={**PLAIN_ENV, "PATH": path})
    assert [row.verdict for row in done_here.rows(syscall="execve", path=str(program))] == ["denied"]
    assert done_here.report.exit_code == 0


def test_failure_before_the_start_leaves_nothing(place: Path) -> None:
    for request, code, message in (
        (RunRequest(everything(), ("true",), cwd=f"{place}/none", env=PLAIN_ENV), 125, "No such file"),
        (RunRequest(everything(), ("paddock-nothing",), env=PLAIN_ENV), 127, "command not found"),
        (RunRequest(everything(), (f"{place}/input",), env=PLAIN_ENV), 126, "Permission denied"),
    ):
        done = collect(start_request(request._replace(confirm=False)))
        assert done.report.exit_code == code
        assert any(message in each for each in done.notices)
        assert done.report.accesses == ()
    assert alive(str(place)) == []


def test_interrupted_while_rules_are_built() -> None:
    """Ctrl-C ends the process that becomes the command at any time, as it ends ``run``."""
    require_abi(3)
    slow = text_of("/", *(f"/none/{number}" for number in range(5000)))
    under_way = start_request(
        RunRequest(
            resolve(parse_policy(slow, "p.toml", "toml")), ("sleep", "60"), env=PLAIN_ENV, pty=True, confirm=False
        )
    )
    while under_way.report is None:
        under_way.read_events()
        with contextlib.suppress(OSError):  # the terminal is closed
            under_way.write(b"\x03")
        time.sleep(0.002)
    assert under_way.report.exit_code == 130


def test_the_kernel_refuses_a_rule(place: Path) -> None:
    Path("p.toml").write_text(text_of("/proc/self"))
    code = (
        "import os, sys; from tests.cli.without_landlock import hide_landlock; hide_landlock(445); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, *PADDOCK, "test", "p.toml", "--", "echo", str(place)]
    done = subprocess.run(words, capture_output=True, env=environment(), text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("paddock test: ")
    assert len(done.stderr.splitlines()) == 1
    assert alive(str(place)) == []
