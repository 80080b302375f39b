"""The files in which unsaved drafts survive a crash, one for each policy and process, until the draft is saved.

They are in $XDG_STATE_HOME/paddock/drafts (by default ~/.local/state/paddock/drafts), following the XDG Base Directory
Specification; the directory has mode 0700, each file 0600. The name of a file contains a hash of the policy's path and
identifies the process, so two Paddocks that edit one policy do not share a draft, and only the drafts of processes that
have ended are offered for recovery.
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
# The extension of a draft that is still being written.
_UNFINISHED: Final = "tmp"


class UnsavedDraft(NamedTuple):
    """An unsaved draft: its text, the text that it was edited from, and whether that was on disk.

    ``written`` is when it was written, in seconds since the epoch.
    """

    text: str
    base: str
    base_on_disk: bool
    written: float


def directory() -> str:
    """Return the directory of drafts, without creating it. Raises OSError if there is no home directory."""
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # the specification says to ignore a relative path
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise FileNotFoundError(0, "there is no home directory")
        state = os.path.join(home, ".local", "state")
    return os.path.join(state, "paddock", "drafts")


def _start_time(pid: int) -> str:
    """Return when process ``pid`` started, in ticks since boot; empty if there is none. Tells reused pids apart."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode()  # starttime, see proc_pid_stat(5)
    except (OSError, IndexError):
        return ""


def _key(path: str) -> str:
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:32]


def _own_name(path: str, extension: str = _EXTENSION) -> str:
    return f"{_key(path)}-{os.getpid()}-{_start_time(os.getpid())}.{extension}"


def _abandoned(path: str, extensions: tuple[str, ...] = (_EXTENSION,)) -> Iterator[str]:
    """Iterate over the draft files of ``path`` whose process has ended."""
    place = directory()
    for name in os.listdir(place):
        stem, _, extension = name.partition(".")
        key, _, process = stem.partition("-")
        pid, _, started = process.partition("-")
        if key == _key(path) and extension in extensions and pid.isdecimal() and _start_time(int(pid)) != started:
            yield os.path.join(place, name)


def _read(file: str, path: str) -> UnsavedDraft | None:
    """Return the draft in ``file``, None if it is not a valid draft of ``path`` in this version's format."""
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
            return UnsavedDraft(text, base, base_on_disk, status.st_mtime)
    return None


def find_abandoned(path: str) -> UnsavedDraft | None:
    """Return the newest draft of ``path`` that a process left behind, None if there is none."""
    try:
        drafts = [draft for file in _abandoned(path) if (draft := _read(file, path)) is not None]
    except OSError:
        return None
    return max(drafts, key=lambda draft: draft.written, default=None)


def discard_abandoned(path: str) -> None:
    """Delete all drafts of ``path`` that processes left behind."""
    with contextlib.suppress(OSError):
        for file in list(_abandoned(path, (_EXTENSION, _UNFINISHED))):
            with contextlib.suppress(OSError):
                os.unlink(file)


def _private_directory() -> str:
    """Return the directory of drafts, created if missing and accessible only to this user. Raises OSError."""
    place = directory()
    os.makedirs(place, mode=0o700, exist_ok=True)
    status = os.stat(place, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(0, "not a directory that you own")
    if stat.S_IMODE(status.st_mode) != 0o700:
        os.chmod(place, 0o700)
    return place


def write(path: str, text: str, base: str, base_on_disk: bool) -> None:
    """Write the draft of ``path`` atomically. Raises OSError."""
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
    """Delete the draft of ``path`` that this process has written, if there is one."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(directory(), _own_name(path)))
