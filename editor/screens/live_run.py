"""Follow one run: a thread reads its events and hands them to the screen in batches."""

import asyncio
import contextvars
import select
import threading
from collections.abc import Callable

from editor.sandbox.events import Answer, Event, Finished, Output
from editor.sandbox.runner import Run, RunRequest, start

# Time between two batches: a burst of thousands of events is one repaint.
_BATCH_S = 0.04
# With more than this pending, the thread waits for the screen, and so does the command once its pipe is full.
_MOST_PENDING_BYTES = 1 << 20
_MOST_PENDING_EVENTS = 20_000
# How often a waiting thread checks whether it still has to.
_POLL_S = 0.1


class LiveRun:
    """One command under a policy.

    ``deliver`` is called in the event loop with each batch of events; the last one contains Finished. If the run cannot
    be followed to its end, ``failed`` is called with the exception instead.
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
        # Callbacks from the thread would otherwise not know which app they belong to.
        self._context = contextvars.copy_context()
        self._room = threading.Condition()
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._run: Run | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._follow, name="run", daemon=True)

    def start(self) -> None:
        """Start the command. Call it in the main thread: if that dies, the kernel ends the run.

        Raises OSError or ValueError if the command cannot be started.
        """
        self._run = start(self._request)
        self._thread.start()

    def stop(self) -> None:
        """Stop the whole process tree without waiting. Finished is still delivered."""
        if self._run is not None:
            self._run.stop()

    def answer(self, number: int, answer: Answer) -> None:
        """Answer a question of the command."""
        if self._run is not None:
            self._run.answer(number, answer)

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the command's terminal."""
        if self._run is not None:
            self._run.resize(rows, columns)

    def abandon(self) -> None:
        """Stop the process tree without waiting. Nothing more is delivered."""
        self._abandoned = True
        with self._room:
            self._room.notify_all()
        self.stop()

    async def end(self) -> None:
        """Stop the process tree and wait until it is gone. Nothing more is delivered."""
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
        except Exception as error:  # show any error, and do not let the command run on unwatched
            run.stop()
            self._in_loop(self._failed, error)
            run.wait()

    def _hand_over(self, events: list[Event]) -> bool:
        """Queue ``events`` for the screen. Return whether they were the last ones."""
        last = any(isinstance(event, Finished) for event in events)
        if self._abandoned:
            return last
        with self._room:
            while not self._abandoned and self._full():
                self._room.wait(_POLL_S)
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
