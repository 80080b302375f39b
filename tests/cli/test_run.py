"""``paddock run`` enforces the policy, leaves all else to the command, and never starts it unrestricted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.harness import PADDOCK, POLICY, environment, json_of, paddock, write, write_program

WITHOUT_LANDLOCK = (sys.executable, os.path.join(os.path.dirname(__file__), "without_landlock.py"))


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", POLICY)


def shell(policy: str, script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return paddock("run", *options, policy, "--", "sh", "-c", script, cwd=os.path.dirname(policy))


def test_policy_is_enforced(policy: str) -> None:
    done = shell(policy, "cat /etc/hostname; cat policy.toml; echo x > new; grep NoNewPrivs /proc/self/status")
    assert done.returncode == 0
    with open("/etc/hostname", encoding="utf-8") as file:
        assert done.stdout.splitlines() == [*file.read().splitlines(), "NoNewPrivs:\t1"]
    assert "cat: policy.toml: Permission denied" in done.stderr
    assert not os.path.exists(os.path.join(os.path.dirname(policy), "new"))


@pytest.mark.parametrize("status", [0, 1, 3, 125, 255])
def test_status_is_that_of_the_command(policy: str, status: int) -> None:
    assert shell(policy, f"exit {status}").returncode == status


def test_unnamed_right_is_not_dropped_silently(tmp_path: Path) -> None:
    bit = "0x8000000000000000"
    text = POLICY.replace('handled_access_fs = ["abi.all"]', f'handled_access_fs = ["abi.all", {bit}]')
    policy = write(tmp_path / "policy.toml", text)
    done = shell(policy, "exit 3")
    assert done.returncode == 3 and f"fs.{bit} (no ABI known to Paddock)" in done.stderr
    done = shell(policy, "exit 3", "--require-abi", "1")
    assert done.returncode == 125
    assert f"fs.{bit}: no Landlock ABI known to Paddock has it, and this kernel does not restrict it" in done.stderr


def test_process_becomes_the_command(policy: str) -> None:
    with subprocess.Popen(
        [*PADDOCK, "run", policy, "--", "sh", "-c", "echo $$; kill -TERM $$"],
        stdout=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=60)
        assert int(said) == process.pid
    assert process.returncode == -signal.SIGTERM


def test_streams_are_untouched(policy: str) -> None:
    done = paddock("run", policy, "--", "sh", "-c", "head -c 3; cat >&2", answer=b"abc\xff\x00rest")
    assert (done.stdout, done.stderr) == ("abc", "\udcff\0rest")


def test_no_descriptor_is_leaked(policy: str) -> None:
    script = "for fd in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$fd ] && echo $fd; done; :"
    done = subprocess.run(
        [*PADDOCK, "run", policy, "--", "sh", "-c", script],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["0", "1", "2"]


def test_signal_dispositions_are_inherited(policy: str) -> None:
    look = "grep -E 'Sig(Ign|Blk)' /proc/self/status"
    # Under make, every program ignores a signal of the C library's own, so compare with a run without Paddock.
    without = subprocess.run(["sh", "-c", look], env=environment(), capture_output=True, text=True, check=True)
    assert shell(policy, look).stdout == without.stdout
    # An ignored signal stays ignored (nohup).
    done = subprocess.run(
        [
            "sh",
            "-c",
            'trap "" HUP; exec "$@"',
            "sh",
            *PADDOCK,
            "run",
            policy,
            "--",
            "grep",
            "SigIgn",
            "/proc/self/status",
        ],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ignored = {line.split()[0]: int(line.split()[1], 16) for line in without.stdout.splitlines()}["SigIgn:"]
    assert int(done.stdout.split()[1], 16) == ignored | 1 << (signal.SIGHUP - 1)


@pytest.mark.parametrize("locale", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C.UTF-8"}])
def test_environment_is_unchanged(policy: str, locale: dict[str, str]) -> None:
    # Without a locale, Python sets LC_CTYPE for itself; the command must not see that.
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": environment()["PYTHONPATH"], "ODD": "a\nb", **locale}
    done = paddock("run", policy, "--", "env", "-0", env=given)
    assert dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry) == given


class TestCommandThatCannotBeExecuted:
    @pytest.fixture
    def here(self, tmp_path: Path) -> Path:
        write(
            tmp_path / "policy.toml",
            POLICY + f'\n[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["{tmp_path}"]\n',
        )
        return tmp_path

    @pytest.mark.parametrize(
        ("command", "status", "said"),
        [
            ("nosuchcommand", 127, "nosuchcommand: command not found"),
            ("./nosuchcommand", 127, "./nosuchcommand: command not found"),
            ("", 127, "'': command not found"),
            ("./plain", 126, "cannot execute ./plain: Permission denied"),
            ("./directory", 126, "cannot execute ./directory: Permission denied"),
            ("./orphan", 127, "cannot execute ./orphan: its interpreter does not exist"),
            ("./plain/x", 126, "cannot execute ./plain/x: Not a directory"),
        ],
    )
    def test_status_is_that_of_env(self, here: Path, command: str, status: int, said: str) -> None:
        write(here / "plain", "text")
        os.mkdir(here / "directory")
        write_program(here / "orphan", "#!/no/such/interpreter\n")
        done = paddock("run", "policy.toml", "--", command, cwd=here)
        assert (done.returncode, done.stdout) == (status, "")
        assert done.stderr.startswith(f"paddock run: {said}")
        if command:
            by_env = subprocess.run(["env", command], cwd=here, env=environment(), capture_output=True, check=False)
            assert by_env.returncode == status

    def test_denied_by_the_policy(self, here: Path) -> None:
        write(here / "policy.toml", POLICY)
        write_program(here / "script", "#!/bin/sh\n")
        done = paddock("run", "policy.toml", "--", "./script", cwd=here)
        assert done.returncode == 126
        assert "paddock explain policy.toml ./script --right execute" in done.stderr
        asked = paddock("explain", "policy.toml", "./script", "--right", "execute", cwd=here)
        assert asked.returncode == 1

    def test_script_without_interpreter_is_run_by_the_shell(self, here: Path) -> None:
        write_program(here / "script", "echo $0 $1\n")
        done = paddock("run", "policy.toml", "--", "./script", "word", cwd=here)
        assert (done.returncode, done.stdout) == (0, "./script word\n")


def test_warning_about_a_missing_path_names_its_line(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY.replace('"/usr"', '"/usr",\n  "/no/such"'))
    done = shell(policy, "echo started")
    assert (done.returncode, done.stdout) == (0, "started\n")
    assert done.stderr == (
        f"paddock run: warning: {policy}:11: /no/such: The path does not exist: its rule grants "
        "nothing. [missing-path]\n"
    )
    assert shell(policy, "true", "--quiet").stderr == ""


def test_warnings_about_several_missing_paths_are_one_line_unless_verbose(tmp_path: Path) -> None:
    policy = write(tmp_path / "policy.toml", POLICY.replace('"/usr"', '"/usr",\n  "/no/a",\n  "/no/b"'))
    done = shell(policy, "echo started")
    assert (done.returncode, done.stdout) == (0, "started\n")
    assert done.stderr == (
        f"paddock run: warning: {policy}: 2 paths do not exist: their rules grant nothing (--verbose lists them)\n"
    )
    each = "The path does not exist: its rule grants nothing. [missing-path]"
    listed = [f"paddock run: warning: {policy}:{line}: /no/{name}: {each}" for line, name in ((11, "a"), (12, "b"))]
    assert shell(policy, "true", "--verbose").stderr.splitlines() == listed
    # A composed policy is read with line numbers from the start.
    assert shell(policy, "true", "--verbose", "--with", policy).stderr.splitlines() == listed


RIGHTS_ON_A_FILE = """\
abi = 6
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/"]
[[path_beneath]]
allowed_access = [{rights}]
parent = ["/dev/null", "/dev/zero"]
"""


@pytest.mark.parametrize(("rights", "number"), [('"abi.read_write"', 0), ('"read_file", "make_reg", "read_dir"', 1)])
def test_rights_on_a_file_are_reported_alike_by_all_verbs(tmp_path: Path, rights: str, number: int) -> None:
    """Once a rule if they are named; a group is meant for files and directories."""
    policy = write(tmp_path / "p.toml", RIGHTS_ON_A_FILE.format(rights=rights))
    message = "/dev/null is not a directory: read_dir, make_reg cannot be granted on it."
    expected = [f"{policy}:7: {message} [file-right]"] * number
    done = shell(policy, "true")
    assert done.stderr.splitlines() == [f"paddock run: warning: {line}" for line in expected]
    findings = json_of(paddock("check", "--format", "json", policy))["files"][0]["findings"]
    assert [each["message"] for each in findings if each["id"] == "file-right"] == [message] * number
    notes = json_of(paddock("test", "--format", "json", policy, "--", "true"))["notes"]
    assert [note for note in notes if "cannot be granted" in note] == expected


def test_warnings_of_several_kinds_are_one_line(tmp_path: Path) -> None:
    text = RIGHTS_ON_A_FILE.format(rights='"read_file", "make_reg"').replace('"/"', '"/", "/no/a", "/no/b"')
    policy = write(tmp_path / "p.toml", text + '[[ruleset]]\nscoped = ["signal"]\n')
    assert shell(policy, "true", "--abi", "5").stderr == (
        f"paddock run: warning: {policy}: Not restricted at ABI 5, which does not know: signal (ABI 6); 2 paths do not "
        "exist: their rules grant nothing; 1 rule names rights that cannot be granted on its files (--verbose lists "
        "them)\n"
    )
    lines = shell(policy, "true", "--abi", "5", "--verbose").stderr.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [
        "[newer-than-kernel]", "[missing-path]", "[missing-path]", "[file-right]"
    ]  # fmt: skip


def test_warning_about_rights_that_are_not_enforced(policy: str) -> None:
    done = shell(policy, "echo x > new && echo written", "--abi", "2")
    assert "warning: Not restricted at ABI 2, which does not know: truncate (ABI 3)" in done.stderr
    assert "written" not in done.stdout  # write_file and make_reg are known to ABI 2


def test_less_than_the_required_abi_is_refused(policy: str) -> None:
    done = shell(policy, "echo started", "--require-abi", "99")
    assert (done.returncode, done.stdout) == (125, "")
    assert "Landlock ABI 99 is required, and this kernel enforces ABI" in done.stderr
    assert shell(policy, "echo started", "--require-abi", "4", "--abi", "3").returncode == 125
    assert shell(policy, "echo started", "--require-abi", "1").stdout == "started\n"


def test_nothing_starts_unrestricted(tmp_path: Path, policy: str) -> None:
    done = paddock("run", policy, "--", "echo", "started", before=WITHOUT_LANDLOCK)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("paddock run: this kernel is built without Landlock")
    ports = write(tmp_path / "ports.toml", '[[ruleset]]\nhandled_access_net = ["bind_tcp"]\n')
    done = shell(ports, "echo started", "--abi", "3")
    assert (done.returncode, done.stdout) == (125, "")
    assert "nothing of this policy can be enforced at Landlock ABI 3" in done.stderr


def test_at_most_sixteen_layers(policy: str) -> None:
    def nested(layers: int) -> "subprocess.CompletedProcess[str]":
        # Paddock itself must be able to start inside its own sandbox.
        wide = write(os.path.join(os.path.dirname(policy), "wide.toml"), '[[ruleset]]\nscoped = ["signal"]\n')
        command = [*PADDOCK, "run", wide, "--"] * layers
        return paddock(*command[3:], "echo", "started")

    assert nested(16).stdout == "started\n"
    done = nested(17)
    assert (done.returncode, done.stdout) == (125, "")
    assert "this process already has 16 layers" in done.stderr


def test_little_is_imported(policy: str) -> None:
    """A start takes as long as its imports; each of these alone would be a tenth of it or more."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "editor", "run", policy, "--", "true"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "editor.sandbox.launch" in imported
    heavy = {
        "argparse", "asyncio", "dataclasses", "editor.evaluation.decider", "editor.policy.locate",
        "editor.sandbox.runner", "inspect", "json", "socket", "subprocess", "textual", "tomlkit", "watchdog",
    }  # fmt: skip
    assert imported & heavy == set()
