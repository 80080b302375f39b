"""Watch a file for changes of its content, however they are made.

Editors truncate and write, generators rename a new file over it, git deletes and recreates it, configuration managers
redirect a symlink. So this watches the directories of the file and of every symlink on the way to it, not the inode,
and compares content, never timestamps.
"""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from editor.evaluation.path_walk import MAX_LINKS
from editor.workspace.saving import read_file

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver, ObservedWatch

# How long no event must arrive before the file is read: some tools replace a file in several steps.
_QUIET_S: Final = 0.02
# If the file keeps being replaced without a pause, it is read after this long.
_LONGEST_WAIT_S: Final = 0.08
# A writer truncates first, and half a policy does not parse. So while the file is open for writing, pauses may be this
# long,
_PAUSE_S: Final = 0.1
# and the whole write this long. If a program keeps the file open forever, it is read after that.
_LONGEST_WRITE_S: Final = 0.5
# How often to stat(2) the file in addition to inotify: network filesystems send no events, watchdog holds an unpaired
# rename for 0.5 s, and a directory that was removed and recreated has lost its watch. A stat takes microseconds, and at
# this rate even a change that only polling finds is reported within 0.2 s.
_POLL_S: Final = 0.1

Signature = tuple[tuple[int, int, int, int, int] | None, str]


def places(path: str) -> frozenset[tuple[str, str]]:
    """Return the (directory, name) pairs to watch for ``path``: each symlink on the way, and the file itself.

    The directories contain no symlinks.
    """
    found: set[tuple[str, str]] = set()
    at = "/"
    rest = [part for part in os.path.abspath(path).split("/") if part]
    links = 0
    while rest:
        name = rest.pop(0)
        if name == ".":
            continue
        if name == "..":
            at = os.path.dirname(at)
            continue
        step = os.path.join(at, name)
        try:
            target = os.readlink(step)
        except OSError:
            at = step
            if not rest:
                found.add((os.path.dirname(step), name))
            continue
        found.add((at, name))
        links += 1
        if links > MAX_LINKS:
            break
        rest = [part for part in target.split("/") if part] + rest
        if target.startswith("/"):
            at = "/"
    return frozenset(found)


def _signature(path: str) -> Signature:
    """Return what differs after the file is written or replaced, from a single stat(2)."""
    try:
        status = os.stat(path)
    except OSError as error:
        return None, error.strerror or str(error)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns), ""


def _content(path: str) -> tuple[bytes | None, str]:
    """Return the content of the file (None if there is none) and why it cannot be read (empty if it can)."""
    try:
        return read_file(path), ""
    except OSError as error:
        return None, error.strerror or str(error)


class _Armed(NamedTuple):
    """A watch, and the device and inode number of the directory that it watches."""

    watch: "ObservedWatch"
    identity: tuple[int, int]


class Watcher:
    """Calls ``changed``, in a thread of its own, whenever the content of ``path`` differs from what was seen last.

    ``seen`` is the content that the caller has already read, so that a change between that and ``start`` is reported
    too. Watchdog is imported in that thread, so that it does not delay the first screen.
    """

    def __init__(self, path: str, changed: Callable[[], None], *, seen: bytes | None) -> None:
        self._path = os.path.abspath(path)
        self._changed = changed
        self._seen: tuple[bytes | None, str] = (seen, "")
        self._woken = threading.Event()
        self._open = False
        self._stopping = False
        self._observer: BaseObserver | None = None
        self._places: frozenset[tuple[str, str]] = frozenset()
        self._watches: dict[str, _Armed] = {}
        self._polling_reason = ""
        self._thread = threading.Thread(target=self._run, name="policy-watcher", daemon=True)

    @property
    def polling(self) -> str:
        """Why changes are found only by polling; empty if inotify reports them."""
        return self._polling_reason

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching. ``changed`` is not called again after this returns."""
        self._stopping = True
        self._woken.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _on_event(self, event: "FileSystemEvent") -> None:
        """Handle an event in a watched directory. Called in watchdog's thread."""
        for changed in (event.src_path, event.dest_path):
            if changed and os.path.split(os.fsdecode(changed)) in self._places:
                self._open = event.event_type == "modified"  # otherwise it was closed or replaced
                self._woken.set()

    def _run(self) -> None:
        try:
            self._arm()
            last = _signature(self._path)
            self._compare()
            while not self._stopping:
                woken = self._woken.wait(_POLL_S)
                now = _signature(self._path)
                if not woken and now == last:
                    continue
                self._settle()
                last = _signature(self._path)
                self._arm()
                self._compare()
        finally:
            if self._observer is not None:
                self._observer.stop()
                self._observer.join(timeout=5)

    def _settle(self) -> None:
        """Wait until the writer seems to be done with the file."""
        start = time.monotonic()
        while not self._stopping and time.monotonic() - start < (_LONGEST_WRITE_S if self._open else _LONGEST_WAIT_S):
            self._woken.clear()
            if not self._woken.wait(_PAUSE_S if self._open else _QUIET_S):
                break
        self._woken.clear()
        self._open = False

    def _compare(self) -> None:
        content = _content(self._path)
        if content != self._seen and not self._stopping:
            self._seen = content
            self._changed()

    def _arm(self) -> None:
        """Update the watches: a symlink may have been redirected, or a directory replaced."""
        self._places = places(self._path)
        if self._polling_reason:
            return
        wanted = {}
        for directory, _ in self._places:
            with contextlib.suppress(OSError):  # missing or not accessible: polling finds out when that changes
                status = os.stat(directory)
                wanted[directory] = (status.st_dev, status.st_ino)
        try:
            observer = self._started_observer()
            for directory, armed in list(self._watches.items()):
                if wanted.get(directory) != armed.identity:
                    del self._watches[directory]
                    with contextlib.suppress(KeyError, OSError):
                        observer.unschedule(armed.watch)
            for directory in wanted.keys() - self._watches.keys():
                self._watches[directory] = _Armed(self._schedule(observer, directory), wanted[directory])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ENOMEM):
                self._polling_reason = error.strerror or str(error)

    def _started_observer(self) -> "BaseObserver":
        if self._observer is None:
            from watchdog.observers import Observer  # noqa: PLC0415 - slow to import, and not needed earlier

            self._observer = Observer()
            self._observer.start()
        return self._observer

    def _schedule(self, observer: "BaseObserver", directory: str) -> "ObservedWatch":
        from watchdog import events  # noqa: PLC0415 - as above

        # Not opening or reading: our own reading would wake us forever.
        reported: list[type[FileSystemEvent]] = [
            events.FileCreatedEvent,
            events.FileModifiedEvent,
            events.FileMovedEvent,
            events.FileDeletedEvent,
            events.FileClosedEvent,
            events.DirCreatedEvent,
            events.DirMovedEvent,
            events.DirDeletedEvent,
        ]

        class Handler(events.FileSystemEventHandler):
            def on_any_event(_, event: "FileSystemEvent") -> None:
                self._on_event(event)

        return observer.schedule(Handler(), directory, recursive=False, event_filter=reported)
