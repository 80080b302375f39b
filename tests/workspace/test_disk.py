"""Compare three texts: the base of the draft, the file on disk, and the draft."""

from pathlib import Path

import pytest

from editor.editing.document import PolicyDocument
from editor.editing.merge import MergeError
from editor.policy.errors import PolicyError
from editor.workspace.disk import Conflict, FileState, read_policy_file

BASE = 'abi = 6\n[[ruleset]]\nhandled_access_fs = ["execute"]\n'
THEIRS = BASE.replace("abi = 6", "abi = 5")
MINE = BASE.replace("execute", "read_file")
BROKEN = BASE + "["
READ = FileState(BASE, BASE.encode(), BASE.encode())


def parse(text: str) -> PolicyDocument:
    return PolicyDocument.parse(text, "p.toml", "toml")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "p.toml"
    file.write_text(BASE)
    return file


@pytest.mark.parametrize("draft", [BASE, MINE])
def test_unchanged_file_changes_nothing(path: Path, draft: str) -> None:
    assert READ.reload(str(path), draft, parse) == (READ, None)


def test_changed_file_replaces_a_draft_without_edits(path: Path) -> None:
    path.write_text(THEIRS)
    now, document = READ.reload(str(path), BASE, parse)
    assert document is not None and document.text == THEIRS
    assert now == FileState(THEIRS, THEIRS.encode(), THEIRS.encode())


def test_changed_file_conflicts_with_edits_until_it_changes_back(path: Path) -> None:
    path.write_text(THEIRS)
    now, document = READ.reload(str(path), MINE, parse)
    assert document is None
    assert now.conflict == Conflict(THEIRS, None)
    assert (now.base, now.expected) == (BASE, BASE.encode()), "saving still expects the content that was read"
    path.write_text(BASE)
    assert now.reload(str(path), MINE, parse) == (READ, None)


def test_file_equal_to_the_draft_is_not_a_conflict(path: Path) -> None:
    path.write_text(MINE)
    now, document = READ.reload(str(path), MINE, parse)
    assert now.conflict is None and now.base == MINE
    assert document is not None


@pytest.mark.parametrize(("draft", "conflict"), [(BASE, False), (MINE, True)])
@pytest.mark.parametrize("content", [BROKEN.encode(), b"\xff\xfe"])
def test_file_that_does_not_parse_is_a_problem(path: Path, content: bytes, draft: str, conflict: bool) -> None:
    path.write_bytes(content)
    now, document = READ.reload(str(path), draft, parse)
    assert document is None
    assert now.problem is not None
    assert (now.conflict is not None) == conflict
    if now.conflict is not None:
        assert now.conflict.problem is now.problem
        with pytest.raises(MergeError, match="does not parse"):
            now.sides(parse)


def test_removed_file_is_gone_but_a_new_one_is_not(path: Path) -> None:
    path.unlink()
    now, _ = READ.reload(str(path), MINE, parse)
    assert now.is_gone and now.problem is not None and now.conflict is None
    new, _ = FileState(BASE, None, None).reload(str(path), MINE, parse)
    assert not new.is_gone and new.problem is None


def test_unreadable_file_keeps_what_is_known(tmp_path: Path) -> None:
    now, document = READ.reload(str(tmp_path), MINE, parse)
    assert document is None
    assert now == READ._replace(problem=now.problem)
    assert "directory" in str(now.problem)
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy_file("/nul\0")


def test_resolved_conflict_is_based_on_the_file_on_disk(path: Path) -> None:
    path.write_text(THEIRS)
    conflict, _ = READ.reload(str(path), MINE, parse)
    assert [each.text for each in conflict.sides(parse)] == [BASE, THEIRS]
    settled = conflict.settled()
    assert settled == FileState(THEIRS, THEIRS.encode(), THEIRS.encode())
    assert settled.settled() is settled
    with pytest.raises(MergeError, match="no conflict"):
        settled.sides(parse)
