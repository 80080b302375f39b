"""A note is as high as its text, whatever it showed before and even if it was hidden meanwhile."""

from textual.app import App, ComposeResult
from textual.content import Content
from textual.widgets import Static

from tests.screens.driving import until
from widgets.note import Note

TEXTS = ["one line", "two\nlines", "", "a line that is far too long for the narrow screen of this test", "one LINE"]


class _Host(App[None]):
    CSS = "Note { height: auto; } #below { height: 1; }"

    def compose(self) -> ComposeResult:
        """Yield a note with a widget below it."""
        yield Note()
        yield Static("below", id="below")


def _lines(app: App[None]) -> list[str]:
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


async def test_height_follows_the_text() -> None:
    app = _Host()
    async with app.run_test(size=(30, 8)) as pilot:
        note = app.query_one(Note)
        for hidden in (False, True):
            for text in (*TEXTS, *TEXTS[::-1], TEXTS[1], TEXTS[3]):
                note.display = not hidden
                await pilot.pause()
                note.show(Content(text))
                note.display = True
                wanted = [line.plain.rstrip() for line in Content(text).wrap(30)] if text else []

                def as_wanted(wanted: list[str] = wanted) -> bool:
                    lines = _lines(app)
                    # An empty note is one empty line.
                    return [line for line in lines[: lines.index("below")] if line] == wanted

                await until(pilot, as_wanted)
