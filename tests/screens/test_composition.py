"""Several files on the screen: their common policy, where rules come from, and which file an edit goes to."""

from pathlib import Path

import pytest
from textual.widgets import OptionList, Static

from editor.app import PaddockApp
from editor.screens.chooser import ChooserScreen
from editor.screens.dialogs import Ask
from editor.screens.files import FilesScreen
from editor.screens.variables import VariablesScreen
from editor.workspace.workspace import Workspace
from tests.screens.driving import SMALL, WIDE, AppPilot, has_message, main_screen, opened, tree_of, until
from widgets.policy_text import PolicyText
from widgets.rights_panel import RightsPanel
from widgets.status_line import StatusLine

FIRST = """\
abi = 6
[[variable]]
name = "place"
literal = ["{place}"]

[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
"""
SECOND = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all"]

# What is kept.
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["${place}/data"]
"""


@pytest.fixture
def files(place: Path) -> tuple[str, str]:
    """Two policies; the second uses a variable of the first."""
    (place / "policies").mkdir()
    (place / "policies" / "first.toml").write_text(FIRST.replace("{place}", str(place)))
    (place / "policies" / "second.toml").write_text(SECOND)
    return "policies/first.toml", "policies/second.toml"


def drafts(pilot: AppPilot) -> tuple[Workspace, Workspace]:
    first, second = main_screen(pilot).composition.workspaces
    return first, second


def status(pilot: AppPilot) -> str:
    return main_screen(pilot).query_one(StatusLine).status.file


async def test_rights_and_sources_of_all_files_are_shown(place: Path, files: tuple[str, str]) -> None:
    data = str(place / "data")
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        tree = tree_of(pilot)
        assert tree.cursor_row is not None
        assert tree.cursor_row.given == ("read_file", "read_dir")
        assert status(pilot) == "policies/first.toml (1 of 2 files)"
        text = main_screen(pilot).query_one(PolicyText)
        assert text.text.startswith("abi = 6\n[[variable]]") and not text.marked
        await pilot.press("2", "down", "down")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.highlighted is not None and rights.highlighted.name == "read_file")
        assert rights.highlighted is not None
        assert rights.highlighted.sources[0].text == f"{data}  second.toml:8  ${{place}}/data"
        await pilot.press("g")
        await until(pilot, lambda: text.text == SECOND and text.marked == {8})
        assert status(pilot) == "policies/second.toml (2 of 2 files)"


async def test_edits_go_to_the_file_of_the_rule_or_to_the_chosen_file(place: Path, files: tuple[str, str]) -> None:
    data, empty = str(place / "data"), str(place / "empty")
    async with PaddockApp(*files).run_test(size=SMALL) as pilot:
        await opened(pilot, empty)
        first, second = drafts(pilot)
        await pilot.press("space")
        await until(pilot, lambda: first.own_rule_at(empty) is not None)
        assert not second.has_edits
        tree = tree_of(pilot)
        assert await tree.reveal(data)
        await until(pilot, lambda: main_screen(pilot).subject == data)
        await pilot.press("space", "u", "space")
        await until(pilot, lambda: second.own_rights(data) == {"read_file", "read_dir", "execute"})
        await until(pilot, lambda: status(pilot) == "policies/second.toml (2 of 2 files, others unsaved)")
        assert "# What is kept." in second.document.text and '"${place}/data"' in second.document.text
        assert first.own_rule_at(data) is None
        await until(pilot, lambda: has_message(pilot, f"Read+execute on {data}, in policies/second.toml"))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not second.is_dirty)
        assert first.is_dirty, "each is saved on its own"
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FilesScreen))
        options = pilot.app.screen.query_one(OptionList)
        assert options.highlighted == 1
        await pilot.press("up", "enter")
        await until(pilot, lambda: status(pilot) == "policies/first.toml (1 of 2 files)")
        await pilot.press("u")
        await until(pilot, lambda: not first.is_dirty)
        assert Path(files[1]).read_text() == second.document.text != SECOND


async def test_a_right_is_removed_in_the_file_that_grants_it(place: Path, files: tuple[str, str]) -> None:
    data = str(place / "data")
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        first, second = drafts(pilot)
        await pilot.press("2", "down", "down")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.highlighted is not None and rights.highlighted.name == "read_file")
        await pilot.press("space")
        await until(pilot, lambda: second.own_rights(data) == {"read_dir"})
        assert not first.has_edits


async def test_a_right_is_handled_once_all_files_handle_it(files: tuple[str, str]) -> None:
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await opened(pilot)
        first, second = drafts(pilot)
        await pilot.press("4", "end", "space")  # the scope signal, which neither has
        await until(pilot, lambda: first.policy.scoped == {"signal"})
        assert not first.resolved.scoped
        await pilot.press("space")
        await until(pilot, lambda: second.policy.scoped == {"signal"})
        await until(pilot, lambda: first.resolved.scoped == second.resolved.scoped == {"signal"})


async def test_each_file_is_reloaded_from_disk(place: Path, files: tuple[str, str]) -> None:
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await opened(pilot, str(place / "empty"))
        tree = tree_of(pilot)
        Path(files[1]).write_text(SECOND.replace("data", "empty"))
        await until(pilot, lambda: tree.cursor_row is not None and tree.cursor_row.given == ("read_file", "read_dir"))
        await until(pilot, lambda: has_message(pilot, "second.toml changed on disk and was reloaded"))
        Path(files[1]).write_text(SECOND.replace("place", "palce"))
        await until(pilot, lambda: "second.toml:8" in main_screen(pilot).query_one(StatusLine).status.problem)


async def test_quitting_saves_all_files(place: Path, files: tuple[str, str]) -> None:
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await opened(pilot, str(place / "data"))
        first, second = drafts(pilot)
        await pilot.press("space")
        await until(pilot, lambda: second.is_dirty)
        await pilot.press("3", "a")
        await pilot.pause()
        await pilot.press(*"8080 bind", "enter", "escape")
        await until(pilot, lambda: second.own_port_rights(8080))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FilesScreen))
        await pilot.press("home", "enter")
        await until(pilot, lambda: status(pilot).startswith("policies/first.toml"))
        assert await tree_of(pilot).reveal(str(place / "empty"))
        await until(pilot, lambda: main_screen(pilot).subject == str(place / "empty"))
        await pilot.press("1", "space")
        await until(pilot, lambda: first.is_dirty)
        assert main_screen(pilot).unsaved == "policies/first.toml and policies/second.toml have unsaved edits."
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("s")
        await until(pilot, lambda: not pilot.app.is_running)
    for file, draft in zip(files, (first, second), strict=True):
        assert Path(file).read_text() == draft.document.text


async def test_a_run_is_under_all_files(place: Path, files: tuple[str, str]) -> None:
    Path(files[0]).write_text(
        FIRST.replace("{place}", str(place))
        + '\n[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/usr", "/bin", "/lib", "/lib64"]\n'
    )
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        screen = main_screen(pilot)
        screen.run_panel.suggest(f"cat {place}/data/notes.txt {place}/policies/first.toml")
        await pilot.press("r")
        await until(pilot, lambda: workspace.report is not None)
        report = workspace.report
        assert report is not None
        allowed = {each.path: each.decided_by for each in report.accesses if each.verdict == "allowed"}
        assert [ref.file for ref in allowed[f"{place}/data/notes.txt"]] == [files[1]]
        denied = {each.path for each in report.accesses if each.verdict == "denied"}
        assert f"{place}/policies/first.toml" in denied


async def test_all_policies_of_a_directory_can_be_opened_as_one(place: Path, files: tuple[str, str]) -> None:
    async with PaddockApp("policies").run_test(size=SMALL) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooserScreen))
        await until(pilot, lambda: pilot.app.screen.query_one(OptionList).option_count == len(files))
        await pilot.press("a")
        await opened(pilot, str(place / "data"))
        assert [each.path for each in drafts(pilot)] == list(files)


async def test_a_broken_file_is_named_and_opens_once_fixed(place: Path, files: tuple[str, str]) -> None:
    Path(files[1]).write_text(SECOND.replace("abi = 6", "abi = 0"))
    async with PaddockApp(*files).run_test(size=WIDE) as pilot:
        await until(pilot, lambda: pilot.app.is_running and has_message(pilot, f"{files[1]}:1:7"))
        Path(files[1]).write_text(SECOND)
        await opened(pilot, str(place / "data"))
        assert len(drafts(pilot)) == 2


async def test_with_one_file_f_says_how_to_open_several(policy: Path) -> None:
    async with PaddockApp(str(policy)).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("f")
        await until(pilot, lambda: has_message(pilot, "To open several as one policy"))


async def test_variables_of_all_files_are_edited_where_they_are_defined(place: Path, files: tuple[str, str]) -> None:
    async with PaddockApp(*files, variables={"spare": ("/nowhere",)}).run_test(size=WIDE) as pilot:
        await opened(pilot, str(place / "data"))
        first, second = drafts(pilot)
        await pilot.press("space")
        await until(pilot, lambda: second.is_dirty and status(pilot).startswith(files[1]))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, VariablesScreen))
        about = pilot.app.screen.query_one("#about", Static)
        assert f"defined at: {files[0]}:2" in str(about.visual)
        assert f"{files[1]}:8" in str(about.visual)
        await pilot.press("i")
        await until(pilot, lambda: has_message(pilot, "could not be composed"))
        assert not first.has_edits, "the other file uses it"
        await pilot.press("down")
        await until(pilot, lambda: "set by --var" in str(about.visual))
        await pilot.press("up", "enter")
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: text.text == first.document.text and text.marked == {2})
