"""Drive the app: wait with a deadline instead of sleeping, and read what is on the screen."""

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from textual.pilot import Pilot

from editor.app import PaddockApp
from editor.screens.main import MainScreen
from editor.screens.run_panel import RunPanel
from editor.workspace.workspace import Workspace
from widgets.access_table import AccessTable
from widgets.policy_tree import PolicyTree

# Far more than anything takes, as test machines are shared and sometimes slow.
DEADLINE_S = 20.0
WIDE = (200, 60)
SMALL = (80, 24)

POLICY = """\
# A policy for the tests.
#
# Try: cat /etc/hostname

abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]

# Programs and libraries.
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "/bin", "/lib", "/lib64"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc/ld.so.cache"]
"""

AppPilot = Pilot[None]


async def until(_pilot: AppPilot, condition: Callable[[], object], seconds: float = DEADLINE_S) -> float:
    """Wait until ``condition`` is true. Return the seconds that took; AssertionError after ``seconds``."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "timed out"
        # Not pilot.pause, which also waits until the screen is idle.
        await asyncio.sleep(0.002)
    return time.monotonic() - start


def main_screen(pilot: AppPilot) -> MainScreen:
    """Return the main screen, even if a dialog is on top of it."""
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, MainScreen))


def workspace_of(pilot: AppPilot) -> Workspace:
    """Return the draft."""
    return main_screen(pilot).workspace


def tree_of(pilot: AppPilot) -> PolicyTree:
    """Return the tree."""
    return main_screen(pilot).query_one(PolicyTree)


def runs_of(pilot: AppPilot) -> RunPanel:
    """Return the lower half of the screen."""
    return main_screen(pilot).query_one(RunPanel)


async def opened(pilot: AppPilot, cursor: str | None = None) -> Workspace:
    """Wait until the policy is open and the tree is shown, and move the cursor to ``cursor``."""
    await until(pilot, lambda: any(isinstance(screen, MainScreen) for screen in pilot.app.screen_stack))
    screen = main_screen(pilot)
    await until(pilot, lambda: screen.is_complete)
    tree = tree_of(pilot)
    await until(pilot, lambda: tree.cursor_path is not None and not tree.is_reading)
    await until(pilot, lambda: not any(worker.group == "reveal" for worker in screen.workers))
    if cursor is not None:
        assert await tree.reveal(cursor), f"no row for {cursor}"
        await until(pilot, lambda: tree.cursor_path == cursor and screen.subject == cursor)
    return screen.workspace


def granted(pilot: AppPilot, path: str) -> set[str]:
    """Return what the rules on ``path`` grant now."""
    rule = workspace_of(pilot).rule_at(path)
    return set() if rule is None else set(rule.rights)


def messages(pilot: AppPilot) -> list[str]:
    """Return the texts of all notifications on the screen."""
    return [notification.message for notification in pilot.app._notifications]


def has_message(pilot: AppPilot, part: str) -> bool:
    """Return whether a notification contains ``part``."""
    return any(part in text for text in messages(pilot))


async def type_text(pilot: AppPilot, text: str) -> None:
    """Press the keys of ``text``."""
    for character in text:
        await pilot.press({" ": "space", "/": "slash", "-": "minus", ".": "full_stop"}.get(character, character))


def app_for(path: Path | str, root: str = "/") -> PaddockApp:
    """Return the program, to open ``path``."""
    return PaddockApp(str(path), root=root)


async def highlight(pilot: AppPilot, table: str, subject: str) -> None:
    """Focus the table ``table`` of the run panel and move its cursor to the row of ``subject``."""
    rows = runs_of(pilot).query_one(f"#{table}", AccessTable)
    main_screen(pilot).action_show(table)
    await until(pilot, lambda: rows.has_focus_within and rows.highlighted is not None)
    await pilot.press("home")
    for _ in range(rows.row_count):
        if rows.highlighted is not None and rows.highlighted.subject == subject:
            return
        await pilot.press("down")
    raise AssertionError(f"no row for {subject}")


def alive(needles: Iterable[str]) -> list[str]:
    """Return the command lines of running processes that contain one of ``needles``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if any(needle in line for needle in needles):
            found.append(line)
    return found
