"""From an empty policy to a program that works, in a real terminal, in a few keys."""

import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal
from tests.e2e.test_loop import paddock

pytestmark = [pytest.mark.tmux]

EMPTY = """\
# Nothing is granted yet.
#
# Try: /usr/bin/python3 -c 'import ssl'

abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]
"""


@pytest.mark.parametrize(("columns", "rows"), [(200, 60), (80, 24)])
def test_two_keys_make_a_policy_under_which_a_program_works(columns: int, rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="p-") as name:
        place = Path(name)
        (place / "policy.toml").write_text(EMPTY, encoding="utf-8")
        command = paddock("edit", "--root", name, "policy.toml")
        with Terminal(command, socket=f"{name}/tmux.sock", columns=columns, rows=rows, cwd=name) as terminal:
            terminal.wait_for("import ssl", 40)
            terminal.press("l")
            terminal.wait_for("Learned in", 60)
            terminal.press("C-s")
            terminal.wait_for("Saved")
        ran = subprocess.run(
            paddock("run", f"{name}/policy.toml", "--", "/usr/bin/python3", "-c", "import ssl"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (ran.returncode, ran.stderr) == (0, "")
        text = (place / "policy.toml").read_text(encoding="utf-8")
        assert text.startswith(EMPTY.rstrip()) and 1 <= text.count("[[path_beneath]]") <= 12
