"""A policy of 5,000 rules on the screen: how long a key takes to be painted, and whether anything blocks the screen.

A paint is measured up to the bytes for the terminal. The screen is blocked while another task waits for its turn.
"""

import asyncio
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from textual import events
from textual._compositor import CompositorUpdate
from textual.screen import Screen

from editor.app import PaddockApp
from tests.benchmarks.large_policy import RULES, large_policy
from tests.benchmarks.report import Row
from tests.screens.driving import DEADLINE_S, AppPilot, main_screen, opened, until

# A response within this time feels instant, and blocking the screen for less is not noticed.
_INSTANT_S = 0.05
# The longest acceptable wait for a generated file.
_RELOAD_S = 1.5
_ROUNDS = 15
# After this the screen is at rest: notifications are shown, the disk is checked.
_REST_S = 0.5
_BEAT_S = 0.002
_SIZE = (140, 45)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class _Watched(PaddockApp):
    """Paddock, watching its paints; without a terminal, the bytes for one have to be rendered here."""

    wanted: re.Pattern[str] | None = None
    painted: asyncio.Future[float]

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        super()._display(screen, renderable)
        if isinstance(renderable, CompositorUpdate) and not self._batch_count:
            text = _ESCAPES.sub("", renderable.render_segments(self.console))
            if self.wanted is not None and self.wanted.search(text):
                self.wanted = None
                self.painted.set_result(time.perf_counter())

    def press(self, key: str) -> None:
        """Send ``key`` as the terminal would."""
        event = events.Key(key, " " if key == "space" else None)
        event.set_sender(self)
        assert self._driver is not None
        self._driver.send_message(event)

    async def seconds_to(self, key: str, wanted: str) -> float:
        """Return the seconds from ``key`` to the paint that matches ``wanted``, a regular expression."""
        self.wanted, self.painted = re.compile(wanted), asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self.press(key)
        return await asyncio.wait_for(self.painted, DEADLINE_S) - start


async def _blocked(pilot: AppPilot, action: Callable[[], None], done: Callable[[], object]) -> tuple[float, float]:
    """Return the longest time another task was blocked during and after ``action``, and the time until ``done``."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            start = time.perf_counter()
            await asyncio.sleep(_BEAT_S)
            longest = max(longest, time.perf_counter() - start - _BEAT_S)

    beating = asyncio.create_task(beat())
    start = time.perf_counter()
    action()
    await until(pilot, done)
    seconds = time.perf_counter() - start
    await asyncio.sleep(_REST_S)
    beating.cancel()
    return longest, seconds


async def _edits(app: _Watched, pilot: AppPilot, file: str) -> list[Row]:
    """Press keys on the row of ``file`` in the tree, and on its rights."""
    workspace = main_screen(pilot).workspace
    keys = cycle(["space", "backspace"])  # the next level of rights, and the one before
    badges = {"space": "r--x", "backspace": "r---"}
    name = re.escape(os.path.basename(file))
    steps, blocked, rights = [], [], []
    for _ in range(_ROUNDS):
        key = next(keys)
        steps.append(await app.seconds_to(key, rf"\b{name} .*\* {badges[key]}"))
        await asyncio.sleep(_REST_S)
    for _ in range(_ROUNDS):
        before = workspace.document

        def edited(before: object = before) -> bool:
            return workspace.document is not before

        blocked.append((await _blocked(pilot, lambda: app.press(next(keys)), edited))[0])
    main_screen(pilot).action_show("rights")
    await asyncio.sleep(_REST_S)
    for _ in range(_ROUNDS):
        rule = workspace.rule_at(file)
        mark = r"\[ \]" if rule is not None and "execute" in rule.rights else r"\[x\]"
        rights.append(await app.seconds_to("enter", rf"{mark} execute"))
        await asyncio.sleep(_REST_S)
    return [
        _row("key to paint, tree", steps),
        _row("key to paint, right", rights),
        _row("blocked: edit", blocked),
    ]


async def _reloads(pilot: AppPilot, path: Path) -> list[Row]:
    """Change the file on disk: its last line, and all its rules."""
    workspace = main_screen(pilot).workspace
    while workspace.can_undo:
        workspace.undo()
    text = workspace.document.text
    whole = text.replace('["read_file"]', '["read_file", "truncate"]')
    last_line, all_rules, delays = [], [], []
    for number in range(_ROUNDS):
        for changed in (f"{text}# {number}\n", f"{whole}# {number}\n"):
            new_file = path.with_suffix(".new")
            new_file.write_text(changed)

            def replace(new_file: Path = new_file) -> None:
                os.replace(new_file, path)

            def followed(changed: str = changed) -> bool:
                return workspace.document.text == changed

            blocked, seconds = await _blocked(pilot, replace, followed)
            # Each of these changes every rule.
            all_rules.append(blocked)
            delays.append(seconds)
        new_file.write_text(changed + "# more\n")
        last_line.append((await _blocked(pilot, replace, lambda: workspace.document.text.endswith("# more\n")))[0])
    wait = Row("file change to draft", "acceptable wait", _RELOAD_S, statistics.median(delays), 1.0)
    return [_row("blocked: small reload", last_line), _row("blocked: full reload", all_rules), wait]


def _row(what: str, times: list[float]) -> Row:
    return Row(what, f"instant, {RULES} rules", _INSTANT_S, statistics.median(times), 1.0)


async def _measure(directory: Path) -> list[Row]:
    path = large_policy(directory)
    file = str(directory / "7" / "data" / "157")
    app = _Watched(str(path), root=str(directory))
    async with app.run_test(size=_SIZE) as pilot:
        await opened(pilot, file)
        await asyncio.sleep(2 * _REST_S)
        return [*await _edits(app, pilot, file), *await _reloads(pilot, path)]


def measure() -> list[Row]:
    """Measure medians of wall-clock time, which include other programs."""
    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_STATE_HOME"] = os.path.join(name, "state")
        try:
            return asyncio.run(_measure(Path(name) / "files"))
        finally:
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before
