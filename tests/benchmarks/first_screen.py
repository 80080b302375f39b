"""How long a terminal program takes to its first full screen, in a pseudo-terminal of its own."""

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
_PATIENCE_S = 30.0

# The name of the last entry of the directory shown: the tree is painted when it is there. Both programs read the
# directory in a worker, after an empty frame that nobody can use.
_LAST_ENTRY = "zz_last_entry"
# What the footers show.
_BARE_FOOTER = "palette"
_FOOTER = "Export"


def seconds_to_screen(command: Sequence[str], *marks: str) -> float:
    """Seconds from fork to the output that completes ``marks``, all of which must have been written.

    Raises RuntimeError where the program ends before, or takes longer than half a minute.
    """
    wanted = {mark.encode() for mark in marks}
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), environment(TERM="xterm-256color", COLORTERM="truecolor"))  # noqa: S606
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        seen = b""
        while time.perf_counter() - started < _PATIENCE_S:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:  # EIO: the program has ended
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
    """The first screen of Paddock on a small policy against that of the bare Textual program, on one directory."""
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
