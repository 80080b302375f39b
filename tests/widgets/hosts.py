"""An app with a single widget, recording every message."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

_TICK_S = 0.002

W = TypeVar("W", bound=Widget)
M = TypeVar("M", bound=Message)

# Text that must only ever be shown literally.
HOSTILE = (
    "[red]x[/]",
    "[@click=app.bell]x[/]",
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines\rover",
    "\u202eright to left\u2066",
    "\u4f60\u597d wide \U0001f469\u200d\U0001f4bb",
    "combining e\u0301\u200b",
    "\udcff\udcfe not utf-8",
    "\x9b31mC1",
    "x" * 4096,
    "[",
    "]",
    "\\[bold]",
    "",
)


class Host(App[None]):
    """An app with one widget that fills the screen."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget

    def compose(self) -> ComposeResult:
        """Yield the widget."""
        yield self._widget


class Shown(NamedTuple, Generic[W]):
    """A widget on a screen, its pilot, and the messages posted."""

    widget: W
    pilot: Pilot[None]
    messages: list[Message]

    def posted(self, kind: type[M]) -> list[M]:
        """Return the messages of one class, in order."""
        return [message for message in self.messages if isinstance(message, kind)]

    def lines(self, widget: Widget | None = None) -> list[str]:
        """Return the lines of the screen, or of one widget, without trailing blanks."""
        shown = self.widget.app.screen if widget is None else widget
        x, y, width, height = shown.region
        strips = self.widget.app.screen._compositor.render_strips()
        return [strip.crop(x, x + width).text.rstrip() for strip in strips[y : y + height]]

    def screen(self) -> str:
        """Return the text of the screen."""
        return "\n".join(self.lines())

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until ``condition`` is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"timed out; the screen:\n{self.screen()}"
            await self.pilot.pause(0.01)
        await self.pilot.pause()


@asynccontextmanager
async def shown(widget: W, width: int = 80, height: int = 24, theme: str = "textual-dark") -> AsyncIterator[Shown[W]]:
    """Run an app with ``widget``, which has the focus."""
    messages: list[Message] = []

    def hook(message: Message) -> None:
        if not any(message is seen for seen in messages[-200:]):
            messages.append(message)

    app = Host(widget)
    app.theme = theme
    async with app.run_test(size=(width, height), message_hook=hook) as pilot:
        widget.focus()
        await pilot.pause()
        yield Shown(widget, pilot, messages)


@asynccontextmanager
async def longest_gap() -> AsyncIterator[Callable[[], float]]:
    """Measure the longest time that the event loop was blocked while the block ran.

    In seconds of this thread's processor time, so that other programs do not count; garbage collection of the test
    runner's objects does not count either.
    """
    gc.collect()
    gc.freeze()
    worst = 0.0
    ended = False

    async def tick() -> None:
        nonlocal worst
        before = time.thread_time()
        while not ended:
            await asyncio.sleep(_TICK_S)
            now = time.thread_time()
            worst = max(worst, now - before)
            before = now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    try:
        yield lambda: worst
    finally:
        ended = True
        await ticking
        gc.unfreeze()
