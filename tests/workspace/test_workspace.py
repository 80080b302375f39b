"""The open draft: edits, undo, saving and notifying."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from editor.editing.edits import EditError, GrantPath, GrantPort, SetPathRights
from editor.landlock.rights import rights_of
from editor.policy.compose import CompositionContext
from editor.policy.errors import PolicyError
from editor.workspace.levels import LEVELS
from editor.workspace.notifying import Changes
from editor.workspace.saving import ChangedOnDisk, SymlinkedPolicy
from editor.workspace.workspace import Workspace
from tests.workspace.opened import BROKEN, OLD, THEIRS, Opened, is_dirty, is_none


def test_edit_updates_everything_derived(opened: Opened) -> None:
    workspace = opened.workspace
    assert not workspace.decider.file("/etc/hostname", frozenset({"read_file"})).allowed
    applied = workspace.apply(GrantPath("/etc", frozenset({"read_file"})))
    assert applied.label == "grant read_file on /etc"
    assert workspace.decider.file("/etc/hostname", frozenset({"read_file"})).allowed
    assert opened.granted("/etc") == {"read_file"}
    assert is_dirty(workspace)
    assert opened.notified == [frozenset({"document"})]
    assert opened.path.read_text() == OLD, "nothing is written before saving"


def test_paths_that_an_edit_does_not_touch_are_resolved_later(tmp_path: Path) -> None:
    path, absent, other = tmp_path / "p.toml", tmp_path / "absent", tmp_path / "other"
    other.mkdir()
    path.write_text(f'[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{absent}"]\n')
    workspace = Workspace.open(str(path))
    changes: list[Changes] = []
    workspace.subscribe(changes.append)
    absent.mkdir()
    workspace.apply(GrantPath(str(other), frozenset({"execute"})))
    assert [each.path for each in workspace.resolved.paths if each.identity is not None] == [str(other)]
    workspace.refresh_if_stale()
    assert all(each.identity is not None for each in workspace.resolved.paths)
    assert workspace.decider.rights_on(str(absent)) == {"read_file"}
    assert changes == [{"document"}] * 2
    workspace.refresh_if_stale()
    assert len(changes) == 2, "nobody is notified if nothing changed"


def test_undo_and_redo_restore_the_exact_text(opened: Opened) -> None:
    workspace = opened.workspace
    texts = [workspace.document.text]
    for name in ("/etc", "/opt", "/var/log"):
        workspace.apply(GrantPath(name, frozenset({"read_file"})))
        texts.append(workspace.document.text)
    for text in reversed(texts[:-1]):
        assert workspace.undo() is not None
        assert workspace.document.text == text
    assert workspace.undo() is None
    assert not is_dirty(workspace)
    for text in texts[1:]:
        assert workspace.redo() is not None
        assert workspace.document.text == text
    assert workspace.redo() is None


def test_several_edits_are_one_step_or_none(opened: Opened) -> None:
    workspace = opened.workspace
    with pytest.raises(EditError):
        workspace.apply(GrantPath("/etc", frozenset({"read_file"})), GrantPort(70_000, frozenset({"bind_tcp"})))
    assert workspace.document.text == OLD
    assert not workspace.can_undo
    workspace.apply(GrantPath("/etc", frozenset({"read_file"})), GrantPort(443, frozenset({"connect_tcp"})))
    assert workspace.undo() == "grant read_file on /etc; grant connect_tcp on port 443"
    assert workspace.document.text == OLD


def test_newly_handled_rights_are_reported(opened: Opened) -> None:
    applied = opened.workspace.apply(GrantPort(443, frozenset({"connect_tcp"})))
    assert applied.newly_handled == {"connect_tcp"}
    again = opened.workspace.apply(GrantPort(80, frozenset({"connect_tcp"})))
    assert again.newly_handled == frozenset()


def test_edit_without_effect_changes_nothing(opened: Opened) -> None:
    applied = opened.workspace.apply(GrantPath("/usr", frozenset({"read_file"})))
    assert not applied.changed
    assert not opened.workspace.can_undo
    assert opened.notified == []


def test_steps_cycle_through_the_levels(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = str(tmp_path / "data")
    seen = []
    for _ in LEVELS:
        opened.workspace.step(path, 1)
        seen.append(opened.granted(path))
    fs = rights_of("fs", 6)
    assert seen == [
        {"read_file", "read_dir"},
        {"read_file", "read_dir", "execute"},
        fs - {"execute"},
        fs,
        frozenset(),
    ]
    for _ in LEVELS:
        opened.workspace.undo()
    assert opened.workspace.document.text == OLD


def test_levels_of_a_file_contain_only_rights_of_files(opened: Opened) -> None:
    file = str(opened.path)
    assert opened.workspace.step(file, 1).label.startswith("read on ")
    assert opened.granted(file) == {"read_file"}
    opened.workspace.step(file, 1)
    assert opened.granted(file) == {"read_file", "execute"}
    opened.workspace.step(file, 1)
    assert opened.granted(file) == {"read_file", "write_file", "truncate", "ioctl_dev"}


def test_step_edits_a_rule_with_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "policy.toml"
    path.write_text(OLD.replace("/usr", "."))
    opened = Opened(path)
    opened.workspace.step(str(tmp_path), 1)
    assert opened.granted(str(tmp_path)) == {"read_file", "read_dir", "execute"}
    assert 'parent = ["."]' in opened.workspace.document.text
    assert str(tmp_path) not in opened.workspace.document.text


def test_undo_after_saving_makes_the_draft_unsaved_again(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(SetPathRights("/usr", frozenset({"execute", "read_file"})))
    workspace.save()
    assert not is_dirty(workspace)
    assert opened.path.read_text() == workspace.document.text
    assert "# A policy with a comment that must survive." in opened.path.read_text()
    workspace.undo()
    assert is_dirty(workspace)
    workspace.save()
    assert opened.path.read_bytes() == OLD.encode()


def test_missing_file_is_a_new_draft_that_denies_everything(tmp_path: Path) -> None:
    for name in ("new.toml", "new.json"):
        opened = Opened(tmp_path / name)
        workspace = opened.workspace
        assert workspace.is_new
        assert not is_dirty(workspace)
        assert not opened.path.exists()
        assert workspace.resolved.handled_fs == rights_of("fs", workspace.policy.abi or 0)
        assert not workspace.decider.file("/etc/hostname", frozenset({"read_file"})).allowed
        workspace.apply(GrantPath("/usr", frozenset({"read_file"})))
        workspace.save()
        assert Workspace.open(str(opened.path)).document.text == workspace.document.text


def test_file_created_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    opened = Opened(tmp_path / "new.toml")
    opened.workspace.apply(GrantPath("/usr", frozenset({"read_file"})))
    opened.path.write_text(THEIRS)
    with pytest.raises(ChangedOnDisk):
        opened.workspace.save()
    assert opened.path.read_text() == THEIRS
    opened.workspace.reload()
    assert opened.workspace.conflict is not None


def test_file_that_cannot_be_opened_is_an_error_with_a_location(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(BROKEN)
    with pytest.raises(PolicyError) as raised:
        Workspace.open(str(path))
    assert raised.value.line >= 9
    with pytest.raises(PolicyError, match="directory"):
        Workspace.open(str(tmp_path))


def test_symlinked_policy_is_saved_only_on_request(opened: Opened, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(opened.path)
    workspace = Workspace.open(str(link))
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    with pytest.raises(SymlinkedPolicy):
        workspace.save()
    saved = workspace.save(follow_symlink=True)
    assert saved.path == str(opened.path)
    assert opened.path.read_text() == workspace.document.text
    assert link.is_symlink()


def test_export_is_of_the_draft_not_the_file(opened: Opened) -> None:
    opened.workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    exported = opened.workspace.export("resolved")
    assert '"/opt": [\n      "read_file"\n    ]' in exported.text
    assert opened.workspace.export("landlock-toml").text == opened.workspace.document.text


def wait_until(condition: Callable[[], bool], changed: threading.Event, seconds: float = 5) -> None:
    """Wait until ``condition`` is true, checking it whenever ``changed`` is set."""
    while not condition():
        assert changed.wait(seconds), "timed out"
        changed.clear()


def test_watching_loads_what_another_program_writes(opened: Opened) -> None:
    changed = threading.Event()
    opened.workspace.subscribe(lambda _: changed.set())
    opened.workspace.watch()
    new = opened.path.with_suffix(".new")
    new.write_text(THEIRS)
    new.rename(opened.path)
    wait_until(lambda: opened.workspace.document.text == THEIRS, changed)
    opened.path.write_text(BROKEN)
    wait_until(lambda: opened.workspace.problem is not None, changed)
    assert opened.workspace.document.text == THEIRS
    opened.path.write_text(OLD)
    wait_until(lambda: opened.workspace.problem is None, changed)
    assert opened.workspace.document.text == OLD


def test_own_save_is_not_reported_as_a_change_on_disk(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.watch()
    for number in range(5):
        workspace.apply(GrantPath(f"/opt/{number}", frozenset({"read_file"})))
        workspace.save()
    # The watch still works, and the next change that it reports is the one made by another program.
    changed = threading.Event()
    notified: list[Changes] = []
    workspace.subscribe(notified.append)
    workspace.subscribe(lambda _: changed.set())
    new = opened.path.with_suffix(".new")
    new.write_text(THEIRS)
    new.rename(opened.path)
    wait_until(lambda: workspace.document.text == THEIRS, changed)
    assert notified == [frozenset({"disk", "document"})]
    assert is_none(workspace.conflict)


def test_edits_from_many_threads_are_all_applied(opened: Opened) -> None:
    def edit(number: int) -> None:
        for each in range(5):
            opened.workspace.apply(GrantPath(f"/opt/{number}-{each}", frozenset({"read_file"})))

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {os.path.basename(each.path) for each in opened.workspace.resolved.paths}
    assert names == {"usr"} | {f"{number}-{each}" for number in range(4) for each in range(5)}
    steps = 0
    while opened.workspace.undo() is not None:
        steps += 1
    assert steps == 20
    assert opened.workspace.document.text == OLD


@pytest.mark.parametrize("change", ["apply", "step", "undo", "reload a long file", "compose", "save"])
def test_nobody_is_notified_under_the_lock(opened: Opened, change: str) -> None:
    workspace = opened.workspace
    finished: list[bool] = []

    def wait_for_another_thread(_: Changes) -> None:
        thread = threading.Thread(target=workspace.keep_mine)  # takes the lock and does nothing else
        thread.start()
        thread.join(5)
        finished.append(not thread.is_alive())

    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    if change == "reload a long file":
        workspace.save()
        opened.path.write_text(THEIRS + "#\n" * 100_000)
    workspace.subscribe(wait_for_another_thread)
    match change:
        case "apply":
            workspace.apply(GrantPath("/etc", frozenset({"read_file"})))
        case "step":
            workspace.step("/etc", 1)
        case "undo":
            workspace.undo()
        case "reload a long file":
            workspace.reload()
            assert {"reloading"} in opened.notified
            assert not workspace.is_reloading
        case "compose":
            workspace.compose_with(CompositionContext)
        case "save":
            workspace.save()
    assert finished and all(finished)
