"""The process that watches a run: starts the command under the policy, follows all its processes, and reports.

The runner starts it as ``python -m editor.sandbox.tracing.tracer REQUEST EVENTS CONTROL`` with three descriptors: the
request (``wire.Spec``, read to its end), events (JSON lines out), and control (``stop`` comes in; a hang-up means that
the caller is gone).

It is one thread in one loop: wait until a traced thread stops, record why, resume it. A call worth seeing stops twice:
at entry, by the seccomp filter, and at exit, with the kernel's result. All other calls run at full speed. The loop and
what it does at each stop are one concern with one state, hence the length of this module.
"""

import ctypes
import errno
import fcntl
import gc
import json
import os
import signal
import sys
import time
from typing import Any, NamedTuple

from editor.escape import printable
from editor.evaluation.decision import Entry
from editor.evaluation.layers import Deciders
from editor.evaluation.mounts import read_mounts
from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RightSet, known_rights
from editor.sandbox import syscalls
from editor.sandbox.calls.attempt import AccessRequest, Attempt, signed
from editor.sandbox.calls.files import open_at
from editor.sandbox.calls.paths import AT_FDCWD
from editor.sandbox.calls.processes import PR_SET_NAME
from editor.sandbox.calls.table import DECODERS, traced_calls
from editor.sandbox.channel import Channel
from editor.sandbox.tracing import ptrace, seccomp
from editor.sandbox.tracing.addresses import Addresses
from editor.sandbox.tracing.child import Child, NotStarted, read_failure, read_ready
from editor.sandbox.tracing.confirmation import Confirmation
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.tracing.task import STRING_LIMIT, SharedState, Task
from editor.sandbox.verdicts.births import Births
from editor.sandbox.verdicts.call_decider import CallerId
from editor.sandbox.verdicts.core_dumps import CORE_SIGNALS, Crash, dump_file
from editor.sandbox.verdicts.report import listed_processes
from editor.sandbox.verdicts.rows import Row, Rows
from editor.sandbox.verdicts.verdict import Judge
from editor.sandbox.wire import Spec

# Poll up to this often before sleeping: a resumed thread stops again after some 20 microseconds, and waking up takes
# longer (100,000 opens: 11.6 s when sleeping at once, 4.0 s with polling). If polling does not pay, because threads
# compute or wait for a processor, it is reduced, down to the minimum.
_SPINS = 50
_MIN_SPINS = 2
_SOON_S = 0.0001  # a stop this soon would have been worth polling for
_TURN = 32
_FLUSH_S = 0.06
_IDLE_TICK_S = 1.0
# Filesystem changes by other processes are noticed after this time; those of traced processes at once.
_REMEMBER_S = 1.0
_GRACE_S = 0.6  # between SIGTERM and SIGKILL
_GIVE_UP_S = 5.0  # a killed process that is still there hangs in the kernel
# wait(2) statuses: the low byte of all stops, and the two stops of a call.
_STOPPED = 0x7F
_ENTERING = ptrace.EVENT_SECCOMP << 16 | signal.SIGTRAP << 8 | _STOPPED
_LEAVING = ptrace.SYSCALL_STOP_SIGNAL << 8 | _STOPPED
_STOPPING = frozenset({signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_IO_URING = frozenset({"io_uring_setup"})
# What Landlock answers, and kinds of calls that it may answer so because of a file.
_REFUSALS = frozenset({-errno.EACCES, -errno.EPERM, -errno.EXDEV})
_ON_FILES = frozenset({"open", "exec", "carried", "directory"})
_NEW_TASK = frozenset({ptrace.EVENT_FORK, ptrace.EVENT_VFORK, ptrace.EVENT_CLONE})
_MAX_NOTICED_FAILURES = 20
_MAKING = os.O_CREAT | os.O_TMPFILE
_MAKING_FILE: RightSet = frozenset({"make_reg"})
_OPENING_CALLS = frozenset({"open", "openat", "openat2", "creat"})


class _Opening(NamedTuple):
    """A call that opens a file: the position of its flags; the path is the argument before."""

    name: str
    flags_at: int


_OPENINGS = (_Opening("open", 1), _Opening("openat", 2))


class Tracer:
    """One run, from building the ruleset to its outcome."""

    def __init__(self, spec: Spec, channel: Channel, control: int, signals: TracerSignals) -> None:
        self.spec = spec
        self.channel = channel
        self._shared = SharedState()
        self._control = control
        self._signals = signals
        self._machine = syscalls.machine()
        self._names = {
            arch: syscalls.names(arch) for arch in (self._machine.native, self._machine.compat) if arch is not None
        }
        self._openings = {
            (arch, number): opening
            for arch, names in self._names.items()
            for number, name in names.items()
            for opening in _OPENINGS
            if name == opening.name
        }
        self._tasks: dict[int, Task] = {}
        self._ended: set[int] = set()  # no larger than the number of process ids
        self._addresses = Addresses()
        self._births = Births()
        self._fuse_before = _fuse_mounts("self")
        # Attempts of calls seen before, and their keys by object ("": no object yet).
        self._attempts: dict[tuple[object, ...], Attempt] = {}
        self._attempts_on: dict[str, list[tuple[object, ...]]] = {}
        # The rows of an attempt that ended with an errno (0: none) in a process of this name.
        self._outcomes: dict[tuple[Attempt, int, str], tuple[Row, ...]] = {}
        self._next_forget = 0.0
        self._rows = Rows()
        self._root = 0
        self._exit_code: int | None = None
        self._killing = False
        self._deadline: float | None = None  # of the run, then of its shutdown
        self._shutdown = ""
        self._confirmation = Confirmation(spec, channel)
        # Where a core dump of a process would go that a signal may be about to kill, and those that left none.
        self._dump_files: dict[int, str | None] = {}
        self._crashes: list[Crash] = []
        self._failed_calls = 0
        self._child_report = -1  # the forked process writes here why it could not become the command
        self._kernel_abi = 0
        self._abi = 0
        self._started = time.monotonic()
        self._next_flush = self._started + _FLUSH_S
        self._interval = 0.0
        self._spins = _SPINS
        self._policies = (spec.resolved, *spec.layers)
        self._observing = self._shared.is_afresh = spec.mode == "observe"
        self._hit_process_limit = False
        self._deciders: Deciders
        self._judge: Judge

    # Answers to the judge

    def has_process(self, pid: int) -> bool:
        """Whether a process belongs to the run, or did until it ended."""
        if pid in self._tasks:
            return True
        parent = _parent_of(pid)
        # One that has ended stays in /proc until its parent asks for its status.
        return pid in self._ended if parent is None else parent in self._tasks

    def is_command(self, pid: int) -> bool:
        """Whether a process is the one that became the command."""
        return pid == self._root

    def has_address(self, name: str, tid: int) -> bool:
        """Whether an abstract UNIX address leads thread ``tid`` to a socket of the run."""
        return self._addresses.owns(name, tid, {task.process for task in self._tasks.values()})

    def has_socket_file(self, entry: Entry | None) -> bool:
        """Whether the run created the file of a UNIX socket."""
        return self._addresses.owns_file(entry)

    def made_in(self, request: AccessRequest) -> str | None:
        """Return the directory in which the run made the object, or one above it; None if it made none of them."""
        return self._births.made_in(request)

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
        code = seccomp.build_filter(self._machine, traced_calls(known_rights(self._abi) & handled), refused)
        go_read, go_write = os.pipe()
        report_read, report_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            Child(spec, code, self._signals, report_write).run(go_read)
        self._root = pid
        os.close(go_read)
        os.close(report_write)
        try:
            self._await_ready(report_read, pid)
            ptrace.seize(pid)
        except (NotStarted, OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        self._tasks[pid] = Task(self._shared, pid)
        self._started = time.monotonic()
        if spec.timeout is not None:
            self._deadline = self._started + spec.timeout
        os.set_blocking(report_read, False)
        self._child_report = report_read
        os.write(go_write, b"g")
        os.close(go_write)
        for fd in {spec.stdin, spec.stdout, spec.stderr, *spec.inherited}:
            os.close(fd)

    def _await_ready(self, report: int, pid: int) -> None:
        """Wait until the forked process ``pid`` has built the rules, and get ready to judge what it does under them."""
        spec = self.spec
        ready = read_ready(report, pid, self._policies)
        for note in ready.notes:
            if note.kind != "not_for_file":  # the policy tells whether that is intended
                self.channel.notice(note.text)
        self._deciders = Deciders(ready.policies, self._abi, self._shared.errata)
        self._confirmation.open_audit(self._kernel_abi)
        self._judge = Judge(
            self._deciders, spec.mode, self._abi, self, notice=self.channel.notice, notice_unseen=self._notice_unseen
        )

    # The loop

    def run(self) -> None:
        """Follow the run until no process of it is left."""
        waitpid, flags = os.waitpid, os.WNOHANG | ptrace.WALL
        handled = 0
        try:
            while self._shutdown != "given up":
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
        soon = self._rows.has_changes or not self.channel.is_drained or self._deadline is not None
        interval = _FLUSH_S if soon else _IDLE_TICK_S
        if interval != self._interval:
            self._interval = interval
            self._signals.set_timer(interval)
        began = time.monotonic()
        found = ptrace.wait()
        self._spins = _SPINS if time.monotonic() - began < _SOON_S else max(_MIN_SPINS, self._spins // 2)
        return found

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
                self._drop_caches()
        if self._deadline is not None and now >= self._deadline:
            self._advance_shutdown(now)

    def _flush(self) -> None:
        self._confirmation.read()
        self.channel.flush()
        if self.channel.is_closed and not self._killing:
            self._kill()
        if self.channel.is_drained:
            self.channel.send(self._rows.take_changes())

    def _drop_caches(self) -> None:
        self._shared.generation += 1
        self._shared.walker.forget()
        self._attempts.clear()
        self._attempts_on.clear()
        self._outcomes.clear()
        self._deciders.forget()

    def _check_control(self) -> None:
        """Check whether the run is to stop, because the runner or a signal says so."""
        if self._signals.terminate_requested:
            self.stop()
        try:
            word = os.read(self._control, 64)
        except BlockingIOError:
            return
        if word:
            self.stop()
        elif not self._killing:  # the runner is gone
            self._kill()

    # Ending

    def stop(self) -> None:
        """Ask every process to end; what is left after the grace period is killed."""
        if self._shutdown in ("", "lingering", "waiting"):
            self._shutdown = "asked"
            if self._exit_code is not None and self._tasks:
                option = "" if self.spec.wait else " (--wait waits for them)"
                shown = listed_processes(self._processes())
                self.channel.notice(f"Processes that outlived the command were terminated{option}: {shown}.")
            # From now on, orphans become children of this process, which reaps them.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            self._deadline = time.monotonic() + _GRACE_S
            self._signal_all(signal.SIGTERM)
            self._signal_all(signal.SIGCONT)

    def _kill(self) -> None:
        self._killing = True
        self._shutdown = "killed"
        self._deadline = time.monotonic() + _GIVE_UP_S
        self._signal_all(signal.SIGKILL)

    def _advance_shutdown(self, now: float) -> None:
        if self._shutdown in ("", "waiting"):
            self.channel.notice(f"The run was stopped after {self.spec.timeout:g} seconds.")
            self.stop()
        elif self._shutdown == "lingering" and self.spec.wait:
            self._shutdown = "waiting"
            self._deadline = None if self.spec.timeout is None else self._started + self.spec.timeout
            left = {"exit_code": self._exit_code, "processes": self._processes()}
            self.channel.send([json.dumps({"lingering": left})])
        elif self._shutdown == "lingering":
            self.stop()
        elif self._shutdown == "asked":
            self._kill()
        else:
            self.channel.notice("Some killed processes hang in the kernel; they will end when it releases them.")
            self._shutdown = "given up"
            self._deadline = now + _GIVE_UP_S

    def _processes(self) -> list[tuple[int, str]]:
        """Return the id and name of each process of the run, without its threads."""
        return sorted({task.process: task.comm for task in self._tasks.values()}.items())

    def _signal_all(self, number: signal.Signals) -> None:
        for tid in list(self._tasks):
            try:
                os.kill(tid, number)
            except OSError:
                continue  # gone, or about to be

    # Stops

    def _handle_stop(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if status & 0xFF != _STOPPED:
            self._handle_end(tid, status)
            return
        if task is None:
            task = self._tasks[tid] = Task(self._shared, tid)
            if self._killing:
                os.kill(tid, signal.SIGKILL)
            else:
                self._limit_processes()
        try:
            if status == _ENTERING:
                self._handle_entry(task)
            elif status == _LEAVING:
                self._handle_exit(task)
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
                self._add_child(task, event)
            elif event == ptrace.EVENT_EXEC:
                task = self._handle_exec(task)
            ptrace.resume(ptrace.SYSCALL if task.pending else ptrace.CONT, task.tid)

    def _handle_end(self, tid: int, status: int) -> None:
        task = self._tasks.pop(tid, None)
        self._ended.add(tid)
        if task is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) in CORE_SIGNALS:
            self._handle_crash(task, status)
        if tid != self._root:
            return
        self._exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        if not self._shutdown:
            self._shutdown = "lingering"
            self._deadline = time.monotonic() + _GRACE_S

    def _handle_crash(self, task: Task, status: int) -> None:
        """Remember a process that left no core dump although it was to do so."""
        if task.tid in self._dump_files:
            file = self._dump_files.pop(task.tid)
        else:  # killed by a seccomp filter, without a stop: assume what the command began with
            file = dump_file(os.getpid(), self.spec.cwd) if task.tid == task.process else None
        if file is not None and not os.WCOREDUMP(status):
            self._crashes.append(Crash(task.tid, task.comm, file, os.WTERMSIG(status)))

    def _add_child(self, parent: Task, event: int) -> None:
        tid = ptrace.event_message(parent.tid)
        child = self._tasks.setdefault(tid, Task(self._shared, tid))
        if event != ptrace.EVENT_CLONE:
            child._process = tid  # certainly not a thread
        self._limit_processes()

    def _limit_processes(self) -> None:
        """Kill the run at once if it has too many processes and threads: SIGTERM first would let it grow."""
        limit = self.spec.max_processes
        if limit is None or len(self._tasks) <= limit or self._killing:
            return
        self._hit_process_limit = True
        self.channel.notice(f"The run was killed: it had more than {limit} processes and threads at once.")
        self._kill()

    def _handle_exec(self, task: Task) -> Task:
        former = ptrace.event_message(task.tid)
        if former != task.tid:  # a thread other than the first executed, and is now the whole process
            survivor = self._tasks.pop(former, None)
            if survivor is not None:
                survivor.tid = task.tid
                self._tasks[task.tid] = task = survivor
        task.forget_name()
        return task

    def _handle_entry(self, task: Task) -> None:
        task.call = call = ptrace.entered_call(task.tid)
        # Resume the thread before decoding: waking it takes as long, and it stops again at the call's exit, before it
        # can change what it passed. A call that may create something is decoded first, while that does not exist.
        opening = self._openings.get((call.arch, call.number))
        early = opening is not None and not call.arguments[opening.flags_at] & _MAKING
        if early:
            ptrace.resume(ptrace.SYSCALL, task.tid)
        attempt = None
        try:
            attempt = self._decode(task, call) if opening is None else self._decode_open(task, opening, call.arguments)
        except ptrace.BadMemory as error:
            attempt = Attempt("plain")  # the kernel fails the call with EFAULT, too, before any check
            if error.errno == errno.EPERM:
                self.channel.notice(
                    f"{task.comm} hides its memory and descriptors from other processes of its user (as after prctl "
                    "PR_SET_DUMPABLE): the kernel enforces the policy, but only root can see what it does now."
                )
        except ptrace.Gone:
            raise
        except Exception as error:  # whatever a program passes, keep tracing and report what was missed
            self._report_unreadable(task, call, error)
        task.pending = attempt
        if attempt is not None:
            task.name_before_exec = task.comm if attempt.kind == "exec" else ""
        if not early:
            ptrace.resume(ptrace.CONT if attempt is None else ptrace.SYSCALL, task.tid)

    def _report_unreadable(self, task: Task, call: ptrace.Call, error: Exception) -> None:
        self._failed_calls += 1
        if self._failed_calls <= _MAX_NOTICED_FAILURES:
            self.channel.notice(
                f"A call of {task.comm} could not be decoded ({self._name_of(call)}: {type(error).__name__}: {error})."
            )

    def _name_of(self, call: ptrace.Call) -> str:
        return self._names.get(call.arch, {}).get(call.number, f"call {call.number}")

    def _decode(self, task: Task, call: ptrace.Call) -> Attempt | None:
        names = self._names.get(call.arch)
        number = call.number
        if names is None:
            self.channel.notice(
                f"{task.comm} makes 32-bit system calls, which Paddock cannot decode on this processor."
            )
            return None
        name = names.get(number)
        task.pointer_size = 4 if call.arch == syscalls.AUDIT_ARCH_I386 or number & syscalls.X32_BIT else 8
        if name is None or name == "clone":
            return None
        if name == "prctl" and call.arguments[0] & 0xFFFFFFFF == PR_SET_NAME:
            if task.tid == task.process:
                task.forget_name()
            return None
        attempt = DECODERS[name](task, call.arguments)
        if attempt is not None and not attempt.syscall:
            attempt.syscall = name
        return attempt

    def _decode_open(self, task: Task, opening: _Opening, arguments: tuple[int, ...]) -> Attempt:
        name, flags_at = opening
        flags = arguments[flags_at]
        raw = ptrace.read_string(task.tid, arguments[flags_at - 1], STRING_LIMIT)
        directory = signed(arguments[0]) if flags_at > 1 else AT_FDCWD
        key: tuple[object, ...] | None = None
        if raw[:1] == b"/":
            task.refresh_view()
            key = (name, flags, raw, task.view.prefix)
        elif directory == AT_FDCWD:
            key = (name, flags, raw, task.refresh_view(), task.view.prefix)
        attempt = self._attempts.get(key) if key is not None else None
        if attempt is None:
            attempt = open_at(task, directory, os.fsdecode(raw), flags)
            attempt.syscall = name
            if key is not None and attempt.cacheable:
                self._attempts[key] = attempt
                for path in (attempt.requests[-1].object_path or "", *attempt.changed_paths):
                    self._attempts_on.setdefault(path, []).append(key)
        return attempt

    def _handle_exit(self, task: Task) -> None:
        attempt = task.pending
        task.pending = None
        if attempt is None:
            ptrace.resume(ptrace.CONT, task.tid)
            return
        result = ptrace.call_result(task.tid)
        error = min(0, result)
        comm = task.name_before_exec or task.comm
        if (error in _REFUSALS and attempt.kind in _ON_FILES) or self._is_outdated(task, attempt, result):
            known = self._make_rows(task, self._decode_afresh(task, attempt), result, comm)
        else:
            known = self._known_rows(task, attempt, result, comm)
        ptrace.resume(ptrace.CONT, task.tid)
        for row in known:
            self._rows.increment(row)
        self._confirmation.mark(task.tid, known)
        has_made = bool(attempt.made[1]) and (error == 0 or attempt.kind == "open")  # refused, it may leave a new file
        if has_made:
            self._births.record(attempt)
        if error == 0 or has_made:
            self._apply_effects(attempt)
        if error == 0 and attempt.kind == "topology":
            self._avoid_new_fuse_mounts(task)
        if attempt.notice:
            self.channel.notice(attempt.notice)

    def _known_rows(self, task: Task, attempt: Attempt, result: int, comm: str) -> tuple[Row, ...]:
        """Return the rows of an attempt, from the cache if it ended the same way before."""
        error = min(0, result)
        known = self._outcomes.get((attempt, error, comm))
        if known is None:
            # Of what a rename or link found, nothing is left where it was.
            again = attempt.kind == "open" or (attempt.kind == "directory" and attempt.refer is None)
            if error == 0 and again and self._judge.is_surprising(attempt, CallerId(task.tid, task.process, comm)):
                attempt = self._decode_afresh(task, attempt)  # what was looked up before the call may be outdated
            known = self._make_rows(task, attempt, result, comm)
            # A refusal may depend on the process, which is not part of an attempt's key.
            if attempt.cacheable and error not in _REFUSALS:
                self._outcomes[attempt, error, comm] = known
        return known

    def _is_outdated(self, task: Task, attempt: Attempt, descriptor: int) -> bool:
        """Whether a call opened another object than was looked up before it.

        Only asked where nothing is enforced: otherwise the kernel's answer counts, whatever the object's name.
        """
        if not self._observing or descriptor < 0 or attempt.kind != "open" or attempt.syscall not in _OPENING_CALLS:
            return False
        expected = attempt.requests[-1].entry
        if expected is None:
            return attempt.requests[-1].object_path is None
        try:
            opened = os.stat(f"/proc/{task.tid}/fd/{descriptor}")
        except OSError:
            return False
        return expected.identity != (opened.st_dev, opened.st_ino)

    def _decode_afresh(self, task: Task, attempt: Attempt) -> Attempt:
        """Decode the call that has just ended again, from the thread as it is now, without anything remembered.

        A refused call has changed nothing, so it would reach the same objects, apart from a file that it created before
        it was refused.
        """
        call = task.call
        if call is None or attempt.from_result:
            return attempt
        task.is_afresh = True
        task.makes_file = attempt.kind == "open" and attempt.requests[0].rights == _MAKING_FILE
        task.forget_directory()
        try:
            found = self._decode(task, call)
        except (ptrace.BadMemory, OSError):
            return attempt
        finally:
            task.is_afresh, task.makes_file = self._observing, False
        if found is None:
            return attempt
        found.cacheable = False
        if [each.object_path for each in found.requests] != [each.object_path for each in attempt.requests]:
            self._drop_caches()
        return found

    def _make_rows(self, task: Task, attempt: Attempt, result: int, comm: str) -> tuple[Row, ...]:
        caller = CallerId(task.tid, task.process, comm)
        try:
            if attempt.from_result and result >= 0:
                opened = task.look_up_descriptor(result)
                attempt.requests = tuple(
                    request._replace(path=opened.path, object_path=opened.real_path, entry=opened.entry, error=0)
                    for request in attempt.requests
                )
            accesses = self._judge.rows(attempt, result, caller)
        except ptrace.Gone:
            raise
        except Exception as error:  # a call that cannot be judged must not end the run
            self._failed_calls += 1
            self.channel.notice(
                f"A call of {caller.comm} could not be judged ({attempt.syscall}: {type(error).__name__}: {error})."
            )
            return ()
        return tuple(self._rows.row_for(access) for access in accesses)

    def _apply_effects(self, attempt: Attempt) -> None:
        if attempt.bound_socket:
            bound = attempt.requests[0]
            if bound.rights:  # by a path, on whose directory it needs a right
                self._addresses.add_file(Entry.at(f"{bound.tracer_path}/{os.path.basename(bound.path or '')}"))
            else:
                self._addresses.add_socket(attempt.bound_socket)
        if attempt.moves == "directory":
            self._shared.generation += 1
        elif attempt.moves or attempt.tree_change == "gone":
            self._drop_caches()
        elif attempt.changed_paths:
            for path in attempt.changed_paths:
                self._deciders.forget(path)
                for key in self._attempts_on.pop(path, ()):
                    self._attempts.pop(key, None)
            if attempt.tree_change == "new":  # paths that led nowhere may exist now
                self._shared.walker.forget(missing_only=True)
                for key in self._attempts_on.pop("", ()):
                    self._attempts.pop(key, None)

    def _avoid_new_fuse_mounts(self, task: Task) -> None:
        """Stop examining filesystems that a process of the run may serve (FUSE): that could block forever."""
        found = _fuse_mounts("self") | {task.view.host_path(point) for point in _fuse_mounts(str(task.tid))}
        new = sorted(found - self._fuse_before - {*self._shared.walker.served_mounts})
        self._shared.walker.served_mounts += tuple(new)
        for point in new:
            self.channel.notice(
                f"Files below {printable(point)} are not examined: a program serves them (FUSE), and it may be part of"
                " this run."
            )

    # The end

    def outcome(self) -> dict[str, Any]:
        """Return the last event."""
        # The runner may lag behind: send what was held back while the pipe was full.
        self.channel.send(self._rows.take_changes())
        if failure := read_failure(self._child_report):
            self.channel.notice(f"The command was not started: {failure}.")
        self._confirmation.conclude(
            self._rows, self._deciders, self._policies, self._crashes, root=self._root, abi=self._abi
        )
        if self._failed_calls:
            self.channel.notice(f"{self._failed_calls} calls could not be shown.")
        if self._rows.overflowed:
            self.channel.notice("Too many different accesses to list: the last ones are counted without paths.")
        return {
            "finished": {
                # After the process limit, the command's own status means nothing: it may have ended well before its
                # children.
                "exit_code": 125 if self._exit_code is None or self._hit_process_limit else self._exit_code,
                "duration_s": round(time.monotonic() - self._started, 6),
                "abi": [self._kernel_abi, self._abi],
            }
        }

    def close(self) -> None:
        """Leave nothing behind in the kernel."""
        self._confirmation.close()

    def not_started(self, code: int, message: str) -> dict[str, Any]:
        """Return the last event of a run that was not started."""
        return _failed(code, message, self._kernel_abi, self._abi)


def _failed(code: int, message: str, kernel_abi: int = 0, abi: int = 0) -> dict[str, Any]:
    return {"failed": {"code": code, "message": message, "abi": [kernel_abi, abi]}}


def _parent_of(pid: int) -> int | None:
    """Return the parent of a process, None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def _fuse_mounts(process: str) -> set[str]:
    """Return the mount points of FUSE filesystems that ``process`` (a number, or ``self``) sees."""
    return {each.point for each in read_mounts(process) if each.kind.startswith("fuse")}


def _problem_of_proc() -> str:
    """Return why /proc cannot tell about the processes of this PID namespace, empty if it can.

    Their names, descriptors and directories are read there: from another namespace's, they would be those of strangers.
    """
    try:
        shown = os.readlink("/proc/self")
    except OSError:
        return "/proc is not mounted, and without it Paddock cannot see what a program does"
    if shown != str(os.getpid()):
        return "/proc belongs to another PID namespace; mount this one's (mount -t proc proc /proc)"
    return ""


def _run(tracer: Tracer) -> dict[str, Any]:
    """Run the command to its end; return the last event."""
    try:
        tracer.prepare()
        tracer.start()
        tracer.run()
    except NotStarted as error:
        return tracer.not_started(error.code, str(error))
    except kernel.LandlockError as error:
        return tracer.not_started(125, error.strerror or str(error))
    except OSError as error:
        return tracer.not_started(125, str(error))
    else:
        return tracer.outcome()
    finally:
        tracer.close()


def main(arguments: list[str]) -> int:
    """Trace one run from its request to its last event. The exit status only says whether the tracer itself worked."""
    request, events, control = (int(argument) for argument in arguments)
    for descriptor in (request, events, control):
        os.set_inheritable(descriptor, False)
    signals = TracerSignals()
    gc.set_threshold(200_000, 50, 50)  # almost nothing here is cyclic, and a full collection visits all rows
    os.set_blocking(control, False)
    fcntl.fcntl(control, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(control, fcntl.F_SETFL, fcntl.fcntl(control, fcntl.F_GETFL) | os.O_ASYNC)
    channel = Channel(events, control)
    with open(request, encoding="ascii") as file:
        spec = Spec.from_text(file.read())
    for descriptor in (spec.stdin, spec.stdout, spec.stderr):
        os.set_inheritable(descriptor, False)
    if spec.die_with_parent:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    problem = _problem_of_proc()
    channel.finish(_failed(125, problem) if problem else _run(Tracer(spec, channel, control, signals)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
