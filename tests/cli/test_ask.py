"""``paddock test --mode ask``: questions answered by a script, by keys in a terminal, or by default."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.harness import PADDOCK, environment, json_of, paddock, write
from tests.sandbox.harness import alive

POLICY = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/locale.alias", "/proc", "/dev"]
"""
_NO_TERMINAL = ("setsid", "--wait")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a directory with a policy, and three files that no rule of it names."""
    write(tmp_path / "policy.toml", POLICY)
    for name in ("one", "two", "three"):
        write(tmp_path / name, f"content of {name}\n")
    return tmp_path


@pytest.fixture
def marker() -> str:
    """Return a number of seconds for sleep(1) that no other process uses."""
    return f"9{int.from_bytes(os.urandom(4), 'big'):010d}"


def ask(place: Path, *words: str, command: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a command, by default one that reads the three files, in mode "ask" without a terminal."""
    command = command or ("cat", "one", "two", "three", "one")
    return paddock("test", "policy.toml", "--mode", "ask", *words, "--", *command, cwd=place, before=_NO_TERMINAL)


def answers(place: Path, *lines: dict[str, object]) -> str:
    return write(place / "answers.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))


def is_gone(marker: str) -> bool:
    """Wait a moment for the processes with ``marker`` in their command line to end."""
    until = time.monotonic() + 10
    while alive(marker) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(marker)


class InTerminal:
    """Runs ``paddock test --mode ask`` with a terminal of its own; on exit, all of it is gone."""

    def __init__(self, place: Path, *words: str, home: Path) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(place)
            arguments = [*PADDOCK, "test", "policy.toml", "--mode", "ask", *words]
            os.execve(arguments[0], arguments, environment(HOME=str(home)))  # noqa: S606 it becomes the program
        self.shown = ""

    def wait_for(self, text: str, times: int = 1) -> None:
        """Read until ``text`` was shown ``times`` times."""
        until = time.monotonic() + 30
        while self.shown.count(text) < times:
            assert time.monotonic() < until, f"{text!r} is not shown:\n{self.shown}"
            self._read()

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 0.2)[0]:
            return True
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # the last process has closed it
            return False
        self.shown += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        until = time.monotonic() + 30
        while self._read():
            assert time.monotonic() < until, f"it does not end:\n{self.shown}"
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@contextlib.contextmanager
def in_terminal(place: Path, *words: str, home: Path = Path("/nonexistent")) -> Iterator[InTerminal]:
    terminal = InTerminal(place, *words, home=home)
    try:
        yield terminal
    finally:
        terminal.close()


def test_script_answers_each_denial(place: Path) -> None:
    file = answers(
        place,
        {"answer": "allow", "path": "*/one", "rights": ["read_file"]},
        {"answer": "deny-always", "path": f"{place}/two"},
        {"answer": "grant", "path": "*/three", "process": "cat"},
    )
    done = ask(place, "--answers", file, "--format", "json")
    report = json_of(done)
    assert done.returncode == report["exit_code"] == 1
    assert "content of one\ncat: two: Permission denied\ncontent of three\ncat: one: Permission denied\n" in done.stderr
    denied = {(row["object"], row["errno"]) for row in report["accesses"] if row["verdict"] == "denied"}
    one, two, three = (f"{place}/{name}" for name in ("one", "two", "three"))
    assert denied == {(one, None), (one, "EACCES"), (two, "EACCES"), (three, None)}
    assert all(row["predicted"] for row in report["accesses"])
    assert any("emulated: nothing was enforced" in note for note in report["notes"])
    assert f"grant read_file on {three}" in done.stderr
    assert (place / "policy.toml").read_text() == POLICY


def test_what_was_granted_is_applied(place: Path) -> None:
    file = answers(place, {"answer": "grant", "path": "*/one"}, {"answer": "allow-for-run"})
    done = ask(place, "--answers", file, "--apply", "policy.toml")
    assert done.returncode == 0
    assert f"policy.toml: grant read_file on {place}/one" in done.stderr
    after = (place / "policy.toml").read_text()
    assert after.startswith(POLICY)
    assert f"{place}/one" in after
    assert f"{place}/two" not in after


@pytest.mark.parametrize(("default", "status"), [("deny", 1), ("allow", 0)])
def test_nobody_to_ask(place: Path, default: str, status: int) -> None:
    done = ask(place, "--ask-default", default)
    assert done.returncode == status
    assert f"there is no terminal: what --answers leaves open is answered with {default}" in done.stderr
    assert done.stdout.count("content of") == (0 if status else 4)


def test_saved_answers_give_the_same_run(place: Path) -> None:
    file = answers(place, {"answer": "allow-for-run", "path": "*/t[wh]*"}, {"answer": "allow", "path": "*/one"})
    first = ask(place, "--answers", file, "--save-answers", "saved.jsonl")
    second = ask(place, "--answers", "saved.jsonl")
    assert (second.stdout, second.returncode) == (first.stdout, first.returncode)
    assert first.stdout == "content of one\ncontent of two\ncontent of three\n"
    saved = [json.loads(line) for line in (place / "saved.jsonl").read_text().splitlines()]
    assert saved[0] == {"answer": "allow", "path": f"{place}/one", "rights": ["read_file"], "process": "cat"}
    assert [line["answer"] for line in saved] == ["allow", "allow-for-run", "allow-for-run", "deny"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "Expecting property name"),
        ("[]", "not an object"),
        ('{"answer": "perhaps"}', "answer must be one of allow, allow-for-run, grant, deny, deny-always, kill"),
        ('{"answer": "deny", "paths": []}', "unknown key paths"),
        ('{"answer": "deny", "rights": ["read"]}', "rights must be a list of rights"),
        ('{"answer": "deny", "port": "443"}', "port must be a number"),
    ],
)
def test_wrong_answers(place: Path, line: str, problem: str) -> None:
    write(place / "answers.jsonl", f'{{"answer": "deny"}}\n\n{line}\n')
    done = ask(place, "--answers", "answers.jsonl")
    assert done.returncode == 125
    assert f"answers.jsonl:3: {problem}" in done.stderr
    assert done.stdout == ""


def test_options_need_the_mode(place: Path) -> None:
    done = paddock("test", "policy.toml", "--ask-timeout", "3", "--", "true", cwd=place)
    assert done.returncode == 125
    assert "--ask-timeout needs --mode ask" in done.stderr


def test_keys_in_a_terminal(place: Path) -> None:
    with in_terminal(place, "--", "sh", "-c", "cat one; cat two; cat three; cat three; true") as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        assert re.search(r"--- paddock asks; emulated: nothing is enforced", terminal.shown)
        assert f"read_file on {place}/one (openat): no rule covers {place}/one" in terminal.shown
        assert re.search(r"by cat \(\d+\), started by sh \(\d+\)", terminal.shown)
        assert f"g: Grant read_file on {place}/one." in terminal.shown
        assert "content of one" not in terminal.shown
        terminal.press("x")  # means nothing
        terminal.press("a")
        terminal.wait_for("content of one")
        terminal.wait_for("(Ctrl-C ends the run)", times=2)
        terminal.press("d")
        terminal.wait_for("two: Permission denied")
        terminal.wait_for("(Ctrl-C ends the run)", times=3)
        terminal.press("g")
        assert terminal.end() == 0
        shown = terminal.shown
    assert shown.count("content of three") == 2
    assert shown.count("--- paddock asks") == 3
    assert f"grant read_file on {place}/three" in shown.rpartition("content of three")[2]


def test_protected_place_needs_a_second_key(place: Path) -> None:
    (place / ".ssh").mkdir()
    write(place / ".ssh" / "id_ed25519", "key\n")
    words = ("--", "cat", f"{place}/.ssh/id_ed25519")
    with in_terminal(place, *words, home=place) as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        terminal.press("g")
        terminal.wait_for("Press g again to grant it.")
        assert "This opens" in terminal.shown
        assert "\nkey\n" not in terminal.shown
        terminal.press("g")
        assert terminal.end() == 0
        assert "\nkey\n" in terminal.shown


def test_script_does_not_open_a_protected_place(place: Path) -> None:
    (place / ".ssh").mkdir()
    write(place / ".ssh" / "id_ed25519", "key\n")
    words = ("test", "policy.toml", "--mode", "ask", "--answers", answers(place, {"answer": "grant"}))
    env = environment(HOME=str(place))
    done = paddock(*words, "--", "cat", ".ssh/id_ed25519", cwd=place, before=_NO_TERMINAL, env=env)
    assert (done.stdout, done.returncode) == ("", 1)
    assert "not granted, since you have to agree: this opens" in done.stderr


def test_interrupt_at_a_question_ends_the_run(place: Path, marker: str) -> None:
    with in_terminal(place, "--", "sh", "-c", f"trap '' INT; sleep {marker} & cat one; sleep {marker}") as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        terminal.press("\x03")
        assert terminal.end() == 128 + signal.SIGTERM
        assert "no answer is needed any more" in terminal.shown
    assert is_gone(marker)


def test_kill_at_a_question(place: Path) -> None:
    with in_terminal(place, "--", "sh", "-c", "cat one; echo not reached") as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        terminal.press("k")
        assert terminal.end() == 128 + signal.SIGKILL
        assert "\nnot reached" not in terminal.shown


@pytest.mark.parametrize("victim", ["paddock", "supervisor"])
def test_killed_at_a_question_leaves_nothing_behind(place: Path, marker: str, victim: str) -> None:
    script = f"setsid sleep {marker} & (cat one) & cat two; sleep {marker}"
    with in_terminal(place, "--", "sh", "-c", script) as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        pid = terminal.pid
        if victim == "supervisor":
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        assert alive(marker)
        os.kill(pid, signal.SIGKILL)
        assert is_gone(marker)
        assert is_gone(str(place)), "neither the supervisor nor a program that waits is left"


def test_question_is_withdrawn_after_its_time(place: Path) -> None:
    with in_terminal(place, "--ask-timeout", "0.5", "--", "cat", "one") as terminal:
        terminal.wait_for("no answer is needed any more")
        assert terminal.end() == 1
        assert "denied because nobody answered" in terminal.shown


def test_terminal_is_given_back(place: Path) -> None:
    write(place / "policy.toml", POLICY + f'\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["{place}"]\n')
    script = "stty -a >before; cat /etc/hostname; stty -a >after; cmp before after && echo same"
    with in_terminal(place, "--", "sh", "-c", script) as terminal:
        terminal.wait_for("(Ctrl-C ends the run)")
        terminal.press("\x1b[D")  # the left arrow is not "deny always"
        time.sleep(0.5)
        terminal.press("r")
        assert terminal.end() == 0
        assert "same" in terminal.shown
        assert "Permission denied" not in terminal.shown


def test_interactive_shell_keeps_its_jobs(place: Path) -> None:
    """The shell's jobs are in the foreground, and Paddock is not, until a question takes the terminal."""
    rules = '\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["/etc", "/run", "/var", "/dev"]\n'
    write(place / "policy.toml", POLICY + rules)
    with in_terminal(place, "--", "bash", "--norc", "--noprofile", "-i") as terminal:
        terminal.wait_for("bash-")
        terminal.press("cat one\n")
        terminal.wait_for("(Ctrl-C ends the run)")
        terminal.press("a")
        terminal.wait_for("content of one")
        terminal.wait_for("bash-", times=2)
        terminal.press("cat two | cat; exit 7\n")
        terminal.wait_for("(Ctrl-C ends the run)", times=2)
        terminal.press("d")
        assert terminal.end() == 7
        assert "two: Permission denied" in terminal.shown
        assert "Stopped" not in terminal.shown
