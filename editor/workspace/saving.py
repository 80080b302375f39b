"""Reading and writing one policy file so that nothing is ever lost: the old text or the new one, never half of either.

A file is written beside its place, synced, and renamed over the old one; rename(2) is atomic, and fsync(2) of the
directory makes the rename itself survive a power cut.
"""

import contextlib
import errno
import os
import secrets
import stat
from typing import NamedTuple

from editor.escape import printable
from editor.policy.files import MAX_BYTES

_NEW_FILE_MODE = 0o644
# More copies of losing sides beside one policy than anybody would look through.
_MOST_COPIES = 1000


class SaveError(Exception):
    """Nothing was written, and what was there before is still there. The text is a whole sentence with the path."""


class SymlinkedPolicy(SaveError):
    """The policy's path is a symbolic link: writing goes through to ``target``, so somebody has to say yes first."""

    def __init__(self, path: str, target: str) -> None:
        self.path = path
        self.target = target
        super().__init__(f"{printable(path)} is a symbolic link to {printable(target)}.")


class ChangedOnDisk(SaveError):
    """The file no longer holds what was read from it (or appeared, or went away) since then."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{printable(path)} changed on disk since it was read.")


class AlreadyThere(SaveError):
    """A new file was asked for, and the place is taken."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{printable(path)} exists already.")


class Saved(NamedTuple):
    """The file that was really written (the target, for a symlink), and sentences about what could not be kept."""

    path: str
    notes: tuple[str, ...]


def read_file(path: str) -> bytes | None:
    """The content of the regular file at ``path`` (symlinks are followed); None where there is none.

    Raises OSError for everything else: no permission, a directory, a device (which could block for ever), a file
    larger than ``MAX_BYTES``.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer. It changes nothing for a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        if status.st_size > MAX_BYTES:
            raise OSError(errno.EFBIG, f"Larger than {MAX_BYTES >> 20} MiB", path)
        return file.read()


def _sentence(what: str, path: str, error: OSError) -> str:
    return f"{what} {printable(path)}: {error.strerror or error}. Nothing was written."


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Some network filesystems cannot sync a directory (EINVAL): the rename stands all the same.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner(descriptor: int, old: os.stat_result, path: str) -> list[str]:
    """Give the new file the old one's owner, group, mode and extended attributes; say what the kernel did not let."""
    notes = []
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except OSError:
            with contextlib.suppress(OSError):
                os.fchown(descriptor, -1, old.st_gid)
            made = os.fstat(descriptor)
            lost = [f"owner {old.st_uid}"] if made.st_uid != old.st_uid else []
            lost += [f"group {old.st_gid}"] if made.st_gid != old.st_gid else []
            if lost:
                now = f"{made.st_uid}:{made.st_gid}"
                notes.append(f"{printable(path)} could not keep its {' and '.join(lost)}: it is {now} now.")
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    return notes


def _keep_attributes(descriptor: int, path: str) -> None:
    # Access control lists and labels live here. What the filesystem or the kernel refuses is not ours to force.
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name))


def _write_beside(target: str, data: bytes, old: os.stat_result | None) -> tuple[str, list[str]]:
    """Write ``data`` to a new file in ``target``'s directory, synced: its path and notes. Leaves nothing on OSError."""
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".paddock-{secrets.token_hex(8)}.tmp")
    # 0600 until the owner is right: nobody may read through a wrong group for a moment.
    mode = _NEW_FILE_MODE if old is None else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        notes: list[str] = []
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if old is not None:
                notes = _keep_owner(descriptor, old, target)
                _keep_attributes(descriptor, target)
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return temporary, notes


def _target_of(path: str, follow_symlink: bool) -> str:
    if not os.path.islink(path):
        return os.path.abspath(path)
    target = os.path.realpath(path)
    if not follow_symlink:
        raise SymlinkedPolicy(path, target)
    if os.path.islink(target):
        raise SaveError(f"Cannot write {printable(path)}: the symbolic link leads round in a circle.")
    return target


def _status(target: str) -> os.stat_result | None:
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise SaveError(f"Cannot write {printable(target)}: it is not a regular file.")
    return status


def write_file(
    path: str, data: bytes, *, expected: bytes | None, follow_symlink: bool = False, force: bool = False
) -> Saved:
    """Replace the content of ``path`` by ``data``, atomically, or create the file.

    ``expected`` is what the file should hold now, None for no file; ``force`` writes whatever it holds. A symlink is
    written through (atomically, beside its target) only with ``follow_symlink``. An existing file keeps its mode,
    owner, group and extended attributes as far as the kernel lets; a new one is 0644 less the umask, and is linked
    into place so that a file or symlink made meanwhile is never replaced or followed.

    Raises SymlinkedPolicy, ChangedOnDisk, or SaveError with a sentence; in each case the old content still stands.
    """
    try:
        target = _target_of(path, follow_symlink)
        if not force and read_file(target) != expected:
            raise ChangedOnDisk(path)
        old = _status(target)
        temporary, notes = _write_beside(target, data, old)
    except OSError as error:
        raise SaveError(_sentence("Cannot write", path, error)) from error
    try:
        if old is None:
            try:
                os.link(temporary, target, follow_symlinks=False)
            finally:
                os.unlink(temporary)
        else:
            # Writing took time: look once more, so that what is lost to a race is microseconds, not the whole write.
            if not force and read_file(target) != expected:
                raise ChangedOnDisk(path)
            if old.st_nlink > 1:
                notes.append(f"{printable(target)} had other hard links: those keep the old text.")
            os.rename(temporary, target)
    except FileExistsError as error:
        raise ChangedOnDisk(path) from error
    except OSError as error:
        raise SaveError(_sentence("Cannot write", path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    _sync_directory(os.path.dirname(target))
    return Saved(target, tuple(notes))


def write_new(path: str, data: bytes, *, overwrite: bool = False, follow_symlink: bool = False) -> Saved:
    """Write ``data`` to a file of its own, such as an export. Raises AlreadyThere where ``overwrite`` was not said."""
    try:
        expected = read_file(path)
    except OSError as error:
        raise SaveError(_sentence("Cannot write", path, error)) from error
    if not overwrite and (expected is not None or os.path.islink(path)):
        raise AlreadyThere(path)
    try:
        return write_file(path, data, expected=expected, follow_symlink=follow_symlink)
    except ChangedOnDisk as error:
        raise AlreadyThere(path) from error


def write_beside(path: str, data: bytes, *, suffix: str = ".orig") -> str:
    """Write ``data`` to a new file named as ``path`` with ``suffix``, and a number where that is taken: the new path.

    It gets the mode and owner of ``path``, so that nobody may read it who could not read that. Nothing is ever
    overwritten, no symlink followed. Raises SaveError.
    """
    place = os.path.abspath(path)
    try:
        try:
            like = os.stat(place)
        except FileNotFoundError:
            like = None
        temporary, _ = _write_beside(place, data, like)
        try:
            for number in range(_MOST_COPIES):
                copy = f"{place}{suffix}{f'.{number}' if number else ''}"
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, copy, follow_symlinks=False)
                    break
            else:
                raise SaveError(f"There are {_MOST_COPIES} copies of {printable(path)} already. Nothing was written.")
        finally:
            os.unlink(temporary)
        _sync_directory(os.path.dirname(place))
    except OSError as error:
        raise SaveError(_sentence("Cannot write beside", path, error)) from error
    return copy
