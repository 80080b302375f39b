"""What starts a run, and what prevents one."""

from pathlib import Path

import pytest

from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.runs import CommandError, Runs, split_command
from tests.screens.controllers.conftest import PlainView


async def test_a_run_gets_the_draft_as_it_is_now(files: OpenFiles, view: PlainView, place: Path) -> None:
    edits = Edits(files, view)
    runs, late = Runs(files, edits, view, None), place / "late"
    files.current.step(str(late), 1)
    late.mkdir()
    view.run_panel.command = "cat 'a b'"
    await runs.run()
    [(command, resolved)] = view.run_panel.started
    assert command == ("cat", "a b") and view.shown == ["run started"]
    assert any(path.path == str(late) and path.identity is not None for path in resolved.paths)
    await runs.run()
    assert view.messages == ["A command is already running. Stop it first (f6)."]
    runs.stop()
    runs.stop()
    assert view.messages[1:] == ["Nothing is running."]
    view.run_panel.command = "'"
    await runs.run()
    assert view.shown[1:] == ["command"] and len(view.run_panel.started) == 1
    edits.close()


@pytest.mark.parametrize("text", ["", "  ", "'", "a \\"])
def test_text_that_is_not_a_command(text: str) -> None:
    with pytest.raises(CommandError):
        split_command(text)
