"""Checks on the screen: made of a run, run under the unsaved draft, and outdated by an edit."""

from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from editor.analysis.verify.checks import read_checks
from editor.editing.edits import GrantPath
from editor.screens.checks import ChecksScreen
from tests.screens.driving import POLICY, WIDE, alive, app_for, has_message, main_screen, opened, until, workspace_of
from widgets.check_list import CheckList, CheckRow
from widgets.command_bar import CommandBar


def rows(pilot: Pilot[None]) -> list[CheckRow]:
    """Return the checks that are shown."""
    screen = pilot.app.screen
    return list(screen.query_one(CheckList).rows) if isinstance(screen, ChecksScreen) else []


async def test_a_run_becomes_a_check_that_an_edit_outdates(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await opened(pilot)
        main_screen(pilot).query_one(CommandBar).value = "cat /etc/hostname"
        await pilot.press("r")
        await until(pilot, lambda: workspace_of(pilot).report is not None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChecksScreen))
        await pilot.press("n")
        await until(pilot, lambda: [row.state for row in rows(pilot)] == ["not run"])
        (check,), problems = read_checks(str(tmp_path / "policy.checks.toml"))
        assert check.command == ("cat", "/etc/hostname") and check.exit_status == 1 and not problems
        await pilot.press("a")
        await until(pilot, lambda: [row.state for row in rows(pilot)] == ["held"])
        await pilot.press("t")
        await until(pilot, lambda: has_message(pilot, "Nothing to run"))
        await pilot.press("escape")

        # The draft grants now what the check expects to be denied.
        workspace_of(pilot).apply(GrantPath("/etc/hostname", frozenset({"read_file"})))
        await pilot.press("c")
        await until(pilot, lambda: [row.outdated for row in rows(pilot)] == [True])
        await pilot.press("t")
        await until(pilot, lambda: [row.state for row in rows(pilot)] == ["failed"])
        assert not rows(pilot)[0].outdated and rows(pilot)[0].summary
        assert path.read_text(encoding="utf-8") == POLICY


async def test_closing_ends_the_check_that_is_running(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    marker = "86399.25"
    (tmp_path / "policy.checks.toml").write_text(
        f'[[check]]\nname = "long [b]"\ncommand = "sleep {marker}"\n', encoding="utf-8"
    )
    async with app_for(path).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("c")
        await until(pilot, lambda: [row.name for row in rows(pilot)] == ["long [b]"])
        await pilot.press("enter")
        await until(pilot, lambda: alive([f"sleep {marker}"]))
        await pilot.press("escape")
        await until(pilot, lambda: not alive([f"sleep {marker}"]))


async def test_errors_in_the_file_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY, encoding="utf-8")
    (tmp_path / "policy.checks.toml").write_text('[[check]]\nname = "x"\ncomand = "true"\n', encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("c")
        await until(pilot, lambda: "comand" in str(pilot.app.screen.query_one("#about", Static).content))
