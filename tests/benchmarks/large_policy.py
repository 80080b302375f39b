"""How long opening a policy of 5,000 rules on existing files takes, and one edit in it."""

import os
import tempfile
import time
from pathlib import Path

from editor.editing.edits import GrantPath
from editor.workspace.workspace import Workspace
from tests.benchmarks.report import Row

RULES = 5_000
# The longest acceptable wait for opening a generated policy.
_OPEN_S = 1.5
_ROUNDS = 7


def large_policy(directory: Path) -> Path:
    """Create a policy of RULES rules in ``directory``, each on its own file in one of 50 directories."""
    lines = ["abi = 6", "", "[[ruleset]]", 'handled_access_fs = ["abi.all"]']
    for number in range(RULES):
        file = directory / f"{number % 50}" / "data" / f"{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        lines += ["", f"# {number}", "[[path_beneath]]", 'allowed_access = ["read_file"]', f'parent = ["{file}"]']
    path = directory / "policy.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def measure() -> list[Row]:
    """Measure processor time, which excludes other programs, the best of several rounds."""
    with tempfile.TemporaryDirectory() as name:
        path = large_policy(Path(name))
        opening, editing = [], []
        for number in range(_ROUNDS):
            start = time.process_time()
            workspace = Workspace.open(str(path))
            opened = time.process_time()
            workspace.apply(GrantPath(os.path.join(name, f"{number}", "data", f"{number}"), frozenset({"execute"})))
            editing.append(time.process_time() - opened)
            opening.append(opened - start)
    return [
        Row(f"open {RULES} rules", "acceptable wait", _OPEN_S, min(opening), 1.0),
        # An edit derives again only what it changed.
        Row("edit one of them", "opening it", min(opening), min(editing), 0.15),
    ]
