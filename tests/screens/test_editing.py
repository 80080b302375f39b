"""Every key that edits the draft, pressed on the real screen with real files."""

import os
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input, Tabs

from editor.app import PaddockApp
from editor.landlock.rights import rights_of
from editor.screens.dialogs import Ask, AskLine
from editor.screens.port_text import PortTextError, parse_port
from editor.screens.side_panel import PANELS
from editor.workspace.samples import sample_draft, sample_path
from editor.workspace.workspace import Workspace
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
    type_text,
    until,
    workspace_of,
)
from widgets.policy_text import PolicyText
from widgets.ports_panel import PortsPanel
from widgets.rights_panel import RightsPanel
from widgets.status_line import StatusLine

READ = {"read_file", "read_dir"}


def grants(pilot: AppPilot, path: str, rights: set[str]) -> bool:
    """Return whether the rules on ``path`` grant exactly ``rights``."""
    return granted(pilot, path) == rights


async def test_the_tree_opens_at_the_working_directory(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await until(pilot, lambda: tree_of(pilot).cursor_path == str(place))


async def test_space_steps_a_directory_through_all_levels(place: Path, policy: Path) -> None:
    data = str(place / "data")
    fs = set(rights_of("fs", 6))
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        steps: tuple[set[str], ...] = (READ, READ | {"execute"}, fs - {"execute"}, fs, set())
        for expected in steps:
            await pilot.press("space")
            await until(pilot, partial(grants, pilot, data, expected))
        assert workspace_of(pilot).document.text == POLICY
        assert policy.read_text() == POLICY, "nothing is written before saving"


async def test_two_presses_are_two_steps(place: Path, policy: Path) -> None:
    data = str(place / "data")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        await pilot.press("space", "space")
        await until(pilot, lambda: granted(pilot, data) == READ | {"execute"})
        await pilot.press("backspace")
        await until(pilot, lambda: granted(pilot, data) == READ)


async def test_a_file_gets_only_rights_for_files(place: Path, policy: Path) -> None:
    notes = str(place / "data" / "notes.txt")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, notes)
        await pilot.press("space", "space", "space")
        await until(pilot, lambda: granted(pilot, notes) == {"read_file", "write_file", "truncate", "ioctl_dev"})


async def test_the_tree_and_the_text_follow_an_edit(place: Path, policy: Path) -> None:
    data = str(place / "data")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, data) == READ)
        tree = tree_of(pilot)
        await until(pilot, lambda: tree.cursor_row is not None and set(tree.cursor_row.given) == READ)
        assert tree.cursor_path == data, "the cursor stays"
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: data in text.text)
        assert main_screen(pilot).query_one(StatusLine).status.dirty


@pytest.mark.parametrize(("undo", "redo"), [("ctrl+z", "ctrl+y"), ("u", "ctrl+r")])
async def test_undo_and_redo(place: Path, policy: Path, undo: str, redo: str) -> None:
    data = str(place / "data")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, data)
        await pilot.press("space", "space")
        await until(pilot, lambda: granted(pilot, data) == READ | {"execute"})
        await pilot.press(undo)
        await until(pilot, lambda: granted(pilot, data) == READ)
        await pilot.press(undo)
        await until(pilot, lambda: workspace.document.text == POLICY)
        await until(pilot, lambda: not main_screen(pilot).query_one(StatusLine).status.dirty)
        await pilot.press(undo)  # nothing is left to undo
        await pilot.press(redo, redo)
        await until(pilot, lambda: granted(pilot, data) == READ | {"execute"})


async def test_saving(place: Path, policy: Path) -> None:
    policy.chmod(0o640)
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space", "ctrl+s")
        await until(pilot, lambda: has_message(pilot, "Saved"))
        # ctrl+s does not wait for the edit before it, so save again once that is done.
        await until(pilot, lambda: workspace.can_undo)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not workspace.is_dirty)
        assert policy.read_text() == workspace.document.text
        assert "# Programs and libraries." in policy.read_text()
        assert policy.stat().st_mode & 0o777 == 0o640


async def test_saving_a_symlinked_policy_asks_first(place: Path, policy: Path) -> None:
    link = place / "link.toml"
    link.symlink_to("policy.toml")
    async with app_for(link).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert policy.read_text() == POLICY
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("w")
        await until(pilot, lambda: not workspace.is_dirty)
        assert policy.read_text() == workspace.document.text
        assert link.is_symlink()


async def test_a_single_right_is_toggled(place: Path, policy: Path) -> None:
    data = str(place / "data")
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot, data)
        await pilot.press("2")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.has_focus_within)
        assert rights.highlighted is not None
        assert rights.highlighted.name == "execute"
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, data) == {"execute"})
        await pilot.press("down", "enter")
        await until(pilot, lambda: granted(pilot, data) == {"execute", "write_file"})
        await until(pilot, lambda: rights.highlighted is not None and rights.highlighted.state == "here")
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, data) == {"execute"})


async def test_a_right_for_directories_is_refused_on_a_file(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data" / "notes.txt"))
        await pilot.press("2")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.has_focus_within)
        while rights.highlighted is None or rights.highlighted.name != "make_reg":
            await pilot.press("down")
        await pilot.press("space")
        await until(pilot, lambda: has_message(pilot, "applies only to directories"))
        assert workspace.document.text == POLICY


async def test_removing_an_inherited_right_offers_its_rule(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, "/usr/share")
        await pilot.press("2")
        rights = main_screen(pilot).query_one(RightsPanel)
        await until(pilot, lambda: rights.has_focus_within)
        assert rights.highlighted is not None
        assert (rights.highlighted.name, rights.highlighted.state) == ("execute", "inherited")
        await pilot.press("space")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("s")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        assert workspace.document.text == POLICY
        assert tree_of(pilot).cursor_path == "/usr/share"


async def test_stepping_down_an_inherited_row_leads_to_the_rule(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, "/usr/share")
        await pilot.press("backspace")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press("g")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
        await until(pilot, lambda: tree_of(pilot).cursor_path == "/usr")
        rule = workspace.rule_at("/usr")
        assert rule is not None
        text = main_screen(pilot).query_one(PolicyText)
        await until(pilot, lambda: text.has_focus and text.marked == {rule.refs[0].ref.line})
        assert workspace.document.text == POLICY


async def test_a_shared_rule_is_split(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, "/usr")
        await pilot.press("backspace")
        await until(pilot, lambda: granted(pilot, "/usr") == READ | {"execute"})
        assert granted(pilot, "/bin") == {"read_file", "read_dir", "execute", "refer"}
        assert "# Programs and libraries." in workspace.document.text


async def test_ports_are_added_toggled_and_removed(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await pilot.press("3")
        panel = main_screen(pilot).query_one(PortsPanel)
        await until(pilot, lambda: panel.has_focus_within)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await type_text(pilot, "https")
        await pilot.press("enter")
        await until(pilot, lambda: workspace.resolved.ports and workspace.resolved.ports[0].port == 443)
        assert workspace.resolved.ports[0].rights == {"connect_tcp"}
        await until(pilot, lambda: has_message(pilot, "Now handled, so denied unless a rule grants it: connect_tcp"))


async def test_handled_rights_and_scopes_are_toggled(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await pilot.press("4")
        await until(pilot, lambda: main_screen(pilot).query_one("#handled").has_focus_within)
        await pilot.press("end", "space")
        await until(pilot, lambda: workspace.resolved.scoped == {"signal"})
        await pilot.press("space")
        await until(pilot, lambda: not workspace.resolved.scoped)
        await pilot.press("home", "space")
        await until(pilot, lambda: has_message(pilot, "execute"))
        assert "execute" in workspace.resolved.handled_fs, "a rule grants it, so it stays handled"


async def test_going_to_a_path(place: Path, policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskLine))
        line = pilot.app.screen.query_one(Input)
        line.value = "data/notes.txt"
        await pilot.press("enter")
        await until(pilot, lambda: tree_of(pilot).cursor_path == str(place / "data" / "notes.txt"))
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskLine))
        pilot.app.screen.query_one(Input).value = "/usr/no/such/path"
        await pilot.press("enter")
        await until(pilot, lambda: tree_of(pilot).cursor_path == "/usr")
        assert has_message(pilot, "/usr/no/such/path does not exist")


async def test_digits_and_tab_focus_the_panels(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        screen = main_screen(pilot)
        for name in ("tree", "rights", "ports", "handled", "text"):
            await pilot.press(str(("tree", *PANELS).index(name) + 1))
            widget = screen.query_one(f"#{name}")
            await until(pilot, partial(getattr, widget, "has_focus_within"))
        assert screen.query_one(Tabs).active == "tab-text"
        await pilot.press("6")
        await until(pilot, lambda: screen.query_one("#command").has_focus)
        seen = set()
        for _ in range(12):
            await pilot.press("tab")
            await pilot.pause()
            seen |= {node.id for node in screen.focused.ancestors_with_self if node.id} if screen.focused else set()
        assert {"tree", "text", "command", "output", "denied", "allowed"} <= seen


async def test_light_and_dark(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        before = pilot.app.current_theme.dark
        await pilot.press("t")
        assert pilot.app.current_theme.dark is not before
        await pilot.press("t")
        assert pilot.app.current_theme.dark is before


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help(policy: Path, key: str) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.screen is not main_screen(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main_screen(pilot))


async def test_quitting_without_edits_does_not_ask(policy: Path) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running)


@pytest.mark.parametrize(("answer", "stays", "saved"), [("c", True, False), ("d", False, False), ("s", False, True)])
async def test_quitting_with_edits_asks(place: Path, policy: Path, answer: str, stays: bool, saved: bool) -> None:
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await pilot.press(answer)
        if stays:
            await until(pilot, lambda: pilot.app.screen is main_screen(pilot))
            assert pilot.app.is_running
        else:
            await until(pilot, lambda: not pilot.app.is_running)
    assert (policy.read_text() != POLICY) is saved


async def test_hostile_names_are_shown_as_text(place: Path, policy: Path) -> None:
    name = "[red]x[bold] \x1b[31m\n$(reboot) \u202e"
    (place / name).mkdir()
    path = str(place / name)
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, path)
        await pilot.press("space")
        await until(pilot, lambda: granted(pilot, path) == READ)
        assert has_message(pilot, "[red]x[bold] \\x1b[31m\\x0a$(reboot) \\u202e")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not workspace.is_dirty)
    again = Workspace.open(str(policy))
    assert again.rule_at(path) is not None, "the saved policy names that very file"


async def test_a_name_that_is_not_utf8_is_refused(place: Path, policy: Path) -> None:
    raw = os.fsencode(place) + b"/\xff\xfe"
    os.mkdir(raw)
    async with app_for(policy).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, os.fsdecode(raw))
        await pilot.press("space")
        await until(pilot, lambda: has_message(pilot, "not valid UTF-8"))
        assert workspace.document.text == POLICY


async def test_a_missing_file_is_a_new_draft(place: Path) -> None:
    path = place / "new.toml"
    async with app_for(path).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot)
        await until(pilot, lambda: has_message(pilot, "is new"))
        assert not path.exists()
        await pilot.press("ctrl+s")
        await until(pilot, path.exists)
        assert path.read_text() == workspace.document.text


async def test_a_sample_starts_a_new_policy(place: Path) -> None:
    installed = sample_path("downloader")
    text = Path(installed).read_text()
    (place / "downloader.toml").write_text("mine")
    sample = sample_draft("downloader")
    assert (sample.path, sample.taken) == ("downloader-2.toml", "downloader.toml")
    async with PaddockApp(sample.path, sample=sample).run_test(size=WIDE) as pilot:
        workspace = await opened(pilot, str(place / "data"))
        assert workspace.document.text == text
        await until(pilot, lambda: has_message(pilot, "copied from the sample policy downloader"))
        assert has_message(pilot, "downloader.toml already exists")
        assert main_screen(pilot).query_one(StatusLine).status.file == "downloader-2.toml (new)"
        assert not (place / "downloader-2.toml").exists()
        await pilot.press("space")
        await until(pilot, lambda: workspace.is_dirty)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not workspace.is_new)
        await until(pilot, lambda: main_screen(pilot).query_one(StatusLine).status.file == "downloader-2.toml")
        assert (place / "downloader-2.toml").read_text() == workspace.document.text != text
    assert Path(installed).read_text() == text
    assert (place / "downloader.toml").read_text() == "mine"


def test_a_sample_keeps_its_name_if_that_is_free(place: Path) -> None:
    assert sample_draft("downloader")[2:] == ("downloader.toml", "")
    (place / "downloader.toml").symlink_to("nowhere")
    assert sample_draft("downloader").path == "downloader-2.toml"


@pytest.mark.parametrize(
    ("text", "port", "rights"),
    [
        ("443", 443, {"connect_tcp"}),
        ("https", 443, {"connect_tcp"}),
        ("8080 bind", 8080, {"bind_tcp"}),
        ("bind connect 8080", 8080, {"bind_tcp", "connect_tcp"}),
        ("domain udp", 53, {"connect_send_udp"}),
        ("5353 bind udp", 5353, {"bind_udp"}),
        ("0 bind_tcp", 0, {"bind_tcp"}),
    ],
)
def test_parsing_a_port(text: str, port: int, rights: set[str]) -> None:
    edit = parse_port(text)
    assert edit.port == port
    assert set(edit.rights) == rights


@pytest.mark.parametrize("text", ["", "65536", "no-such-service", "80 81", "-1", "\u0663"])
def test_text_that_is_not_a_port_is_refused(text: str) -> None:
    with pytest.raises(PortTextError):
        parse_port(text)
