"""How long a terminal program takes to show its first complete screen, in a pseudo-terminal."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence

from tests.benchmarks.report import Row, alternate, environment

_ROWS, _COLUMNS = 40, 120
_GOAL = 1.5
_ROUNDS = 11
_TIMEOUT_S = 30.0

# The last entry of the directory: the tree is complete when it is on the screen. Both programs read the directory in a
# worker, after a first frame that is still empty.
_LAST_ENTRY = "zz_last_entry"
# Text in the footers.
_BARE_FOOTER = "palette"
_FOOTER = "Export"


def seconds_to_screen(command: Sequence[str], *marks: str) -> float:
    """Return the seconds from fork until the program has written all ``marks``.

    Raises RuntimeError if it exits before, or takes longer than half a minute.
    """
    wanted = {mark.encode() for mark in marks}
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), environment(TERM="xterm-256color", COLORTERM="truecolor"))  # noqa: S606
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        seen = b""
        while time.perf_counter() - started < _TIMEOUT_S:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: the program has exited
                break
            seen += data
            if all(mark in seen for mark in wanted):
                return time.perf_counter() - started
        raise RuntimeError(f"{command} never showed {marks}; it wrote: {seen[-2000:]!r}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            os.close(terminal)


def measure() -> Row:
    """Measure Paddock's first screen on a small policy against the bare Textual program, on the same directory."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ("aa", "bb", "cc"):
            os.mkdir(os.path.join(directory, name))
        with open(os.path.join(directory, _LAST_ENTRY), "w", encoding="ascii"):
            pass
        policy = os.path.join(directory, "policy.toml")
        with open(policy, "w", encoding="ascii") as file:
            file.write('abi = 7\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr", "."]\n')
        bare = [sys.executable, "-m", "tests.benchmarks.bare", directory]
        paddock = [sys.executable, "-m", "editor", "edit", policy, "--root", directory]
        baseline, measured = alternate(
            lambda: seconds_to_screen(bare, _LAST_ENTRY, _BARE_FOOTER),
            lambda: seconds_to_screen(paddock, _LAST_ENTRY, _FOOTER),
            _ROUNDS,
        )
    return Row("first screen", "bare Textual program", baseline, measured, _GOAL)
