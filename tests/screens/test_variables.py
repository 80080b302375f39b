"""Paths with variables: shown in both spellings, edited alone or together; the dialog of variables."""

from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from editor.screens.dialogs import Ask, AskLine
from editor.screens.variables import VariablesScreen, variable_rows
from editor.workspace.workspace import Workspace
from tests.screens.driving import (
    SMALL,
    WIDE,
    AppPilot,
    app_for,
    granted,
    has_message,
    main_screen,
    opened,
    tree_of,
    until,
)
from widgets.policy_text import PolicyText
from widgets.rights_panel import RightsPanel

TEXT = """\
abi = 6
[[variable]]
name = "place"
literal = [{places}]

[[variable]]
name = "spare"
literal = ["/nowhere"]

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]  # what is kept
parent = ["${{place}}"]
"""
READ = {"read_file", "read_dir"}


@pytest.fixture
def one(place: Path) -> Path:
    """A policy with a variable that has one value."""
    path = place / "policy.toml"
    path.write_text(TEXT.format(places=f'"{place}/data"'))
    return path


@pytest.fixture
def two(place: Path) -> Path:
    """A policy with a variable that has two values."""
    path = place / "policy.toml"
    path.write_text(TEXT.format(places=f'"{place}/data", "{place}/empty"'))
    return path


def parents(workspace: Workspace) -> list[list[str]]:
    """Return the paths of each rule as written."""
    return [[parent.template for parent in rule.parents] for rule in workspace.policy.path_rules]


async def test_a_path_is_shown_in_both_spellings(place: Path, one: Path) -> None:
    data = str(place / "data")
    async with app_for(one).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        tree = tree_of(pilot)
        assert tree.cursor_row is not None
        assert (tree.cursor_row.label, tree.cursor_row.note) == ("data", "${place}")
        await pilot.press("2", "down", "down")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.highlighted is not None and rights.highlighted.name == "read_file")
        assert rights.highlighted is not None
        assert rights.highlighted.sources[0].text == f"{data}:15  ${{place}}"


async def test_editing_the_only_path_keeps_the_variable(place: Path, one: Path) -> None:
    data = str(place / "data")
    async with app_for(one).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, data)
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, data) == READ | {"execute"})
        assert pilot.app.screen is main_screen(pilot)
        assert 'parent = ["${place}"]' in workspace.document.text


async def asked(pilot: AppPilot, answer: str) -> None:
    """Wait for the question and answer it."""
    await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
    await pilot.press(answer)
    await until(pilot, lambda: pilot.app.screen is main_screen(pilot))


async def test_stepping_one_of_two_paths_can_change_both(place: Path, two: Path) -> None:
    data, empty = str(place / "data"), str(place / "empty")
    async with app_for(two).run_test(size=SMALL) as pilot:
        workspace = await opened(pilot, data)
        await pilot.press("space")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        assert f"  {data}\n  {empty}" in str(pilot.app.screen.query_one("#text", Static).visual)
        await asked(pilot, "escape")
        assert granted(pilot, data) == READ
        await pilot.press("space")
        await asked(pilot, "a")
        await until(pilot, lambda: granted(pilot, data) == granted(pilot, empty) == READ | {"execute"})
        assert 'parent = ["${place}"]' in workspace.document.text
        assert "# what is kept" in workspace.document.text
        await until(pilot, lambda: has_message(pilot, "and on all other paths of its rule"))
        await pilot.press("u")
        await until(pilot, lambda: workspace.document.text == two.read_text())


async def test_one_of_two_paths_can_be_split_off(place: Path, two: Path) -> None:
    data, empty = str(place / "data"), str(place / "empty")
    async with app_for(two).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, empty)
        await pilot.press("space")
        await asked(pilot, "s")
        await until(pilot, lambda: granted(pilot, empty) == READ | {"execute"})
        assert granted(pilot, data) == READ
        assert 'parent = ["${place}"]' in workspace.document.text, "more rights only need a rule of its own"
        await pilot.press("u", "backspace")
        await asked(pilot, "s")
        await until(pilot, lambda: not granted(pilot, empty))
        assert granted(pilot, data) == READ
        assert [data] in parents(workspace)


async def test_toggling_a_right_on_one_of_two_paths_asks(place: Path, two: Path) -> None:
    data, empty = str(place / "data"), str(place / "empty")
    async with app_for(two).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        await pilot.press("2", "down", "down")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.highlighted is not None and rights.highlighted.name == "read_file")
        await pilot.press("space")
        await asked(pilot, "a")
        await until(pilot, lambda: granted(pilot, data) == granted(pilot, empty) == {"read_dir"})


async def test_variables_are_renamed_inlined_and_removed(place: Path, two: Path) -> None:
    async with app_for(two).run_test(size=SMALL) as pilot:
        workspace = await opened(pilot)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, VariablesScreen))
        screen = pilot.app.screen
        assert f"  {place}/empty\n" in str(screen.query_one("#about", Static).visual)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskLine))
        pilot.app.screen.query_one(Input).value = "kept"
        await pilot.press("enter")
        await until(pilot, lambda: 'parent = ["${kept}"]' in workspace.document.text)
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("d")
        await until(pilot, lambda: has_message(pilot, "Cannot remove the variable 'kept'"))
        await pilot.press("i")
        await until(pilot, lambda: [f"{place}/data", f"{place}/empty"] in parents(workspace))
        await until(pilot, lambda: screen.query_one(OptionList).option_count == 1)
        await pilot.press("u")
        await until(pilot, lambda: screen.query_one(OptionList).option_count == 2)
        await pilot.press("end", "delete")
        await until(pilot, lambda: [row.name for row in variable_rows(workspace.whole)] == ["kept"])
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))


async def test_enter_goes_to_the_definition_of_a_variable(two: Path) -> None:
    async with app_for(two).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, VariablesScreen))
        await pilot.press("down", "enter")
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: text.has_focus and text.marked == {6})


async def test_without_variables_the_dialog_says_how_to_define_one(policy: Path) -> None:
    async with app_for(policy).run_test(size=SMALL) as pilot:
        await opened(pilot)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, VariablesScreen))
        assert "[[variable]]" in str(pilot.app.screen.query_one("#about", Static).visual)
        await pilot.press("r", "i", "d", "enter", "escape")  # nothing of it may do anything, or break
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert not main_screen(pilot).workspace.has_edits
