"""Run commands from the screen, under the draft, on the real kernel."""

import asyncio
import time
from functools import partial
from pathlib import Path

from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from editor.sandbox.verdicts.report import Report, Verdict
from editor.screens.dialogs import Ask
from editor.screens.run_panel import RunPanel, allowed_title
from editor.workspace.workspace import Workspace
from tests.screens.driving import (
    DEADLINE_S,
    POLICY,
    SMALL,
    WIDE,
    alive,
    app_for,
    granted,
    has_message,
    highlight,
    main_screen,
    opened,
    runs_of,
    tree_of,
    until,
)
from widgets.access_table import AccessTable
from widgets.command_bar import CommandBar
from widgets.output_pane import OutputPane
from widgets.policy_text import PolicyText


async def command(pilot: Pilot[None], text: str) -> RunPanel:
    """Focus the command bar and put ``text`` into it."""
    await pilot.press("6")
    bar = main_screen(pilot).query_one(CommandBar)
    await until(pilot, lambda: bar.has_focus)
    bar.value = text
    return runs_of(pilot)


def exit_code(workspace: Workspace) -> int | None:
    """Return how the last run ended."""
    return None if workspace.report is None else workspace.report.exit_code


def differs(workspace: Workspace, text: str) -> bool:
    """Return whether the draft differs from ``text``."""
    return workspace.document.text != text


def another_run_is_over(pilot: Pilot[None], workspace: Workspace, before: Report | None) -> bool:
    """Return whether a run after that of ``before`` is over."""
    return workspace.report is not before and not runs_of(pilot).running


def shown_output(panel: RunPanel) -> str:
    """Return the output and notes of the run, without line breaks."""
    return " ".join(panel.query_one("#output", OutputPane).text.split())


async def finished(pilot: Pilot[None], workspace: Workspace) -> None:
    """Wait until the run is over."""
    await until(pilot, lambda: workspace.report is not None and not runs_of(pilot).running)


def test_the_title_counts_the_other_verdicts() -> None:
    counts: dict[Verdict, int] = {"denied": 7, "allowed": 40, "failed": 3, "uncontrolled": 1}
    assert allowed_title(counts, 60) == "Allowed 40 · failed 3 · uncontrolled 1"
    assert allowed_title(counts, 37) == "Allowed 40 · failed 3 · other 1"
    assert allowed_title(counts, 30) == allowed_title(counts, 3) == "Allowed 40 · other 4"
    assert allowed_title({**counts, "failed": 0}, 60) == "Allowed 40 · uncontrolled 1"
    assert allowed_title({**counts, "failed": 0, "uncontrolled": 0}, 3) == "Allowed 40"


async def test_a_run_shows_output_denied_and_allowed(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        panel = await command(pilot, "sh -c 'echo hello; cat /etc/hostname; cat /usr/share/dict/none'")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert "hello" in panel.query_one("#output", OutputPane).text
        denied = [access for access in panel.accesses if access.verdict == "denied"]
        assert ("/etc/hostname", frozenset({"read_file"})) in [(access.path, access.missing) for access in denied]
        assert any(access.verdict == "allowed" and "execute" in access.rights for access in panel.accesses)
        await until(pilot, lambda: panel.query_one("#denied", AccessTable).row_count == len(denied))
        assert workspace.report is not None
        assert workspace.report.exit_code == 1


async def test_run_grant_and_run_again(place: Path, policy: Path) -> None:
    made = place / "data" / "made"
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await command(pilot, "sh -c 'echo done > data/made'")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert exit_code(workspace) == 2
        for _ in range(5):  # make_reg, then write_file and truncate: the kernel denies one thing at a time
            if exit_code(workspace) == 0:
                break
            before, text = workspace.report, workspace.document.text
            await highlight(pilot, "denied", str(made))
            await pilot.press("g")
            await until(pilot, partial(differs, workspace, text))
            await until(pilot, lambda: has_message(pilot, "Press r to run again"))
            await pilot.press("r")
            await until(pilot, partial(another_run_is_over, pilot, workspace, before))
        assert exit_code(workspace) == 0
        assert made.read_text() == "done\n"
        assert "make_reg" in granted(pilot, str(place / "data"))
        assert workspace.is_dirty, "all runs were under the unsaved draft"
        assert policy.read_text() == POLICY


async def test_enter_on_a_row_shows_the_rule_that_decided(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        panel = await command(pilot, "ls /usr/share")
        await pilot.press("enter")
        await finished(pilot, workspace)
        await pilot.press("9")
        table = panel.query_one("#allowed", AccessTable)
        await until(pilot, lambda: table.has_focus_within and table.highlighted is not None)
        row = table.highlighted
        assert row is not None
        await pilot.press("enter")
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: text.has_focus)
        line = row.rule.split(":")[1].split()[0]
        await until(pilot, lambda: text.marked == {int(line)})
        assert '"/usr"' in POLICY.splitlines()[int(line) - 1]


async def test_stopping_ends_the_whole_process_tree(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await command(pilot, "sh -c '(setsid sleep 7654 &); trap \"\" TERM; sleep 7655; sleep 7656'")
        await pilot.press("enter")
        await until(pilot, lambda: len(alive(["sleep 7654", "sleep 7655"])) >= 2)
        await pilot.press("f6")
        await finished(pilot, workspace)
        assert alive(["sleep 765"]) == []


async def test_only_one_command_runs_at_a_time(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await command(pilot, "sleep 7657")
        await pilot.press("enter")
        await until(pilot, lambda: alive(["sleep 7657"]))
        await pilot.press("f5")
        await until(pilot, lambda: has_message(pilot, "Stop it first"))
        assert len(alive(["sleep 7657"])) >= 1
        await pilot.press("f6")
        await finished(pilot, workspace)
        assert alive(["sleep 7657"]) == []


async def test_quitting_stops_the_run_first(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await command(pilot, "sh -c 'sleep 7658 & sleep 7659'")
        await pilot.press("enter")
        await until(pilot, lambda: len(alive(["sleep 7658", "sleep 7659"])) >= 2)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not pilot.app.is_running)
        assert alive(["sleep 7658", "sleep 7659"]) == []


async def test_the_next_run_includes_unsaved_edits(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await command(pilot, "cat data/notes.txt")
        await pilot.press("enter")
        await finished(pilot, workspace)
        first = workspace.report
        assert first is not None
        assert first.exit_code == 1
        await pilot.press("1", "space", "r")  # the run waits for the edit of the key before it
        await until(pilot, partial(another_run_is_over, pilot, workspace, first))
        assert exit_code(workspace) == 0
        assert workspace.is_dirty


async def test_a_command_that_cannot_be_parsed_or_found(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await command(pilot, "echo 'unclosed")
        await pilot.press("enter")
        await until(pilot, lambda: has_message(pilot, "Cannot parse the command"))
        assert workspace.report is None
        await command(pilot, "/usr/bin/no-such-program-here")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert exit_code(workspace) == 127


async def test_the_suggested_command_is_not_run_on_its_own(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        assert runs_of(pilot).command == "cat /etc/hostname"
        await pilot.pause(0.3)
        assert workspace.report is None
        assert not runs_of(pilot).running


async def test_a_flood_of_output_does_not_block_the_screen(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, "/usr")
        await command(pilot, "yes no")
        await pilot.press("enter")
        await until(pilot, lambda: runs_of(pilot).running)
        main_screen(pilot).action_show("tree")
        await until(pilot, lambda: tree_of(pilot).has_focus)
        await until(pilot, lambda: "no" in runs_of(pilot).query_one("#output", OutputPane).text)
        tree = tree_of(pilot)
        for key in ("down", "up") * 6:
            before = tree.cursor
            start = time.monotonic()
            # Not pilot.press: that waits until the screen rests, and under a flood it never does.
            pilot.app.post_message(events.Key(key, None))
            while tree.cursor == before:
                assert time.monotonic() - start < DEADLINE_S
                await asyncio.sleep(0.001)
        await pilot.press("f6")
        await until(pilot, lambda: not runs_of(pilot).running)
        assert alive(["yes no"]) == []


async def test_escape_sequences_of_a_command_stay_in_its_pane(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        panel = await command(pilot, r"printf '\033[2J\033]0;title\007a\033[31mred\033[0m\377\n'")
        await pilot.press("enter")
        await finished(pilot, workspace)
        output = panel.query_one("#output", OutputPane)
        await until(pilot, lambda: "ared\\xff" in output.text)
        text = output.text
        assert "\x1b" not in text


async def test_a_command_gets_a_terminal_if_asked_for(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await pilot.press("1", "p")
        await until(pilot, lambda: has_message(pilot, "runs in a terminal"))
        panel = await command(pilot, "sh -c 'test -t 0 && test -t 1 && stty size'")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert workspace.report is not None
        assert workspace.report.exit_code == 0
        output = panel.query_one("#output", OutputPane)
        await until(pilot, lambda: len(output.text.split()) >= 2)
        rows, columns = output.text.split()[:2]
        assert int(rows) > 4
        assert int(columns) > 40


async def test_a_small_screen_switches_between_editing_and_running(policy: Path) -> None:
    async with app_for(policy).run_test(size=SMALL) as pilot:
        workspace = await opened(pilot, "/usr")
        screen = main_screen(pilot)
        assert screen.query_one("#upper").display
        assert not screen.query_one("#results").display
        await command(pilot, "cat /etc/hostname")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert not screen.query_one("#upper").display
        assert screen.query_one("#results").display
        await highlight(pilot, "denied", "/etc/hostname")
        await pilot.press("g")
        await until(pilot, lambda: granted(pilot, "/etc/hostname") == {"read_file"})
        await pilot.press("f3")
        await until(pilot, lambda: screen.query_one("#upper").display and screen.query_one("#tree").has_focus)
        await pilot.press("f3")
        await until(pilot, lambda: screen.query_one("#results").display)


async def test_files_made_by_a_command_show_in_the_tree(place: Path, policy: Path) -> None:
    with policy.open("a") as file:
        file.write(f'\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["{place}"]\n')
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place))
        await command(pilot, "mkdir appeared")
        await pilot.press("enter")
        await finished(pilot, workspace)
        assert (place / "appeared").is_dir()
        screen = main_screen(pilot)
        tree = screen.query_one("#tree")
        await until(pilot, lambda: not tree.is_reading)  # type: ignore[attr-defined]  # it is the tree
        assert await tree.reveal(str(place / "appeared"))  # type: ignore[attr-defined]  # as above


async def test_quitting_with_edits_asks_before_it_stops_the_run(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        await command(pilot, "sleep 7660")
        await pilot.press("enter")
        await until(pilot, lambda: alive(["sleep 7660"]))
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        assert alive(["sleep 7660"]), "nothing is stopped before the answer"
        await pilot.press("d")
        await until(pilot, lambda: not pilot.app.is_running)
    assert alive(["sleep 7660"]) == []


async def test_what_outlives_the_command_is_shown_and_can_be_stopped(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        panel = await command(pilot, "sh -c 'setsid -f sleep 60; exit 3'")
        await pilot.press("enter")
        await until(pilot, lambda: "The command has ended (exit 3), but not sleep (" in shown_output(panel))
        await until(pilot, lambda: "lingering" in str(panel.query_one("#run-state", Static).content))
        await pilot.press("f6")
        await finished(pilot, workspace)
        assert exit_code(workspace) == 3
        assert "Processes that outlived the command were terminated: sleep (" in shown_output(panel)
