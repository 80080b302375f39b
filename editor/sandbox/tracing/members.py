"""What belongs to a run: its processes, the UNIX sockets that they bound, and the files that they made."""

import os
from collections.abc import Mapping

from editor.evaluation.decision import Entry
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.tracing.addresses import Addresses
from editor.sandbox.tracing.task import Task
from editor.sandbox.verdicts.births import Births


class Members:
    """Answers the judge (``SandboxMembers``). ``tasks`` are the threads of the run that there are at the time."""

    def __init__(self, tasks: Mapping[int, Task]) -> None:
        self._tasks = tasks
        self._command = 0
        self._ended: set[int] = set()  # no larger than the number of process ids
        self._addresses = Addresses()
        self._births = Births()

    def set_command(self, pid: int) -> None:
        """Say which process becomes the command."""
        self._command = pid

    def add_ended(self, tid: int) -> None:
        """Remember a thread, or a process, that is no longer among the tasks."""
        self._ended.add(tid)

    def add_made(self, attempt: Attempt) -> None:
        """Remember what a call made; if it was refused, it may have left a new file."""
        self._births.record(attempt)

    def add_bound(self, attempt: Attempt) -> None:
        """Remember the socket to which a call gave an address."""
        bound = attempt.requests[0]
        if bound.rights:  # by a path, on whose directory it needs a right
            self._addresses.add_file(Entry.at(f"{bound.tracer_path}/{os.path.basename(bound.path or '')}"))
        else:
            self._addresses.add_socket(attempt.bound_socket)

    def has_process(self, pid: int) -> bool:
        """Whether a process belongs to the run, or did until it ended."""
        if pid in self._tasks:
            return True
        parent = _parent_of(pid)
        # One that has ended stays in /proc until its parent asks for its status.
        return pid in self._ended if parent is None else parent in self._tasks

    def is_command(self, pid: int) -> bool:
        """Whether a process is the one that became the command."""
        return pid == self._command

    def has_address(self, name: str, tid: int) -> bool:
        """Whether an abstract UNIX address leads thread ``tid`` to a socket of the run."""
        return self._addresses.owns(name, tid, {task.process for task in self._tasks.values()})

    def has_socket_file(self, entry: Entry | None) -> bool:
        """Whether the run created the file of a UNIX socket."""
        return self._addresses.owns_file(entry)

    def made_in(self, request: AccessRequest) -> str | None:
        """Return the directory in which the run made the object, or one above it; None if it made none of them."""
        return self._births.made_in(request)


def _parent_of(pid: int) -> int | None:
    """Return the parent of a process, None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return None
