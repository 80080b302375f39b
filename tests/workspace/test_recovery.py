"""Unsaved edits outlive the process that made them, and nothing else does."""

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
from editor.workspace import draft_files as drafts
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
    """The state directory, which does not exist yet."""
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
    opened.keep_drafts()
    yield opened
    opened.close()


def until(condition: Callable[[], object]) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < DEADLINE_S, "it never happened"
        time.sleep(0.01)


def kept(state: Path) -> list[Path]:
    return sorted(state.glob("*")) if state.is_dir() else []


_EDITOR = """
import sys, time
from editor.editing.edits import GrantPath
from editor.workspace.workspace import Workspace

workspace = Workspace.open(sys.argv[1])
workspace.keep_drafts()
workspace.adopt_draft()
for path in sys.argv[2:]:
    workspace.apply(GrantPath(path, frozenset({"read_file"})))
print(workspace.document.text, end="\\0", flush=True)
time.sleep(600)
"""


def crash(policy: Path, state: Path, *grants: str) -> str:
    """Edit in another process, and kill that once the draft is kept: the text that it had."""
    with subprocess.Popen(
        [sys.executable, "-c", _EDITOR, str(policy), *grants], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\0"):
            piece = process.stdout.read(1)
            assert piece, "it ended by itself"
            text += piece
        text = text[:-1]
        until(lambda: any(f"-{process.pid}-" in each.name and holds(each, text) for each in kept(state)))
        process.send_signal(signal.SIGKILL)
    return text


def holds(file: Path, text: str) -> bool:
    return file.suffix == ".json" and json.loads(file.read_text())["text"] == text


def test_a_killed_editor_leaves_its_draft_and_the_next_one_takes_it_up(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt", "/srv")
    assert policy.read_text() == OLD
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    assert workspace.document.text == OLD, "nothing is taken up without asking"
    assert workspace.recoverable is not None
    assert workspace.recoverable.text == text
    workspace.adopt_draft()
    assert workspace.document.text == text
    assert workspace.dirty
    assert workspace.conflict is None
    assert workspace.undo() == "recover the unsaved draft"
    assert workspace.document.text == OLD
    workspace.redo()
    workspace.save()
    assert policy.read_text() == text
    assert kept(state) == []
    workspace.close()


def test_a_draft_survives_one_crash_after_another(policy: Path, state: Path) -> None:
    crash(policy, state, "/opt")
    text = crash(policy, state, "/srv")
    assert '"/opt"' in text
    found = drafts.recoverable(str(policy))
    assert found is not None
    assert found.text == text
    assert len(kept(state)) == 1, "the one that was taken up is gone"


def test_the_file_changed_since_the_crash_is_a_conflict_that_can_be_merged(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt")
    policy.write_text(OLD.replace('"/usr"', '"/usr", "/lib"'))
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    workspace.adopt_draft()
    assert workspace.document.text == text
    assert workspace.conflict is not None
    workspace.merge()
    assert {each.path for each in workspace.resolved.paths} == {"/usr", "/lib", "/opt"}
    workspace.close()


def test_the_file_gone_since_the_crash_is_told_and_can_be_saved(policy: Path, state: Path) -> None:
    text = crash(policy, state, "/opt")
    policy.unlink()
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    workspace.adopt_draft()
    assert workspace.gone
    workspace.save()
    assert policy.read_text() == text
    workspace.close()


def test_a_declined_draft_is_removed(policy: Path, state: Path) -> None:
    crash(policy, state, "/opt")
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    workspace.discard_draft()
    assert kept(state) == []
    assert workspace.document.text == OLD
    workspace.close()


def test_a_draft_that_says_what_the_file_says_is_not_offered(policy: Path, state: Path) -> None:
    policy.write_text(crash(policy, state, "/opt"))
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    assert workspace.recoverable is None
    assert kept(state) == []
    workspace.close()


def test_a_draft_of_a_living_editor_is_not_offered(workspace: Workspace, policy: Path, state: Path) -> None:
    workspace.apply(GrantPath("/opt", READ))
    until(lambda: kept(state))
    assert drafts.recoverable(str(policy)) is None


def test_nobody_else_can_read_a_draft(workspace: Workspace, state: Path) -> None:
    state.mkdir(parents=True, mode=0o755)
    workspace.apply(GrantPath("/opt", READ))
    until(lambda: any(each.suffix == ".json" for each in kept(state)))
    (file,) = kept(state)
    assert file.stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    assert str(workspace.path) not in file.name


@pytest.mark.parametrize("how", ["save", "undo", "close", "take_theirs"])
def test_nothing_is_left_once_nothing_is_unsaved(workspace: Workspace, policy: Path, state: Path, how: str) -> None:
    workspace.apply(GrantPath("/opt", READ))
    until(lambda: any(each.suffix == ".json" for each in kept(state)))
    if how == "take_theirs":
        policy.write_text(OLD + "# theirs\n")
        workspace.disk_changed()
    getattr(workspace, how)()
    assert kept(state) == []
    time.sleep(0.5)
    assert kept(state) == [], "nothing was written after it"


def test_edits_are_written_together_and_the_last_one_is_kept(workspace: Workspace, state: Path) -> None:
    writes = set()
    for number in range(40):
        workspace.apply(GrantPath(f"/opt/{number}", READ))
        writes |= {each.stat().st_ino for each in kept(state)}
    until(lambda: any(holds(each, workspace.document.text) for each in kept(state)))
    assert len(writes) <= 15


def test_a_state_directory_that_cannot_be_written_is_a_notice(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    workspace = Workspace.open(str(policy))
    told: list[Changes] = []
    arrived = threading.Event()

    def changed(change: Changes) -> None:
        told.append(change)
        if "drafts" in change:
            arrived.set()

    workspace.subscribe(changed)
    workspace.keep_drafts()
    workspace.apply(GrantPath("/opt", READ))
    assert arrived.wait(DEADLINE_S)
    assert workspace.drafts_problem.startswith("A crash would lose unsaved edits: ")
    assert str(tmp_path / "file") in workspace.drafts_problem
    workspace.apply(GrantPath("/srv", READ))
    workspace.save()
    assert sum("drafts" in change for change in told) == 1
    workspace.close()


def test_a_symlink_in_the_place_of_the_directory_is_not_used(policy: Path, state: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    state.parent.mkdir(parents=True)
    state.symlink_to(tmp_path / "elsewhere")
    workspace = Workspace.open(str(policy))
    workspace.keep_drafts()
    workspace.apply(GrantPath("/opt", READ))
    until(lambda: workspace.drafts_problem)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    workspace.close()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', "\xff", "[" * 100_000, '{"version": 1, "path": 3}']
)
def test_what_is_no_draft_is_passed_over(policy: Path, state: Path, content: str) -> None:
    crash(policy, state, "/opt")
    (file,) = kept(state)
    file.write_text(content, encoding="latin-1")
    assert drafts.recoverable(str(policy)) is None


def test_a_relative_state_directory_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert drafts.directory() == os.path.join(str(tmp_path), ".local/state/paddock/drafts")
