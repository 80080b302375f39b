"""Several files, variables and samples in a real terminal."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_loop import go_to, paddock, replace_line

pytestmark = [pytest.mark.tmux]

SYSTEM = """\
# Try: cat kept/one
abi = 6

[[variable]]
name = "places"
literal = ["kept", "more"]

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "/bin", "/lib", "/lib64"]
"""
WORK = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]

# What is kept.
[[path_beneath]]
allowed_access = ["read_dir"]
parent = ["${places}"]
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """Two directories and two policies, with a path short enough for a small screen."""
    with tempfile.TemporaryDirectory(prefix="p-") as name:
        place = Path(name)
        (place / "kept").mkdir()
        (place / "kept" / "one").write_text("one of the kept\n")
        (place / "more").mkdir()
        (place / "system.toml").write_text(SYSTEM)
        (place / "work.toml").write_text(WORK)
        yield place


def opened(place: Path, columns: int, rows: int, *words: str) -> Terminal:
    """Run Paddock with the arguments ``words`` in ``place``."""
    return Terminal(
        paddock(*words),
        socket=str(place / "tmux.sock"),
        columns=columns,
        rows=rows,
        cwd=str(place),
        env={"PYTHONPATH": os.getcwd(), "XDG_STATE_HOME": str(place / "state")},
    )


@pytest.mark.parametrize(("columns", "rows"), [(200, 60), (80, 24)])
def test_two_files_as_one_policy(place: Path, columns: int, rows: int) -> None:
    with opened(place, columns, rows, "edit", "--root", str(place), "system.toml", "work.toml") as terminal:
        terminal.wait_for("system.toml (1 of 2 files)")
        terminal.wait_for("kept  ${places}")
        go_to(terminal, place / "kept")

        # A run is under both files; an edit goes to the file with the rule and keeps the variable.
        terminal.press("r")
        terminal.wait_for("exit 1")
        terminal.wait_for("kept/one: Permission denied")
        terminal.press("2")
        terminal.wait_for(lambda screen: "[x] read_dir" in screen and "space Toggle" in screen)
        terminal.press("Down", "Down", "Space")
        terminal.wait_for("One of several paths")
        terminal.press("a")
        terminal.wait_for("work.toml (2 of 2 files)")
        terminal.wait_for("[x] read_file")
        terminal.press("r")
        terminal.wait_for("exit 0")
        terminal.wait_for("one of the kept")

        terminal.press("C-s")
        terminal.wait_for("Saved")
        terminal.press("q")
        terminal.wait_for("[exit 0]")
    assert (place / "system.toml").read_text() == SYSTEM
    assert (place / "work.toml").read_text() == WORK.replace('["read_dir"]', '["read_file", "read_dir"]')


def test_a_variable_is_renamed(place: Path) -> None:
    with opened(place, 80, 24, "edit", "--root", str(place), "system.toml") as terminal:
        terminal.wait_for("system.toml")
        terminal.wait_for("[ ] execute")
        terminal.press("v")
        terminal.wait_for("${places}  kept and 1 more  not used")
        terminal.press("r")
        terminal.wait_for("Rename places")
        replace_line(terminal, "homes")
        terminal.press("Enter")
        terminal.wait_for("${homes}  kept and 1 more")
        terminal.press("Escape")
        terminal.wait_for(lambda screen: "Variables" not in screen)
        terminal.press("C-s")
        terminal.wait_for("Saved")
        terminal.press("q")
        terminal.wait_for("[exit 0]")
    assert (place / "system.toml").read_text() == SYSTEM.replace("places", "homes")


def test_a_sample_is_saved_as_a_new_policy(place: Path) -> None:
    (place / "downloader.toml").write_text("kept as it is\n")
    with opened(place, 100, 30, "--sample", "downloader") as terminal:
        terminal.wait_for("downloader-2.toml (new)")
        terminal.wait_for("already exists")
        terminal.press("C-s")
        terminal.wait_for("Saved")
        terminal.press("q")
        terminal.wait_for("[exit 0]")
    assert (place / "downloader.toml").read_text() == "kept as it is\n"
    sample = Path("sample_policies/downloader.toml").read_text()
    assert (place / "downloader-2.toml").read_text() == sample
