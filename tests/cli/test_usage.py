"""The command line itself: verbs, usage errors, and messages without a traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from editor import __version__
from editor.workspace.samples import sample_names
from tests.cli.harness import PADDOCK, POLICY, environment, paddock, write

VERBS = ("abi", "check", "diff", "edit", "explain", "export", "grant", "learn", "run", "test", "tighten")


def test_help_lists_every_verb_and_each_verb_has_help() -> None:
    done = paddock("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
        own = paddock(verb, "--help")
        assert (own.returncode, own.stderr) == (0, "")
        assert own.stdout.startswith(f"usage: paddock {verb} ")


def test_version() -> None:
    assert paddock("--version").stdout == f"paddock {__version__}\n"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "no policy given"),
        (("chekc",), 2, "no verb and no file is named chekc"),
        (("--colour",), 2, "unknown option --colour"),
        (("check",), 2, "no policy file given"),
        (("check", "--format", "xml", "x.toml"), 2, "invalid choice: 'xml'"),
        (("explain", "x.toml"), 2, "an argument is missing after the policy file"),
        (("explain", "x.toml", "/etc", "/usr"), 2, "unexpected argument: /usr"),
        (("export", "x.toml"), 2, "--to"),
        (("export", "x.toml", "--to", "yaml"), 2, "invalid choice: 'yaml'"),
        (("abi", "--all"), 2, "--all"),
        (("run", "x.toml"), 125, "no command given: put it after --"),
        (("run", "x.toml", "--"), 125, "no command given: put it after --"),
        (("run", "--", "true"), 125, "no policy file given"),
        (("run", "--abi", "0", "x.toml", "--", "true"), 125, "invalid Landlock ABI value: '0'"),
        (("test", "x.toml"), 125, "no command given: put it after --"),
        (("test", "x.toml", "y.toml", "--", "true"), 125, "unexpected argument: y.toml"),
        (("test", "--timeout", "soon", "x.toml", "--", "true"), 125, "invalid number of seconds value: 'soon'"),
        (("test", "--mode", "guess", "x.toml", "--", "true"), 125, "invalid choice: 'guess'"),
    ],
)
def test_usage_errors(words: tuple[str, ...], status: int, said: str) -> None:
    done = paddock(*words)
    assert (done.returncode, done.stdout) == (status, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("paddock")
    assert said in last


@pytest.mark.parametrize("words", [("x.toml",), ("edit", "x.toml"), ("edit", "."), (".",), ("--sample", "downloader")])
def test_screen_needs_a_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = paddock(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "paddock edit: the screen needs a terminal on standard input and output; other verbs do not.\n"
    )
    assert os.listdir(tmp_path) == []


def test_unknown_sample_lists_the_known_ones() -> None:
    for words in (("--sample", "nothing"), ("check", "--sample", "nothing"), ("--sample=nothing", "check")):
        done = paddock(*words)
        assert done.returncode == 2
        assert "There is no sample policy 'nothing'." in done.stderr
        for name in sample_names():
            assert name in done.stderr
    assert paddock("run", "--sample", "nothing", "--", "true").returncode == 125


def test_sample_instead_of_a_file() -> None:
    for words in (("--sample", "read-only-shell", "explain", "/etc"), ("explain", "--sample=read-only-shell", "/etc")):
        done = paddock(*words)
        assert done.returncode == 0
        assert "read-only-shell.toml:" in done.stdout
    done = paddock("run", "--sample", "read-only-shell", "--quiet", "--", "sh", "-c", "echo started")
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


def test_names_that_look_like_options(tmp_path: Path) -> None:
    write(tmp_path / "-x.toml", POLICY)
    for words in (
        ("check", "--ignore", "credentials", "--", "-x.toml"),
        ("explain", "--abi", "6", "--", "-x.toml", "/etc/-y"),
    ):
        done = paddock(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    assert paddock("abi", "--", "x").returncode == 2


def test_working_directory_was_removed(tmp_path: Path) -> None:
    write(tmp_path / "good.toml", POLICY)
    os.mkdir(tmp_path / "gone")
    script = 'cd "$0" && rmdir "$0" && exec "$@"'
    for verb, status in (("check", 2), ("run", 125), ("test", 125)):
        os.makedirs(tmp_path / "gone", exist_ok=True)
        command = () if verb == "check" else ("--", "echo", "started")
        before = ("sh", "-c", script, f"{tmp_path}/gone")
        done = paddock(verb, f"{tmp_path}/good.toml", *command, before=before)
        said = f"paddock {verb}: the working directory no longer exists.\n"
        assert (done.returncode, done.stdout, done.stderr) == (status, "", said)


def test_policy_from_a_pipe() -> None:
    done = paddock("run", "/dev/stdin", "--", "echo", "started", answer=POLICY.encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
    exported = paddock("export", "/dev/stdin", "--to", "landlock-json", answer=POLICY.encode()).stdout
    done = paddock("run", "/dev/stdin", "--", "echo", "started", answer=exported.encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


HOSTILE = b"bad\n\x1b[31m\xff.toml"


@pytest.mark.parametrize(
    "words",
    [
        (b"check", HOSTILE),
        (b"explain", HOSTILE, b"/etc"),
        (b"explain", b"good.toml", b"/etc/\xff\x1b[2J\n"),
        (b"explain", b"good.toml", b"tcp:\xff\x1b[2J"),
        (b"explain", b"good.toml", b"/etc", b"--right", b"\xff\x1b[2J"),
        (b"export", HOSTILE, b"--to", b"landlock-json"),
        (b"test", HOSTILE, b"--", b"true"),
        (b"test", b"good.toml", b"--", b"cat", HOSTILE),
        (b"test", b"good.toml", b"--", HOSTILE),
        (b"run", HOSTILE, b"--", b"true"),
        (b"run", b"good.toml", b"--", HOSTILE),
        (b"run", b"good.toml", b"--", b"./" + HOSTILE),
        (HOSTILE + b"x",),
    ],
)
def test_names_are_escaped(tmp_path: Path, words: tuple[bytes, ...]) -> None:
    write(tmp_path / "good.toml", POLICY)
    done = paddock(*words, cwd=tmp_path)
    shown = done.stdout + done.stderr.replace("cat: 'bad", "")
    assert "\x1b" not in shown
    assert "\udcff" not in shown


def test_colour_needs_a_terminal_and_no_color_disables_it(tmp_path: Path) -> None:
    write(tmp_path / "good.toml", POLICY)
    command = f"{sys.executable} -m editor explain good.toml /root"
    for extra, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({}, False)):
        done = subprocess.run(
            ["script", "-qec", command, "/dev/null"],
            cwd=tmp_path,
            env=environment(**extra),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 1
        assert (b"\x1b[" in done.stdout) == coloured
    assert "\x1b" not in paddock("explain", "good.toml", "/root", cwd=tmp_path, env=environment(TERM="xterm")).stdout


def test_closed_pipe_is_not_an_error_message() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*PADDOCK, "abi"], stdout=writer, stderr=subprocess.PIPE, env=environment(), check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_full_disk_is_reported() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PADDOCK, "abi"], stdout=full, stderr=subprocess.PIPE, env=environment(), check=False, timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == b"paddock abi: No space left on device\n"


def test_closed_standard_output_is_not_an_error() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *PADDOCK, "explain", "--sample", "read-only-shell", "/etc"],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_exits_quietly(tmp_path: Path) -> None:
    fifo = tmp_path / "policy.toml"
    os.mkfifo(fifo)
    with subprocess.Popen([*PADDOCK, "check", fifo], stderr=subprocess.PIPE, env=environment()) as process:
        writer = os.open(fifo, os.O_WRONLY)  # returns when paddock has opened it to read
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        os.close(writer)
    assert (process.returncode, said) == (130, b"")


def test_closed_standard_error_keeps_the_status(tmp_path: Path) -> None:
    policy = write(tmp_path / "p.toml", "abi = 0\n")
    for words, status in (
        (("explain", policy, "/"), 2),
        (("run", policy, "--", "true"), 125),
        (("check", policy), 2),
        (("nonsense",), 2),
    ):
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" 2>&-', "sh", *PADDOCK, *words], env=environment(), capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (status, b"")


@pytest.mark.parametrize(
    "words", [("explain", "p.toml", "/"), ("run", "p.toml", "--", "true"), ("export", "p.toml", "--to", "resolved")]
)
def test_every_verb_shows_the_faulty_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    write(tmp_path / "p.toml", '# First.\n[[ruleset]]\nscoped = ["é", "signa"]\n')
    done = paddock(*words, cwd=tmp_path)
    assert done.returncode in (2, 125)
    said, line, mark = done.stderr.splitlines()
    assert said.startswith(f"paddock {words[0]}: p.toml:3:11: unknown scope 'é'")
    assert line == '     3 | scoped = ["é", "signa"]' and line[mark.index("^")] == '"'
