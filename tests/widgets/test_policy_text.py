"""The policy's text: marks, following edits, any length."""

from tests.widgets.hosts import HOSTILE, longest_gap, shown
from widgets.policy_text import PolicyText

TOML = """\
# A comment with "quotes" and [[brackets]]
abi = 7
[[path_beneath]] # programs
allowed_access = ["abi.read_execute"]
"parent" = ["/usr#not a comment", 'C:\\path', 1979-05-27]
dotted.key = true
"""


async def test_numbers_text_and_marks() -> None:
    async with shown(PolicyText()) as text:
        text.widget.show(TOML, "toml", [3, 4])
        await text.pilot.pause()
        lines = text.lines()
        assert lines[0] == '  1  # A comment with "quotes" and [[brackets]]'
        assert lines[2] == "  3▸ [[path_beneath]] # programs"
        assert lines[3].startswith("  4▸ allowed_access")
        assert lines[6] == ""
        assert text.widget.text == TOML
        assert text.widget.marked == {3, 4}
        text.widget.show(TOML, "toml", [])
        await text.pilot.pause()
        assert "▸" not in text.screen()


async def test_screen_follows_marks_edits_and_goto() -> None:
    lines = [f"key_{number} = {number}" for number in range(1, 501)]
    async with shown(PolicyText(), height=10) as text:
        text.widget.show("\n".join(lines))
        await text.pilot.pause()
        assert text.lines()[0] == "  1  key_1 = 1"
        text.widget.goto(300)
        await text.pilot.pause()
        assert "key_300 = 300" in text.screen()
        text.widget.show("\n".join(lines), "toml", [100, 101])
        await text.pilot.pause()
        assert "100▸ key_100 = 100" in text.screen()
        changed = [*lines]
        changed[399] = "key_400 = 0"
        text.widget.show("\n".join(changed), "toml", [100, 101])
        await text.pilot.pause()
        assert "key_400 = 0" in text.screen(), "the screen scrolls to the change"
        before = text.lines()
        changed[400] = "key_401 = 0"
        text.widget.show("\n".join(changed), "toml", [100, 101])
        await text.pilot.pause()
        assert text.lines()[0] == before[0], "the screen stays if the change is visible"
        text.widget.show("", "toml")
        await text.pilot.pause()
        assert text.screen().strip() == ""
        text.widget.goto(5)


async def test_hidden_text_scrolls_once_it_is_shown() -> None:
    lines = [f"key_{number} = {number}" for number in range(1, 501)]
    async with shown(PolicyText(), height=10) as text:
        text.widget.display = False
        await text.pilot.pause()
        turns = 0
        follow = text.widget._follow

        def counted(line: int) -> None:
            nonlocal turns
            turns += 1
            follow(line)

        text.widget._follow = counted  # type: ignore[method-assign] # calls through, only counted
        text.widget.show("\n".join(lines), "toml", [300])
        for _ in range(20):
            await text.pilot.pause()
        assert turns == 1, "it must not poll until it is visible"
        text.widget.display = True
        await text.pilot.pause()
        await text.pilot.pause()
        assert "300▸ key_300 = 300" in text.screen()


async def test_width_is_that_of_the_longest_line_whatever_was_shown_before() -> None:
    texts = [
        "",
        "a",
        "\n\n",
        "a\nbb\tb\nccc",
        "a\nccc",
        "ccc\na",
        "ä\n你好你好",
        "a\nbb\tb\nccc\n",
        "x\nccc\nx\nccc\n",
        "ccc",
    ]
    async with shown(PolicyText()) as text:
        for before in texts:
            for after in texts:
                text.widget.show(before)
                text.widget.show(after)
                wide = text.widget.virtual_size
                text.widget.show("")
                text.widget.show(after)
                assert text.widget.virtual_size == wide, (before, after)


async def test_long_lines_scroll_sideways_under_the_numbers() -> None:
    async with shown(PolicyText(), width=40) as text:
        text.widget.show(f'parent = ["{"x" * 100}end"]\nabi = 7\n')
        await text.pilot.pause()
        text.widget.scroll_to(x=200, animate=False)
        await text.pilot.pause()
        first = text.lines()[0]
        assert first.startswith("  1  x")
        assert first.endswith('end"]')


async def test_twenty_thousand_lines_do_not_block_the_screen() -> None:
    rule = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = [\n  "/usr/lib/%d",\n]\n'
    long = "abi = 7\n" + "".join(rule % number for number in range(5000))
    async with shown(PolicyText()) as text:
        async with longest_gap() as gap:
            text.widget.show(long, "toml", [20_000])
            await text.pilot.pause()
            await text.pilot.press("end", "home", "pagedown")
            text.widget.show(long.replace("/usr/lib/4321", "/usr/share"), "toml", [20_000])
            await text.pilot.pause()
        assert "/usr/share" in text.screen()
        # The goal is 50 ms; a busy machine is slower.
        assert gap() < 0.1


async def test_hostile_text_is_shown_literally() -> None:
    async with shown(PolicyText(), height=40) as text:
        text.widget.show("\n".join(each.replace("\n", " ") for each in HOSTILE) + "\r\ntab\tbed\r\n")
        await text.pilot.pause()
        assert all(line.isprintable() for line in text.lines())
        assert "[red]x[/]" in text.screen()
        assert "tab bed" in text.screen()
