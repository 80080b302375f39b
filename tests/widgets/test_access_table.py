"""The table of accesses: keys, messages, columns for any width, bursts."""

import pytest

from tests.widgets.hosts import HOSTILE, Shown, longest_gap, shown
from widgets.access_rows import AccessRow
from widgets.access_table import AccessTable


def row(key: str, **changes: object) -> AccessRow:
    """A denied access."""
    usual = AccessRow(
        key,
        "make_reg",
        f"/tmp/file-{key}",
        "touch",
        1,
        "EACCES",
        "openat",
        "policy.toml:3  /usr",
        "No rule grants make_reg on /tmp.",
        "denied",
        None,
    )
    return usual._replace(**changes)  # type: ignore[arg-type]  # the tests pass field names


async def filled(table: Shown[AccessTable], *rows: AccessRow) -> None:
    """Add ``rows`` and wait until they are drawn."""
    for each in rows:
        table.widget.put(each)
    await table.pilot.pause(0.15)


async def test_rows_detail_and_update_in_place() -> None:
    async with shown(AccessTable(empty="Nothing denied yet"), width=110) as table:
        assert "Nothing denied yet" in table.screen()
        await filled(table, row("a"), row("b", confirmed=False), row("c"))
        header, first, second = table.lines()[:3]
        assert header.split() == ["times", "right", "path", "or", "port", "process", "errno", "rule"]
        assert first.split()[:5] == ["1", "make_reg", "/tmp/file-a", "touch", "EACCES"]
        assert header.index("path or port") == first.index("/tmp/file-a")
        assert header.index("rule") == first.index("policy.toml:3")
        assert second.split()[0] == "1!", "a disagreement is marked"
        await filled(table, row("d", confirmed=True, from_audit=True))
        assert table.lines()[4].split()[0] == "1a", "what only audit saw is marked"
        assert "No rule grants make_reg on /tmp." in table.screen()
        assert "rule policy.toml:3  /usr" in table.screen()
        await filled(table, row("b", times=123_456), row("a", times=7))
        assert [line.split()[0] for line in table.lines()[1:4]] == ["7", "123k", "1"], "the order stays"
        assert "7 times" in table.screen()


@pytest.mark.parametrize(("width", "marks"), [(40, ["1f", "2u", "3"]), (110, ["1", "2", "3"])])
async def test_narrow_table_marks_the_verdict_with_a_letter(width: int, marks: list[str]) -> None:
    async with shown(AccessTable(grants=False), width=width) as table:
        failed, free = row("a", verdict="failed", errno="ENOENT"), row("b", verdict="uncontrolled", errno="", times=2)
        await filled(table, failed, free, row("c", verdict="allowed", errno="", times=3))
        assert [line.split()[0] for line in table.lines()[1:4]] == marks
        assert "once" in table.screen()


async def test_keys_and_messages() -> None:
    async with shown(AccessTable()) as table:
        await filled(table, row("a"), row("b"), row("c"))
        await table.pilot.press("g", "down", "enter", "end", "g", "up", "up", "up")
        assert [each.row.key for each in table.posted(AccessTable.GrantRequested)] == ["a", "c"]
        assert [each.row.key for each in table.posted(AccessTable.RuleRequested)] == ["b"]
        assert [each.row.key for each in table.posted(AccessTable.AccessHighlighted)] == ["a", "b", "c", "b", "a"]
        assert table.posted(AccessTable.GrantRequested)[0].control is table.widget
        table.widget.clear()
        await table.pilot.pause(0.15)
        assert table.widget.row_count == 0
        await table.pilot.press("g", "enter")
        assert len(table.posted(AccessTable.GrantRequested)) == 2, "nothing to grant"
        await filled(table, row("z"))
        assert table.posted(AccessTable.AccessHighlighted)[-1].row.key == "z"


async def test_grant_key_is_disabled_in_a_table_of_allowed_accesses() -> None:
    async with shown(AccessTable(grants=False)) as table:
        await filled(table, row("a", verdict="allowed", errno=""))
        await table.pilot.press("g")
        assert not table.posted(AccessTable.GrantRequested)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120, 200])
async def test_columns_fit_any_width(width: int) -> None:
    async with shown(AccessTable(), width=width, height=30) as table:
        path = "/a/very/long/path/that/goes/on/and/on/and/never/fits/anywhere/at/all/" + "deep/" * 12 + "final-name"
        await filled(table, row("a", subject=path), row("b", subject="port 443", process="curl"))
        first, second = table.lines()[1:3]
        if width < 200:
            assert "…" in first
        assert "name" in first, "the end of a path is kept"
        assert first.index("/") == second.index("port 443")
        assert ("EACCES" in second) is (width >= 60)
        assert ("curl" in second) is (width >= 80)
        assert ("policy.toml:3" in second) is (width >= 120)
        detail = "".join(line.strip() for line in table.lines()[10:])
        assert "final-name" in detail or width < 60, "the detail has the whole path"


async def test_detail_is_hidden_if_there_is_no_room() -> None:
    async with shown(AccessTable(), height=6) as table:
        await filled(table, *(row(str(each)) for each in range(20)))
        assert all("make_reg" in line for line in table.lines()[1:6])
        await table.pilot.resize_terminal(80, 24)
        await table.pilot.pause()
        assert "No rule grants" in table.screen()


async def test_ten_thousand_rows_in_bursts() -> None:
    async with shown(AccessTable()) as table:
        async with longest_gap() as gap:
            for burst in range(100):
                for each in range(100):
                    table.widget.put(row(str(burst * 100 + each)))
                    table.widget.put(row(str(each), times=burst))
                await table.pilot.pause(0.001)
            await table.pilot.pause(0.2)
        assert table.widget.row_count == 10_000
        # The goal is 50 ms; a busy machine is slower.
        assert gap() < 0.1
        async with longest_gap() as gap:
            await table.pilot.press("end", "pageup", "home", "pagedown")
        assert gap() < 0.1
        await table.pilot.press("end")
        assert table.widget.highlighted == row("9999")


async def test_hostile_text_is_shown_literally() -> None:
    async with shown(AccessTable(), width=120, height=30) as table:
        await filled(
            table,
            *(
                AccessRow(str(number), each, each, each, 1, each, each, each, each, each, None)
                for number, each in enumerate(HOSTILE)
            ),
        )
        for _ in HOSTILE:
            assert all(line.isprintable() for line in table.lines())
            await table.pilot.press("down")
        assert "[red]x[/]" in table.screen()
