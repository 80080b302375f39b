"""Learn and grant from the screen: from an empty policy to a command that works."""

from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from editor.screens.plan import PlanScreen
from editor.screens.plan_rows import plan_rows
from editor.screens.promises import PromisesScreen
from editor.screens.tightening import TighteningScreen
from editor.suggest.plan import Plan
from tests.screens.driving import (
    POLICY,
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


async def test_except_this_leaves_the_other_entries_granted(tmp_path: Path) -> None:
    place = tmp_path / "project"
    for name in ("src", ".git/hooks", ".git/objects"):
        (place / name).mkdir(parents=True)
    (place / "README").write_text("x\n", encoding="ascii")
    path = tmp_path / "policy.toml"
    rule = f'\n[[path_beneath]]\nallowed_access = ["read_file", "read_dir"]\nparent = ["{place}"]\n'
    path.write_text(EMPTY + rule, encoding="utf-8")
    async with app_for(path, root=str(place)).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / ".git/hooks"))
        await pilot.press("x")
        await until(pilot, lambda: workspace.document.text != EMPTY + rule)
        decider = workspace.decider
        assert not decider.file(str(place / ".git/hooks"), frozenset({"read_dir"})).allowed
        for name in ("src", ".git/objects"):
            assert decider.file(str(place / name), frozenset({"read_dir"})).allowed
        assert decider.file(str(place / "README"), frozenset({"read_file"})).allowed
        assert "except .git/hooks" in workspace.document.text
        await pilot.press("u")
        await until(pilot, lambda: workspace.document.text == EMPTY + rule)
        await pilot.press("x", "x")  # the second finds no rule above
        await until(pilot, lambda: has_message(pilot, "No rule above"))


async def test_promises_are_written_and_then_known(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(EMPTY, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await pilot.press("P")
        await until(pilot, lambda: promise_at_cursor(pilot) is not None)
        name = promise_at_cursor(pilot)
        await pilot.press("space", "g")
        await until(pilot, lambda: f"# promise: {name}" in workspace.document.text)
        await pilot.press("P")
        await until(pilot, lambda: promise_at_cursor(pilot) is not None)
        rows = {row.name: row for row in pilot.app.screen.query_one(ProposalList).rows}
        assert rows[str(name)].group == "In the policy"


def promise_at_cursor(pilot: Pilot[None]) -> str | None:
    """Return the promise that the cursor is on, once they are found."""
    screen = pilot.app.screen
    row = screen.query_one(ProposalList).highlighted if isinstance(screen, PromisesScreen) else None
    return None if row is None else row.name


async def test_tightening_takes_away_what_was_not_used(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    unused = tmp_path / "unused"
    unused.mkdir()
    wide = f'\n[[path_beneath]]\nallowed_access = ["read_file", "write_file"]\nparent = ["{unused}"]\n'
    path.write_text(POLICY + wide, encoding="utf-8")
    async with app_for(path).run_test(size=WIDE) as pilot:
        await ready(pilot, "cat /etc/ld.so.cache")
        await pilot.press("T")
        await until(pilot, lambda: has_message(pilot, "Run a command to its end first"))
        assert await exit_code_of_next_run(pilot) == 0
        await until(pilot, lambda: not runs_of(pilot).running)
        await pilot.press("T")
        await until(pilot, lambda: isinstance(pilot.app.screen, TighteningScreen))
        await until(pilot, lambda: pilot.app.screen.query_one(ProposalList).highlighted is not None)
        await pilot.press("T")
        await until(pilot, lambda: str(unused) not in workspace_of(pilot).document.text)
        assert await exit_code_of_next_run(pilot) == 0
