"""Compares the log of ``strace -f`` with the rows of a test: the same calls, on the same paths, with the same errors.

Two runs of one program are compared, so what differs between any two runs is normalized first (``_RANDOM``): process
ids in /proc, terminal numbers, and names with random parts.

Rows intentionally differ from strace in these ways:

- A call with several requests has one row each, in the order of the kernel's checks. If the call failed, the rows
  before the failed one have no error: creating in the directory before writing to the new file, the script before its
  interpreter, one directory of a rename or link before the other.
- An execve also has rows for the interpreters and the loader that the kernel opens.
- A rename or link within one directory is one row with both names, or two if the old one does not exist.
- Calls on a socket name the port, or the socket's path; those on other address families name nothing.
- Signals name nothing here: the target is only a number. If the policy does not restrict them, there are no rows.
- ioctl(2), prctl(2) and calls that change where a process is (chdir, unshare, ...) are not compared: only ioctl on
  devices has rows.
"""

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from editor.sandbox.verdicts.report import Access
from tests.proof.jobs import Job
from tests.proof.strace_log import COMPARED, Log, Seen

_OPENS = frozenset({"open", "openat", "openat2", "creat"})
_EXECUTES = frozenset({"execve", "execveat"})
_PAIRED = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})
_SIGNALS = frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"})

_RANDOM: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), made)
    for pattern, made in (
        (r"^/proc/\d+", "/proc/N"),
        (r"^/proc/(N|self)/task/\d+", r"/proc/\1/task/N"),
        (r"^/dev/pts/\d+", "/dev/pts/N"),
        (r"/\.?#\d+$", "/#N"),  # O_TMPFILE
    )
)


class Differences(NamedTuple):
    """Calls, as text, that only one side has."""

    only_strace: frozenset[str]
    only_paddock: frozenset[str]


def plain(name: str, job: Job) -> str:
    """Return ``name`` without what differs in each run."""
    for pattern, made in _RANDOM:
        name = pattern.sub(made, name)
    for expression in job.random:
        found = re.search(expression, name)
        if found is not None:
            name = f"{name[: found.start(1)]}RANDOM{name[found.end(1) :]}"
    return name


def _subjects(access: Access) -> tuple[str, ...]:
    if access.syscall in _SIGNALS:
        return ("",)
    subject = f"port {access.port}" if access.port is not None else access.path or ""
    return (subject,) if access.old_path is None else (access.old_path, subject)


def compare(accesses: Iterable[Access], log: Log, job: Job) -> Differences:
    """Compare the rows of one run of ``job`` with strace's log of another."""
    compared = COMPARED if "signal" in job.scoped else COMPARED - _SIGNALS
    rows: dict[Seen, bool] = {}  # value: whether the row belongs to a call that may have failed later
    chained: set[Seen] = set()
    for access in accesses:
        for subject in _subjects(access) if access.syscall in compared else ():
            row = Seen(access.syscall, plain(subject, job), access.errno or "")
            creating = access.syscall in _OPENS and any(right.startswith("make_") for right in access.rights)
            rows[row] = rows.get(row, True) and creating
            if access.syscall in _EXECUTES:
                chained.add(row)
    seen = {Seen(call, plain(subject, job), error) for call, subject, error in log.seen if call in compared}
    pairs = {(call, plain(old, job), plain(new, job), error) for call, old, new, error in log.pairs}
    logged = {(call.syscall, call.subject) for call in seen}
    found: set[Seen] = set()
    missed: set[str] = set()
    for call in seen:
        if call in rows:
            found.add(call)
        elif call.syscall not in _EXECUTES or not _in_chain(call, rows, found):
            missed.add(_text(call))
    for name, old, new, error in pairs:
        both = {Seen(name, old, error), Seen(name, new, error)}
        there = both & rows.keys()
        passed = {Seen(name, end.subject, "") for end in both} & rows.keys()
        found |= there
        if error and there and passed:
            found |= passed
        elif there != both:
            missed.add(f"{name} {old} to {new}: {error or 'fine'}")
    extra = set()
    for row, creating in rows.items():
        if row in found or (creating and (row.syscall, row.subject) in logged):
            continue
        if row in chained and _is_interpreter(row, seen):
            continue
        extra.add(_text(row))
    return Differences(frozenset(missed), frozenset(extra))


def _text(call: Seen) -> str:
    return f"{call.syscall} {call.subject}: {call.error or 'fine'}"


def _interpreter(path: str) -> str | None:
    """Return what the kernel opens besides the program at ``path``: a script's interpreter, or a loader."""
    try:
        with open(path, "rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return None
    if head.startswith(b"#!"):
        return os.fsdecode(head[2:].split(b"\n", 1)[0].split()[0])
    found = re.search(rb"(/lib(?:64)?/ld-[^\0]+)\0", head) if head.startswith(b"\x7fELF") else None
    return os.fsdecode(found[1]) if found else None


def _chain(path: str) -> list[str]:
    found: list[str] = []
    following = _interpreter(path)
    while following is not None and len(found) < 6:
        found.append(following)
        following = _interpreter(following)
    return found


def _in_chain(call: Seen, rows: dict[Seen, bool], found: set[Seen]) -> bool:
    """Whether an execve failed at an interpreter: then the program's row has no error."""
    program = Seen(call.syscall, call.subject, "")
    failed = {Seen(call.syscall, path, call.error) for path in _chain(call.subject)} & rows.keys()
    if not call.error or program not in rows or not failed:
        return False
    found |= {program, *failed}
    return True


def _is_interpreter(row: Seen, seen: set[Seen]) -> bool:
    """Whether a row of an execve is for something that an executed program needs."""
    return not row.error and any(row.subject in _chain(call.subject) for call in seen if call.syscall in _EXECUTES)
