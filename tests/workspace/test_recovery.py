"""Unsaved edits survive the process that made them, and nothing else does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from editor.editing.edits import GrantPath
from editor.workspace import draft_files
from editor.workspace.notifying import Changes
from editor.workspace.workspace import Workspace

OLD = """\
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]  # look only
parent = ["/usr"]
"""
DEADLINE_S = 20.0
READ = frozenset({"read_file"})


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of drafts, which does not exist yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "paddock" / "drafts"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(OLD)
    return path


@pytest.fixture
def workspace(policy: Path) -> Iterator[Workspace]:
    opened = Workspace.open(str(policy))
    opened.start_recovery()
    yield opened
    opened.close()


def wait_for(condition: Callable[[], object]) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < DEADLINE_S, "timed out"
        time.sleep(0.01)


def files_in(state: Path) -> list[Path]:
    return sorted(state.glob("*")) if state.is_dir() else []


_EDITOR = """
import sys, time
from editor.editing.edits import GrantPath
from editor.workspace.workspace import Workspace

workspace = Workspace.open(sys.argv[1])
workspace.start_recovery()
workspace.recover_draft()
for path in sys.argv[2:]:
    workspace.apply(GrantPath(path, frozenset({"read_file"})))
print(workspace.document.text, end="\\0", flush=True)
time.sleep(600)
"""


def crash(policy: Path, state: Path, *grants: str) -> str:
    """Edit in another process, kill it once its draft is written, and return the text of the draft."""
    with subprocess.Popen(
        [sys.executable, "-c", _EDITOR, str(policy), *grants], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\0"):
            piece = process.stdout.read(1)
            assert piece, "the editor exited unexpectedly"
            text += piece
        text = text[:-1]
        wait_for(lambda: any(f"-{process.pid}-" in each.name and contains(each, text) for each in files_in(state)))
        process.send_signal(signal.SIGKILL)
    return text


def contains(file: Path, text: str) -> bool:
    return file.suffix == ".json" and json.loads(file.read_text())["text"] == text


def test_draft_of_a_killed_editor_can_be_recovered(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt", "/srv")
    assert policy.read_text() == OLD
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    assert workspace.document.text == OLD, "nothing is recovered without asking"
    assert workspace.recoverable_draft is not None
    assert workspace.recoverable_draft.text == text
    workspace.recover_draft()
    assert workspace.document.text == text
    assert workspace.is_dirty
    assert workspace.conflict is None
    assert workspace.undo() == "recover the unsaved draft"
    assert workspace.document.text == OLD
    workspace.redo()
    workspace.save()
    assert policy.read_text() == text
    assert files_in(state) == []
    workspace.close()


def test_draft_survives_two_crashes(policy: Path, state: Path) -> None:
    crash(policy, state, "/opt")
    text = crash(policy, state, "/srv")
    assert '"/opt"' in text
    found = draft_files.find_abandoned(str(policy))
    assert found is not None
    assert found.text == text
    assert len(files_in(state)) == 1, "the recovered one is deleted"


def test_file_changed_since_the_crash_is_a_conflict_that_can_be_merged(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt")
    policy.write_text(OLD.replace('"/usr"', '"/usr", "/lib"'))
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    workspace.recover_draft()
    assert workspace.document.text == text
    assert workspace.conflict is not None
    workspace.merge()
    assert {each.path for each in workspace.resolved.paths} == {"/usr", "/lib", "/opt"}
    workspace.close()


def test_file_removed_since_the_crash_can_be_saved_again(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt")
    policy.unlink()
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    workspace.recover_draft()
    assert workspace.is_gone
    workspace.save()
    assert policy.read_text() == text
    workspace.close()


def test_discarded_draft_is_deleted(policy: Path, state: Path) -> None:
    crash(policy, state, "/opt")
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    workspace.discard_recoverable_draft()
    assert files_in(state) == []
    assert workspace.document.text == OLD
    workspace.close()


def test_draft_equal_to_the_file_is_not_offered(policy: Path, state: Path) -> None:
    policy.write_text(crash(policy, state, "/opt"))
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    assert workspace.recoverable_draft is None
    assert files_in(state) == []
    workspace.close()


def test_draft_of_a_running_editor_is_not_offered(workspace: Workspace, policy: Path, state: Path) -> None:
    workspace.apply(GrantPath("/opt", READ))
    wait_for(lambda: files_in(state))
    assert draft_files.find_abandoned(str(policy)) is None


def test_drafts_are_private(workspace: Workspace, state: Path) -> None:
    state.mkdir(parents=True, mode=0o755)
    workspace.apply(GrantPath("/opt", READ))
    wait_for(lambda: any(each.suffix == ".json" for each in files_in(state)))
    (file,) = files_in(state)
    assert file.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert str(workspace.path) not in file.name


@pytest.mark.parametrize("how", ["save", "undo", "close", "take_theirs"])
def test_draft_is_deleted_when_nothing_is_unsaved(workspace: Workspace, policy: Path, state: Path, how: str) -> None:
    workspace.apply(GrantPath("/opt", READ))
    wait_for(lambda: any(each.suffix == ".json" for each in files_in(state)))
    if how == "take_theirs":
        policy.write_text(OLD + "# theirs\n")
        workspace.reload()
    getattr(workspace, how)()
    assert files_in(state) == []
    time.sleep(0.5)
    assert files_in(state) == [], "nothing is written afterwards"


def test_edits_are_written_in_batches_including_the_last(workspace: Workspace, state: Path) -> None:
    writes = set()
    for number in range(40):
        workspace.apply(GrantPath(f"/opt/{number}", READ))
        writes |= {each.stat().st_ino for each in files_in(state)}
    wait_for(lambda: any(contains(each, workspace.document.text) for each in files_in(state)))
    assert len(writes) <= 15


def test_unwritable_state_directory_is_reported_once(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    workspace = Workspace.open(str(policy))
    notified: list[Changes] = []
    arrived = threading.Event()

    def changed(change: Changes) -> None:
        notified.append(change)
        if "recovery" in change:
            arrived.set()

    workspace.subscribe(changed)
    workspace.start_recovery()
    workspace.apply(GrantPath("/opt", READ))
    assert arrived.wait(DEADLINE_S)
    assert workspace.recovery_problem.startswith("A crash would lose unsaved edits: ")
    assert str(tmp_path / "file") in workspace.recovery_problem
    workspace.apply(GrantPath("/srv", READ))
    workspace.save()
    assert sum("recovery" in change for change in notified) == 1
    workspace.close()


def test_symlink_is_not_accepted_as_the_directory(policy: Path, state: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    state.parent.mkdir(parents=True)
    state.symlink_to(tmp_path / "elsewhere")
    workspace = Workspace.open(str(policy))
    workspace.start_recovery()
    workspace.apply(GrantPath("/opt", READ))
    wait_for(lambda: workspace.recovery_problem)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    workspace.close()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', "\xff", "[" * 100_000, '{"version": 1, "path": 3}']
)
def test_invalid_drafts_are_ignored(policy: Path, state: Path, content: str) -> None:
    crash(policy, state, "/opt")
    (file,) = files_in(state)
    file.write_text(content, encoding="latin-1")
    assert draft_files.find_abandoned(str(policy)) is None


def test_relative_state_directory_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert draft_files.directory() == os.path.join(str(tmp_path), ".local/state/paddock/drafts")
