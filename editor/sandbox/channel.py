"""The tracer's way to tell the runner: lines into a pipe, without ever waiting for who reads it while there is work."""

import json
import os
import select
from typing import Any

_LAST_WAIT_S = 3600.0


class Channel:
    """Events of one run on a pipe. ``control`` is the other pipe, whose end means that nobody listens any more."""

    def __init__(self, events: int, control: int) -> None:
        self._events = events
        self._control = control
        self._pending = b""
        self._notices: list[str] = []
        self._noticed: set[str] = set()
        os.set_blocking(events, False)

    @property
    def is_drained(self) -> bool:
        """Whether everything has been taken by the pipe; only then more should be made."""
        return not self._pending

    def notice(self, text: str) -> None:
        """A sentence for the person, said once a run."""
        if text not in self._noticed:
            self._noticed.add(text)
            self._notices.append(text)

    def send(self, lines: list[str]) -> None:
        """Put ``lines`` and the notices that wait into the pipe, as far as it takes them."""
        notices = [json.dumps({"notice": text}) for text in self._notices]
        self._notices = []
        if lines or notices:
            self._pending += "".join(f"{line}\n" for line in (*lines, *notices)).encode("ascii")
        self.flush()

    def flush(self) -> None:
        """Go on with what the pipe did not take."""
        while self._pending:
            try:
                written = os.write(self._events, self._pending)
            except BlockingIOError:
                return
            except OSError:  # nobody reads any more; the control pipe says the same
                self._pending = b""
                return
            self._pending = self._pending[written:]

    def finish(self, last: dict[str, Any]) -> None:
        """Say the last thing, waiting until it is taken or nobody is there."""
        self.send([json.dumps(last)])
        waiting = select.poll()
        waiting.register(self._events, select.POLLOUT)
        waiting.register(self._control, 0)  # its hang-up is reported unasked
        while self._pending:
            ready = waiting.poll(_LAST_WAIT_S * 1000)
            if not ready or any(fd == self._control and event & select.POLLHUP for fd, event in ready):
                return
            self.flush()
