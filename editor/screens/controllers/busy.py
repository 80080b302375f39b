"""Show that work is in progress, but only if it takes a while."""

import asyncio
from collections.abc import Callable
from typing import Final

# Work that is done sooner than this is not shown.
_SHOW_AFTER_S: Final = 0.5


class Busy:
    """Call ``show`` with ``text`` if work takes a while, and with "" when it is done. Also a context manager."""

    def __init__(self, show: Callable[[str], None], text: str) -> None:
        self._show = show
        self._text = text
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Note that work has started."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SHOW_AFTER_S, self._show, self._text)

    def stop(self) -> None:
        """Note that work is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._show("")

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
