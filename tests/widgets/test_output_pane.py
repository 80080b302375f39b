"""The output pane: wrapping, following the end, limits, and floods."""

import time

from tests.widgets.hosts import HOSTILE, Shown, longest_gap, shown
from widgets.output_pane import MAX_CHARACTERS, MAX_LINES, OutputPane


async def fed(pane: Shown[OutputPane], data: bytes, stream: str = "stdout") -> None:
    """Feed ``data`` and wait until it is shown."""
    pane.widget.feed(data, stream)
    await pane.until(lambda: not pane.widget.is_busy)
    await pane.pilot.pause(0.05)


def texts(pane: Shown[OutputPane]) -> list[str]:
    """The lines on the screen, without the scrollbar."""
    return [line[:79].rstrip() for line in pane.lines()]


async def test_output_is_shown_in_its_colours() -> None:
    async with shown(OutputPane()) as pane:
        await fed(pane, b"\x1b[31mred\x1b[0m plain\n\x1b]0;title\x07tail")
        assert pane.lines()[:2] == ["red plain", "tail"]
        segments = list(pane.widget.render_line(0))
        assert segments[0].text == "red"
        assert segments[0].style is not None
        assert segments[0].style.color != segments[1].style.color  # type: ignore[union-attr]  # it has one as well


async def test_sequences_may_be_split_over_calls_and_interleaved_with_other_streams() -> None:
    async with shown(OutputPane()) as pane:
        await fed(pane, b"\x1b[3")
        await fed(pane, b"\xe4\xbd", "stderr")
        await fed(pane, b"1mred\x1b[0m")
        await fed(pane, b"\xa0", "stderr")
        assert pane.widget.text == "red\u4f60"


async def test_long_lines_are_wrapped_again_at_another_width() -> None:
    async with shown(OutputPane(), width=41) as pane:
        await fed(pane, b"x" * 100 + b"\nend\n")
        assert pane.lines()[:4] == ["x" * 40, "x" * 40, "x" * 20, "end"]
        await pane.pilot.resize_terminal(61, 24)
        await pane.pilot.pause()
        assert pane.lines()[:3] == ["x" * 60, "x" * 40, "end"]
        await fed(pane, "\u4f60".encode() * 31)
        assert pane.lines()[3:5] == ["\u4f60" * 30, "\u4f60"]


async def test_end_is_followed_until_the_user_scrolls_up() -> None:
    async with shown(OutputPane(), height=10) as pane:
        await fed(pane, b"".join(b"line %d\n" % each for each in range(50)))
        assert texts(pane)[-1] == "line 49"
        await pane.pilot.press("pageup")
        await pane.until(lambda: not pane.widget.is_following)
        await pane.pilot.pause(0.3)
        before = texts(pane)
        await fed(pane, b"more\n" * 20)
        assert texts(pane) == before, "the lines being read stay"
        await pane.pilot.press("end")
        await pane.pilot.pause()
        assert pane.widget.is_following
        await fed(pane, b"last\n")
        assert texts(pane)[-1] == "last"


async def test_output_is_bounded_and_the_scroll_position_stays() -> None:
    async with shown(OutputPane(), height=10) as pane:
        await fed(pane, b"".join(b"line %d\n" % each for each in range(MAX_LINES + 500)))
        lines = pane.widget.text.split("\n")
        assert len(lines) == MAX_LINES
        assert lines[-2] == f"line {MAX_LINES + 499}"
        await pane.pilot.press("home")
        await pane.pilot.pause()
        pane.widget.scroll_to(y=100, animate=False)
        await pane.pilot.pause()
        before = texts(pane)
        await fed(pane, b"more\n" * 50)
        assert texts(pane) == before
        pane.widget.clear()
        await fed(pane, b"y" * (MAX_CHARACTERS // 4))
        await fed(pane, b"z" * MAX_CHARACTERS + b"\n")
        assert len(pane.widget.text) <= MAX_CHARACTERS + MAX_LINES


async def test_flood_does_not_block_the_screen() -> None:
    async with shown(OutputPane()) as pane:
        flood = b"".join(b"\x1b[3%dmline %d of a flood that never ends\n" % (each % 8, each) for each in range(200_000))
        begun = time.monotonic()
        async with longest_gap() as gap:
            for start in range(0, len(flood), 1 << 16):
                pane.widget.feed(flood[start : start + (1 << 16)])
            await pane.until(lambda: not pane.widget.is_busy, 60)
        assert time.monotonic() - begun < 30
        # The goal is 50 ms; a busy machine is slower.
        assert gap() < 0.1
        assert "bytes skipped" not in pane.widget.text, "the note is older than what is kept"
        assert "line 199999" in pane.widget.text
        pane.widget.clear()
        pane.widget.feed(flood)
        pane.widget.note("exit 0")
        await pane.until(lambda: not pane.widget.is_busy, 60)
        assert pane.widget.text.rstrip("\n").endswith("exit 0")


async def test_notes_get_their_own_lines() -> None:
    async with shown(OutputPane()) as pane:
        pane.widget.note("$ make [red]x[/] \x1b[31m")
        await fed(pane, b"no newline at the end")
        pane.widget.note("exit 0")
        await fed(pane, b"again")
        assert pane.widget.text.split("\n") == [
            "$ make [red]x[/] \N{REPLACEMENT CHARACTER}[31m",
            "no newline at the end",
            "exit 0",
            "again",
        ]


async def test_output_before_mounting_and_while_hidden_is_kept() -> None:
    widget = OutputPane()
    widget.feed(b"early\n")
    async with shown(widget) as pane:
        await pane.until(lambda: not widget.is_busy)
        assert pane.lines()[0] == "early"
        widget.display = False
        await fed(pane, b"hidden\n" * 100)
        widget.display = True
        await pane.pilot.pause(0.1)
        assert texts(pane)[-1] == "hidden"


async def test_hostile_text_is_shown_literally() -> None:
    async with shown(OutputPane()) as pane:
        for text in HOSTILE:
            await fed(pane, text.encode("utf-8", "surrogateescape") + b"\n")
        assert all(line.isprintable() for line in pane.lines())
        await pane.pilot.press("home")
        await pane.pilot.pause()
        assert "[red]x[/]" in pane.screen()
