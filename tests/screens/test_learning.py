"""Learn and grant from the screen: from an empty policy to a command that works."""

from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from editor.screens.plan import PlanScreen
from editor.screens.plan_rows import plan_rows
from editor.suggest.plan import Plan
from tests.screens.driving import (
    WIDE,
    app_for,
    has_message,
    main_screen,
    messages,
    opened,
    runs_of,
    until,
    workspace_of,
)
from widgets.command_bar import CommandBar
from widgets.proposal_list import ProposalList

EMPTY = 'abi = 6\n\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'
SSL = "/usr/bin/python3 -I -c 'import ssl'"


async def ready(pilot: Pilot[None], command: str) -> None:
    """Open the policy with ``command`` in the command bar."""
    await opened(pilot)
    main_screen(pilot).query_one(CommandBar).value = command


async def exit_code_of_next_run(pilot: Pilot[None]) -> int:
    """Run the command and return its exit status."""
    before = workspace_of(pilot).report
    await pilot.press("r")
    await until(pilot, lambda: workspace_of(pilot).report is not before)
    report = workspace_of(pilot).report
    assert report is not None
    return report.exit_code


def is_other_text(pilot: Pilot[None], before: str) -> bool:
    """Whether the draft has another text than ``before``."""
    return workspace_of(pilot).document.text != before


def plan_of(pilot: Pilot[None]) -> PlanScreen | None:
    """Return the plan on the screen, once its rows are shown."""
    screen = pilot.app.screen
    return screen if isinstance(screen, PlanScreen) and screen.query_one(ProposalList).highlighted is not None else None


async def test_one_key_learns_a_policy_under_which_the_command_works(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, SSL)
        await pilot.press("l")
        await until(pilot, lambda: has_message(pilot, "the command works under it"))
        workspace = workspace_of(pilot)
        assert workspace.report is not None and workspace.report.exit_code == 0
        assert workspace.report.mode == "enforce"
        rules = workspace.policy.path_rules
        assert 1 <= len(rules) <= 25, workspace.document.text
        # Nothing is on disk yet, and each run is one step of the history.
        assert path.read_text(encoding="utf-8") == EMPTY
        while workspace.can_undo:
            await pilot.press("u")
            await pilot.pause()
        assert workspace.document.text == EMPTY


async def test_a_stopped_lesson_keeps_what_it_saw_and_runs_no_more(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, "sh -c 'cat /etc/hostname; sleep 60'")
        await pilot.press("l")
        await until(pilot, lambda: any(row.object_path == "/etc/hostname" for row in runs_of(pilot).accesses))
        await pilot.press("s")
        await until(pilot, lambda: has_message(pilot, "not tried out"))
        assert not runs_of(pilot).running
        assert workspace_of(pilot).policy.path_rules


async def test_an_edit_meanwhile_ends_the_lesson_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, "sh -c 'cat /etc/hostname; sleep 60'")
        await pilot.press("l")
        await until(pilot, lambda: any(row.object_path == "/etc/hostname" for row in runs_of(pilot).accesses))
        await pilot.press("1", "space")
        await until(pilot, lambda: workspace_of(pilot).policy.path_rules)
        edited = workspace_of(pilot).document.text
        await pilot.press("s")
        await until(pilot, lambda: has_message(pilot, "edited meanwhile"))
        assert workspace_of(pilot).document.text == edited, messages(pilot)


async def test_the_plan_grants_all_that_was_denied(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, "cat /etc/hostname")
        assert await exit_code_of_next_run(pilot) != 0
        for _ in range(5):
            await pilot.press("G")
            await until(pilot, lambda: plan_of(pilot))
            before = workspace_of(pilot).document.text
            await pilot.press("g")
            await until(pilot, partial(is_other_text, pilot, before))
            if await exit_code_of_next_run(pilot) == 0:
                return
        raise AssertionError("the command still fails")


async def test_a_proposal_that_is_not_ticked_is_not_granted(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, "cat /etc/hostname")
        await pilot.press("r")
        await until(pilot, lambda: workspace_of(pilot).report is not None)
        await pilot.press("G")
        await until(pilot, lambda: plan_of(pilot))
        await pilot.press("space", "g")
        await until(pilot, lambda: not isinstance(pilot.app.screen, PlanScreen))
        assert workspace_of(pilot).document.text == EMPTY


def test_an_empty_plan_has_no_rows() -> None:
    assert plan_rows(Plan(()), ()) == ()
