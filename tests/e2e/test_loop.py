"""The whole loop in a real terminal on the real kernel: view, edit, save, reload, run, grant, export."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.tmux]

POLICY = """\
# What this is for: the end-to-end test.
#
# Try: sh -c 'cat data/hello.txt; touch data/new'

abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]   # everything
handled_access_net = [
    "connect_tcp",  # only that
]

# Programs.
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "/bin", "/lib", "/lib64", "/etc", "/dev/null"]
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A small tree with a policy, with a path short enough for a small screen."""
    with tempfile.TemporaryDirectory(prefix="p-") as name:
        fill(Path(name))
        yield Path(name)


def fill(tmp_path: Path) -> None:
    """Create the tree."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hello.txt").write_text("hello from the file\n")
    (tmp_path / "[b]other").mkdir()
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "policy.toml").write_text(POLICY)


def paddock(*arguments: str) -> list[str]:
    """Return the command line of the program under test."""
    return [sys.executable, "-m", "editor", *arguments]


def running(marker: str) -> list[str]:
    """Return the command lines of the processes that sleep for ``marker`` seconds."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        # The shell and the program contain the marker as well, as an argument.
        if line.startswith(f"sleep {marker}"):
            found.append(line)
    return found


def open_terminal(place: Path, columns: int, rows: int) -> Terminal:
    """Run Paddock on the policy in ``place``, with the tree starting there."""
    return Terminal(
        paddock("edit", "--root", str(place), "policy.toml"),
        socket=str(place / "tmux.sock"),
        columns=columns,
        rows=rows,
        cwd=str(place),
        env={"PYTHONPATH": os.getcwd(), "XDG_STATE_HOME": str(place / "state")},
    )


def replace_line(terminal: Terminal, text: str) -> None:
    """Replace the text of the focused line by ``text``, checking the screen before typing on."""
    mark = "@@@@"  # no key of any panel
    terminal.press("C-a", "C-k")
    terminal.type(mark)
    while mark not in terminal.screen():  # the line may not have the focus yet
        time.sleep(0.2)
        terminal.press("C-a", "C-k")
        terminal.type(mark)
    for _ in range(3):  # a key can get lost if the machine is very busy
        terminal.press("C-a", "C-k")
        terminal.wait_for(lambda screen: mark not in screen)
        terminal.type(text)
        with contextlib.suppress(AssertionError):
            terminal.wait_for(text[-30:], seconds=10)
            return
    terminal.wait_for(text[-30:])


def go_to(terminal: Terminal, path: Path) -> None:
    """Put the tree's cursor on ``path``."""
    terminal.press("C-o")
    terminal.wait_for("Go to a path")
    replace_line(terminal, str(path))
    terminal.press("Enter")
    # The rights panel shows which row is current.
    terminal.wait_for(lambda screen: "Go to a path" not in screen and f"{path}  dir" in screen)


def set_command(terminal: Terminal, command: str) -> None:
    """Type ``command`` into the command bar and run it."""
    terminal.press("6")
    replace_line(terminal, command)
    terminal.press("Enter")


@pytest.mark.parametrize(("columns", "rows"), [(200, 60), (80, 24)])
def test_the_whole_loop(place: Path, columns: int, rows: int) -> None:
    policy = place / "policy.toml"
    data = str(place / "data")
    with open_terminal(place, columns, rows) as terminal:
        # View: the tree with files, the target of a link, and a name that looks like markup.
        terminal.wait_for("[b]other")
        screen = terminal.wait_for("data")
        assert "link -> data" in screen or "link → data" in screen

        # Edit and save: one step is "read", and the rest of the file stays as it was.
        go_to(terminal, place / "data")
        terminal.press("Space")
        terminal.wait_for("[x] read_file")
        terminal.press("C-s")
        terminal.wait_for("Saved")
        saved = policy.read_text()
        assert saved.startswith(POLICY.rstrip("\n"))
        assert f'parent = ["{data}"]' in saved

        # Undo and redo, even after saving.
        terminal.press("C-z")
        terminal.wait_for("Undone")
        terminal.press("C-y")
        terminal.wait_for("Redone")

        # Live reload: a generator replaces the file by rename.
        (place / "next").write_text(saved.replace("# Programs.", "# All programs."))
        os.replace(place / "next", policy)
        terminal.press("5")
        terminal.wait_for("# All programs.")

        # A conflict: unsaved edits against another change on disk. Keep mine.
        terminal.press("2")
        go_to(terminal, place / "[b]other")
        terminal.press("Space")
        terminal.wait_for("[x] read_file")
        policy.write_text(policy.read_text().replace("# All programs.", "# Their words."))
        terminal.wait_for("Changed on disk")
        terminal.press("d")
        terminal.wait_for("Their words.")
        terminal.press("m")
        terminal.wait_for("Kept yours")

        # Run under the unsaved draft: reading is allowed, creating a file is denied.
        set_command(terminal, "sh -c 'cat data/hello.txt; touch data/new'")
        terminal.wait_for("1 denied")
        terminal.wait_for("hello from the file")
        terminal.wait_for("make_reg")

        # Grant with one key and run again until nothing is denied: first creating the file, then writing to it.
        for _ in range(3):
            terminal.press("8")
            terminal.press("g")
            terminal.wait_for("Press r to run again")
            terminal.press("r")
            with contextlib.suppress(AssertionError):
                terminal.wait_for("exit 0", seconds=4)
                break
        terminal.wait_for("exit 0", seconds=0)
        assert (place / "data" / "new").exists()

        # Stop: the whole process tree is gone.
        marker = f"77{os.getpid()}"
        set_command(terminal, f"sh -c 'trap \"\" TERM; sleep {marker} & setsid sleep {marker}'")
        terminal.wait_for(lambda _: len(running(marker)) == 2)
        terminal.press("F6")
        terminal.wait_for(lambda _: not running(marker))

        # Save, export as JSON.
        terminal.press("C-s")
        terminal.wait_for("Saved")
        terminal.press("C-e")
        terminal.wait_for("Export the draft")
        terminal.press("C-s")
        terminal.wait_for("Exported landlock-json")

        terminal.press("q")
        terminal.wait_for("[exit 0]")

    def canonical(path: str) -> object:
        done = subprocess.run(
            paddock("export", path, "--to", "resolved"),
            capture_output=True,
            text=True,
            check=True,
            cwd=place,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        return json.loads(done.stdout)

    assert canonical("policy.json") == canonical("policy.toml")
    final = policy.read_text()
    assert "make_reg" in final
    assert '    "connect_tcp",  # only that\n' in final


def test_quitting_with_unsaved_edits_asks_and_can_discard_them(place: Path) -> None:
    with open_terminal(place, 100, 30) as terminal:
        terminal.wait_for("data")
        go_to(terminal, place / "data")
        terminal.press("Space")
        terminal.wait_for("[x] read_file")
        terminal.press("q")
        terminal.wait_for("unsaved edits")
        terminal.press("d")
        terminal.wait_for("[exit 0]")
    assert (place / "policy.toml").read_text() == POLICY


def test_a_directory_asks_which_policy(place: Path) -> None:
    with Terminal(
        paddock(str(place)),
        socket=str(place / "tmux.sock"),
        columns=100,
        rows=30,
        cwd=str(place),
        env={"PYTHONPATH": os.getcwd(), "XDG_STATE_HOME": str(place / "state")},
    ) as terminal:
        terminal.wait_for("the end-to-end test")
        terminal.press("Enter")
        terminal.wait_for("Handled & scopes")
        terminal.press("C-q")
        terminal.wait_for("[exit 0]")
