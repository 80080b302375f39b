"""The terminal at which a run's questions are answered, while the command may use it as well."""

import contextlib
import os
import signal
import termios
import textwrap
import tty
from collections.abc import Iterable

_ESCAPE = b"\x1b"
# Of a process in the background, which this one is while a shell's job has the terminal.
_STOPS = (signal.SIGTTOU, signal.SIGTTIN)


class Terminal:
    """The controlling terminal. ``take`` it before a question, ``give_back`` after the answer."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._attributes: list[object] | None = None  # of the command's, while it is taken
        self._foreground = 0

    @classmethod
    def open(cls) -> "Terminal | None":
        """Open the controlling terminal; return None if there is none."""
        try:
            return cls(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        except OSError:
            return None

    def fileno(self) -> int:
        """Return a descriptor that is readable when a key was pressed."""
        return self._descriptor

    def take(self) -> None:
        """Take the terminal to read single keys; forget what was typed before. Raises OSError if it is gone."""
        handlers = [signal.signal(number, signal.SIG_IGN) for number in _STOPS]
        try:
            attributes = termios.tcgetattr(self._descriptor)
            self._foreground = os.tcgetpgrp(self._descriptor)
            if self._foreground != os.getpgrp():
                os.tcsetpgrp(self._descriptor, os.getpgrp())
            tty.setcbreak(self._descriptor, termios.TCSAFLUSH)
            self._attributes = list(attributes)
        except termios.error as error:
            raise OSError(*error.args) from error
        finally:
            for number, handler in zip(_STOPS, handlers, strict=True):
                signal.signal(number, handler)

    def give_back(self) -> None:
        """Leave the terminal to the command as it was, if it is taken."""
        attributes, self._attributes = self._attributes, None
        if attributes is None:
            return
        handlers = [signal.signal(number, signal.SIG_IGN) for number in _STOPS]
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, attributes)  # type: ignore[arg-type]
            if self._foreground != os.getpgrp():
                os.tcsetpgrp(self._descriptor, self._foreground)
        for number, handler in zip(_STOPS, handlers, strict=True):
            signal.signal(number, handler)

    def write(self, text: str) -> None:
        """Show ``text``."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode("utf-8", "replace"))

    def write_lines(self, lines: Iterable[str]) -> None:
        """Show ``lines``, breaking those that are wider than the terminal between words."""
        try:
            width = os.get_terminal_size(self._descriptor).columns
        except OSError:
            width = 0
        for line in lines:
            shown = [line]
            if 0 < width < len(line):
                indent = " " * (len(line) - len(line.lstrip()) + 4)
                shown = textwrap.wrap(
                    line, max(width, 40), subsequent_indent=indent, replace_whitespace=False, break_on_hyphens=False
                )
            self.write("\n".join(shown) + "\n")

    def read_key(self) -> bytes:
        """Return the character of a key, empty if the terminal is gone. A key that sends more is an escape."""
        try:
            key = os.read(self._descriptor, 1)
            if key == _ESCAPE:  # what follows is not for itself
                termios.tcflush(self._descriptor, termios.TCIFLUSH)
        except (OSError, termios.error):
            return b""
        return key

    def close(self) -> None:
        """Give the terminal back, and close it."""
        self.give_back()
        os.close(self._descriptor)
