"""How long the draft takes to follow a change on disk, from the writer's rename to the notification."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from editor.workspace.workspace import Workspace
from tests.benchmarks.report import Row

# A user who saves in another window and looks over should see the change.
_GOAL_S = 0.2
_ROUNDS = 15
_POLICY = 'abi = 6\n\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr"]\n'


def measure() -> Row:
    """Measure the median of several replacements by rename, which is how generators and most editors save."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "policy.toml"
        path.write_text(_POLICY)
        workspace = Workspace.open(str(path))
        changed = threading.Event()
        workspace.subscribe(lambda _: changed.set())
        workspace.watch()
        delays = []
        for number in range(_ROUNDS):
            new_file = path.with_suffix(".new")
            new_file.write_text(f"{_POLICY}# {number}\n")
            start = time.monotonic()
            os.replace(new_file, path)
            while f"# {number}\n" not in workspace.document.text:
                changed.wait(5)
                changed.clear()
            delays.append(time.monotonic() - start)
        workspace.close()
    # The first one includes starting the watch.
    return Row("file change to draft", "acceptable wait", _GOAL_S, statistics.median(delays[1:]), 1.0)
