"""Run the program in a real terminal: a tmux server of its own."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType


class Terminal:
    """Runs ``command`` in a detached tmux session of ``columns`` by ``rows``.

    Use it as a context manager: on exit its tmux server is killed, and the program with it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        socket: str,
        columns: int = 120,
        rows: int = 40,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._tmux = ["tmux", "-S", socket, "-f", os.devnull]
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})}
        environment.pop("TMUX", None)
        start = ["new-session", "-d", "-x", str(columns), "-y", str(rows)]
        # The marker distinguishes a program that ended from one that has not painted yet.
        shell = f"{shlex.join(command)}; printf '\\n[exit %s]\\n' $?; sleep 60"
        subprocess.run(
            [*self._tmux, *start, shell], cwd=cwd, env=environment, check=True, capture_output=True, timeout=20
        )

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=20)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names: ``Enter``, ``C-s``, ``Down``, ``F5``, or a single character."""
        for key in keys:
            subprocess.run([*self._tmux, "send-keys", key], check=True, capture_output=True, timeout=20)

    def type(self, text: str) -> None:
        """Type ``text`` literally."""
        subprocess.run([*self._tmux, "send-keys", "-l", text], check=True, capture_output=True, timeout=20)

    def screen(self) -> str:
        """Return the visible screen, one line per row, without colours."""
        done = subprocess.run(
            [*self._tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True, timeout=20
        )
        return done.stdout

    def wait_for(self, what: str | Callable[[str], bool], seconds: float = 15.0) -> str:
        """Wait for a text or a condition. Return the screen then; AssertionError after ``seconds``."""
        until = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if what in screen if isinstance(what, str) else what(screen):
                return screen
            assert time.monotonic() < until, f"never on the screen: {what!r}\n{screen}"
            time.sleep(0.05)
