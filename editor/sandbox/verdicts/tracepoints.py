"""Reads the kernel's trace events of Landlock, which tell of every check, also of those that allowed.

They came with Linux 7.3 (ABI 11) and need root and a mounted tracefs. Each run has a tracing instance of its own, so
that it neither sees nor disturbs other tracing. Sources: include/trace/events/landlock.h (events and their fields),
Documentation/trace/events-landlock.rst (meaning), Documentation/trace/ftrace.rst (instances, trace_marker).
"""

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

_PLACES = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_NAME = re.compile(r"paddock-(\d+)")
_SETTINGS = (
    ("trace_clock", "mono"),  # comparable between processors: a mark must come after what it ends
    ("buffer_size_kb", "2048"),  # of each processor; read many times a second
    ("options/event-fork", "1"),
    ("events/landlock/enable", "1"),
)
# Numbers of threads in events are those of the first pid namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h).
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
_CHUNK = 1 << 16
_MAX_KEPT = 200_000
_MAX_PENDING = 4096  # of a thread without traced calls, such as a worker of io_uring
# After the program's name (which may contain anything): thread, processor, flags, time, event, fields.
_LINE = re.compile(rb"-(\d+) +\[\d+\] +\S+ +[\d.]+: (?:landlock_)?(\w+): (.*)")
_MARK, _MARK_WORD = b"tracing_mark_write", b"paddock"
_FIELD = re.compile(r"(\w+)=(\S*)")
_OCTAL = re.compile(rb"\\([0-7]{3})")


class TracepointsUnavailable(OSError):
    """Landlock's trace events cannot be read here."""


class Event(NamedTuple):
    """One event: its name without ``landlock_``, and its fields as text."""

    name: str
    fields: Mapping[str, str]


class MarkedCall(NamedTuple):
    """The rows of a system call, and the events of its thread since the call before. Both may be empty."""

    rows: tuple[int, ...]
    events: tuple[Event, ...]


def parse_event(name: str, text: str) -> Event:
    """Parse an event's fields. Names and paths are written with octal escapes. Never raises."""
    return Event(name, {key: _plain(value) for key, value in _FIELD.findall(text)})


def _plain(value: str) -> str:
    if "\\" not in value:
        return value
    return os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), os.fsencode(value)))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _find() -> str:
    for place in _PLACES:
        if os.path.isdir(f"{place}/events/landlock"):
            return place
    raise TracepointsUnavailable("no tracefs with events of Landlock is mounted")


def _remove_abandoned(instances: str) -> None:
    """Remove the instances of runs that were killed."""
    for name in os.listdir(instances):
        found = _NAME.fullmatch(name)
        if found is not None and not os.path.exists(f"/proc/{found[1]}"):
            with contextlib.suppress(OSError):
                os.rmdir(f"{instances}/{name}")


class Trace:
    """What was read of a trace so far.

    A mark ends a system call: the events of its thread until then belong to that call. ``lost`` becomes True once an
    event was dropped for lack of space. ``domains`` are the ``create_domain`` events, ``rules`` those of rulesets.
    """

    def __init__(self) -> None:
        self.lost = False
        self.rules: list[Event] = []
        self.domains: list[Event] = []
        self._calls: dict[tuple[tuple[int, ...], tuple[tuple[bytes, bytes], ...]], None] = {}
        self._pending: dict[bytes, list[tuple[bytes, bytes]]] = {}
        self._partial = b""

    def feed(self, data: bytes) -> None:
        """Take what was read next from trace_pipe."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        found = _LINE.search(line)
        if found is None:
            self.lost = self.lost or b"LOST" in line
            return
        tid, name, text = found.groups()
        if name == _MARK:
            self._end_call(text)
        elif name in (b"create_domain", b"create_ruleset") or name.startswith(b"add_rule"):
            (self.domains if name == b"create_domain" else self.rules).append(_parsed(name, text))
        elif name.startswith((b"check_", b"deny_")):
            events = self._pending.setdefault(tid, [])
            if len(events) < _MAX_PENDING:
                events.append((name, text))

    def _end_call(self, text: bytes) -> None:
        words = text.split()
        if words[:1] != [_MARK_WORD] or len(words) < 2:
            return
        tid, *rows = words[1:]
        events = tuple(self._pending.pop(tid, ()))
        # What happened again is kept only once.
        if len(self._calls) < _MAX_KEPT:
            self._calls[tuple(map(int, rows)), events] = None
        else:
            self.lost = True

    def calls(self) -> Iterator[MarkedCall]:
        """Yield what was marked, equal calls once, and the events after the last mark of each thread, without rows."""
        left = (((), tuple(events)) for events in self._pending.values())
        for rows, events in chain(self._calls, left):
            yield MarkedCall(rows, tuple(_parsed(name, text) for name, text in events))


class TracepointReader:
    """Records the events of this process and of those that it will start, until closed.

    Call `mark` after each system call of a traced thread. Raises TracepointsUnavailable.
    """

    def __init__(self) -> None:
        self.trace = Trace()
        self._instance = ""
        self._pipe = self._marker = -1
        try:
            self._open()
        except OSError as error:
            self.close()
            raise TracepointsUnavailable(error.errno, f"Landlock's trace events cannot be read: {error}") from error

    def _open(self) -> None:
        if os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE:
            raise TracepointsUnavailable("trace events number processes as the first pid namespace does")
        instances = f"{_find()}/instances"
        _remove_abandoned(instances)
        instance = f"{instances}/paddock-{os.getpid()}"
        os.mkdir(instance)
        self._instance = instance
        for name, value in (*_SETTINGS[:-1], ("set_event_pid", str(os.getpid())), _SETTINGS[-1]):
            _write(f"{instance}/{name}", value)
        self._pipe = os.open(f"{instance}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._marker = os.open(f"{instance}/trace_marker", os.O_WRONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Stop tracing, and remove the instance."""
        for descriptor in (self._pipe, self._marker):
            if descriptor >= 0:
                os.close(descriptor)
        self._pipe = self._marker = -1
        if self._instance:
            with contextlib.suppress(OSError):
                _write(f"{self._instance}/events/landlock/enable", "0")
            with contextlib.suppress(OSError):
                os.rmdir(self._instance)
            self._instance = ""

    def mark(self, tid: int, rows: Iterable[int]) -> None:
        """Note in the trace that a call of thread ``tid``, with the rows of these numbers, has ended."""
        try:
            os.write(self._marker, b" ".join((_MARK_WORD, b"%d" % tid, *(b"%d" % row for row in rows))) + b"\n")
        except OSError:
            self.trace.lost = True

    def read(self) -> None:
        """Read the events that have arrived, without waiting."""
        while True:
            try:
                data = os.read(self._pipe, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self.trace.feed(data)


def _parsed(name: bytes, text: bytes) -> Event:
    return parse_event(name.decode("ascii", "replace"), os.fsdecode(text))
