"""A call that waits, and what the policy says of it."""

import errno
from typing import NamedTuple

from editor.sandbox.calls.attempt import Attempt
from editor.sandbox.supervisor.listener import Notification
from editor.sandbox.tracing.task import Task
from editor.sandbox.verdicts.report import Access


class Held(NamedTuple):
    """A call that waits: who makes it, what it requests, and the rows for it under the policy."""

    notification: Notification
    task: Task
    attempt: Attempt
    accesses: tuple[Access, ...]

    @property
    def denied(self) -> tuple[Access, ...]:
        """What the policy denies of the call."""
        return tuple(access for access in self.accesses if access.verdict == "denied")

    @property
    def error(self) -> int:
        """The errno with which Landlock would refuse the call."""
        return int(getattr(errno, self.denied[0].errno or "", errno.EACCES))
