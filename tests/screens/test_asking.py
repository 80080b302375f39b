"""Runs that ask, on the screen: a dialog for each call that the draft denies, on the real kernel."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from editor.screens.ask import AskAccess
from tests.cli.harness import REPOSITORY
from tests.screens.driving import POLICY, WIDE, alive, app_for, granted, main_screen, opened, runs_of, until
from widgets.command_bar import CommandBar
from widgets.output_pane import OutputPane


@pytest.fixture
def policy(policy: Path) -> Path:
    """A policy file under which programs start without a question."""
    policy.write_text(POLICY.replace('"/etc/ld.so.cache"', '"/etc/ld.so.cache", "/etc/locale.alias", "/dev/null"'))
    return policy


async def ask(pilot: Pilot[None], command: str) -> None:
    """Run ``command`` so that it asks."""
    main_screen(pilot).query_one(CommandBar).value = command
    await pilot.press("A")


async def question(pilot: Pilot[None], name: str) -> str:
    """Wait for the question about a file called ``name``; return all that the dialog shows."""

    def shown() -> str:
        dialog = pilot.app.screen
        if not isinstance(dialog, AskAccess):
            return ""
        return "".join(str(text.content) for text in dialog.query("#text").results(Static))  # none before it is mounted

    await until(pilot, lambda: f"/{name} (openat)" in shown())
    return shown()


async def over(pilot: Pilot[None]) -> int:
    """Wait until the run is over; return its exit status."""
    screen = main_screen(pilot)
    await until(pilot, lambda: screen.workspace.report is not None and not runs_of(pilot).running)
    assert screen.workspace.report is not None
    return screen.workspace.report.exit_code


async def test_three_denials_answered_differently(place: Path, policy: Path) -> None:
    for name in ("one", "two", "three"):
        (place / name).write_text(f"content of {name}\n")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await ask(pilot, "cat one two three three")
        text = await question(pilot, "one")
        assert f"read_file on {place}/one (openat): no rule covers {place}/one" in text
        assert "by cat (" in text
        assert f"g: Grant read_file on {place}/one" in text
        assert "Emulated: nothing is enforced" in text
        assert "emulated" in str(runs_of(pilot).query_one("#run-state", Static).content)
        await pilot.press("a")
        await question(pilot, "two")
        await pilot.press("escape")
        await question(pilot, "three")
        await pilot.press("g")
        assert await over(pilot) == 1
        output = runs_of(pilot).query_one("#output", OutputPane).text
        assert output.count("content of three") == 2
        assert "content of one" in output
        assert "two: Permission denied" in output
        assert "emulated: nothing was enforced" in output.replace("\n", " ")
        assert granted(pilot, str(place / "three")) == {"read_file"}
        assert granted(pilot, str(place / "one")) == set()
        assert workspace.is_dirty, "the grant is in the draft, not in the file"


async def test_enter_denies(place: Path, policy: Path) -> None:
    (place / "one").write_text("")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await ask(pilot, "cat one")
        await question(pilot, "one")
        await until(pilot, lambda: pilot.app.focused is not None)
        await pilot.press("enter")
        assert await over(pilot) == 1


async def test_stopping_withdraws_the_question(place: Path, policy: Path) -> None:
    (place / "one").write_text("")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await ask(pilot, "sh -c 'sleep 7661 & cat one; sleep 7662'")
        await question(pilot, "one")
        runs_of(pilot).stop()
        assert await over(pilot) == 128 + signal.SIGTERM
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskAccess))
        assert alive(["sleep 766"]) == []


async def test_several_wait_and_one_is_killed(place: Path, policy: Path) -> None:
    for name in ("one", "two"):
        (place / name).write_text(f"content of {name}\n")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await ask(pilot, "sh -c 'cat one & cat one & cat two & wait'")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskAccess))
        await asyncio.sleep(0.5)  # until all wait
        await pilot.press("k")
        assert await over(pilot) == 128 + signal.SIGKILL
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskAccess))


def test_killing_the_screen_at_a_question_leaves_nothing_behind(place: Path, policy: Path) -> None:
    (place / "one").write_text("")
    code = f"""if 1:
        import asyncio, sys
        sys.path.insert(0, {REPOSITORY!r})
        from pathlib import Path
        from tests.screens.driving import POLICY, WIDE, app_for, opened
        from tests.screens.test_asking import ask, question
        async def main():
            async with app_for(Path({str(policy)!r})).run_test(size=WIDE) as pilot:
                await opened(pilot)
                await ask(pilot, "sh -c '(setsid sleep 7671 &) ; cat one; sleep 7672'")
                await question(pilot, "one")
                print("asked", flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", code], cwd=place, stdout=subprocess.PIPE, text=True) as screen:
        assert screen.stdout is not None
        assert screen.stdout.readline() == "asked\n"
        assert alive(["sleep 767"])
        screen.kill()

    async def gone() -> None:
        while alive(["sleep 767", str(place)]):  # noqa: ASYNC110 processes have no event to wait for
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(gone(), 10))
