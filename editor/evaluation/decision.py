"""What the decider is asked about and what it answers: values alone."""

import os
from typing import NamedTuple

from editor.evaluation.resolve import Identity
from editor.landlock.rights import RightSet
from editor.policy.model import RuleRef


class Decision(NamedTuple):
    """The answer to one question.

    ``missing`` are the rights that no rule grants. ``decided_by`` of an allowance are the rules that gave each right,
    of a denial the nearest rules that reach the object but lack a right (possibly none). ``reason`` is one sentence,
    printable, empty for a plain allowance. ``uncontrolled`` are the rights that are not restricted: not handled, or
    newer than the ABI. ``errno`` is the name of the error that a program gets, None where it gets none from Landlock.
    ``object`` is what the rights were checked on, without symbolic links: for a path that does not exist the deepest
    directory that does. ``lacking`` says on which object each missing right is missing, so that a grant can be made
    there: one entry for most questions, up to two for a rename or link. ``layer`` is the number of the policy that
    denies where several are on top of each other, 0 otherwise.
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
    """One rule that reaches an object: the rule's path as written, what it grants there, where it stands in the file,
    and whether it is a rule on the object itself."""

    path: str
    rights: RightSet
    ref: RuleRef
    here: bool


class Entry(NamedTuple):
    """A directory entry that is to be renamed, linked or replaced: its ``st_mode``, (st_dev, st_ino), ``st_rdev``."""

    mode: int
    identity: Identity
    device: int = 0

    @classmethod
    def at(cls, path: str) -> "Entry | None":
        """The entry at ``path`` now, a symbolic link itself, or None where there is none or it cannot be seen."""
        try:
            return cls.of(os.lstat(path))
        except (OSError, ValueError):
            return None

    @classmethod
    def of(cls, status: os.stat_result) -> "Entry":
        """The entry that stat(2) tells of."""
        return cls(status.st_mode, (status.st_dev, status.st_ino), status.st_rdev)
