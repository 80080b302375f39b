"""Rights, handled rights, ports, the command bar, the status line: keys and messages."""

import pytest

from tests.widgets.hosts import HOSTILE, shown
from widgets.command_bar import CommandBar
from widgets.handled_panel import HandledPanel, HandledRow
from widgets.ports_panel import PortRow, PortsPanel
from widgets.rights_panel import RightsPanel, RightState, Source
from widgets.status_line import Status, StatusLine

USR = Source("/usr (policy.toml:12)", "/usr", 12)
STATES = (
    RightState("execute", "Execute a file.", 1, "5.13", "here", (USR,), True, True, True, ""),
    RightState("read_dir", "List a directory.", 1, "5.13", "inherited", (USR,), True, True, False, "not for files"),
    RightState("refer", "Move files.", 2, "5.19", "none", (), False, True, True, ""),
    RightState("resolve_unix", "Look up a socket.", 9, "7.1", "none", (), True, False, True, "this kernel has ABI 7"),
)


async def test_rights_are_shown_with_their_meaning() -> None:
    async with shown(RightsPanel(), width=60) as panel:
        panel.widget.show("/usr/bin", "directory", STATES)
        await panel.pilot.pause()
        screen = panel.screen()
        assert "/usr/bin  directory" in screen
        assert "[x] execute      ABI 1" in screen
        assert "[-] read_dir     ABI 1  not here" in screen
        assert "[ ] refer        ABI 2  not handled" in screen
        assert "[ ] resolve_unix ABI 9  not enforced" in screen
        assert "Execute a file." in screen
        assert "from /usr (policy.toml:12)" in screen
        await panel.pilot.press("end")
        assert "this kernel has ABI 7" in panel.screen()
        assert "since ABI 9, Linux 7.1" in panel.screen()
        assert "no rule grants it" in panel.screen()


@pytest.mark.parametrize("width", [20, 36, 80])
async def test_every_right_fits_one_row(width: int) -> None:
    async with shown(RightsPanel(), width=width) as panel:
        panel.widget.show("/usr/bin", "directory", STATES)
        await panel.pilot.pause()
        rows = panel.lines()[1:5]
        assert [row[:3] for row in rows] == ["[x]", "[-]", "[ ]", "[ ]"]
        assert ("not enforced" in rows[3]) is (width >= 36)


async def test_rights_keys_and_messages() -> None:
    async with shown(RightsPanel()) as panel:
        panel.widget.show("/usr", "directory", STATES)
        await panel.pilot.pause()
        await panel.pilot.press("space", "down", "enter", "g", "down", "g")
        assert [each.name for each in panel.posted(RightsPanel.RightToggled)] == ["execute", "read_dir"]
        requested = panel.posted(RightsPanel.SourceRequested)
        assert [(each.source.path, each.source.line) for each in requested] == [("/usr", 12)], "no rule grants refer"
        assert requested[0].control is panel.widget
        panel.widget.show("/etc", "directory", (*STATES[:2], STATES[2]._replace(state="here"), STATES[3]))
        await panel.pilot.pause()
        assert panel.widget.highlighted is not None
        assert panel.widget.highlighted.name == "refer", "the cursor stays on its right"
        assert "[x] refer" in panel.screen()
        panel.widget.show("/etc/passwd", "file", STATES[:1])
        await panel.pilot.pause()
        assert panel.widget.highlighted == STATES[0]
        panel.widget.show("", "", ())
        await panel.pilot.press("space", "g")
        assert len(panel.posted(RightsPanel.RightToggled)) == 2


async def test_rights_show_hostile_text_literally() -> None:
    for text in HOSTILE:
        async with shown(RightsPanel(), width=60) as panel:
            source = Source(text, text, 1)
            panel.widget.show(text, text, [STATES[0]._replace(meaning=text, sources=(source,), why=text)])
            await panel.pilot.pause()
            assert all(line.isprintable() for line in panel.lines())
            if text == "[red]x[/]":
                assert panel.screen().count(text) >= 4


ROWS = (
    HandledRow("execute", "fs", 1, True, True, "granted on line 4", True),
    HandledRow("refer", "fs", 2, False, False, "", True),
    HandledRow("bind_tcp", "net", 4, True, False, "", True),
    HandledRow("connect_send_udp", "net", 10, False, False, "", False),
    HandledRow("signal", "scope", 6, True, False, "", True),
)


async def test_handled_rights_in_groups() -> None:
    async with shown(HandledPanel()) as panel:
        panel.widget.show(ROWS)
        await panel.pilot.pause()
        lines = [line.strip() for line in panel.lines() if line]
        assert lines[0] == "Filesystem"
        assert lines[1].startswith("[x] execute")
        assert lines[1].endswith("in use")
        assert lines[3] == "Network ports"
        assert lines[5].endswith("not enforced")
        assert lines[6] == "Scopes"
        assert "granted on line 4" in panel.screen()
        await panel.pilot.press("space", "down", "enter", "down", "space", "down", "down", "space")
        toggled = [each.name for each in panel.posted(HandledPanel.HandledToggled)]
        assert toggled == ["execute", "refer", "bind_tcp", "signal"], "headings are skipped"
        panel.widget.show((*ROWS[:4], ROWS[4]._replace(handled=False)))
        await panel.pilot.pause()
        assert "[ ] signal" in panel.screen()
        assert panel.widget.highlighted is not None
        assert panel.widget.highlighted.name == "signal"
        panel.widget.show(ROWS[1:])
        await panel.pilot.pause()
        assert panel.widget.highlighted.name == "signal"


PORTS = (
    PortRow(53, "domain", ("connect_tcp", "connect_send_udp"), ("12",)),
    PortRow(443, "https", ("connect_tcp",), ("12", "17")),
)


async def test_ports_toggle_add_and_remove() -> None:
    async with shown(PortsPanel()) as panel:
        assert "No port rules. Press a to add one." in panel.screen()
        panel.widget.show(PORTS)
        await panel.pilot.pause()
        lines = panel.lines()
        assert lines[1].split() == ["Port", "bind", "connect", "bind", "send", "Service", "Line"]
        assert lines[2].split() == ["53", "[", "]", "[x]", "[", "]", "[x]", "domain", "12"]
        await panel.pilot.press("space", "down", "right", "enter", "right", "right", "space", "right", "space")
        toggled = [(each.port, each.right) for each in panel.posted(PortsPanel.PortToggled)]
        assert toggled == [(53, "bind_tcp"), (443, "connect_tcp"), (443, "connect_send_udp")], (
            "the service cannot be toggled"
        )
        await panel.pilot.press("delete")
        assert [each.port for each in panel.posted(PortsPanel.PortRemoved)] == [443]
        await panel.pilot.press("a", *"  http a ", "enter")
        assert [each.text for each in panel.posted(PortsPanel.PortAdded)] == ["http a"]
        await panel.pilot.press("enter", *"x", "backspace", "delete", "space", "enter")
        assert len(panel.posted(PortsPanel.PortAdded)) == 1, "a blank text is not submitted"
        assert len(panel.posted(PortsPanel.PortRemoved)) == 1, "keys are text while typing"
        await panel.pilot.press("escape", "up", "backspace")
        assert panel.posted(PortsPanel.PortRemoved)[-1].port == 53


async def test_ports_keep_the_cursor_on_its_port() -> None:
    async with shown(PortsPanel()) as panel:
        panel.widget.show(PORTS)
        await panel.pilot.press("down", "right")
        panel.widget.show((PortRow(22, "ssh", ("bind_tcp",), ("3",)), *PORTS))
        await panel.pilot.pause()
        assert panel.widget.highlighted == PORTS[1]
        assert panel.widget.highlighted_right == "connect_tcp"
        panel.widget.show((*PORTS[:1], PORTS[1]._replace(rights=())))
        await panel.pilot.pause()
        assert panel.widget.highlighted == PORTS[1]._replace(rights=())
        panel.widget.go_to(53)
        await panel.pilot.pause()
        assert panel.widget.highlighted == PORTS[0]
        panel.widget.show(())
        await panel.pilot.press("space", "delete")
        assert not panel.posted(PortsPanel.PortRemoved)


async def test_right_without_a_column_is_named_in_the_detail() -> None:
    async with shown(PortsPanel()) as panel:
        panel.widget.show((PORTS[0]._replace(rights=("connect_tcp", "net.0x10")),))
        await panel.pilot.press("right")
        assert any("connect_tcp on port 53: " in line and "also net.0x10" in line for line in panel.lines())


async def test_ports_fit_beside_a_tree_in_80_columns() -> None:
    async with shown(PortsPanel(), width=40) as panel:
        panel.widget.show(PORTS)
        await panel.pilot.pause()
        assert panel.lines()[2].split()[:7] == ["53", "[", "]", "[x]", "[", "]", "[x]"], "all four rights are visible"


async def test_ports_show_hostile_text_literally() -> None:
    async with shown(PortsPanel(), width=120, height=40) as panel:
        panel.widget.show([PortRow(number, text[:40], (), (text[:40],)) for number, text in enumerate(HOSTILE)])
        await panel.pilot.pause()
        assert all(line.isprintable() for line in panel.lines())
        assert panel.screen().count("[red]x[/]") == 2


async def test_commands_and_their_history() -> None:
    async with shown(CommandBar(hint="Type here", history=["old one"])) as bar:
        assert "Type here" in bar.screen()
        await bar.pilot.press(*"ls -l", "enter")
        await bar.pilot.press("ctrl+u", *"make", "enter", "ctrl+u", *"half")
        assert [each.text for each in bar.posted(CommandBar.CommandSubmitted)] == ["ls -l", "make"]
        assert bar.posted(CommandBar.CommandSubmitted)[0].control is bar.widget
        seen = []
        for key in ("up", "up", "up", "up", "down", "down", "down", "down"):
            await bar.pilot.press(key)
            seen.append(bar.widget.value)
        assert seen == ["make", "ls -l", "old one", "old one", "ls -l", "make", "half", "half"]
        await bar.pilot.press("up", "up", "enter")
        assert bar.widget.history == ("old one", "make", "ls -l"), "a repeated command moves to the end"
        await bar.pilot.press("ctrl+u", "space", "enter")
        assert len(bar.posted(CommandBar.CommandSubmitted)) == 3


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
async def test_status_line(theme: str) -> None:
    async with shown(StatusLine(), theme=theme) as line:
        line.widget.show(Status("policy.toml", True, "line 3, column 5: expected a value " * 5, "ABI 7 of 7"))
        await line.pilot.pause()
        text = line.lines()[0]
        assert text.startswith(" policy.toml  * unsaved  ABI 7 of 7  line 3, column 5")
        assert "…" in text, "a long problem is cut at the end"
        line.widget.show(Status("[red]x[/]", False, "", "ABI 7", "running make"))
        await line.pilot.pause()
        assert line.lines()[0] == " [red]x[/]  ABI 7  running make"
