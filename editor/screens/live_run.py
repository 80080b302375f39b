"""Driving one run beside the screen: a thread reads its events, the screen gets them in batches it can keep up with."""

import asyncio
import contextvars
import select
import threading
from collections.abc import Callable

from editor.sandbox.runner import Event, Finished, Output, Run, RunRequest, start

# Events are handed over this often at most: a burst of thousands is one repaint.
_BATCH_S = 0.04
# More output than this that the screen has not taken yet makes the thread wait, and so the command, through its pipe.
_MOST_PENDING_BYTES = 1 << 20
_MOST_PENDING_EVENTS = 20_000
# How long to look whether there is still a reason to wait.
_LOOK_S = 0.1


class LiveRun:
    """One command under a policy.

    ``deliver`` is called in the event loop with each batch, the last one holding Finished. Where the run cannot be
    followed to its end, ``failed`` is called with the exception instead.
    """

    def __init__(
        self,
        request: RunRequest,
        deliver: Callable[[list[Event]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._request = request
        self._deliver = deliver
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        # What is called in the loop from a thread would else run without knowing which app it belongs to.
        self._context = contextvars.copy_context()
        self._room = threading.Condition()
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._run: Run | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._follow, name="run", daemon=True)

    def start(self) -> None:
        """Start the command. Called in the main thread: should this program be killed, the kernel then ends the run.

        Raises OSError or ValueError where it cannot be started.
        """
        self._run = start(self._request)
        self._thread.start()

    def stop(self) -> None:
        """End the whole process tree; Finished still comes. Does not wait."""
        if self._run is not None:
            self._run.stop()

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command's terminal its size."""
        if self._run is not None:
            self._run.resize(rows, columns)

    def abandon(self) -> None:
        """End the process tree; nothing is delivered any more. Does not wait."""
        self._abandoned = True
        with self._room:
            self._room.notify_all()
        self.stop()

    async def end(self) -> None:
        """End the process tree and wait until it is gone; nothing is delivered any more."""
        self.abandon()
        await asyncio.to_thread(self._thread.join)

    def _follow(self) -> None:
        run = self._run
        if run is None:
            return
        try:
            while True:
                select.select([run.fileno()], [], [])
                events = run.read_events()
                if events and self._hand_over(events):
                    return
        except Exception as error:  # whatever it was: the person must see it, and the command must not go on unseen
            run.stop()
            self._in_loop(self._failed, error)
            run.wait()

    def _hand_over(self, events: list[Event]) -> bool:
        """Queue ``events`` for the screen; whether they were the last ones."""
        last = any(isinstance(event, Finished) for event in events)
        if self._abandoned:
            return last
        with self._room:
            while not self._abandoned and self._full():
                self._room.wait(_LOOK_S)
            first = not self._pending
            self._pending += events
            self._pending_bytes += sum(len(event.data) for event in events if isinstance(event, Output))
        if first:
            self._in_loop(self._drain_soon)
        return last

    def _full(self) -> bool:
        return self._pending_bytes > _MOST_PENDING_BYTES or len(self._pending) > _MOST_PENDING_EVENTS

    def _drain_soon(self) -> None:
        self._loop.call_later(_BATCH_S, self._drain, context=self._context)

    def _drain(self) -> None:
        with self._room:
            events, self._pending, self._pending_bytes = self._pending, [], 0
            self._room.notify_all()
        if events and not self._abandoned:
            self._deliver(events)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments, context=self._context)
