"""How long a change on disk takes until the draft follows it, from the writer's rename to the workspace's word."""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from editor.workspace.workspace import Workspace
from tests.benchmarks.report import Row

# A person who saves in another window and looks over should find the change there.
_GOAL_S = 0.2
_ROUNDS = 15
_POLICY = 'abi = 6\n\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr"]\n'


def measure() -> Row:
    """The median of several replacements by rename, as generators and most editors save."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "policy.toml"
        path.write_text(_POLICY)
        workspace = Workspace.open(str(path))
        changed = threading.Event()
        workspace.subscribe(lambda _: changed.set())
        workspace.watch()
        delays = []
        for number in range(_ROUNDS):
            beside = path.with_suffix(".new")
            beside.write_text(f"{_POLICY}# {number}\n")
            start = time.monotonic()
            os.replace(beside, path)
            while f"# {number}\n" not in workspace.document.text:
                changed.wait(5)
                changed.clear()
            delays.append(time.monotonic() - start)
        workspace.close()
    # The first holds the start of the watch.
    return Row("file change to draft", "what one waits for", _GOAL_S, statistics.median(delays[1:]), 1.0)
