"""The tracer's event pipe to the runner: JSON lines, written without blocking while there is work to do."""

import json
import os
import select
from typing import Any

_LAST_WAIT_S = 3600.0


class Channel:
    """Sends the events of one run.

    ``events`` is the write end of the event pipe; ``control`` is the pipe whose hang-up means that the runner is gone.
    """

    def __init__(self, events: int, control: int) -> None:
        self._events = events
        self._control = control
        self._pending = b""
        self._notices: list[str] = []
        self._noticed: set[str] = set()
        self.is_closed = False
        """Whether nobody can read the events any more."""
        os.set_blocking(events, False)

    @property
    def is_drained(self) -> bool:
        """Whether the pipe has taken everything; produce more events only then."""
        return not self._pending

    def notice(self, text: str) -> None:
        """Queue a message for the user, once per run; an empty one is none."""
        if text and text not in self._noticed:
            self._noticed.add(text)
            self._notices.append(text)

    def send(self, lines: list[str]) -> None:
        """Write ``lines`` and the queued notices, as far as the pipe takes them without blocking."""
        notices = [json.dumps({"notice": text}) for text in self._notices]
        self._notices = []
        if lines or notices:
            self._pending += "".join(f"{line}\n" for line in (*lines, *notices)).encode("ascii")
        self.flush()

    def flush(self) -> None:
        """Write what the pipe did not take before."""
        while self._pending:
            try:
                written = os.write(self._events, self._pending)
            except BlockingIOError:
                return
            except OSError:  # the reader is gone
                self.is_closed = True
                self._pending = b""
                return
            self._pending = self._pending[written:]

    def finish(self, last: dict[str, Any]) -> None:
        """Write the last event, and block until it is read or the runner is gone."""
        self.send([json.dumps(last)])
        waiting = select.poll()
        waiting.register(self._events, select.POLLOUT)
        waiting.register(self._control, 0)  # a hang-up is always reported
        while self._pending:
            ready = waiting.poll(_LAST_WAIT_S * 1000)
            if not ready or any(fd == self._control and event & select.POLLHUP for fd, event in ready):
                return
            self.flush()
