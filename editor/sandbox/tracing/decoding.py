"""Turns a call that a thread makes into what it requests, and remembers that for calls that come again."""

import os
from collections.abc import Callable
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox import syscalls
from editor.sandbox.calls.attempt import Attempt, signed
from editor.sandbox.calls.files import open_at
from editor.sandbox.calls.paths import AT_FDCWD
from editor.sandbox.calls.processes import PR_SET_NAME
from editor.sandbox.calls.table import DECODERS
from editor.sandbox.tracing import ptrace
from editor.sandbox.tracing.task import STRING_LIMIT, SharedState, Task

_MAKING = os.O_CREAT | os.O_TMPFILE
_MAKING_FILE: RightSet = frozenset({"make_reg"})
_OPENING_CALLS = frozenset({"open", "openat", "openat2", "creat"})


class Opening(NamedTuple):
    """A call that opens a file: the position of its flags; the path is the argument before."""

    name: str
    flags_at: int

    def may_create(self, arguments: tuple[int, ...]) -> bool:
        """Whether the call may create what it opens."""
        return bool(arguments[self.flags_at] & _MAKING)


_OPENINGS = (Opening("open", 1), Opening("openat", 2))


class Decoding:
    """Decodes the calls of one run; ``notice`` takes messages for the user.

    Calls that open a file are remembered: nothing else is called as often.
    """

    def __init__(self, shared: SharedState, notice: Callable[[str], None]) -> None:
        self._shared = shared
        self._notice = notice
        machine = syscalls.machine()
        self._names = {arch: syscalls.names(arch) for arch in (machine.native, machine.compat) if arch is not None}
        self._openings = {
            (arch, number): opening
            for arch, names in self._names.items()
            for number, name in names.items()
            for opening in _OPENINGS
            if name == opening.name
        }
        # Attempts of calls seen before, and their keys by object ("": no object yet).
        self._attempts: dict[tuple[object, ...], Attempt] = {}
        self._attempts_on: dict[str, list[tuple[object, ...]]] = {}

    def opening(self, call: ptrace.Call) -> Opening | None:
        """Return how a call opens a file; None if it is another call."""
        return self._openings.get((call.arch, call.number))

    def name_of(self, call: ptrace.Call) -> str:
        """Return the name of a call, for a message."""
        return self._names.get(call.arch, {}).get(call.number, f"call {call.number}")

    def forget(self) -> None:
        """Decode every call anew."""
        self._attempts.clear()
        self._attempts_on.clear()

    def forget_path(self, path: str) -> None:
        """Decode calls on this object anew; an empty ``path`` stands for calls that found no object."""
        for key in self._attempts_on.pop(path, ()):
            self._attempts.pop(key, None)

    def decode(self, task: Task, call: ptrace.Call) -> Attempt | None:
        """Return what a call requests; None if that is nothing. Raises BadMemory, Gone."""
        names = self._names.get(call.arch)
        number = call.number
        if names is None:
            self._notice(f"{task.comm} makes 32-bit system calls, which Paddock cannot decode on this processor.")
            return None
        name = names.get(number)
        task.pointer_size = 4 if call.arch == syscalls.AUDIT_ARCH_I386 or number & syscalls.X32_BIT else 8
        if name is None or name == "clone":
            return None
        if name == "prctl" and call.arguments[0] & 0xFFFFFFFF == PR_SET_NAME:
            if task.tid == task.process:
                task.forget_name()
            return None
        attempt = DECODERS[name](task, call.arguments)
        if attempt is not None and not attempt.syscall:
            attempt.syscall = name
        return attempt

    def decode_open(self, task: Task, opening: Opening, arguments: tuple[int, ...]) -> Attempt:
        """Return what a call that opens a file requests, from memory if it is known. Raises BadMemory, Gone."""
        name, flags_at = opening
        flags = arguments[flags_at]
        raw = ptrace.read_string(task.tid, arguments[flags_at - 1], STRING_LIMIT)
        directory = signed(arguments[0]) if flags_at > 1 else AT_FDCWD
        key: tuple[object, ...] | None = None
        if raw[:1] == b"/":
            task.refresh_view()
            key = (name, flags, raw, task.view.prefix)
        elif directory == AT_FDCWD:
            key = (name, flags, raw, task.refresh_view(), task.view.prefix)
        attempt = self._attempts.get(key) if key is not None else None
        if attempt is None:
            attempt = open_at(task, directory, os.fsdecode(raw), flags)
            attempt.syscall = name
            if key is not None and attempt.cacheable:
                self._attempts[key] = attempt
                for path in (attempt.requests[-1].object_path or "", *attempt.changed_paths):
                    self._attempts_on.setdefault(path, []).append(key)
        return attempt

    def is_outdated(self, task: Task, attempt: Attempt, descriptor: int) -> bool:
        """Whether a call opened another object than was looked up before it.

        Only asked where nothing is enforced: otherwise the kernel's answer counts, whatever the object's name.
        """
        if (
            not self._shared.is_afresh
            or descriptor < 0
            or attempt.kind != "open"
            or attempt.syscall not in _OPENING_CALLS
        ):
            return False
        expected = attempt.requests[-1].entry
        if expected is None:
            return attempt.requests[-1].object_path is None
        try:
            opened = os.stat(f"/proc/{task.tid}/fd/{descriptor}")
        except OSError:
            return False
        return expected.identity != (opened.st_dev, opened.st_ino)

    def decode_afresh(self, task: Task, attempt: Attempt) -> Attempt:
        """Decode the call that has just ended again, from the thread as it is now, without anything remembered.

        A refused call has changed nothing, so it would reach the same objects, apart from a file that it created before
        it was refused.
        """
        call = task.call
        if call is None or attempt.from_result:
            return attempt
        task.is_afresh = True
        task.makes_file = attempt.kind == "open" and attempt.requests[0].rights == _MAKING_FILE
        task.forget_directory()
        try:
            found = self.decode(task, call)
        except (ptrace.BadMemory, OSError):
            return attempt
        finally:
            task.is_afresh, task.makes_file = self._shared.is_afresh, False
        if found is None:
            return attempt
        found.cacheable = False
        return found
