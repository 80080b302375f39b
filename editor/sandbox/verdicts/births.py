"""What a run makes: the files and directories that were not there, or not under that name, before it started.

A rule is made before the command starts, so one on such an object does not help the next run, which makes another
object. Objects are recognised by inode: neither the spelling of a path nor the process that uses it matters.
"""

import os

from editor.evaluation.resolve import Identity
from editor.landlock.rights import FS_RIGHTS, RightSet
from editor.sandbox.calls.attempt import AccessRequest, Attempt

# Rights that are checked on a directory, although the call is about a name in it.
_ON_DIRECTORY: RightSet = frozenset(
    right.name for right in FS_RIGHTS if right.name.startswith(("make_", "remove_")) or right.name == "refer"
)


class Births:
    """Remembers what the calls of a run made."""

    def __init__(self) -> None:
        self._made: set[Identity] = set()
        # Older objects: by the names that the run gave them, and their names before.
        self._renamed: set[tuple[str, Identity]] = set()
        self._former: dict[Identity, str] = {}

    def record(self, attempt: Attempt) -> None:
        """Remember what ``attempt`` made. A call that was refused may have made a file before that."""
        host, tracer = attempt.made
        identity = _identity(tracer) if tracer else None
        if identity is None:
            return
        if attempt.refer is None:
            self._made.add(identity)
        elif identity not in self._made and self._former.setdefault(identity, attempt.changed_paths[0]) != host:
            self._renamed.add((host, identity))

    def made_in(self, request: AccessRequest) -> str | None:
        """Return the nearest directory above the object of ``request`` that was there before the run.

        None if the object itself was there before, under this name.
        """
        host, tracer = request.object_path, request.tracer_path
        on_directory = bool(request.rights & _ON_DIRECTORY)
        is_made = request.is_new and not on_directory
        if host is None or not host.startswith("/") or not (self._made or self._renamed or is_made):
            return None
        entry = None if on_directory else request.entry
        identity = _identity(tracer) if entry is None else entry.identity
        outermost = host if is_made or self._has(host, identity) else None
        here = host
        while here != "/" and tracer:
            here, tracer = os.path.dirname(here), os.path.dirname(tracer)
            if self._has(here, _identity(tracer)):
                outermost = here
        return None if outermost is None else os.path.dirname(outermost)

    def _has(self, host: str, identity: Identity | None) -> bool:
        return identity is not None and (identity in self._made or (host, identity) in self._renamed)


def _identity(path: str) -> Identity | None:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
