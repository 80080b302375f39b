"""What the caller of a run learns while it goes on."""

from typing import Literal, NamedTuple

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


class Finished(NamedTuple):
    """The last event: the run is over and no process of it is left."""

    report: Report


Event = Output | AccessUpdate | Notice | Lingering | Finished
