"""Starts a run and reads its events: the side of the tester that the screen and the command line use.

The command runs under a tracer process of its own (``editor.sandbox.tracing.main``), connected by pipes only: a run
can neither block nor crash its caller, and if the caller dies, the tracer kills everything that it started.
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import Any, Literal, NamedTuple

from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI
from editor.sandbox.environment import original_environment
from editor.sandbox.events import AccessUpdate, Answer, Event, Finished, Lingering, Notice, Output, Question, Withdrawn
from editor.sandbox.streams import Streams, set_size
from editor.sandbox.verdicts.report import AbiUsed, Access, Mode, Report
from editor.sandbox.wire import Spec, policy_out

_CHUNK = 1 << 16
# Isolated and without site packages: the working directory must not decide which code runs, and startup is faster.
_BOOT = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
    "sys.exit(importlib.import_module(sys.argv[2]).main(sys.argv[3:]))"
)
_TRACER_LOST = 125
_LAST_RESORT_S = 8.0  # longer than the tracer itself waits for processes that hang


class RunRequest(NamedTuple):
    """What to run, and how.

    ``env`` None is this process's original environment. ``stdin``, ``stdout`` and ``stderr`` are descriptors for the
    command; None means /dev/null for input, and for output a pipe whose data arrives as ``Output`` events. With
    ``pty``, None means a new terminal of ``size`` (rows, columns) instead. If ``stdin`` is given, the command stays in
    the caller's session, so that the terminal's keys reach it; otherwise it gets its own session. ``timeout`` is in
    seconds.

    ``confirm`` compares denials with the kernel's audit: True turns audit on for the run, None uses it if it is on and
    readable, False does not use it. ``layers`` are policies on top of ``resolved``, each a domain nested in the one
    before. A run with more than ``max_processes`` processes and threads at a time is killed, with status 125.
    ``deny_io_uring`` makes io_uring_setup(2) fail with ENOSYS. With ``wait``, the run lasts as long as any process that
    the command started, such as a daemon; otherwise what outlives the command is ended. ``inherited`` are descriptors
    above 2 that the command gets as well, under the same numbers.

    In mode "ask", nothing is enforced: a call that the policy denies something of waits for the answer to a
    ``Question``, for ``ask_timeout`` seconds at most (None: without a limit); then the answer is ``ask_default``.
    """

    resolved: ResolvedPolicy
    command: tuple[str, ...]
    mode: Mode = "enforce"
    abi: int | None = None
    cwd: str = ""
    env: dict[str, str] | None = None
    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    timeout: float | None = None
    pty: bool = False
    size: tuple[int, int] = (24, 80)
    confirm: bool | None = None
    layers: tuple[ResolvedPolicy, ...] = ()
    max_processes: int | None = None
    deny_io_uring: bool = False
    wait: bool = False
    inherited: tuple[int, ...] = ()
    ask_timeout: float | None = None
    ask_default: Literal["allow", "deny"] = "deny"


class Run:
    """A run in progress.

    ``stop``, ``answer``, ``write`` and ``resize`` are thread-safe; call the rest from one thread.
    """

    def __init__(
        self, request: RunRequest, process: "subprocess.Popen[bytes]", pipes: "_Pipes", streams: Streams
    ) -> None:
        self._request = request
        self._process = process
        self._events, self._control, self._errors = pipes
        self._outputs = streams.outputs
        self._terminal = streams.terminal
        self._partial = b""
        self._rows: dict[int, Access] = {}
        self._notes: list[str] = []
        self._outcome: tuple[int, float, AbiUsed] | None = None
        self._denied_last: tuple[int, ...] = ()
        self._report: Report | None = None
        self._last_resort: threading.Timer | None = None
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._poller = select.epoll()
        for descriptor in (self._events, *self._outputs):
            os.set_blocking(descriptor, False)
            self._poller.register(descriptor, select.EPOLLIN)

    @property
    def report(self) -> Report | None:
        """The whole report, or None while the run goes on."""
        return self._report

    def fileno(self) -> int:
        """Return a descriptor that is readable when ``read_events`` has something. Not valid after ``Finished``."""
        return self._poller.fileno()

    def read_events(self) -> list[Event]:
        """Return what happened since the last call, without waiting; ``Finished`` comes once, last."""
        if self._report is not None:
            return []
        found: list[Event] = []
        ended = False
        for descriptor, _ in self._poller.poll(0):
            if descriptor == self._events:
                ended = self._read_tracer(found) or ended
            else:
                self._read_output(descriptor, found)
        if ended:
            self._finish(found)
        return found

    def wait(self) -> Report:
        """Block until the run is over. Output that is not redirected is read and dropped."""
        while self._report is None:
            select.select([self._poller.fileno()], [], [])
            self.read_events()
        return self._report

    def stop(self) -> None:
        """End every process of the run: SIGTERM, then SIGKILL a moment later. ``Finished`` follows.

        If the tracer itself hangs in the kernel (in a filesystem that does not answer, say), it is killed some seconds
        later, and the kernel kills whatever it traces.
        """
        with self._lock, contextlib.suppress(OSError):  # already over
            if self._control < 0:
                return
            os.write(self._control, b'{"stop": true}\n')
            if self._last_resort is None:
                self._last_resort = threading.Timer(_LAST_RESORT_S, self._process.kill)
                self._last_resort.daemon = True
                self._last_resort.start()

    def answer(self, number: int, answer: Answer) -> None:
        """Answer the question ``number``, which may have been withdrawn meanwhile: then nothing happens."""
        message = {
            "answer": number,
            "choice": answer.choice,
            "policies": [policy_out(policy) for policy in answer.policies],
        }
        with self._lock, contextlib.suppress(OSError):  # already over
            if self._control >= 0:
                text = json.dumps(message).encode("ascii") + b"\n"
                while text:
                    text = text[os.write(self._control, text) :]

    def write(self, data: bytes) -> None:
        """Type ``data`` into the command's terminal. Raises OSError if it has none, or if the terminal is closed."""
        with self._lock:
            if self._terminal is None:
                raise OSError("the command has no terminal of its own")
            while data:
                data = data[os.write(self._terminal, data) :]

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the command's terminal, if it has one."""
        with self._lock, contextlib.suppress(OSError):
            if self._terminal is not None:
                set_size(self._terminal, (rows, columns))

    # Reading

    def _read_output(self, descriptor: int, found: list[Event]) -> bool:
        """Read one piece of output; return False if there is none for now."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last process has closed the terminal
            data = b""
        if data:
            found.append(Output(self._outputs[descriptor], data))
            return True
        self._poller.unregister(descriptor)
        self._close_output(descriptor)
        return False

    def _close_output(self, descriptor: int) -> None:
        with self._lock:
            del self._outputs[descriptor]
            if descriptor == self._terminal:
                self._terminal = None
            os.close(descriptor)

    def _read_tracer(self, found: list[Event]) -> bool:
        """Read events from the tracer; return True at their end."""
        try:
            data = os.read(self._events, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            return True
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._handle_event(json.loads(line), found)
        return False

    def _handle_event(self, event: dict[str, Any], found: list[Event]) -> None:
        if "more" in event:
            for number, increase in event["more"]:
                known = self._rows[number]
                self._rows[number] = known._replace(times=known.times + increase)
                found.append(AccessUpdate(known._replace(times=increase)))
        elif "row" in event:
            access = Access.from_json(event["access"])
            self._rows[event["row"]] = access
            found.append(AccessUpdate(access))
        elif "confirmed" in event:
            for number, confirmed in event["confirmed"]:
                self._rows[number] = self._rows[number]._replace(confirmed=confirmed)
                found.append(AccessUpdate(self._rows[number]._replace(times=0)))
        elif "notice" in event:
            self._note(event["notice"], found)
        elif "lingering" in event:
            left = event["lingering"]
            found.append(Lingering(int(left["exit_code"]), tuple((pid, name) for pid, name in left["processes"])))
        elif "question" in event:
            asked = event["question"]
            accesses = tuple(map(Access.from_json, asked["accesses"]))
            found.append(Question(asked["number"], accesses, tuple((pid, name) for pid, name in asked["tree"])))
        elif "withdrawn" in event:
            found.append(Withdrawn(event["withdrawn"]))
        elif "failed" in event:
            self._note(event["failed"]["message"], found)
            self._outcome = (int(event["failed"]["code"]), 0.0, AbiUsed(*event["failed"]["abi"]))
        else:
            done = event["finished"]
            self._outcome = (int(done["exit_code"]), float(done["duration_s"]), AbiUsed(*done["abi"]))
            self._denied_last = tuple(done["denied_last"])

    def _note(self, text: str, found: list[Event]) -> None:
        self._notes.append(text)
        found.append(Notice(text))

    def _finish(self, found: list[Event]) -> None:
        status = self._process.wait()
        # No process of the run is alive: the pipes get no more data.
        for descriptor in list(self._outputs):
            while self._read_output(descriptor, found):
                pass
            if descriptor in self._outputs:
                self._poller.unregister(descriptor)
                self._close_output(descriptor)
        if self._outcome is None:
            last_error = _last_line(self._errors)
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            if last_error.startswith("MemoryError"):
                how, last_error = "it ran out of memory", ""
            self._note(
                f"The tracer ended unexpectedly ({how}); everything that it had started was killed, and the report "
                "ends there.",
                found,
            )
            if last_error:
                self._note(last_error, found)
            self._outcome = (_TRACER_LOST, time.monotonic() - self._began, _abi_of(self._request))
        with self._lock:
            os.close(self._control)
            self._control = -1
            if self._last_resort is not None:
                self._last_resort.cancel()
        os.close(self._events)
        os.close(self._errors)
        self._poller.close()
        code, duration, abi = self._outcome
        self._report = Report(
            policy=self._request.resolved.file,
            command=self._request.command,
            mode=self._request.mode,
            abi=abi,
            exit_code=code,
            duration_s=duration,
            accesses=tuple(access.settled() for access in self._rows.values()),
            notes=tuple(self._notes),
            layers=tuple(policy.file for policy in self._request.layers),
            denied_last=self._denied_last,
        )
        found.append(Finished(self._report))


class _Pipes(NamedTuple):
    """Our ends of the pipes: events from the tracer, control to it, and its standard error."""

    events: int
    control: int
    errors: int


def _abi_of(request: RunRequest) -> AbiUsed:
    """Return what the tracer, which is gone, would have said."""
    try:
        known = kernel.query_abi()
    except kernel.LandlockUnavailable:
        known = 0
    enforced = min(known or LATEST_ABI, LATEST_ABI)
    return AbiUsed(known, enforced if request.abi is None else min(request.abi, enforced))


def _last_line(descriptor: int) -> str:
    data = os.pread(descriptor, _CHUNK, 0)
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def start(request: RunRequest) -> Run:
    """Start a run. Safe in a threaded program: only ``subprocess`` forks.

    Problems of the command itself (not found, not executable) arrive as events, with exit status 125 to 127. Raises
    OSError if not even the tracer can be started, ValueError for an empty command or one with a NUL in it.
    """
    if not request.command or not request.command[0]:
        raise ValueError("there is no command to run")
    if any("\0" in word for word in request.command):
        raise ValueError("a command cannot contain a NUL")
    streams = Streams((request.stdin, request.stdout, request.stderr), request.size if request.pty else None)
    request_read, request_write = os.pipe()
    events_read, events_write = os.pipe()
    control_read, control_write = os.pipe()
    errors = os.memfd_create("tracer-errors")
    spec = Spec(
        resolved=request.resolved,
        command=request.command,
        mode=request.mode,
        abi=request.abi,
        cwd=os.path.abspath(request.cwd or "."),
        env=request.env if request.env is not None else original_environment(),
        stdin=streams.command_ends[0],
        stdout=streams.command_ends[1],
        stderr=streams.command_ends[2],
        session=request.stdin is None,
        terminal=streams.terminal is not None and request.stdin is None,
        timeout=request.timeout,
        # The kernel ties it to the starting thread: only the main thread lives as long as the process.
        die_with_parent=threading.current_thread() is threading.main_thread(),
        confirm=request.confirm,
        layers=request.layers,
        max_processes=request.max_processes,
        deny_io_uring=request.deny_io_uring,
        wait=request.wait,
        inherited=request.inherited,
        ask_timeout=request.ask_timeout,
        ask_default=request.ask_default,
    )
    try:
        process = subprocess.Popen(
            [
                sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BOOT,
                os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                f"editor.sandbox.{'supervisor' if request.mode == 'ask' else 'tracing'}.main",
                str(request_read), str(events_write), str(control_read),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(request_read, events_write, control_read, *streams.command_ends, *request.inherited),
        )  # fmt: skip
    except BaseException:
        streams.close()
        for descriptor in (request_read, request_write, events_read, events_write, control_read, control_write, errors):
            os.close(descriptor)
        raise
    for descriptor in (request_read, events_write, control_read, *streams.command_ends):
        os.close(descriptor)
    run = Run(request, process, _Pipes(events_read, control_write, errors), streams)
    with contextlib.suppress(BrokenPipeError), open(request_write, "w", encoding="ascii") as file:
        file.write(spec.to_text())  # the tracer reads it at once; if it died, its end is the first event
    return run
