"""The tree shows what the policy means for the command: the screen's own process number is nowhere."""

import os
from pathlib import Path
from threading import Thread

from editor.evaluation.resolve import is_stable
from editor.screens.filesystem import Filesystem
from editor.workspace.workspace import Workspace

_READING = ("read_file", "read_dir")


def test_rows_of_the_own_process(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[path_beneath]]\nallowed_access = ["read_file", "read_dir"]\n'
        'parent = ["/proc/self", "/proc/thread-self/fd"]\n'
    )
    workspace = Workspace.open(str(policy))
    tree = Filesystem(workspace)
    found = {}
    thread = Thread(target=lambda: found.update({row.path: row for row in tree.children("/proc")}))  # as the screen
    thread.start()
    thread.join()
    own = found["/proc/self"]
    assert (own.link_target, own.given, own.note) == ("the command's own", _READING, "")
    thread_dir = found["/proc/thread-self"]
    assert (thread_dir.link_target, thread_dir.given, thread_dir.inherited) == ("the command's own", (), _READING)
    numbered = found[f"/proc/{os.getpid()}"]
    assert (numbered.given, numbered.inherited) == ((), ()), "the command will have another number"
    assert [row.path for row in found.values() if row.given] == ["/proc/self"]
    assert tree.row("/proc/thread-self/fd").given == _READING
    stable = []
    thread = Thread(target=lambda: stable.append(is_stable(workspace.resolved)))
    thread.start()
    thread.join()
    assert stable == [True], "whichever thread asks"
    workspace.close()
