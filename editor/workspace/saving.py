"""Read and save a policy file atomically: after a crash it has either the old text or the new one, in full.

The new text is written to a temporary file in the same directory, synced, and renamed over the old file. rename(2) is
atomic, and fsync(2) of the directory makes the rename itself survive a power failure.
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
# More copies of one policy than anybody would look through.
_MOST_COPIES = 1000


class SaveError(Exception):
    """Nothing was written; the file is as it was before. The message is a sentence that names the path."""


class SymlinkedPolicy(SaveError):
    """The path of the policy is a symbolic link to ``target``: saving would write there, so ask the user first."""

    def __init__(self, path: str, target: str) -> None:
        self.path = path
        self.target = target
        super().__init__(f"{printable(path)} is a symbolic link to {printable(target)}.")


class ChangedOnDisk(SaveError):
    """The file was changed, created or removed since it was read."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{printable(path)} changed on disk since it was read.")


class AlreadyExists(SaveError):
    """A new file was to be created at a path that exists."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(f"{printable(path)} already exists.")


class Saved(NamedTuple):
    """The file that was written (the target of a symlink), and sentences on what could not be preserved."""

    path: str
    notes: tuple[str, ...]


def read_file(path: str) -> bytes | None:
    """Return the content of the regular file at ``path``, following symlinks; None if it does not exist.

    Raises OSError for anything else: no permission, a directory, a device (reading it could block forever), a file
    larger than ``MAX_BYTES``.
    """
    try:
        # O_NONBLOCK: do not wait for a writer if this is a FIFO. It has no effect on a regular file.
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
        # Some network filesystems cannot sync a directory (EINVAL). The rename is done in any case.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner(descriptor: int, old: os.stat_result, path: str) -> list[str]:
    """Give the new file the owner, group and mode of the old one. Returns a sentence if the kernel did not allow it."""
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
                notes.append(f"{printable(path)} could not keep its {' and '.join(lost)}: it now belongs to {now}.")
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    return notes


def _keep_attributes(descriptor: int, path: str) -> None:
    # These include access control lists and security labels. Skip what the filesystem or the kernel refuses.
    with contextlib.suppress(OSError):
        for name in os.listxattr(path):
            with contextlib.suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(path, name))


def _write_temporary(target: str, data: bytes, old: os.stat_result | None) -> tuple[str, list[str]]:
    """Write ``data`` to a synced file next to ``target``. Returns its path and notes. Leaves no file on OSError."""
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".paddock-{secrets.token_hex(8)}.tmp")
    # 0600 until the owner is set: a wrong group must not be able to read it, not even for a moment.
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
        raise SaveError(f"Cannot write {printable(path)}: its symbolic links form a loop.")
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
    """Replace the content of ``path`` with ``data`` atomically, or create the file.

    ``expected`` is the content that the file should have now, None for no file; ``force`` skips that check. A symlink
    is written through (atomically, next to its target) only with ``follow_symlink``. An existing file keeps its mode,
    owner, group and extended attributes as far as the kernel allows. A new one gets mode 0644 less the umask, and is
    linked into place, so that a file or symlink created meanwhile is never replaced or followed.

    Raises SymlinkedPolicy, ChangedOnDisk, or SaveError with a sentence. In each case the old content is still there.
    """
    try:
        target = _target_of(path, follow_symlink)
        if not force and read_file(target) != expected:
            raise ChangedOnDisk(path)
        old = _status(target)
        temporary, notes = _write_temporary(target, data, old)
    except OSError as error:
        raise SaveError(_sentence("Cannot write", path, error)) from error
    try:
        if old is None:
            try:
                os.link(temporary, target, follow_symlinks=False)
            finally:
                os.unlink(temporary)
        else:
            # Check again: a race can then lose only a change in the last microseconds, not one during the whole write.
            if not force and read_file(target) != expected:
                raise ChangedOnDisk(path)
            if old.st_nlink > 1:
                notes.append(f"{printable(target)} had other hard links: they keep the old text.")
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
    """Write ``data`` to a new file, such as an export. Raises AlreadyExists if it exists and ``overwrite`` is false."""
    try:
        expected = read_file(path)
    except OSError as error:
        raise SaveError(_sentence("Cannot write", path, error)) from error
    if not overwrite and (expected is not None or os.path.islink(path)):
        raise AlreadyExists(path)
    try:
        return write_file(path, data, expected=expected, follow_symlink=follow_symlink)
    except ChangedOnDisk as error:
        raise AlreadyExists(path) from error


def write_copy(path: str, data: bytes, *, suffix: str = ".orig") -> str:
    """Write ``data`` to a new file: ``path`` plus ``suffix``, plus a number if that exists. Returns its path.

    The copy gets the mode and owner of ``path``, so that nobody can read it who cannot read the original. Overwrites
    nothing and follows no symlink. Raises SaveError.
    """
    place = os.path.abspath(path)
    try:
        try:
            original = os.stat(place)
        except FileNotFoundError:
            original = None
        temporary, _ = _write_temporary(place, data, original)
        try:
            for number in range(_MOST_COPIES):
                copy = f"{place}{suffix}{f'.{number}' if number else ''}"
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, copy, follow_symlinks=False)
                    break
            else:
                raise SaveError(f"{printable(path)} already has {_MOST_COPIES} copies. Nothing was written.")
        finally:
            os.unlink(temporary)
        _sync_directory(os.path.dirname(place))
    except OSError as error:
        raise SaveError(_sentence("Cannot write a copy of", path, error)) from error
    return copy
