"""Edits are applied one at a time, in order, and reported."""

import asyncio
import threading
import time
from functools import partial
from pathlib import Path

from editor.editing.edits import EditError, GrantPath, SetPathRights
from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.workspace.composition import Composition
from editor.workspace.workspace import Workspace
from tests.screens.controllers.conftest import PlainView

READ = frozenset({"read_file"})
SHARED = """\
abi = 6

[[variable]]
name = "home"
literal = ["/home/a", "/home/b"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["${home}/mail"]
"""


async def test_jobs_run_one_at_a_time_in_their_order(files: OpenFiles, view: PlainView) -> None:
    edits, began, threads = Edits(files, view), list[int](), set[int]()

    def job(number: int, _: Workspace) -> int:
        threads.add(threading.get_ident())
        began.append(number)
        time.sleep(0.02 if number == 0 else 0)
        assert began == list(range(number + 1)), "another job began in the meantime"
        return number

    assert await asyncio.gather(*(edits.run(partial(job, n)) for n in range(4))) == [0, 1, 2, 3]
    assert threading.get_ident() not in threads
    edits.close()


async def test_an_edit_is_applied_and_reported(files: OpenFiles, view: PlainView) -> None:
    edits = Edits(files, view)
    await edits.apply(GrantPath("/srv", READ))
    assert files.current.own_rights("/srv") == READ
    assert view.messages == ["Grant read_file on /srv"]
    await edits.apply(GrantPath("/srv", READ))
    await edits.undo()
    await edits.undo()
    await edits.redo()
    assert view.messages[1:] == [
        "Nothing to change: grant read_file on /srv",
        "Undone: grant read_file on /srv",
        "Nothing to undo",
        "Redone: grant read_file on /srv",
    ]
    edits.close()


async def test_a_failed_edit_is_reported_and_the_next_one_runs(files: OpenFiles, view: PlainView) -> None:
    edits = Edits(files, view)

    def refuse(_: Workspace, __: object) -> None:
        raise EditError("It cannot be done.")

    await edits.apply_job(refuse)  # type: ignore[arg-type]  # it returns nothing
    assert view.messages == ["It cannot be done."]
    await edits.apply(GrantPath("/srv", READ))
    assert files.current.own_rights("/srv") == READ
    edits.close()


async def test_one_of_several_paths_asks_which_to_change(policy: Path, view: PlainView) -> None:
    policy.write_text(SHARED)
    files = OpenFiles(Composition.open([str(policy)]))
    edits, view.answers = Edits(files, view), ["cancel", "all", "split"]
    edit = SetPathRights("/home/a/mail", READ | {"write_file"})
    await edits.apply(edit)
    assert files.current.document.text == SHARED and not view.messages
    await edits.apply(edit)
    assert files.current.own_rights("/home/b/mail") == READ | {"write_file"}
    await edits.apply(SetPathRights("/home/a/mail", READ))
    assert files.current.own_rights("/home/a/mail") == READ
    assert files.current.own_rights("/home/b/mail") == READ | {"write_file"}
    assert [question.title for question in view.questions] == ["One of several paths"] * 3
    edits.close()


async def test_an_edit_goes_to_the_file_it_belongs_to(place: Path, policy: Path, view: PlainView) -> None:
    other = place / "other.toml"
    other.write_text('abi = 6\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n')
    files = OpenFiles(Composition.open([str(policy), str(other)]))
    edits = Edits(files, view)
    first = asyncio.create_task(edits.apply(GrantPath("/srv", READ)))
    second = asyncio.create_task(edits.apply(GrantPath("/opt", READ), files=[str(other)]))
    await asyncio.gather(first, second)
    drafts = files.composition.workspaces
    assert drafts[0].own_rights("/srv") == drafts[1].own_rights("/opt") == READ
    assert not drafts[0].own_rights("/opt") and not drafts[1].own_rights("/srv")
    assert files.current is drafts[1] and view.shown == ["chosen file"]
    assert files.unsaved == f"{policy} and {other} have unsaved edits."
    edits.close()


async def test_a_long_job_is_shown_as_busy(files: OpenFiles, view: PlainView) -> None:
    edits = Edits(files, view)
    await edits.run(lambda _: time.sleep(0.7))
    assert view.busy == ["working", ""]
    edits.close()


async def test_the_filesystem_is_checked_once_no_edit_comes(files: OpenFiles, view: PlainView, place: Path) -> None:
    edits, late = Edits(files, view), place / "late"
    await edits.apply(GrantPath(str(late), READ))
    late.mkdir()
    deadline = time.monotonic() + 10
    while files.current.resolved.paths[-1].identity is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    edits.close()
