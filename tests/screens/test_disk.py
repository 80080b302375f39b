"""The policy file changes on disk while it is open."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Static

import editor
from editor.screens.controllers import busy
from editor.screens.dialogs import Ask
from editor.screens.difference import DiffScreen
from tests.screens.driving import (
    POLICY,
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
from widgets.policy_tree import PolicyTree
from widgets.status_line import StatusLine


def with_rule(path: Path) -> str:
    return POLICY + f'\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{path}"]\n'


def replace(path: Path, text: str) -> None:
    """Rename a new file over ``path``, as generators and git do."""
    replacement = path.with_suffix(".new")
    replacement.write_text(text)
    replacement.rename(path)


def cursor_row_has(tree: PolicyTree, given: tuple[str, ...]) -> bool:
    return tree.cursor_row is not None and tree.cursor_row.given == given


async def test_reloading_a_long_file_is_shown(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "_SHOW_AFTER_S", 0.001)
    rules = "".join(f'\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr/{n}"]\n' for n in range(5000))
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        status = main_screen(pilot).query_one(StatusLine)
        notified = []
        workspace.subscribe(lambda change: notified.append((change, workspace.is_reloading)))
        replace(policy, POLICY + rules)
        await until(pilot, lambda: status.status.running == "reading")
        await until(pilot, lambda: workspace.document.text == POLICY + rules and not status.status.running)
        await until(pilot, lambda: len(notified) > 1)  # the screen is notified first
        assert notified == [(frozenset({"reloading"}), True), (frozenset({"disk", "document"}), False)]


async def test_the_tree_follows_each_change_and_keeps_the_cursor(place: Path, policy: Path) -> None:
    data = str(place / "data")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        tree = tree_of(pilot)
        for number in range(8):
            text = with_rule(place / "data") if number % 2 == 0 else POLICY
            given = ("read_file",) if number % 2 == 0 else ()
            if number % 4 < 2:
                replace(policy, text)
            else:
                policy.write_text(text)
            await until(pilot, partial(cursor_row_has, tree, given))
            assert tree.cursor_path == data


async def test_a_broken_file_leaves_the_last_valid_policy(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        replace(policy, POLICY.replace('["/usr", ', '["/usr" '))
        await until(pilot, lambda: workspace.problem is not None)
        assert workspace.document.text == POLICY
        place_of_error = f"{policy}:{workspace.problem.line}:{workspace.problem.column}"  # type: ignore[union-attr]  # just seen
        await until(pilot, lambda: place_of_error in main_screen(pilot).query_one(StatusLine).status.problem)
        await until(pilot, lambda: has_message(pilot, place_of_error))
        replace(policy, with_rule(place))
        await until(pilot, lambda: workspace.rule_at(str(place)) is not None)
        await until(pilot, lambda: not main_screen(pilot).query_one(StatusLine).status.problem)


async def test_keep_mine(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        mine = workspace.document.text
        replace(policy, with_rule(place))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        assert policy.read_text() == with_rule(place)
        await pilot.press("m")
        await until(pilot, lambda: workspace.conflict is None)
        assert workspace.document.text == mine
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: policy.read_text() == mine)


async def test_a_second_change_on_disk_updates_the_question(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        replace(policy, with_rule(place / "empty"))
        await until(pilot, lambda: asked(pilot, "theirs"))
        first = pilot.app.screen
        replace(policy, "this = [does not parse")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask) and pilot.app.screen is not first)
        await until(pilot, lambda: asked(pilot, "mine"))
        assert [each for each in pilot.app.screen_stack if isinstance(each, Ask)] == [pilot.app.screen]
        assert "does not parse" in str(pilot.app.screen.query_one("#text", Static).visual)
        assert not asked(pilot, "theirs")
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DiffScreen))
        replace(policy, with_rule(place))
        await until(pilot, lambda: asked(pilot, "theirs"))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert workspace.conflict is not None


async def test_a_question_closes_when_its_conflict_ends(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        replace(policy, with_rule(place / "empty"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        replace(policy, workspace.document.text)
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert workspace.conflict is None and not workspace.is_dirty


async def test_saving_waits_for_the_edit_before_it(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        with workspace._lock:  # the edit takes as long as somebody else changes the draft
            await pilot.press("space", "ctrl+s")
        await until(pilot, lambda: has_message(pilot, "Sav") or has_message(pilot, "Nothing to save"))
        assert granted(pilot, str(place / "data"))
        assert policy.read_text() == workspace.document.text


async def test_take_theirs_and_undo(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        mine = workspace.document.text
        replace(policy, with_rule(place))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("t")
        await until(pilot, lambda: workspace.document.text == with_rule(place))
        assert not workspace.is_dirty
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        await pilot.press("ctrl+z")
        await until(pilot, lambda: workspace.document.text == mine)


async def test_show_the_difference_and_decide_later(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        mine = workspace.document.text
        replace(policy, with_rule(place / "empty"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DiffScreen))
        lines = pilot.app.screen.query_one("#lines", Static)
        await until(pilot, lambda: f'+parent = ["{place}/empty"]' in str(lines.visual))
        assert f'-parent = ["{place}/data"]' in str(lines.visual)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert workspace.conflict is not None
        assert workspace.document.text == mine
        assert "changed on disk" in main_screen(pilot).query_one(StatusLine).status.problem
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("m")
        await until(pilot, lambda: policy.read_text() == mine)


async def test_a_deleted_file_is_reported_and_can_be_saved_again(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        policy.unlink()
        await until(pilot, lambda: has_message(pilot, "gone from disk"))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, policy.exists)
        assert policy.read_text() == POLICY
        assert not workspace.is_dirty


async def test_a_broken_file_is_shown_and_opens_once_fixed(place: Path, policy: Path) -> None:
    policy.write_text(POLICY.replace('["/usr", ', '["/usr" '))
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await until(pilot, lambda: pilot.app.is_running and has_message(pilot, f"{policy}:13:"))
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: '"/usr" "/bin"' in text.text)
        await pilot.press("space", "ctrl+s", "r", "ctrl+z")  # none of these may do anything yet
        assert policy.read_text() != POLICY
        replace(policy, POLICY)
        workspace = await opened(pilot)
        assert workspace.document.text == POLICY
        replace(policy, with_rule(place))
        await until(pilot, lambda: workspace.document.text == with_rule(place))


def asked(pilot: AppPilot, answer: str) -> bool:
    """Return whether the question on the screen offers ``answer``."""
    return bool(pilot.app.screen.query(f"#answer-{answer}"))


async def test_merge_without_collisions(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        replace(policy, with_rule(place / "empty"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("g")
        await until(pilot, lambda: workspace.conflict is None)
        assert granted(pilot, str(place / "data"))
        assert granted(pilot, str(place / "empty")) == {"read_file"}
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: policy.read_text() == workspace.document.text)


async def test_merge_with_a_choice_for_each_collision(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space", "space")
        await until(pilot, lambda: granted(pilot, str(place / "data")) == {"read_file", "read_dir", "execute"})
        replace(policy, with_rule(place / "data"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("g")
        await until(
            pilot, lambda: pilot.app.screen.query("#answer-theirs") and not pilot.app.screen.query("#answer-both")
        )
        assert "execute" in str(pilot.app.screen.query_one("#text", Static).visual)
        await pilot.press("escape")  # no answer: back to the question, nothing has changed
        await until(pilot, lambda: asked(pilot, "both"))
        assert workspace.conflict is not None
        await pilot.press("g")
        await until(
            pilot, lambda: pilot.app.screen.query("#answer-theirs") and not pilot.app.screen.query("#answer-both")
        )
        await pilot.press("t")
        await until(pilot, lambda: workspace.conflict is None)
        assert granted(pilot, str(place / "data")) == {"read_file"}


async def test_both_sides_can_be_copied(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        replace(policy, with_rule(place / "empty"))
        for number, (key, text) in enumerate((("o", with_rule(place / "empty")), ("O", workspace.document.text))):
            await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
            await pilot.press("d")
            await until(pilot, lambda: isinstance(pilot.app.screen, DiffScreen))
            await pilot.press(key)
            copy = Path(f"{policy}.orig.{number}" if number else f"{policy}.orig")
            await until(pilot, copy.exists)
            assert copy.read_text() == text
        assert workspace.conflict is not None


_CRASHES = """
import os, sys
from editor.editing.edits import GrantPath
from editor.workspace.workspace import Workspace

workspace = Workspace.open(sys.argv[1])
workspace.start_recovery()
workspace.apply(GrantPath(sys.argv[2], frozenset({"read_file"})))
os._exit(9 if workspace._recovery.flush() else 1)
"""


@pytest.fixture
def crashed(place: Path, policy: Path) -> Path:
    """The policy, after an editor with unsaved edits was killed."""
    root = os.path.dirname(os.path.dirname(editor.__file__))
    command = [sys.executable, "-c", _CRASHES, str(policy), str(place / "data")]
    assert subprocess.run(command, check=False, timeout=60, cwd=root).returncode == 9
    return policy


@pytest.mark.parametrize(("key", "recovered"), [("r", True), ("d", False)])
async def test_unsaved_edits_of_a_crash_are_offered(place: Path, crashed: Path, key: str, recovered: bool) -> None:
    async with app_for(crashed).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        assert workspace.document.text == POLICY
        await pilot.press(key)
        await until(pilot, lambda: workspace.recoverable_draft is None)
        await until(pilot, lambda: workspace.is_dirty is recovered)
        assert granted(pilot, str(place / "data")) == ({"read_file"} if recovered else set())
        assert crashed.read_text() == POLICY
