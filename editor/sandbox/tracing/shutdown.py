"""How a run ends: by itself, at its timeout, or on request, and what happens to processes that are left."""

import ctypes
import json
import signal
import time
from typing import Literal

from editor.sandbox.channel import Channel
from editor.sandbox.tracing.tasks import Tasks
from editor.sandbox.verdicts.report import listed_processes
from editor.sandbox.wire import Spec

_GRACE_S = 0.6  # between SIGTERM and SIGKILL
_GIVE_UP_S = 5.0  # a killed process that is still there hangs in the kernel
_PR_SET_CHILD_SUBREAPER = 36


class Shutdown:
    """Ends the processes of one run, step by step: ``advance`` takes the next one when ``deadline`` has passed."""

    def __init__(self, spec: Spec, channel: Channel, tasks: Tasks) -> None:
        self._spec = spec
        self._channel = channel
        self._tasks = tasks
        self._state: Literal["", "lingering", "waiting", "asked", "killed"] = ""
        self._started = 0.0
        self.deadline: float | None = None
        """When the time of the run, then that of the current step, is over."""
        self.exit_code: int | None = None
        """The command's exit status; None while it runs."""
        self.is_killing = False
        """Whether every process is being killed."""
        self.has_given_up = False
        """Whether what is left does not even react to SIGKILL."""

    @property
    def is_ending(self) -> bool:
        """Whether every process was asked to end, or killed."""
        return self._state in ("asked", "killed")

    def start_clock(self, started: float) -> None:
        """Stop the run when its timeout is over; it began at ``started``."""
        self._started = started
        if self._spec.timeout is not None:
            self.deadline = started + self._spec.timeout

    def command_ended(self, exit_code: int) -> None:
        """Give the processes that the command left a moment to end, too."""
        self.exit_code = exit_code
        if not self._state:
            self._state = "lingering"
            self.deadline = time.monotonic() + _GRACE_S

    def stop(self) -> None:
        """Ask every process to end; what is left after the grace period is killed."""
        if self._state in ("", "lingering", "waiting"):
            self._state = "asked"
            if self.exit_code is not None and self._tasks:
                option = "" if self._spec.wait else " (--wait waits for them)"
                shown = listed_processes(self._tasks.processes())
                self._channel.notice(f"Processes that outlived the command were terminated{option}: {shown}.")
            # From now on, orphans become children of this process, which reaps them.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self.deadline = time.monotonic() + _GRACE_S
            self._tasks.signal_all(signal.SIGTERM)
            self._tasks.signal_all(signal.SIGCONT)

    def kill(self) -> None:
        """Kill every process."""
        self.is_killing = True
        self._state = "killed"
        self.deadline = time.monotonic() + _GIVE_UP_S
        self._tasks.signal_all(signal.SIGKILL)

    def advance(self, now: float) -> None:
        """Do what is due when the deadline has passed."""
        if self._state in ("", "waiting"):
            self._channel.notice(f"The run was stopped after {self._spec.timeout:g} seconds.")
            self.stop()
        elif self._state == "lingering" and self._spec.wait:
            self._state = "waiting"
            self.deadline = None if self._spec.timeout is None else self._started + self._spec.timeout
            left = {"exit_code": self.exit_code, "processes": self._tasks.processes()}
            self._channel.send([json.dumps({"lingering": left})])
        elif self._state == "lingering":
            self.stop()
        elif self._state == "asked":
            self.kill()
        else:
            self._channel.notice("Some killed processes hang in the kernel; they will end when it releases them.")
            self.has_given_up = True
            self.deadline = now + _GIVE_UP_S
