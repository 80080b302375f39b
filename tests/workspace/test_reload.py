"""The file of a draft changes on disk: it is reloaded, or there is a conflict to resolve."""

from pathlib import Path

import pytest

from editor.editing.edits import GrantPath, SetPathRights
from editor.editing.merge import MergeConflict, MergeError
from editor.policy.errors import PolicyError
from editor.workspace.saving import ChangedOnDisk
from tests.workspace.opened import BROKEN, OLD, THEIRS, Opened, is_dirty, is_none


def test_change_on_disk_is_loaded_if_there_are_no_edits(opened: Opened) -> None:
    opened.path.write_text(THEIRS)
    opened.workspace.reload()
    assert opened.workspace.document.text == THEIRS
    assert not is_dirty(opened.workspace)
    assert opened.notified == [frozenset({"disk", "document"})]
    opened.workspace.undo()
    assert opened.workspace.document.text == OLD, "undo restores the text from before the reload"
    assert is_dirty(opened.workspace)


def test_change_on_disk_with_edits_is_a_conflict(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(THEIRS)
    workspace.reload()
    assert workspace.document.text == mine
    assert workspace.conflict is not None
    assert workspace.conflict.theirs == THEIRS
    assert frozenset({"disk", "conflict"}) in opened.notified
    with pytest.raises(ChangedOnDisk):
        workspace.save()
    assert opened.path.read_text() == THEIRS


def test_taking_theirs_can_be_undone(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(THEIRS)
    workspace.reload()
    workspace.take_theirs()
    assert workspace.document.text == THEIRS
    assert is_none(workspace.conflict)
    assert not is_dirty(workspace)
    workspace.undo()
    assert workspace.document.text == mine
    assert is_dirty(workspace)


def test_keeping_mine_lets_saving_overwrite_theirs_but_no_later_change(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(THEIRS)
    workspace.reload()
    workspace.keep_mine()
    assert is_none(workspace.conflict)
    assert is_dirty(workspace)
    opened.path.write_text(THEIRS + "# once more\n")
    with pytest.raises(ChangedOnDisk):
        workspace.save()
    workspace.reload()
    assert workspace.conflict is not None
    workspace.keep_mine()
    workspace.save()
    assert opened.path.read_text() == mine


def test_merge_without_collisions_can_be_undone(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    theirs = THEIRS + "# somebody was here\n"
    opened.path.write_text(theirs)
    workspace.reload()
    assert workspace.collisions() == ()
    workspace.merge()
    assert is_none(workspace.conflict)
    assert is_dirty(workspace)
    assert opened.granted("/opt") == {"read_file"}
    assert opened.granted("/etc") == {"read_file", "read_dir"}
    assert opened.granted("/usr") == frozenset()
    assert "# somebody was here" in workspace.document.text
    workspace.save()
    merged = opened.path.read_text()
    workspace.undo()
    assert workspace.document.text == mine
    workspace.redo()
    assert workspace.document.text == merged
    assert not is_dirty(workspace)


def test_merge_with_a_collision_needs_a_choice(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(SetPathRights("/usr", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(OLD.replace('"read_dir"]', '"read_dir", "execute"]'))
    workspace.reload()
    (collision,) = workspace.collisions()
    assert str(collision.unit) == "/usr"
    with pytest.raises(MergeConflict):
        workspace.merge()
    assert workspace.conflict is not None
    assert workspace.document.text == mine
    workspace.merge({collision.unit: "mine"})
    assert is_none(workspace.conflict)
    assert opened.granted("/usr") == {"read_file"}
    workspace.save()


def test_merge_after_keeping_mine_is_based_on_the_earlier_theirs(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(SetPathRights("/usr", frozenset({"read_file"})))
    opened.path.write_text(OLD.replace('"read_dir"]', '"read_dir", "execute"]'))
    workspace.reload()
    workspace.keep_mine()
    opened.path.write_text(
        opened.path.read_text()
        + """
[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]
"""
    )
    workspace.reload()
    assert workspace.collisions() == ()
    workspace.merge()
    assert opened.granted("/usr") == {"read_file"}
    assert [each.port for each in workspace.resolved.ports] == [443]


def test_merge_needs_a_conflict_and_texts_that_parse(opened: Opened) -> None:
    workspace = opened.workspace
    with pytest.raises(MergeError, match="no conflict"):
        workspace.merge()
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(BROKEN)
    workspace.reload()
    with pytest.raises(MergeError, match="does not parse"):
        workspace.collisions()
    workspace.keep_mine()
    opened.path.write_text(THEIRS)
    workspace.reload()
    with pytest.raises(MergeError, match="before both"):
        workspace.merge()
    assert workspace.document.text == mine


def test_copies_of_the_losing_side_overwrite_nothing(opened: Opened, tmp_path: Path) -> None:
    opened.path.chmod(0o600)
    victim = tmp_path / "victim"
    (tmp_path / "policy.toml.orig.1").symlink_to(victim)
    copies = [opened.workspace.save_copy(text) for text in ("one\n", "two\n")]
    assert copies == [f"{opened.path}.orig", f"{opened.path}.orig.2"]
    assert [Path(copy).read_text() for copy in copies] == ["one\n", "two\n"]
    assert [Path(copy).stat().st_mode & 0o777 for copy in copies] == [0o600, 0o600]
    assert not victim.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "policy.toml",
        "policy.toml.orig",
        "policy.toml.orig.1",
        "policy.toml.orig.2",
    ]


def test_conflict_ends_when_the_file_changes_back(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    opened.path.write_text(THEIRS)
    workspace.reload()
    opened.path.write_text(OLD)
    workspace.reload()
    assert is_none(workspace.conflict)
    assert is_dirty(workspace)
    workspace.save()


def test_same_edit_on_both_sides_is_not_a_conflict(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    opened.path.write_text(workspace.document.text)
    workspace.reload()
    assert is_none(workspace.conflict)
    assert not is_dirty(workspace)


def test_edit_that_makes_the_draft_equal_to_theirs_ends_the_conflict(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    theirs = workspace.document.text
    workspace.apply(GrantPath("/srv", frozenset({"read_file"})))
    opened.path.write_text(theirs)
    workspace.reload()
    assert workspace.conflict is not None
    workspace.undo()
    assert is_none(workspace.conflict)
    assert not is_dirty(workspace)


def test_file_that_does_not_parse_keeps_the_last_valid_policy(opened: Opened) -> None:
    workspace = opened.workspace
    opened.path.write_text(BROKEN)
    workspace.reload()
    assert workspace.document.text == OLD
    assert workspace.problem is not None
    assert workspace.problem.line >= 9
    assert workspace.problem.column > 0
    assert str(workspace.problem).startswith(f"{opened.path}:")
    with pytest.raises(ChangedOnDisk):
        workspace.save()
    opened.path.write_text(THEIRS)
    workspace.reload()
    assert is_none(workspace.problem)
    assert workspace.document.text == THEIRS


def test_theirs_cannot_be_taken_if_it_does_not_parse(opened: Opened) -> None:
    workspace = opened.workspace
    workspace.apply(GrantPath("/opt", frozenset({"read_file"})))
    mine = workspace.document.text
    opened.path.write_text(BROKEN)
    workspace.reload()
    assert workspace.conflict is not None
    assert workspace.conflict.problem is not None
    with pytest.raises(PolicyError):
        workspace.take_theirs()
    assert workspace.document.text == mine
    workspace.keep_mine()
    workspace.save()
    assert opened.path.read_text() == mine
    assert is_none(workspace.problem)


def test_file_that_is_not_utf8_is_a_problem(opened: Opened) -> None:
    opened.path.write_bytes(b"\xff\xfe")
    opened.workspace.reload()
    assert opened.workspace.problem is not None
    assert "UTF-8" in str(opened.workspace.problem)
    assert opened.workspace.document.text == OLD


def test_removed_file_can_be_saved_again(opened: Opened) -> None:
    workspace = opened.workspace
    opened.path.unlink()
    workspace.reload()
    assert workspace.is_gone
    assert is_dirty(workspace)
    assert workspace.problem is not None
    assert is_none(workspace.conflict)
    workspace.save()
    assert opened.path.read_text() == OLD
    assert not is_dirty(workspace)
    assert is_none(workspace.problem)


def test_removed_file_that_is_recreated_is_loaded(opened: Opened) -> None:
    workspace = opened.workspace
    opened.path.unlink()
    workspace.reload()
    opened.path.write_text(THEIRS)
    workspace.reload()
    assert workspace.document.text == THEIRS
    assert is_none(workspace.problem)
    assert not is_dirty(workspace)
