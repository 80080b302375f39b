"""The tracer's own signals: what wakes it, what passes it by, and giving the command back what was before."""

import signal
from collections.abc import Callable
from types import FrameType

# The terminal's, which are meant for the command; SIGPIPE and SIGXFSZ are ignored by Python itself.
_PASSING = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_TICKING = signal.SIGALRM
_CALLING = (signal.SIGIO, signal.SIGTERM)
# Its default is to be dropped: a thread's stop wakes who waits for it, not who waits for a signal.
_OF_CHILDREN = signal.SIGCHLD


class TracerSignals:
    """Made once, before the command is forked: takes this process's signals over."""

    def __init__(self) -> None:
        self.woken = False
        """Whether somebody wants something: the control pipe (SIGIO), or an end (SIGTERM)."""
        self.terminate_requested = False
        """Whether a SIGTERM came."""
        actions: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], None]] = {
            **dict.fromkeys(_PASSING, signal.SIG_IGN),
            **dict.fromkeys(_CALLING, self._call),
            _TICKING: _tick,
            _OF_CHILDREN: signal.SIG_DFL,
        }
        self._ignored_before = [
            number for number, action in actions.items() if signal.signal(number, action) == signal.SIG_IGN
        ]
        self._changed = (*_BY_PYTHON, *actions)
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_CALLING, _TICKING, _OF_CHILDREN))

    def _call(self, number: int, _frame: FrameType | None) -> None:
        self.woken = True
        self.terminate_requested = self.terminate_requested or number == signal.SIGTERM

    def restore(self) -> None:
        """In the forked process: what the command would have had without this one. Python's own are the default."""
        for number in self._changed:
            signal.signal(number, signal.SIG_DFL)
        for number in self._ignored_before:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)

    @staticmethod
    def set_timer(interval: float) -> None:
        """End every wait after ``interval`` seconds at the latest, again and again; 0: no more."""
        signal.setitimer(signal.ITIMER_REAL, interval, interval)


def _tick(_number: int, _frame: FrameType | None) -> None:
    """Nothing: that it came has ended the wait."""
