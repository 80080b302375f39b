"""All traced threads of a run."""

import os
import signal

from editor.sandbox.tracing import ptrace
from editor.sandbox.tracing.task import SharedState, Task


class Tasks(dict[int, Task]):
    """The traced threads that there are, by thread id."""

    def __init__(self, shared: SharedState) -> None:
        super().__init__()
        self._shared = shared

    def add(self, tid: int) -> Task:
        """Add a thread, unless it is there already: its first stop may come before the event of its parent."""
        return self.setdefault(tid, Task(self._shared, tid))

    def add_child(self, parent: Task, event: int) -> None:
        """Add what a thread has created, at the ``event`` of that."""
        tid = ptrace.event_message(parent.tid)
        child = self.add(tid)
        if event != ptrace.EVENT_CLONE:
            child.mark_process()  # certainly not a thread

    def note_exec(self, task: Task) -> Task:
        """Return the thread that has executed a program, known by the id that it has now."""
        former = ptrace.event_message(task.tid)
        if former != task.tid:  # a thread other than the first executed, and is now the whole process
            survivor = self.pop(former, None)
            if survivor is not None:
                survivor.tid = task.tid
                self[task.tid] = task = survivor
        task.forget_name()
        return task

    def processes(self) -> list[tuple[int, str]]:
        """Return the id and name of each process, without its threads."""
        return sorted({task.process: task.comm for task in self.values()}.items())

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every thread."""
        for tid in list(self):
            try:
                os.kill(tid, number)
            except OSError:
                continue  # gone, or about to be
