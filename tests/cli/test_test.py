"""``paddock test``: the report, the stream it goes to, and the exit status."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import ETC_LINE, PADDOCK, POLICY, REPOSITORY, environment, json_of, paddock, write, write_program
from tests.sandbox.harness import alive

WITHOUT_LANDLOCK = (sys.executable, os.path.join(os.path.dirname(__file__), "without_landlock.py"))
ACCESS_KEYS = [
    "verdict", "rights", "missing", "path", "object", "port", "syscall", "errno", "process", "pid", "count",
    "decided_by", "confirmed", "reason", "predicted", "observed", "explained",
]  # fmt: skip
REPORT_KEYS = [
    "policy",
    "command",
    "mode",
    "abi",
    "exit_code",
    "duration_s",
    "counts",
    "notes",
    "accesses",
    "proposals",
]
SAMPLE = "sample_policies/read-only-shell.toml"


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", POLICY)


def unique(tmp_path: Path) -> str:
    """Return an unused path in /tmp."""
    return f"/tmp/{tmp_path.name}-{os.getpid()}"


def accesses(report: Any, verdict: str) -> list[tuple[list[str], str, str]]:
    return [
        (each["missing"] or each["rights"], each["object"], each["process"])
        for each in report["accesses"]
        if each["verdict"] == verdict
    ]


def hostname_line() -> int:
    """Return the line on which the sample grants /etc/hostname."""
    with open(os.path.join(REPOSITORY, SAMPLE), encoding="utf-8") as file:
        (line,) = (number for number, text in enumerate(file, 1) if '"/etc/hostname"' in text)
    return line


_AUDITED = """
import subprocess, sys
from editor.sandbox.verdicts.audit import AuditReader
from tests.cli.harness import PADDOCK
with AuditReader(enable=True):
    sys.exit(subprocess.run([*PADDOCK, *sys.argv[1:]]).returncode)
"""


@pytest.mark.audit
def test_rows_from_audit_are_marked(policy: str) -> None:
    look = ["sh", "-c", f"test -e /proc/{os.getpid()}/cwd/x"]  # stat(2), which is not traced
    program = [sys.executable, "-c", _AUDITED, "test", policy]
    lines: list[str] = []
    for _ in range(3):  # something else may turn audit off meanwhile
        text = subprocess.run([*program, "--", *look], capture_output=True, text=True, check=False, cwd=REPOSITORY)
        lines = [line for line in text.stderr.splitlines() if "seen by the kernel's audit alone" in line]
        if lines:
            break
    (line,) = lines
    assert f"process {os.getpid()} " in line
    done = subprocess.run(
        [*program, "--format", "json", "--", *look], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    denied = [each for each in json.loads(done.stdout)["accesses"] if each["verdict"] == "denied"]
    assert [(each["observed"], each["confirmed"]) for each in denied] == [("audit", True)]


def test_text_report(tmp_path: Path) -> None:
    new = unique(tmp_path)
    done = paddock("test", SAMPLE, "--", "sh", "-c", f"cat /etc/hostname; touch {new}", cwd=REPOSITORY)
    assert done.returncode == 1
    with open("/etc/hostname", encoding="utf-8") as file:
        assert done.stdout == file.read()
    lines = [line.split() for line in done.stderr.splitlines()]
    assert ["Denied:", "1"] in lines
    assert any(words[:4] == ["make_reg", "/tmp", "touch", "x1"] for words in lines)
    assert any(
        words[:2] == ["read_file", "/etc/hostname"] and words[-1] == f"{SAMPLE}:{hostname_line()}" for words in lines
    )
    assert "  Grant make_reg on /tmp and everything beneath it." in done.stderr
    # The command's own output comes before the report.
    assert done.stderr.index("touch: cannot touch") < done.stderr.index("Denied: 1")
    assert not os.path.exists(new)


def test_json_report(tmp_path: Path) -> None:
    new = unique(tmp_path)
    command = ["sh", "-c", f"cat /etc/hostname; touch {new}"]
    done = paddock("test", SAMPLE, "--format", "json", "--", *command, cwd=REPOSITORY)
    report = json_of(done)
    assert list(report) == REPORT_KEYS
    assert all(list(each) == ACCESS_KEYS for each in report["accesses"])
    assert (report["policy"], report["command"], report["mode"]) == (SAMPLE, command, "enforce")
    assert list(report["abi"]) == ["kernel", "enforced"]
    assert report["exit_code"] == done.returncode == 1
    (denied,) = (each for each in report["accesses"] if each["verdict"] == "denied")
    assert {key: denied[key] for key in ("rights", "missing", "path", "object", "errno", "process", "count")} == {
        "rights": ["make_reg"],
        "missing": ["make_reg"],
        "path": new,
        "object": "/tmp",
        "errno": "EACCES",
        "process": "touch",
        "count": 1,
    }
    (read,) = (each for each in report["accesses"] if each["object"] == "/etc/hostname")
    assert (read["verdict"], read["rights"], read["process"]) == ("allowed", ["read_file"], "cat")
    assert read["decided_by"] == [{"file": SAMPLE, "line": hostname_line(), "rule": 'path_beneath "/etc/hostname"'}]
    assert report["counts"]["denied"] == 1
    assert report["proposals"] == [
        {
            "kind": "exact",
            "edits": [{"paths": ["/tmp"], "rights": ["make_reg"], "comment": "temporary files"}],
            "sentence": "Grant make_reg on /tmp and everything beneath it.",
            "why": "Nothing else was denied before the run ended with status 1. Used by touch.",
            "purpose": "temporary files",
            "beyond": report["proposals"][0]["beyond"],
            "tolerated": False,
            "confirm": "",
            "count": 1,
            "accesses": [report["accesses"].index(denied)],
        }
    ]
    for verdict, count in report["counts"].items():
        assert count == sum(each["count"] for each in report["accesses"] if each["verdict"] == verdict)


class TestStreams:
    SCRIPT = "cat; echo out; echo err >&2"

    def run(self, policy: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return paddock("test", *options, policy, "--", "sh", "-c", self.SCRIPT, answer=b"in\n")

    def test_text_follows_on_standard_error(self, policy: str) -> None:
        done = self.run(policy)
        assert done.stdout == "in\nout\n"
        assert done.stderr.startswith("err\n")
        assert "exit status 0; " in done.stderr

    def test_json_is_alone_on_standard_output(self, policy: str) -> None:
        done = self.run(policy, "--format", "json")
        assert json_of(done)["exit_code"] == 0
        assert done.stderr == "in\nout\nerr\n"

    def test_jsonl_is_alone_on_standard_output(self, policy: str) -> None:
        done = self.run(policy, "--format", "jsonl")
        assert done.stderr == "in\nout\nerr\n"
        *rows, summary = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(list(row) == ACCESS_KEYS for row in rows)
        assert list(summary) == [key for key in REPORT_KEYS if key != "accesses"]
        for verdict, count in summary["counts"].items():
            assert count == sum(row["count"] for row in rows if row["verdict"] == verdict)

    @pytest.mark.parametrize("format", ["text", "json", "jsonl"])
    def test_output_file_leaves_both_streams_to_the_command(self, policy: str, tmp_path: Path, format: str) -> None:
        target = tmp_path / "report"
        done = self.run(policy, "--format", format, "-o", str(target))
        assert (done.returncode, done.stdout, done.stderr) == (0, "in\nout\n", "err\n")
        text = target.read_text()
        if format == "text":
            assert "exit status 0; " in text
            assert "\x1b" not in text
        else:
            assert json.loads(text if format == "json" else text.splitlines()[-1])["exit_code"] == 0

    def test_accesses_are_streamed_while_the_command_runs(self, policy: str) -> None:
        with subprocess.Popen(
            [*PADDOCK, "test", "--format", "jsonl", policy, "--", "sh", "-c", "cat /etc/hostname; cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
            text=True,
        ) as process:
            assert process.stdout is not None and process.stdin is not None
            for line in process.stdout:
                if json.loads(line)["object"] == "/etc/hostname":
                    break
            assert process.poll() is None
            process.stdin.close()
            assert json.loads(process.stdout.readlines()[-1])["exit_code"] == 0

    def test_closing_the_reader_stops_the_run(self, policy: str) -> None:
        with subprocess.Popen(
            [*PADDOCK, "test", "--format", "jsonl", policy, "--", "sh", "-c", "while cat /etc/hostname; do :; done"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(),
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=30) == 141

    def test_closed_streams(self, policy: str) -> None:
        script = 'exec "$@" <&- >&- 2>&-'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *PADDOCK, "test", policy, "--", "sh", "-c", "echo x; exit 5"],
            env=environment(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (5, b"", b"")


class TestExitStatus:
    @pytest.mark.parametrize("status", [0, 1, 77, 255])
    def test_of_the_command(self, policy: str, status: int) -> None:
        assert paddock("test", policy, "--", "sh", "-c", f"exit {status}").returncode == status

    def test_of_a_signal(self, policy: str) -> None:
        assert paddock("test", policy, "--", "sh", "-c", "kill -KILL $$").returncode == 128 + signal.SIGKILL

    def test_not_found(self, policy: str) -> None:
        done = paddock("test", policy, "--", "nosuchcommand")
        assert (done.returncode, done.stdout) == (127, "")
        assert done.stderr == "paddock test: nosuchcommand: command not found\n"

    def test_not_executable(self, policy: str, tmp_path: Path) -> None:
        write(tmp_path / "plain", "text")
        done = paddock("test", policy, "--", "./plain", cwd=tmp_path)
        assert done.returncode == 126
        assert "Permission denied" in done.stderr

    def test_denied_by_the_policy(self, policy: str, tmp_path: Path) -> None:
        write_program(tmp_path / "script", "#!/bin/sh\n")
        done = paddock("test", "--format", "json", policy, "--", "./script", cwd=tmp_path)
        report = json_of(done)
        assert done.returncode == report["exit_code"] == 126
        assert (["execute", "read_file"], f"{tmp_path}/script") in [
            (each["missing"], each["object"]) for each in report["accesses"] if each["verdict"] == "denied"
        ]

    def test_without_landlock(self, policy: str) -> None:
        done = paddock("test", policy, "--", "echo", "started", before=WITHOUT_LANDLOCK)
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr.startswith("paddock test: this kernel is built without Landlock")

    def test_unwritable_report_prevents_the_start(self, policy: str) -> None:
        done = paddock("test", "-o", "/no/such/place", policy, "--", "echo", "started")
        assert (done.returncode, done.stdout) == (125, "")
        assert done.stderr == "paddock test: /no/such/place: No such file or directory\n"


def test_observe_mode_enforces_nothing_and_predicts(policy: str, tmp_path: Path) -> None:
    script = "echo x > new; cat new"
    done = paddock("test", "--mode", "observe", "--format", "json", policy, "--", "sh", "-c", script, cwd=tmp_path)
    report = json_of(done)
    assert (report["mode"], report["exit_code"], done.stderr) == ("observe", 0, "x\n")
    assert all(each["predicted"] for each in report["accesses"])
    assert (["make_reg"], str(tmp_path), "sh") in accesses(report, "denied")
    assert (tmp_path / "new").read_text() == "x\n"
    text = paddock("test", "--mode", "observe", policy, "--", "sh", "-c", script, cwd=tmp_path).stderr
    assert "(expected: nothing was enforced)" in text


def test_older_abi(policy: str, tmp_path: Path) -> None:
    old = write(tmp_path / "old", "content")
    script = f"import os, sys\ntry: os.truncate({old!r}, 0)\nexcept OSError: sys.exit(1)"
    command = ("python3", "-c", script)
    report = json_of(paddock("test", "--format", "json", "--abi", "2", policy, "--", *command))
    assert (report["exit_code"], report["abi"]["enforced"]) == (0, 2)
    assert os.path.getsize(old) == 0
    report = json_of(paddock("test", "--format", "json", "--abi", "3", policy, "--", *command))
    assert report["exit_code"] == 1
    assert (["truncate"], old, "python3") in accesses(report, "denied")


def test_timeout(policy: str) -> None:
    began = time.monotonic()
    done = paddock("test", "--timeout", "0.5", policy, "--", "sleep", "60")
    assert done.returncode == 128 + signal.SIGTERM
    assert time.monotonic() - began < 30
    assert "stopped after 0.5 seconds" in done.stderr


class TestDaemon:
    """A process that outlives the command, in a session of its own."""

    def script(self, work: str) -> str:
        return f"setsid sh -c '{work}' </dev/null >/dev/null 2>&1 & exit 3"

    def test_is_ended_and_named(self, policy: str) -> None:
        done = paddock("test", policy, "--", "sh", "-c", self.script("exec sleep 60"))
        assert done.returncode == 3
        (note,) = (line for line in done.stderr.splitlines() if "outlived" in line)
        assert re.fullmatch(
            r"note: Processes that outlived the command were terminated \(--wait waits for them\): sleep \(\d+\)\.",
            note,
        )

    def test_is_waited_for(self, policy: str) -> None:
        script = self.script("sleep 1.5; cat /etc/hostname")
        done = paddock("test", "--wait", "--format", "json", policy, "--", "sh", "-c", script)
        report = json_of(done)
        assert done.returncode == report["exit_code"] == 3
        assert (["read_file"], "/etc/hostname", "cat") in accesses(report, "allowed")
        assert not any("outlived" in note for note in report["notes"])
        assert re.search(
            r"the command has ended; waiting for sh \(\d+\), sleep \(\d+\) \(Ctrl-C ends them\)", done.stderr
        )

    def test_that_ends_at_once_is_not_mentioned(self, policy: str) -> None:
        done = paddock("test", "--wait", policy, "--", "sh", "-c", self.script("exec true"))
        assert done.returncode == 3
        assert "waiting" not in done.stderr and "outlived" not in done.stderr

    def test_is_ended_by_the_timeout(self, policy: str) -> None:
        script = self.script("exec sleep 60")
        done = paddock("test", "--wait", "--timeout", "1.5", policy, "--", "sh", "-c", script)
        assert done.returncode == 3
        assert "The run was stopped after 1.5 seconds." in done.stderr
        assert re.search(r"Processes that outlived the command were terminated: sleep \(\d+\)\.", done.stderr)

    def test_is_ended_by_one_ctrl_c(self, policy: str) -> None:
        marker = f"60.{os.getpid()}7"
        command = ("test", "--wait", policy, "--", "sh", "-c", self.script(f"exec sleep {marker}"))
        with subprocess.Popen([*PADDOCK, *command], stderr=subprocess.PIPE, env=environment(), text=True) as process:
            assert process.stderr is not None
            assert "waiting for sleep" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert "exit status 3; " in process.stderr.read()
        assert process.returncode == 3
        assert not alive(marker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_the_run_and_the_report_follows(policy: str, number: int) -> None:
    # The tests may run under nohup, and an ignored signal is inherited.
    with subprocess.Popen(
        [
            "env",
            "--default-signal=HUP",
            *PADDOCK,
            "test",
            "--format",
            "json",
            policy,
            "--",
            "sh",
            "-c",
            "echo on >&2; sleep 60; :",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"on\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == json.loads(out)["exit_code"] == 128 + signal.SIGTERM


def test_ctrl_c_goes_to_the_command_and_the_report_follows(policy: str) -> None:
    """In a real terminal, Ctrl-C signals the whole process group, and the command may handle it."""
    script = 'trap "echo bye; exit 9" INT; echo on; while :; do sleep 0.05; done'
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(PADDOCK[0], [*PADDOCK, "test", policy, "--", "sh", "-c", script], environment())  # noqa: S606
    seen = b""
    typed = False
    with contextlib.suppress(OSError):  # EIO: the terminal is closed
        while data := os.read(terminal, 4096):
            seen += data
            if b"on\r\n" in seen and not typed:
                typed = True
                os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 9
    assert b"bye\r\n" in seen
    assert b"exit status 9; " in seen


def test_names_in_a_report_are_escaped(policy: str, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/x\n\x1b[31m\xff"
    script = b"exec 2>/dev/null; cat '" + name + b"'; exit 4"
    write(name.decode("utf-8", "surrogateescape"), "")
    done = paddock("test", policy, "--", "sh", "-c", script)
    assert done.returncode == 4
    assert "\x1b" not in done.stderr
    assert f"{tmp_path}/x\\x0a\\x1b[31m\\xff" in done.stderr
    report = json_of(paddock("test", "--format", "json", policy, "--", "sh", "-c", script))
    (denied,) = (each for each in report["accesses"] if each["verdict"] == "denied" and each["process"] == "cat")
    assert os.fsencode(denied["object"]) == name


def test_report_names_the_rules(policy: str) -> None:
    report = json_of(paddock("test", "--format", "json", policy, "--", "cat", "/etc/hostname"))
    (read,) = (each for each in report["accesses"] if each["object"] == "/etc/hostname")
    assert read["decided_by"] == [{"file": policy, "line": ETC_LINE, "rule": 'path_beneath "/etc"'}]


class TestPlan:
    """The proposals at the end of the report, and the policy with those that were needed."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        for name in ("one", "two"):
            write(tmp_path / name, "content")
        return tmp_path

    def test_text_has_all_of_it_with_what_was_tolerated_apart(self, policy: str, data: Path) -> None:
        (data / "many").mkdir()
        files = [str(data / "many" / f"file {number}") for number in range(30)]
        for file in files:
            write(file, "")
        done = paddock("test", "--fold", "exact", policy, "--", "cat", *files)
        advice = done.stderr[done.stderr.index("\nTo allow what was denied (") :]
        assert all(f"  Grant read_file on {file}.\n" in advice for file in files)
        assert "Tolerated" not in advice
        done = paddock("test", policy, "--", "sh", "-c", f"cat {data}/one; touch {data}/new; true")
        assert done.returncode == 0
        assert "To allow what was denied" not in done.stderr
        heading, *lines = done.stderr[done.stderr.index("\nTolerated in this run") + 1 :].splitlines()
        assert heading.startswith("Tolerated in this run; to allow it all the same (paddock edit ")
        assert lines[:2] == [
            f"  Grant read_file on {data}/one.",
            "      Files read. The program got along without: it ended with status 0. Used by cat.",
        ]
        assert f"  Grant make_reg on {data} and everything beneath it." in lines
        assert any(line.startswith("      It would also allow ") for line in lines)

    def test_json_says_what_was_tolerated(self, policy: str, data: Path) -> None:
        for script, tolerated in ((f"cat {data}/one", False), (f"cat {data}/one; true", True)):
            report = json_of(paddock("test", "--format", "json", policy, "--", "sh", "-c", script))
            (proposal,) = report["proposals"]
            assert proposal["tolerated"] == tolerated
            assert proposal["count"] == len(proposal["accesses"]) == 1

    def test_apply_makes_the_command_work(self, policy: str, data: Path) -> None:
        command = ("cat", str(data / "one"), str(data / "two"))
        before = Path(policy).read_text()
        done = paddock("test", policy, "--apply", policy, "--", *command)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"paddock test: {policy}: ")
        after = Path(policy).read_text()
        assert after.startswith(before.rstrip())
        assert paddock("run", policy, "--", *command).stdout == "contentcontent"
        done = paddock("test", policy, "--apply", policy, "--", *command)
        assert done.returncode == 0
        assert done.stderr.endswith(f"paddock test: {policy} was not changed.\n")
        assert Path(policy).read_text() == after

    def test_apply_to_a_new_file_copies_the_policy(self, policy: str, data: Path) -> None:
        before = Path(policy).read_text()
        new = data / "new.toml"
        done = paddock("test", "--format", "json", policy, "--apply", str(new), "--", "cat", str(data / "one"))
        assert json_of(done)["exit_code"] == 1
        assert Path(policy).read_text() == before
        assert new.read_text().startswith(before.rstrip())
        assert paddock("run", str(new), "--", "cat", str(data / "one")).stdout == "content"

    def test_what_was_tolerated_or_needs_agreement_is_not_applied(self, policy: str, data: Path) -> None:
        before = Path(policy).read_text()
        paddock("test", policy, "--apply", policy, "--", "sh", "-c", f"cat {data}/one; true")
        assert Path(policy).read_text() == before
        done = paddock("test", policy, "--apply", policy, "--", "sh", "-c", "kill -0 $PPID")
        assert done.returncode == 1
        assert "You have to agree: this opens every process outside the sandbox, through signal." in done.stderr
        assert "paddock test: not applied, since you have to agree: No longer restrict signal." in done.stderr
        assert Path(policy).read_text() == before

    def test_apply_extends_the_layer_that_the_file_is(self, policy: str, data: Path) -> None:
        layer = write(data / "layer.toml", POLICY)
        before = Path(policy).read_text()
        words = (policy, "--layer", layer, "--apply")
        one = str(data / "one")
        paddock("test", *words, layer, "--", "cat", one)
        assert (Path(policy).read_text(), Path(layer).read_text() == POLICY) == (before, False)
        paddock("test", *words, policy, "--", "cat", one)
        assert paddock("run", policy, "--layer", layer, "--", "cat", one).stdout == "content"

    def test_apply_with_files_that_belong_together(self, policy: str, data: Path) -> None:
        other = write(
            data / "other.toml",
            f'abi = 6\n[[variable]]\nname = "place"\nliteral = ["{data}"]\n\n'
            '[[ruleset]]\nhandled_access_fs = ["abi.all"]\n',
        )
        text = Path(policy).read_text()
        write(policy, f'{text}\n[[path_beneath]]\nallowed_access = ["read_dir"]\nparent = ["${{place}}/one"]\n')
        paddock("test", policy, "--with", other, "--apply", policy, "--", "cat", str(data / "one"))
        assert "${place}/one" in Path(policy).read_text()
        assert paddock("run", policy, "--with", other, "--", "cat", str(data / "one")).stdout == "content"

    @pytest.mark.parametrize(
        ("target", "said"),
        [
            ("link.toml", "is a symbolic link. Name the target instead."),
            ("no/such.toml", "No such file or directory"),
            ("new.json", "would not have the format of the policy."),
            ("broken.toml", "broken.toml:1"),
            (".", "Is a directory"),
        ],
    )
    def test_what_cannot_be_applied_to_is_refused_before_the_run(
        self, policy: str, data: Path, target: str, said: str
    ) -> None:
        (data / "link.toml").symlink_to(policy)
        write(data / "broken.toml", "what?")
        done = paddock("test", policy, "--apply", target, "--", "echo", "ran", cwd=data)
        assert (done.returncode, done.stdout) == (125, "")
        assert said in done.stderr
        assert Path(policy).read_text() == POLICY

    def test_a_file_that_changed_meanwhile_is_left_alone(self, policy: str, data: Path) -> None:
        text = f"{POLICY}# changed\n"
        script = 'printf %s "$1" > "$2"; cat "$3"'
        write(data / "wide.toml", f'{POLICY}\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["{policy}"]\n')
        done = paddock(
            "test", str(data / "wide.toml"), "--apply", policy, "--", "sh", "-c", script, "-", text, policy,
            str(data / "one"),
        )  # fmt: skip
        assert done.returncode == 125
        assert f"{policy} changed on disk since it was read." in done.stderr
        assert Path(policy).read_text() == text
