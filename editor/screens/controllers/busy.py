"""Says that something is going on, once it has taken a while."""

import asyncio
from collections.abc import Callable
from typing import Final

# Longer than this, and the person is told that something is going on.
_PATIENCE_S: Final = 0.5


class Busy:
    """Calls ``show`` with ``text`` when what was started has not stopped for a while, and with "" when it stops."""

    def __init__(self, show: Callable[[str], None], text: str) -> None:
        self._show = show
        self._text = text
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to wait, unless that has begun."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._show, self._text)

    def stop(self) -> None:
        """It is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._show("")

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
