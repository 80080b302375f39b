"""Compares the kernel's audit with the rows of a test in both directions, without Paddock's own comparison.

Each record is one denial: the missing rights (``blockers``), the object, the system call, the program, and the result.
Each denied row is the same, with a count. So the two are multisets that must be equal, except where
security/landlock/fs.c and net.c log something else than what was requested:

- hook_file_open() logs what opening needs; the right to truncate is looked up later, in hook_file_truncate(). A row of
  open(O_TRUNC) that lacks both names both.
- current_check_refer_path() logs a rename or link between two directories as one record per directory. If the file may
  not move at all because it would gain rights, is_access_to_paths_allowed() never reaches the requested rights: for
  each directory it logs every handled right that no rule grants there ("is_dom_check"), even if that directory lacks
  nothing that was requested. The result is EXDEV, or EACCES if a requested right is missing.
- kill(2) of a process group checks each member, and logs one record for each that is outside.
- d_path() adds " (deleted)" to the path of a file without a name, such as one made with O_TMPFILE.
- net.c does not log port 0.
- hook_sb_umount() and hook_sb_remount() log the root of the mount by its own name, which is /.
- audit_log_task_info() logs the process's id, but the thread's name. Rows have the process's name. If the program
  names its threads (``threads``), a name that no row has is a thread's: that record needs a row that is the same
  otherwise.
"""

import errno
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox import syscalls
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.report import Access
from tests.proof.stage import Rules

_OPENING: RightSet = frozenset({"execute", "read_file", "write_file", "read_dir"})
_OPENS = frozenset({"open", "openat", "openat2", "creat"})
_UNMOUNTING = frozenset({"umount", "umount2"})
_MOUNTING = frozenset({"mount", "umount", "umount2", "pivot_root", "move_mount", "fsconfig"})
# 32-bit programs make these calls through socketcall(2).
_THROUGH_SOCKETCALL = {"bind_tcp": "bind", "connect_tcp": "connect"}
_DELETED = " (deleted)"
_BETWEEN = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})


class Fact(NamedTuple):
    """One denial, from a record or a row."""

    blockers: RightSet
    path: str | None
    port: int | None
    syscall: str
    errno: str
    comm: str

    def __str__(self) -> str:
        where = self.path if self.port is None else f"port {self.port}"
        return f"{','.join(sorted(self.blockers))} on {where} ({self.syscall} of {self.comm}: {self.errno})"


class Verdict(NamedTuple):
    """What does not match: facts only in the kernel's records, and facts only in rows."""

    unseen: tuple[str, ...]
    unrecorded: tuple[str, ...]


def _of_record(denial: Denial) -> Fact:
    """Return the fact in a record. Fails for a record without its system call, which cannot be compared."""
    assert denial.call is not None and denial.result is not None, f"no system call for {denial}"
    call = syscalls.call_name(denial.arch, denial.call)
    if call == "socketcall":
        call = next((_THROUGH_SOCKETCALL[right] for right in denial.blockers if right in _THROUGH_SOCKETCALL), call)
    return Fact(
        denial.blockers,
        None if denial.path is None else denial.path.removesuffix(_DELETED),
        denial.port,
        call,
        errno.errorcode[-denial.result] if denial.result < 0 else "",
        denial.comm,
    )


def _of_row(row: Access) -> Fact:
    blockers, path, port = row.missing, row.object_path, row.port
    if row.syscall in _OPENS and blockers & _OPENING:
        blockers -= {"truncate"}
    if not row.rights:
        blockers = frozenset({"change_topology" if row.syscall in _MOUNTING else "ptrace"})
    if row.syscall in _UNMOUNTING or blockers & {"ptrace", "signal", "abstract_unix_socket"}:
        path = None  # reported other than by path
    return Fact(blockers, path, port or None, row.syscall, row.errno or "", row.process)


def compare(rows: Sequence[Access], denials: Iterable[Denial], rules: Rules, *, threads: bool = False) -> Verdict:
    """Compare the denied ``rows`` of a run with all records of it.

    ``rules`` is the policy. ``threads``: records may have the name of a thread.
    """
    events: dict[int, list[Fact]] = {}
    for denial in denials:
        event = events.setdefault(denial.serial, [])
        fact = _of_record(denial)
        if fact not in event:
            event.append(fact)
    unrecorded: Counter[Fact] = Counter()  # rows that no record was found for yet
    moving: set[Fact] = set()
    for access in rows:
        fact = _of_row(access)
        unrecorded[fact] += access.times
        if "refer" in access.rights:
            moving.add(fact)
    # First the exact matches: for the rest, any row with the same place will do.
    unmatched: dict[int, list[Fact]] = {serial: [] for serial in events}
    for serial, event in events.items():
        for fact in event:
            if unrecorded[fact]:
                unrecorded[fact] -= 1
            else:
                unmatched[serial].append(fact)
    processes = {access.process for access in rows}
    for event in unmatched.values():
        for fact in [fact for fact in event if threads and fact.comm not in processes]:
            row = next((row for row in +unrecorded if row._replace(comm=fact.comm) == fact), None)
            if row is not None:
                unrecorded[row] -= 1
                event.remove(fact)
    # Then one row for each event without one, those with the fewest records first; then the rest.
    for needed in (True, False):
        for serial in sorted(unmatched, key=lambda serial: len(events[serial])):
            for fact in list(unmatched[serial]):
                if needed and len(unmatched[serial]) < len(events[serial]):
                    break
                row = _gaining(fact, moving, unrecorded, rules)
                if row is not None:
                    unrecorded[row] -= 1
                    unmatched[serial].remove(fact)
    unseen = [
        str(fact)
        for serial, remaining in unmatched.items()
        for fact in remaining
        if len(remaining) == len(events[serial])
        or fact.syscall not in _BETWEEN
        or fact.blockers != rules.lacking(fact.path or "/")
    ]
    return Verdict(tuple(unseen), tuple(f"{count} x {fact}" for fact, count in (+unrecorded).items()))


def _gaining(fact: Fact, moving: set[Fact], unrecorded: Counter[Fact], rules: Rules) -> Fact | None:
    """Match the row of a file that may not move because it would gain rights.

    For its directory, the kernel logs everything that it lacks.
    """
    if fact.blockers != rules.lacking(fact.path or "/"):
        return None
    for row in moving:
        if unrecorded[row] and row.blockers <= fact.blockers and row[1:] == fact[1:]:
            return row
    return None
