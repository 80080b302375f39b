"""Watches a run by seccomp's user notification, and asks before anything that the policy denies.

Nothing is enforced by Landlock: its rules cannot be changed once a program runs under them. Instead, a call that the
policy denies something of waits for an answer, while all other threads go on. That is emulation: the kernel reads what
the program passes again when the call goes on, and the program may have changed it by then.

Processes are also traced, but never stopped at a call: that way none escapes, and all end with this process.
"""

import contextlib
import json
import os
import select
import signal
import time
from typing import Any

from editor.evaluation.layers import Deciders
from editor.evaluation.own_process import SELF, is_own
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.sandbox import syscalls
from editor.sandbox.channel import Channel
from editor.sandbox.supervisor.inherited import Inherited
from editor.sandbox.supervisor.listener import Listener
from editor.sandbox.supervisor.notified_calls import NotifiedCalls
from editor.sandbox.supervisor.questions import Questions
from editor.sandbox.tracing import ptrace, seccomp
from editor.sandbox.tracing.child import read_listener
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.tracing.tracer import IDLE_TICK_S, Tracer
from editor.sandbox.wire import Spec, policy_in

_TICK_S = 0.06
_CHUNK = 1 << 16
_EMULATED = (
    "This run asked before what the policy denies. That is emulated: nothing was enforced, all is only predicted, and"
    " a program that means to can get around it."
)
_TURN = 32  # calls and stops to handle before looking at anything else


class Supervisor(Tracer):
    """One run that asks, from building the filter to its outcome."""

    _calls: NotifiedCalls

    def __init__(self, spec: Spec, channel: Channel, control: int, signals: TracerSignals) -> None:
        super().__init__(spec, channel, control, signals)
        self._questions = Questions(
            spec,
            channel,
            is_waiting=lambda held: self._listener.is_waiting(held.notification),
            kill=self._shutdown.kill,
        )
        self._words = b""  # of the control pipe: the part of a line that has come so far
        self._listener: Listener

    # Starting

    def _build_filter(self, wanted: frozenset[str], refused: frozenset[str]) -> bytes:
        return seccomp.build_filter(syscalls.machine(), wanted, refused, action=seccomp.RET_USER_NOTIF)

    def _take_listener(self, pid: int, go: int, report: int) -> None:
        os.write(go, b"g")
        self._listener = Listener(ptrace.copy_descriptor(pid, read_listener(report, pid)))
        self._questions.set_command(pid)
        self.channel.notice(_EMULATED)
        judge = self._make_judge(self._deciders)
        self._calls = self._questions.calls = NotifiedCalls(
            self._shared, self._members, self.channel, self._confirmation, deciders=self._deciders, judge=judge,
            listener=self._listener, tasks=self._tasks, keep=self._questions.keep,
            inherited=Inherited((self.spec.stdin, self.spec.stdout, self.spec.stderr, *self.spec.inherited)),
        )  # fmt: skip

    # The loop

    def run(self) -> None:
        """Follow the run until no process of it is left."""
        waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # a stop or an end has to end the wait
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        poller.register(waker, select.POLLIN)
        try:
            while not self._shutdown.has_given_up:
                self._handle_stops()
                self._do_periodic_work()
                soon = self._questions.are_open or self._is_busy
                for descriptor, event in poller.poll((_TICK_S if soon else IDLE_TICK_S) * 1000):
                    if descriptor == waker:
                        os.read(waker, _CHUNK)
                    elif event & select.POLLIN:
                        self._handle_calls()
                    else:  # no thread has the filter any more
                        poller.unregister(self._listener)
        except ChildProcessError:
            pass  # no process is left
        signal.set_wakeup_fd(-1)
        self._questions.expire(time.monotonic())
        self._flush()

    def _handle_stops(self) -> None:
        """Handle all stops and ends of threads that there are. Raises ChildProcessError if no process is left."""
        while True:
            tid, status = os.waitpid(-1, os.WNOHANG | ptrace.WALL)
            if not tid:
                return
            self._handle_stop(tid, status)

    def _handle_calls(self) -> None:
        """Handle some of the calls that wait."""
        for _ in range(_TURN):
            notification = self._listener.receive()
            if notification is not None:
                with contextlib.suppress(ptrace.Gone):  # killed meanwhile: its end is reported next
                    self._calls.notified(notification)
            if not select.select([self._listener], [], [], 0)[0]:
                return

    def _do_periodic_work(self) -> None:
        super()._do_periodic_work()
        if self._questions.are_open:
            self._questions.expire(time.monotonic())
        if self._shutdown.is_ending:  # what waits could not react to a signal
            self._questions.close()

    def _handle_control(self, words: bytes) -> None:
        *lines, self._words = (self._words + words).split(b"\n")
        for line in lines:
            message: dict[str, Any] = json.loads(line)
            if "stop" in message:
                self._shutdown.stop()
                continue
            if message["policies"]:
                self._use_policies(tuple(map(policy_in, message["policies"])))
            self._questions.answer(message["answer"], message["choice"])

    def _use_policies(self, policies: tuple[ResolvedPolicy, ...]) -> None:
        """Judge by other policies from now on."""
        self._deciders = Deciders([self._identified(policy) for policy in policies], self._abi, self._shared.errata)
        self._calls.use_policies(self._deciders, self._make_judge(self._deciders))

    def _identified(self, policy: ResolvedPolicy) -> ResolvedPolicy:
        """Return ``policy`` with what /proc/self is for the command, not for whoever resolved it."""
        return policy._replace(paths=tuple(map(self._identified_path, policy.paths)))

    def _identified_path(self, path: ResolvedPath) -> ResolvedPath:
        if path.target is None or not is_own(path.target):
            return path
        target = f"/proc/{self._root}" + path.target.removeprefix(SELF)
        try:
            status = os.stat(target)
        except OSError:
            return path._replace(target=None, identity=None, is_dir=None)
        return path._replace(target=target, identity=(status.st_dev, status.st_ino))
