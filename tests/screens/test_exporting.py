"""The export dialog and the chooser."""

import base64
import json
import tomllib
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, OptionList, RadioButton, Static

from editor.screens.chooser import ChooserScreen, comment_head, policies_in, suggested_command
from editor.screens.dialogs import Ask
from editor.screens.export import ExportScreen, suggested_path
from tests.screens.driving import POLICY, WIDE, app_for, has_message, main_screen, opened, until


async def export_dialog(pilot: Pilot[None]) -> ExportScreen:
    """Open the dialog and wait until the losses of the chosen format are shown."""
    await pilot.press("ctrl+e")
    await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
    screen = pilot.app.screen
    assert isinstance(screen, ExportScreen)
    await until(pilot, lambda: screen._exported is not None)
    return screen


async def test_exporting_to_a_file_writes_the_draft(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        screen = await export_dialog(pilot)
        assert screen.query_one("#path", Input).value == str(place / "policy.json")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        written = json.loads((place / "policy.json").read_text())
        assert str(place / "data") in json.dumps(written)
        assert has_message(pilot, "Exported landlock-json")
        assert policy.read_text() == POLICY
        assert workspace.is_dirty, "exporting is not saving"


async def test_overwriting_an_existing_file_asks_first(place: Path, policy: Path) -> None:
    (place / "policy.json").write_text("precious")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        screen = await export_dialog(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert (place / "policy.json").read_text() == "precious"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("o")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert json.loads((place / "policy.json").read_text())


async def test_choosing_a_format_changes_the_path_and_the_losses(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        screen = await export_dialog(pilot)
        screen.query_one("#format-resolved", RadioButton).value = True
        await until(pilot, lambda: screen.query_one("#path", Input).value.endswith("policy.resolved.json"))
        await until(pilot, lambda: screen._exported is not None)
        assert "Nothing is lost" in str(screen.query_one("#lost", Static).visual)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))


async def test_copying_to_the_clipboard(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        screen = await export_dialog(pilot)
        screen.query_one("#format-landlock-toml", RadioButton).value = True
        await until(pilot, lambda: screen._format == "landlock-toml")
        await pilot.press("f2")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert pilot.app.clipboard == POLICY
        assert tomllib.loads(pilot.app.clipboard)
        assert base64.b64encode(pilot.app.clipboard.encode())


def test_the_suggested_path_is_never_the_policy() -> None:
    assert suggested_path("/etc/p.toml", "landlock-toml") == "/etc/p.export.toml"
    assert suggested_path("/etc/p.toml", "landlock-json") == "/etc/p.json"
    assert suggested_path("/etc/p.json", "landlock-json") == "/etc/p.export.json"


async def test_a_directory_lists_its_policies_and_enter_opens_one(place: Path, policy: Path) -> None:
    (place / "a.toml").write_text("# The first of all.\n#\n# Try: true\nabi = 1\n")
    (place / "b.json").write_text("{}")
    (place / "other.txt").write_text("no policy")
    async with app_for(place).run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooserScreen))
        options = pilot.app.screen.query_one(OptionList)
        await until(pilot, lambda: options.option_count == 3)
        first = str(options.get_option_at_index(0).prompt)
        assert "a.toml" in first
        assert "The first of all." in first
        await pilot.press("end", "enter")
        workspace = await opened(pilot)
        assert workspace.path == str(policy)


async def test_an_empty_directory(place: Path) -> None:
    async with app_for(place / "empty").run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooserScreen))
        await until(pilot, lambda: "No policies (*.toml" in str(pilot.app.screen.query_one("#title", Static).visual))
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)


def test_comment_heads(place: Path) -> None:
    text = "# One line.\n#\n#   Try: make -j2 'all of it'  \n\n# Not the head.\nabi = 1\n"
    assert comment_head(text) == ("One line.", "", "Try: make -j2 'all of it'")
    assert suggested_command(text) == "make -j2 'all of it'"
    assert suggested_command("abi = 1\n# Try: rm\n") == ""
    (place / "odd.toml").write_bytes(b"\xff\xfe")
    (place / "sub.toml").mkdir()
    assert [listed.head for listed in policies_in(str(place))] == [()]
