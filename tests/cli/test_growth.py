"""Every verb's work grows no faster than its input: on many rules, missing paths, variables, findings and notes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.harness import environment, write

COUNTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counted.py")
RULESET = '[[ruleset]]\nhandled_access_fs = ["abi.all"]\n\n'
START = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/"]\n\n'
SMALL, LARGE = 100, 400


def rules(paths: list[str], right: str = "read_file") -> str:
    return "".join(f'[[path_beneath]]\nallowed_access = ["{right}"]\nparent = ["{path}"]\n\n' for path in paths)


def existing(place: Path, size: int) -> str:
    """Return a policy with a rule on each of ``size`` files in ``place``."""
    for number in range(size):
        (place / f"f{number}").touch()
    return f"abi = 7\n{RULESET}{START}{rules([f'{place}/f{number}' for number in range(size)])}"


def missing(place: Path, size: int) -> str:
    """Return the policy of ``existing`` without the files."""
    return f"abi = 7\n{RULESET}{START}{rules([f'{place}/gone{number}' for number in range(size)])}"


def lines_of(place: Path, *words: str) -> int:
    """Return how many lines of Python ``paddock`` executes with ``words``, in a process of its own."""
    count = place / "count"
    done = subprocess.run(
        [sys.executable, COUNTED, str(count), *words],
        cwd=place,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return int(count.read_text())


@pytest.mark.parametrize("options", [(), ("--verbose",)])
def test_run_with_missing_paths(tmp_path: Path, options: tuple[str, ...]) -> None:
    small = write(tmp_path / "small.toml", missing(tmp_path, SMALL))
    large = write(tmp_path / "large.toml", missing(tmp_path, LARGE))
    few, many = (lines_of(tmp_path, "run", *options, file, "--", "true") for file in (small, large))
    assert many < 5 * few
    if not options:
        there = write(tmp_path / "there.toml", existing(tmp_path, LARGE))
        assert many <= 1.5 * lines_of(tmp_path, "run", there, "--", "true")
