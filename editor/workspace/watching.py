"""Telling at once when one file's content changed on disk, however it was changed.

Editors truncate and write, generators rename over, git deletes and brings back, configuration managers turn a symlink
elsewhere. So the directories of the file and of every symlink on the way are watched (not the inode), and what counts
is the content, never the time stamp.
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

# Quiet time after an event before the file is read: some tools replace a file in several steps.
_QUIET_S: Final = 0.02
# Somebody who replaces the file again and again without a pause is read all the same after this.
_LONGEST_WAIT_S: Final = 0.08
# A writer truncates first, and half a policy does not parse: while the file is written to and not closed yet, its
# pauses may be this long,
_PAUSE_S: Final = 0.1
# and all of it this long. A program that keeps the file open for ever is read all the same.
_LONGEST_WRITE_S: Final = 0.5
# stat(2) this often beside inotify: a network filesystem tells nothing, watchdog holds an unpaired rename for 0.5 s,
# and a directory that was removed and came back has lost its watch. One stat is some microseconds; it is this often
# that a change which only the poll sees is told within 0.2 s, too.
_POLL_S: Final = 0.1

Signature = tuple[tuple[int, int, int, int, int] | None, str]


def places(path: str) -> frozenset[tuple[str, str]]:
    """The (directory, name) pairs in which a change can change what ``path`` holds: one a symlink on the way, and the
    last one, which is the file itself. Directories are given without symlinks."""
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
    """What changes when the file is written or replaced, cheap to ask for."""
    try:
        status = os.stat(path)
    except OSError as error:
        return None, error.strerror or str(error)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns), ""


def _content(path: str) -> tuple[bytes | None, str]:
    """The file's content, None where there is none, and why it cannot be read: a change of either is a change."""
    try:
        return read_file(path), ""
    except OSError as error:
        return None, error.strerror or str(error)


class _Armed(NamedTuple):
    """A watch, and the device and inode number of the directory that it is on."""

    watch: "ObservedWatch"
    identity: tuple[int, int]


class Watcher:
    """Calls ``changed`` (in a thread of its own) each time the content of ``path`` differs from when it was last seen.

    ``seen`` is the content that the caller already has, so that a change between its reading and ``start`` is told
    too. Watchdog is imported by ``start``, in that thread: nothing is paid before the first screen.
    """

    def __init__(self, path: str, changed: Callable[[], None], *, seen: bytes | None) -> None:
        self._path = os.path.abspath(path)
        self._changed = changed
        self._seen: tuple[bytes | None, str] = (seen, "")
        self._poked = threading.Event()
        self._open = False
        self._stopping = False
        self._observer: BaseObserver | None = None
        self._places: frozenset[tuple[str, str]] = frozenset()
        self._watches: dict[str, _Armed] = {}
        self._exhausted = ""
        self._thread = threading.Thread(target=self._run, name="policy-watcher", daemon=True)

    @property
    def polling(self) -> str:
        """Why changes are found by polling alone, empty where inotify tells them."""
        return self._exhausted

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the watch; no call of ``changed`` begins after this has returned."""
        self._stopping = True
        self._poked.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _told(self, event: "FileSystemEvent") -> None:
        """Called in watchdog's thread for each event in a watched directory."""
        for changed in (event.src_path, event.dest_path):
            if changed and os.path.split(os.fsdecode(changed)) in self._places:
                self._open = event.event_type == "modified"  # else it was closed, or is another one now
                self._poked.set()

    def _run(self) -> None:
        try:
            self._arm()
            last = _signature(self._path)
            self._look()
            while not self._stopping:
                poked = self._poked.wait(_POLL_S)
                now = _signature(self._path)
                if not poked and now == last:
                    continue
                self._settle()
                last = _signature(self._path)
                self._arm()
                self._look()
        finally:
            if self._observer is not None:
                self._observer.stop()
                self._observer.join(timeout=5)

    def _settle(self) -> None:
        """Wait until whoever changes the file is done with it, as far as that can be told."""
        start = time.monotonic()
        while not self._stopping and time.monotonic() - start < (_LONGEST_WRITE_S if self._open else _LONGEST_WAIT_S):
            self._poked.clear()
            if not self._poked.wait(_PAUSE_S if self._open else _QUIET_S):
                break
        self._poked.clear()
        self._open = False

    def _look(self) -> None:
        content = _content(self._path)
        if content != self._seen and not self._stopping:
            self._seen = content
            self._changed()

    def _arm(self) -> None:
        """Watch the directories that matter now: a symlink may lead elsewhere than before, a directory be another."""
        self._places = places(self._path)
        if self._exhausted:
            return
        wanted = {}
        for directory, _ in self._places:
            with contextlib.suppress(OSError):  # gone or closed to us: the poll notices when it comes back
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
                self._exhausted = error.strerror or str(error)

    def _started_observer(self) -> "BaseObserver":
        if self._observer is None:
            from watchdog.observers import Observer  # noqa: PLC0415 - dear, and nothing needs it before this

            self._observer = Observer()
            self._observer.start()
        return self._observer

    def _schedule(self, observer: "BaseObserver", directory: str) -> "ObservedWatch":
        from watchdog import events  # noqa: PLC0415 - as above

        # Reading is not among these: our own reading would wake us for ever.
        told: list[type[FileSystemEvent]] = [
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
                self._told(event)

        return observer.schedule(Handler(), directory, recursive=False, event_filter=told)
