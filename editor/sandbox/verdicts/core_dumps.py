"""Core dumps that Landlock prevented: the kernel writes them with the rights of the program, and no call shows it.

Source: fs/coredump.c. The directory must grant ``make_reg`` and ``write_file``, and ``remove_file`` where an older dump
is in the way. A pattern that starts with ``|`` or ``@`` gives the dump to a helper, which Landlock does not restrict.
"""

import os
import signal
from typing import NamedTuple

from editor.evaluation.layers import Deciders
from editor.landlock.rights import RightSet, listed

CORE_SIGNALS = frozenset(
    {
        signal.SIGQUIT, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV,
        signal.SIGXCPU, signal.SIGXFSZ, signal.SIGSYS,
    }
)  # fmt: skip
_NEEDED: RightSet = frozenset({"make_reg", "write_file"})
_LEAST_BYTES = 4096  # the kernel writes no smaller dump (min_coredump of the ELF loader)


class Crash(NamedTuple):
    """A process that a signal killed without the core dump that was to be written to ``file``."""

    pid: int
    comm: str
    file: str
    signal: int

    @property
    def directory(self) -> str:
        """The directory of the core dump."""
        return os.path.dirname(self.file)


def dump_file(process: int, directory: str | None = None) -> str | None:
    """Return where the kernel would write a core dump of ``process``; None if it would not.

    ``directory`` stands for its working directory. In the last part of the name, the kernel replaces what begins with a
    percent sign.
    """
    try:
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8", errors="surrogateescape") as file:
            pattern = file.read().rstrip("\n")
        with open(f"/proc/{process}/limits", encoding="ascii") as file:
            limit = next(line.split()[4] for line in file if line.startswith("Max core file size"))
        if not pattern or pattern[0] in "|@" or (limit != "unlimited" and int(limit) < _LEAST_BYTES):
            return None
        return os.path.join(directory or os.readlink(f"/proc/{process}/cwd"), pattern)
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def prevented_dump(crash: Crash, deciders: Deciders) -> str:
    """Return a message if the policy denies what the dump needed, empty if it does not."""
    needed = _NEEDED | {"remove_file"} if os.path.lexists(crash.file) else _NEEDED
    decision = deciders.here.file(crash.directory, needed, follow=False)
    if decision.allowed or not os.access(crash.directory, os.W_OK | os.X_OK):
        return ""
    name = signal.Signals(crash.signal).name
    return (
        f"{crash.comm} was killed by {name} and left no core dump in {crash.directory}: the policy denies the kernel"
        f" {listed(decision.missing)} there. (No system call shows such a denial, only the kernel's audit.)"
    )
