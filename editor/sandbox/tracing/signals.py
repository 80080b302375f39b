"""The tracer's own signals: which wake it, which it ignores, and how the command gets the original ones back."""

import signal
from collections.abc import Callable
from types import FrameType

# The terminal sends these to the command; Python itself ignores SIGPIPE and SIGXFSZ.
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU)
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_TIMER = signal.SIGALRM
_WAKING = (signal.SIGIO, signal.SIGTERM)
# Its default is to be ignored: a stopped thread ends wait(2), and needs no signal.
_CHILD = signal.SIGCHLD


class TracerSignals:
    """Takes over this process's signals; created once, before the command is forked."""

    def __init__(self) -> None:
        self.woken = False
        """Whether a signal asks for attention: SIGIO from the control pipe, or SIGTERM."""
        self.terminate_requested = False
        """Whether a SIGTERM came."""
        actions: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], None]] = {
            **dict.fromkeys(_IGNORED, signal.SIG_IGN),
            **dict.fromkeys(_WAKING, self._wake),
            _TIMER: _end_wait,
            _CHILD: signal.SIG_DFL,
        }
        self._ignored_before = [
            number for number, action in actions.items() if signal.signal(number, action) == signal.SIG_IGN
        ]
        self._changed = (*_IGNORED_BY_PYTHON, *actions)
        self._mask_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_WAKING, _TIMER, _CHILD))

    def _wake(self, number: int, _frame: FrameType | None) -> None:
        self.woken = True
        self.terminate_requested = self.terminate_requested or number == signal.SIGTERM

    def restore(self) -> None:
        """In the forked process: restore the signals as the command would have inherited them without the tracer."""
        for number in self._changed:
            signal.signal(number, signal.SIG_DFL)
        for number in self._ignored_before:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask_before)

    @staticmethod
    def set_timer(interval: float) -> None:
        """Interrupt every wait after ``interval`` seconds, repeatedly; 0 stops that."""
        signal.setitimer(signal.ITIMER_REAL, interval, interval)


def _end_wait(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal itself has ended the wait."""
