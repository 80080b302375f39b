"""The command's standard streams: given ones, pipes, or a terminal of its own."""

import fcntl
import os
import struct
import termios

from editor.sandbox.events import Stream


def set_size(terminal: int, size: tuple[int, int]) -> None:
    """Set the size (rows, columns) of a terminal."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


class Streams:
    """The three streams of a run being started: the command's ends, and ours.

    ``given`` are descriptors for its standard input, output and error. Where that is None, there is a new terminal of
    ``terminal_size`` (rows, columns); without one, /dev/null for input and a pipe for output.
    """

    def __init__(self, given: tuple[int | None, int | None, int | None], terminal_size: tuple[int, int] | None) -> None:
        self.command_ends: list[int] = []
        self.outputs: dict[int, Stream] = {}
        self.terminal: int | None = None
        self._terminal_end = -1
        if terminal_size is not None and None in given:
            self.terminal, self._terminal_end = os.openpty()
            set_size(self.terminal, terminal_size)
            self.outputs[self.terminal] = "tty"
        for position, descriptor in enumerate(given):
            self.command_ends.append(self._open_end(position, descriptor))
        if self._terminal_end >= 0:
            os.close(self._terminal_end)

    def _open_end(self, position: int, descriptor: int | None) -> int:
        if descriptor is not None:
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
        if self._terminal_end >= 0:
            return fcntl.fcntl(self._terminal_end, fcntl.F_DUPFD_CLOEXEC, 3)
        if position == 0:
            return os.open(os.devnull, os.O_RDONLY)
        ours, theirs = os.pipe()
        self.outputs[ours] = "stdout" if position == 1 else "stderr"
        return theirs

    def close(self) -> None:
        """Close all of them; the run did not start."""
        for descriptor in (*self.command_ends, *self.outputs):
            os.close(descriptor)
