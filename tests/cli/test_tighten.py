"""``paddock tighten``: what nothing used goes, as reports or runs show it, and the command still works."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import json_of, paddock, write

# A shell with its libraries can run, and a little more.
POLICY = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]

# Programs and libraries.
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr"]

# Files.
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["/etc", "{place}", "/dev"]

[[net_port]]
allowed_access = ["bind_tcp", "connect_tcp"]
port = [80, 443]
"""
SHELL = ("/bin/sh", "-c")
READ = (*SHELL, "cat {place}/input >{place}/output")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "p.toml", POLICY.format(place=tmp_path))
    write(tmp_path / "input", "input\n")
    return tmp_path


def command(place: Path, words: tuple[str, ...] = READ) -> list[str]:
    return [word.format(place=place) for word in words]


def report(place: Path, words: tuple[str, ...] = READ, *options: str) -> str:
    """Run a command under the policy, and return the name of the report."""
    done = paddock(
        "test", "p.toml", *options, "--format", "json", "-o", "r.json", "--", *command(place, words), cwd=place
    )
    assert done.returncode == 0, done.stderr
    return "r.json"


def run(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return paddock("tighten", "p.toml", *words, cwd=place)


def denied(place: Path, words: tuple[str, ...] = READ) -> list[Any]:
    done = paddock("test", "p.toml", "--format", "json", "--", *command(place, words), cwd=place)
    return [done.returncode, *(each for each in json_of(done)["accesses"] if each["verdict"] == "denied")]


def text(place: Path) -> str:
    return (place / "p.toml").read_text(encoding="utf-8")


def test_as_a_report_shows(place: Path) -> None:
    before = text(place)
    done = run(place, report(place))
    assert done.returncode == 1
    assert "\n  p.toml:17  Remove the rule: port 80, port 443 unused.\n" in done.stdout
    assert "\n-port = [80, 443]\n" in done.stdout
    assert "\nNot written; --apply writes it to p.toml.\n" in done.stdout
    assert text(place) == before
    done = run(place, "r.json", "--apply")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nWritten to p.toml.\n" in done.stdout
    after = text(place)
    assert "net_port" not in after and '"/dev"' not in after and '"/etc"' not in after
    assert "\n# Programs and libraries.\n[[path_beneath]]\n" in after
    assert denied(place) == [0]
    os.unlink(place / "output")  # which the command makes
    assert denied(place) == [0]


def test_nothing_is_left_in_the_end(place: Path) -> None:
    for _ in range(3):
        status = run(place, report(place), "--apply")
        assert status.returncode == 0
    done = run(place, report(place))
    assert done.returncode == 0
    assert done.stdout.splitlines()[-4] == "p.toml: nothing to tighten"


def test_runs_prove_it(place: Path) -> None:
    done = run(place, "--apply", "--", *command(place))
    assert done.returncode == 0
    assert ", proven in 3 runs\n" in done.stdout
    assert "Restrict the scope signal: nothing outside the sandbox was reached by it." in done.stdout
    assert done.stderr.splitlines() == [
        "paddock tighten: run 1 of at most 12, under p.toml as it is",
        "paddock tighten: run 2 of at most 12, under p.toml as it is, with what it left behind",
        f"paddock tighten: run 3 of at most 12, under p.toml with {done.stdout.count('  p.toml:')} steps",
    ]
    assert '\nscoped = ["abstract_unix_socket", "signal"]\n' in text(place)
    assert denied(place) == [0]


def test_what_a_run_is_denied_stays_granted(place: Path) -> None:
    # From the third run on, it reads another file.
    words = (
        *SHELL,
        "cd {place}; echo >>runs; if test $(wc -l <runs) -gt 2; then cat /etc/hosts; else cat /etc/passwd; fi",
    )
    done = run(place, "--format", "json", "--apply", "--", *command(place, words))
    assert done.returncode == 0
    said = json_of(done)
    assert said["needed"] == [{"rights": ["read_file"], "object": "/etc/hosts", "port": None, "process": "cat"}]
    assert (said["taken_back"], said["runs"]) == ([], 4)
    assert '"/etc/hosts"' in text(place) and '"/etc/passwd"' in text(place) and '"/etc"' not in text(place)
    assert denied(place, words) == [0]


def test_a_scope_that_the_command_needs_open_stays_open(place: Path) -> None:
    words = (*SHELL, f"kill -0 {os.getpid()}")
    done = run(place, "--", *command(place, words))
    assert f"\nGranted still, because a run was denied it:\n  signal on process {os.getpid()} " in done.stdout
    assert "Restrict the scope signal" not in done.stdout
    assert '+scoped = ["abstract_unix_socket"]\n' in done.stdout


def test_a_report_cannot_tell_of_signals(place: Path) -> None:
    done = run(place, report(place))
    assert "Restrict the scope abstract_unix_socket" in done.stdout
    assert "Restrict the scope signal" not in done.stdout
    assert "Whether signals stay inside the sandbox only a command tells" in done.stdout


def test_reports_add_up(place: Path) -> None:
    write(place / "other", "other\n")
    first = report(place)
    os.rename(place / first, place / "first.json")
    second = report(place, (*SHELL, "cat /etc/hosts"))
    done = run(place, "first.json", second, "--format", "json")
    (rule,) = [each for each in json_of(done)["steps"] if "/etc/" in each["sentence"]]
    assert [each["paths"] for each in rule["instead"]][-1][-1].startswith("/etc/")
    assert "/etc/hosts" in rule["sentence"] and "/etc/ld.so.cache" in rule["sentence"]


def test_a_report_in_lines_and_one_of_another_version(place: Path) -> None:
    done = paddock("test", "p.toml", "--format", "jsonl", "-o", "r.json", "--", *command(place), cwd=place)
    assert done.returncode == 0
    write(place / "p.toml", f"# One more line.\n{text(place)}")
    done = run(place, "r.json")
    assert done.returncode == 1
    assert done.stdout.startswith("The reports are of another version of p.toml, or were made elsewhere: ")
    assert run(place, "r.json", "--apply").returncode == 0
    assert denied(place) == [0]


def test_json(place: Path) -> None:
    said = json_of(run(place, report(place), "--format", "json"))
    assert list(said) == [
        "policy",
        "steps",
        "needed",
        "taken_back",
        "runs",
        "judged_anew",
        "not_allowed",
        "score",
        "applied",
        "text",
    ]
    assert (said["policy"], said["needed"], said["taken_back"], said["runs"]) == ("p.toml", [], [], 0)
    assert said["applied"] is False
    assert all(list(each) == ["kind", "line", "rights", "instead", "sentence"] for each in said["steps"])
    assert {each["kind"] for each in said["steps"]} >= {"rule", "path", "down", "scope"}
    assert list(said["score"]) == ["before", "after", "used"]
    assert said["score"]["before"]["rights"] > said["score"]["after"]["rights"] >= said["score"]["used"]["rights"]
    assert said["text"] != text(place)
    write(place / "q.toml", said["text"])
    done = paddock("diff", "p.toml", "q.toml", cwd=place)
    assert "q.toml allows nothing that p.toml does not." in done.stdout


def test_layers_and_other_options_of_a_run(place: Path) -> None:
    write(place / "layer.toml", '[[ruleset]]\nhandled_access_net = ["connect_tcp"]\n')
    done = run(place, "--layer", "layer.toml", "--abi", "5", "--timeout", "60", "--", *command(place))
    assert done.returncode == 1
    assert "proven in 3 runs" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing tells what was used: give reports, or a command after --"),
        (("none.json",), "none.json: No such file or directory"),
        (("p.toml",), "p.toml: This is neither a JSON report of Paddock"),
        (("strace.log",), "strace.log is not a report of Paddock, so it does not say what was allowed."),
        (("--", "no-such-program"), "no-such-program"),
        (("--", "./input"), "Permission denied"),
    ],
)
def test_errors(place: Path, words: tuple[str, ...], said: str) -> None:
    write(place / "strace.log", '12 openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3\n')
    before = text(place)
    done = run(place, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[-1]
    assert text(place) == before


def test_no_policy(place: Path) -> None:
    assert "no policy file given" in paddock("tighten", "--", "true", cwd=place).stderr


def test_nothing_is_written_through_a_symbolic_link(place: Path) -> None:
    before = text(place)
    os.symlink("p.toml", place / "link.toml")
    done = paddock("tighten", "link.toml", report(place), "--apply", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert "link.toml is a symbolic link" in done.stderr
    assert text(place) == before


def test_the_commands_own_output_is_kept_apart(place: Path) -> None:
    done = run(place, "--format", "json", "--", *SHELL, "echo out")
    assert json_of(done)["runs"] == 2
    assert done.stderr.count("out\n") == 2


@pytest.mark.program("/usr/bin/python3")
def test_a_program_comes_down_from_the_whole_system(place: Path) -> None:
    words = ("/usr/bin/python3", "-I", "-c", "import json, ssl")
    before = json_of(run(place, "--format", "json", "--apply", "--", *words))["score"]
    assert before["after"]["files"] * 5 < before["before"]["files"]
    after = text(place)
    assert '"/usr"' not in after and '"/etc"' not in after
    assert after.count("[[path_beneath]]") <= 12
    assert denied(place, words) == [0]
    assert json_of(run(place, "--format", "json", "--", *words))["steps"] == []
