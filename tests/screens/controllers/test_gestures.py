"""What the gestures in the tree and the panels change."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.screens.controllers.edits import Edits
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.gestures import Gestures
from tests.screens.controllers.conftest import PlainView


@pytest.fixture
def gestures(files: OpenFiles, view: PlainView) -> Iterator[Gestures]:
    edits = Edits(files, view)
    yield Gestures(files, edits, view)
    edits.close()


async def test_a_step_up_and_down(files: OpenFiles, view: PlainView, gestures: Gestures, place: Path) -> None:
    data = str(place / "data")
    await gestures.step(data, 1)
    assert files.current.own_rights(data) == {"read_file", "read_dir"}
    await gestures.step(data, -1)
    assert not files.current.own_rights(data)
    await gestures.step(data, -1)
    assert view.messages[-1] == f"No rule grants anything on {data}."


async def test_an_inherited_right_leads_to_its_rule(files: OpenFiles, view: PlainView, gestures: Gestures) -> None:
    view.answers = [None, "go"]
    await gestures.toggle_right("/usr/share", "execute")
    assert not view.shown
    await gestures.step("/usr/share", -1)
    assert view.shown == ["/usr", 13]
    assert [question.title for question in view.questions] == ["Inherited"] * 2
    assert not files.current.has_edits


async def test_toggling_a_right(files: OpenFiles, view: PlainView, gestures: Gestures, place: Path) -> None:
    notes = str(place / "data" / "notes.txt")
    await gestures.toggle_right(notes, "write_file")
    assert files.current.own_rights(notes) == {"write_file"}
    await gestures.toggle_right(notes, "make_dir")
    assert view.messages[-1] == f"make_dir cannot be granted on {notes}: it applies only to directories."
    await gestures.toggle_right(notes, "write_file")
    assert not files.current.own_rights(notes)


async def test_ports_handled_rights_and_scopes(files: OpenFiles, view: PlainView, gestures: Gestures) -> None:
    await gestures.add_port("no such port")
    assert len(view.messages) == 1 and not files.current.has_edits
    await gestures.add_port("443")
    await gestures.toggle_port(443, "bind_tcp")
    assert files.current.own_port_rights(443) == {"connect_tcp", "bind_tcp"}
    await gestures.remove_port(443)
    assert not files.current.own_port_rights(443)
    await gestures.toggle_handled("signal")
    assert files.current.resolved.scoped == {"signal"}
    await gestures.toggle_handled("signal")
    assert not files.current.resolved.scoped
