"""What the caller of a run learns while it goes on."""

from typing import Literal, NamedTuple

from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.verdicts.report import Access, Report

Stream = Literal["stdout", "stderr", "tty"]


class Output(NamedTuple):
    """Data that the command wrote."""

    stream: Stream
    data: bytes


class AccessUpdate(NamedTuple):
    """An access; ``access.times`` is the increase since the last update with the same ``access.key()``."""

    access: Access


class Notice(NamedTuple):
    """A message for the user."""

    text: str


class Lingering(NamedTuple):
    """The command has ended with ``exit_code``, and the run waits for the ``processes`` (id and name) that it left."""

    exit_code: int
    processes: tuple[tuple[int, str], ...]


class Question(NamedTuple):
    """A call that waits for ``Run.answer``, with what the policy denies of it: at least one access.

    ``tree`` are the calling process (id and name) and its ancestors up to the command. ``number`` is unique in the run.
    """

    number: int
    accesses: tuple[Access, ...]
    tree: tuple[tuple[int, str], ...]


class Withdrawn(NamedTuple):
    """A question that needs no answer any more: another one answered it, its time is over, or its thread is gone."""

    number: int


Choice = Literal["allow", "allow-for-run", "grant", "deny", "deny-always", "kill"]


class Answer(NamedTuple):
    """An answer to a question.

    "allow" and "deny" are for this call only; "allow-for-run" and "deny-always" are for these rights on these objects
    until the run ends. With "grant", ``policies`` are the run's layers, the oldest first, with what was granted: they
    count from now on, and the call goes on. "kill" ends the run.
    """

    choice: Choice
    policies: tuple[ResolvedPolicy, ...] = ()


class Finished(NamedTuple):
    """The last event: the run is over and no process of it is left."""

    report: Report


Event = Output | AccessUpdate | Notice | Lingering | Question | Withdrawn | Finished
