"""Saving, conflicts and recovery, on real files."""

from pathlib import Path

import pytest

from editor.editing.edits import GrantPath
from editor.screens.controllers.disk import Disk
from editor.screens.controllers.files import OpenFiles
from editor.workspace.composition import Composition
from tests.screens.controllers.conftest import PlainView
from tests.screens.driving import POLICY

EDIT = GrantPath("/srv", frozenset({"read_file"}))
THEIRS = POLICY.replace("/etc/ld.so.cache", "/etc/hosts")


async def test_saving_writes_the_file(files: OpenFiles, view: PlainView, policy: Path) -> None:
    disk = Disk(files, view)
    assert await disk.save(files.current)
    files.current.apply(EDIT)
    assert files.unsaved == f"{policy} has unsaved edits."
    assert await disk.save_all()
    assert policy.read_text() == files.current.document.text and not files.unsaved
    assert view.messages == ["Nothing to save: the file is up to date.", f"Saved {policy}"]


async def test_saving_through_a_link_asks(place: Path, policy: Path, view: PlainView) -> None:
    link = place / "link.toml"
    link.symlink_to(policy)
    files = OpenFiles(Composition.open([str(link)]))
    files.current.apply(EDIT)
    disk, view.answers = Disk(files, view), ["cancel", "write"]
    assert not await disk.save(files.current)
    assert policy.read_text() == POLICY
    assert await disk.save(files.current)
    assert policy.read_text() == files.current.document.text and link.is_symlink()


@pytest.mark.parametrize(("answer", "both"), [("mine", False), ("theirs", False), ("merge", True)])
async def test_a_conflict_is_resolved(files: OpenFiles, view: PlainView, policy: Path, answer: str, both: bool) -> None:
    files.current.apply(EDIT)
    mine = files.current.document.text
    policy.write_text(THEIRS)
    files.current.reload()
    disk, view.answers = Disk(files, view), [None, "both", answer]
    assert not await disk.save(files.current), "the answer was put off"
    await disk.follow_conflict(files.current)
    assert view.shown == ["difference"] and files.current.conflict is None
    text = files.current.document.text
    assert text == {"mine": mine, "theirs": THEIRS}.get(answer, text)
    assert ("/srv" in text and "/etc/hosts" in text) is both


async def test_edits_of_a_closed_workspace_are_not_offered(files: OpenFiles, view: PlainView, policy: Path) -> None:
    left = files.current
    left.start_recovery()
    left.apply(EDIT)
    left.close()
    again = OpenFiles(Composition.open([str(policy)]))
    await Disk(again, view).recover()
    assert not view.questions, "closing discards them"
