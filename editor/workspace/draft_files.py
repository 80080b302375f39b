"""Unsaved drafts survive a crash: each is kept as a file of its own under the state directory until it is saved.

The directory is $XDG_STATE_HOME/paddock/drafts (by default ~/.local/state/paddock/drafts), as the XDG Base Directory
Specification has it; 0700, and each draft 0600. A draft's name holds a hash of the policy's path and the process that
edits it, so that two Paddocks on one file keep two drafts, and only those of dead processes are offered again.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

_VERSION: Final = 1
_EXTENSION: Final = "json"
# A draft that is being written.
_UNFINISHED: Final = "tmp"


class Draft(NamedTuple):
    """An unsaved draft: its text, the text that it was edited from, and whether that was on disk.

    ``written`` is when the draft was kept, in seconds since 1970.
    """

    text: str
    base: str
    base_on_disk: bool
    written: float


def directory() -> str:
    """Where drafts are kept; nothing is made there yet. OSError where there is no such place."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification: a relative path is to be ignored
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise FileNotFoundError(0, "there is no home directory")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "paddock", "drafts")


def _started(pid: int) -> str:
    """When the process started, in ticks since boot; empty where there is none. A number is given out again."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()  # starttime, see proc_pid_stat(5)
    except (OSError, IndexError):
        return ""


def _key(path: str) -> str:
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:32]


def _own_name(path: str, extension: str = _EXTENSION) -> str:
    return f"{_key(path)}-{os.getpid()}-{_started(os.getpid())}.{extension}"


def _left(path: str, extensions: tuple[str, ...] = (_EXTENSION,)) -> Iterator[str]:
    """The files of drafts of ``path`` whose process is gone."""
    place = directory()
    for name in os.listdir(place):
        stem, _, extension = name.partition(".")
        key, _, process = stem.partition("-")
        pid, _, started = process.partition("-")
        if key == _key(path) and extension in extensions and pid.isdecimal() and _started(int(pid)) != started:
            yield os.path.join(place, name)


def _read(file: str, path: str) -> Draft | None:
    """The draft in ``file``; None where it is none of ``path``, such as one that another version wrote."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            content = json.load(opened)
    except (OSError, ValueError, RecursionError):
        return None
    match content:
        case {
            "version": int(version),
            "path": str(of),
            "text": str(text),
            "base": str(base),
            "base_on_disk": bool(base_on_disk),
        } if version == _VERSION and of == os.path.abspath(path):
            return Draft(text, base, base_on_disk, status.st_mtime)
    return None


def recoverable(path: str) -> Draft | None:
    """The newest draft of ``path`` that a process left behind, None where there is none. Changes nothing."""
    try:
        drafts = [draft for file in _left(path) if (draft := _read(file, path)) is not None]
    except OSError:
        return None
    return max(drafts, key=lambda draft: draft.written, default=None)


def forget_left(path: str) -> None:
    """Remove all drafts of ``path`` that processes left behind."""
    with contextlib.suppress(OSError):
        for file in list(_left(path, (_EXTENSION, _UNFINISHED))):
            with contextlib.suppress(OSError):
                os.unlink(file)


def _private_directory() -> str:
    """The directory of drafts, made where it is missing, for us alone. Raises OSError where it cannot be that."""
    place = directory()
    os.makedirs(place, mode=0o700, exist_ok=True)
    status = os.stat(place, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(0, "it is not a directory of one's own")
    if stat.S_IMODE(status.st_mode) != 0o700:
        os.chmod(place, 0o700)
    return place


def write(path: str, text: str, base: str, base_on_disk: bool) -> None:
    """Keep a draft, whole or not at all. Raises OSError."""
    place = _private_directory()
    content = {
        "version": _VERSION,
        "path": os.path.abspath(path),
        "text": text,
        "base": base,
        "base_on_disk": base_on_disk,
    }
    temporary = os.path.join(place, _own_name(path, _UNFINISHED))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(descriptor)
        os.rename(temporary, os.path.join(place, _own_name(path)))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_own(path: str) -> None:
    """Remove the draft of ``path`` that this process keeps, if there is one."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(directory(), _own_name(path)))
