"""Values that a decider takes and returns."""

import os
from typing import NamedTuple

from editor.evaluation.resolve import Identity
from editor.landlock.rights import RightSet
from editor.policy.model import RuleRef


class Step(NamedTuple):
    """One object on the way down from the root: the name that leads there, its identity, and the id of its mount.

    ``identity`` is None for a directory that cannot be examined, because it was removed or something was mounted over
    it: a rule on it is known by its name.
    """

    path: str
    identity: Identity | None
    mount: int = 0


Lineage = tuple[Step, ...]
"""An object below the directories above it, from the root of the filesystem or of a mount that is not attached."""


class Decision(NamedTuple):
    """Whether an access is allowed, and why.

    ``missing`` are the rights that no rule grants. ``decided_by`` are the rules that granted each right, or for a
    denial the nearest rules that apply to the object but lack a right (possibly none). ``reason`` is one printable
    sentence, empty if there is nothing to explain. ``uncontrolled`` are the rights that are not restricted: not
    handled, or newer than the ABI. ``errno`` is the name of the error that Landlock returns to the program, None if
    none. ``object`` is what the rights were checked on, without symbolic links: for a path that does not exist, its
    deepest existing directory. ``lacking`` pairs objects with the rights missing on them, so that a grant can be made
    there: usually one pair, up to two for a rename or link. ``layer`` is the number of the denying policy if several
    are stacked, else 0.
    """

    allowed: bool
    missing: RightSet
    decided_by: tuple[RuleRef, ...]
    reason: str
    uncontrolled: RightSet
    errno: str | None
    object: str | None = None
    lacking: tuple[tuple[str, RightSet], ...] = ()
    layer: int = 0


class Grant(NamedTuple):
    """One rule that applies to an object: its path as written, the rights it grants there, and its location.

    ``here``: the rule is on the object itself.
    """

    path: str
    rights: RightSet
    ref: RuleRef
    here: bool


class Entry(NamedTuple):
    """A directory entry to be renamed, linked or replaced: its ``st_mode``, (st_dev, st_ino) and ``st_rdev``."""

    mode: int
    identity: Identity
    device: int = 0

    @classmethod
    def at(cls, path: str) -> "Entry | None":
        """Return the entry at ``path``, not following a symbolic link; None if it is missing or cannot be examined."""
        try:
            return cls.of(os.lstat(path))
        except (OSError, ValueError):
            return None

    @classmethod
    def of(cls, status: os.stat_result) -> "Entry":
        """Return the entry that ``status`` describes."""
        return cls(status.st_mode, (status.st_dev, status.st_ino), status.st_rdev)
