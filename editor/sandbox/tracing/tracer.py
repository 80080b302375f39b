"""Watches a run: starts the command under the policy, follows all its processes, and reports.

It is one thread in one loop: wait until a traced thread stops, record why, resume it. A call worth seeing stops twice:
at entry, by the seccomp filter, and at exit, with the kernel's result. All other calls run at full speed.
"""

import os
import signal
import time
from typing import Any

from editor.evaluation.layers import Deciders
from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, known_rights
from editor.sandbox import syscalls
from editor.sandbox.calls.table import traced_calls
from editor.sandbox.channel import Channel
from editor.sandbox.tracing import ptrace, seccomp
from editor.sandbox.tracing.call_stops import CallStops
from editor.sandbox.tracing.child import Child, NotStarted, read_failure, read_ready
from editor.sandbox.tracing.confirmation import Confirmation
from editor.sandbox.tracing.members import Members
from editor.sandbox.tracing.shutdown import Shutdown
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.tracing.task import SharedState, Task
from editor.sandbox.tracing.tasks import Tasks
from editor.sandbox.verdicts.core_dumps import CORE_SIGNALS, Crash, dump_file
from editor.sandbox.verdicts.verdict import Judge
from editor.sandbox.wire import Spec

# Poll up to this often before sleeping: a resumed thread stops again after some 20 microseconds, and waking up takes
# longer (100,000 opens: 11.6 s when sleeping at once, 4.0 s with polling). If polling does not pay, because threads
# compute or wait for a processor, it is reduced, down to the minimum.
_SPINS = 50
_MIN_SPINS = 2
_SOON_S = 0.0001  # a stop this soon would have been worth polling for
_TURN = 32
_CHUNK = 1 << 16
_FLUSH_S = 0.06
IDLE_TICK_S = 1.0
"""How long nothing has to be looked after while nothing happens."""
# Filesystem changes by other processes are noticed after this time; those of traced processes at once.
_REMEMBER_S = 1.0
# wait(2) statuses: the low byte of all stops, and the two stops of a call.
_STOPPED = 0x7F
_ENTERING = ptrace.EVENT_SECCOMP << 16 | signal.SIGTRAP << 8 | _STOPPED
_LEAVING = ptrace.SYSCALL_STOP_SIGNAL << 8 | _STOPPED
_STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_IO_URING = frozenset({"io_uring_setup"})
_NEW_TASK = frozenset({ptrace.EVENT_FORK, ptrace.EVENT_VFORK, ptrace.EVENT_CLONE})


class Tracer:
    """One run, from building the ruleset to its outcome."""

    def __init__(self, spec: Spec, channel: Channel, control: int, signals: TracerSignals) -> None:
        self.spec = spec
        self.channel = channel
        self._shared = SharedState()
        self._control = control
        self._signals = signals
        self._tasks = Tasks(self._shared)
        self._members = Members(self._tasks)
        self._next_forget = 0.0
        self._root = 0
        self._shutdown = Shutdown(spec, channel, self._tasks)
        self._confirmation = Confirmation(spec, channel)
        # Where a core dump of a process would go that a signal may be about to kill, and those that left none.
        self._dump_files: dict[int, str | None] = {}
        self._crashes: list[Crash] = []
        self._child_report = -1  # the forked process writes here why it could not become the command
        self._kernel_abi = 0
        self._abi = 0
        self._started = time.monotonic()
        self._next_flush = self._started + _FLUSH_S
        self._interval = 0.0
        self._spins = _SPINS
        self._policies = (spec.resolved, *spec.layers)
        self._shared.is_afresh = spec.mode != "enforce"
        self._hit_process_limit = False
        self._deciders: Deciders
        self._calls: CallStops

    # Starting

    def prepare(self) -> None:
        """Find out what the kernel can do. Raises LandlockError if it cannot enforce anything."""
        spec = self.spec
        try:
            self._kernel_abi = kernel.query_abi()
        except kernel.LandlockUnavailable:
            if spec.mode == "enforce":
                raise
        wanted = min(self._kernel_abi or LATEST_ABI, LATEST_ABI)
        self._abi = wanted if spec.abi is None else min(spec.abi, wanted)
        self._shared.errata = kernel.query_errata() if self._kernel_abi else 0

    def _notice_unseen(self, text: str) -> None:
        """Report what may be missing from the report; with audit, it gets a row instead."""
        if not self._confirmation.has_audit:
            self.channel.notice(text)

    def start(self) -> None:
        """Start the command, traced from its first instruction. Raises NotStarted, OSError."""
        spec = self.spec
        handled = NO_RIGHTS.union(*(each.handled_fs | each.handled_net | each.scoped for each in self._policies))
        self._confirmation.open_tracepoints(self._kernel_abi)
        refused = _IO_URING if spec.deny_io_uring else frozenset[str]()
        code = self._build_filter(traced_calls(known_rights(self._abi) & handled), refused)
        go_read, go_write = os.pipe()
        report_read, report_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            Child(spec, code, self._signals, report_write).run(go_read)
        self._root = pid
        self._members.set_command(pid)
        os.close(go_read)
        os.close(report_write)
        try:
            self._await_ready(report_read, pid)
            self._take_listener(pid, go_write, report_read)
            ptrace.seize(pid)
        except (NotStarted, OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._tasks.add(pid)
        self._started = time.monotonic()
        self._shutdown.start_clock(self._started)
        os.set_blocking(report_read, False)
        self._child_report = report_read
        os.write(go_write, b"g")
        os.close(go_write)
        for fd in {spec.stdin, spec.stdout, spec.stderr, *spec.inherited}:
            os.close(fd)

    def _await_ready(self, report: int, pid: int) -> None:
        """Wait until the forked process ``pid`` has built the rules, and get ready to judge what it does under them."""
        ready = read_ready(report, pid, self._policies)
        for note in ready.notes:
            if note.kind != "not_for_file":  # the policy tells whether that is intended
                self.channel.notice(note.text)
        self._deciders = Deciders(ready.policies, self._abi, self._shared.errata)
        self._confirmation.open_audit(self._kernel_abi)
        self._calls = CallStops(
            self._shared,
            self._members,
            self.channel,
            self._confirmation,
            deciders=self._deciders,
            judge=self._make_judge(self._deciders),
        )

    def _build_filter(self, wanted: frozenset[str], refused: frozenset[str]) -> bytes:
        """Return the seccomp filter that stops the calls named in ``wanted``."""
        return seccomp.build_filter(syscalls.machine(), wanted, refused)

    def _take_listener(self, pid: int, go: int, report: int) -> None:
        """Take the listener of the filter from the forked process: this one has none."""

    def _make_judge(self, deciders: Deciders) -> Judge:
        return Judge(
            deciders,
            self.spec.mode,
            self._abi,
            self._members,
            notice=self.channel.notice,
            notice_unseen=self._notice_unseen,
        )

    # The loop

    def run(self) -> None:
        """Follow the run until no process of it is left."""
        waitpid, flags = os.waitpid, os.WNOHANG | ptrace.WALL
        handled = 0
        try:
            while not self._shutdown.has_given_up:
                for _ in range(self._spins):
                    tid, status = waitpid(-1, flags)
                    if tid:
                        break
                else:
                    tid, status = self._sleep()
                if tid:
                    self._handle_stop(tid, status)
                    handled += 1
                if not tid or not handled % _TURN:
                    self._do_periodic_work()
        except ChildProcessError:
            pass  # no process is left
        self._signals.set_timer(0)
        self._flush()

    def _sleep(self) -> tuple[int, int]:
        """Wait for a stop, the timer, or a signal that asks for attention."""
        interval = _FLUSH_S if self._is_busy else IDLE_TICK_S
        if interval != self._interval:
            self._interval = interval
            self._signals.set_timer(interval)
        began = time.monotonic()
        found = ptrace.wait()
        self._spins = _SPINS if time.monotonic() - began < _SOON_S else max(_MIN_SPINS, self._spins // 2)
        return found

    @property
    def _is_busy(self) -> bool:
        """Whether there is something to look after even if nothing happens."""
        return self._calls.rows.has_changes or not self.channel.is_drained or self._shutdown.deadline is not None

    def _do_periodic_work(self) -> None:
        """Do what is due from time to time: send events, drop caches, end the run."""
        now = time.monotonic()
        if self._signals.woken:
            self._signals.woken = False
            self._check_control()
        if now >= self._next_flush:
            self._next_flush = now + _FLUSH_S
            self._check_control()
            self._flush()
            if now >= self._next_forget:
                self._next_forget = now + _REMEMBER_S
                self._calls.drop_caches()
        if self._shutdown.deadline is not None and now >= self._shutdown.deadline:
            self._shutdown.advance(now)

    def _flush(self) -> None:
        self._confirmation.read()
        self.channel.flush()
        if self.channel.is_closed and not self._shutdown.is_killing:
            self._shutdown.kill()
        if self.channel.is_drained:
            self.channel.send(self._calls.rows.take_changes())

    def _check_control(self) -> None:
        """Check whether the run is to stop, because the runner or a signal says so."""
        if self._signals.terminate_requested:
            self._shutdown.stop()
        try:
            words = os.read(self._control, _CHUNK)
        except BlockingIOError:
            return
        if words:
            self._handle_control(words)
        elif not self._shutdown.is_killing:  # the runner is gone
            self._shutdown.kill()

    def _handle_control(self, words: bytes) -> None:  # noqa: ARG002
        """Do what the runner says: to the tracer, that is always to stop."""
        self._shutdown.stop()

    # Stops

    def _handle_stop(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if status & 0xFF != _STOPPED:
            self._handle_end(tid, status)
            return
        if task is None:
            task = self._tasks.add(tid)
            if self._shutdown.is_killing:
                os.kill(tid, signal.SIGKILL)
            else:
                self._limit_processes()
        try:
            if status == _ENTERING:
                self._calls.enter(task)
            elif status == _LEAVING:
                self._calls.leave(task)
            else:
                self._signalled(task, status >> 16, status >> 8 & 0xFF)
        except ptrace.Gone:
            return  # killed meanwhile: its end is reported next

    def _signalled(self, task: Task, event: int, number: int) -> None:
        """Handle a stop outside a call: an event, or a signal to deliver."""
        if event == 0:
            if number in CORE_SIGNALS:
                self._dump_files[task.process] = dump_file(task.tid)
            ptrace.resume(ptrace.SYSCALL if task.pending else ptrace.CONT, task.tid, number)
        elif event == ptrace.EVENT_STOP and number in _STOPPING:
            ptrace.resume(ptrace.LISTEN, task.tid)
        else:
            if event in _NEW_TASK:
                self._tasks.add_child(task, event)
                self._limit_processes()
            elif event == ptrace.EVENT_EXEC:
                task = self._tasks.note_exec(task)
            ptrace.resume(ptrace.SYSCALL if task.pending else ptrace.CONT, task.tid)

    def _handle_end(self, tid: int, status: int) -> None:
        task = self._tasks.pop(tid, None)
        self._members.add_ended(tid)
        if task is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) in CORE_SIGNALS:
            self._handle_crash(task, status)
        if tid != self._root:
            return
        self._shutdown.command_ended(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))

    def _handle_crash(self, task: Task, status: int) -> None:
        """Remember a process that left no core dump although it was to do so."""
        if task.tid in self._dump_files:
            file = self._dump_files.pop(task.tid)
        else:  # killed by a seccomp filter, without a stop: assume what the command began with
            file = dump_file(os.getpid(), self.spec.cwd) if task.tid == task.process else None
        if file is not None and not os.WCOREDUMP(status):
            self._crashes.append(Crash(task.tid, task.comm, file, os.WTERMSIG(status)))

    def _limit_processes(self) -> None:
        """Kill the run at once if it has too many processes and threads: SIGTERM first would let it grow."""
        limit = self.spec.max_processes
        if limit is None or len(self._tasks) <= limit or self._shutdown.is_killing:
            return
        self._hit_process_limit = True
        self.channel.notice(f"The run was killed: it had more than {limit} processes and threads at once.")
        self._shutdown.kill()

    # The end

    def outcome(self) -> dict[str, Any]:
        """Return the last event."""
        # The runner may lag behind: send what was held back while the pipe was full.
        self.channel.send(self._calls.rows.take_changes())
        if failure := read_failure(self._child_report):
            self.channel.notice(f"The command was not started: {failure}.")
        self._confirmation.conclude(
            self._calls.rows, self._deciders, self._policies, self._crashes, root=self._root, abi=self._abi
        )
        if self._calls.failed:
            self.channel.notice(f"{self._calls.failed} calls could not be shown.")
        if self._calls.rows.overflowed:
            self.channel.notice("Too many different accesses to list: the last ones are counted without paths.")
        exit_code = self._shutdown.exit_code
        if exit_code is None or self._hit_process_limit:
            exit_code = 125  # after the limit, the command's own status means nothing: it may have ended well before
        return {
            "finished": {
                "exit_code": exit_code,
                "duration_s": round(time.monotonic() - self._started, 6),
                "abi": [self._kernel_abi, self._abi],
                "denied_last": self._calls.rows.denied_last,
            }
        }

    def close(self) -> None:
        """Leave nothing behind in the kernel."""
        self._confirmation.close()

    def not_started(self, code: int, message: str) -> dict[str, Any]:
        """Return the last event of a run that was not started."""
        return failed(code, message, self._kernel_abi, self._abi)


def failed(code: int, message: str, kernel_abi: int = 0, abi: int = 0) -> dict[str, Any]:
    """Return the last event of a run that was not started."""
    return {"failed": {"code": code, "message": message, "abi": [kernel_abi, abi]}}
