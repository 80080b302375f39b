"""Compares the denied rows of a run with the kernel's audit records."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.syscalls import call_name
from editor.sandbox.verdicts.audit import AuditReader, Denial
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.rows import Row

_AUDIT_WAIT_S = 0.3  # the kernel logs the number of denials some milliseconds after the end

# Mount changes are denied without a right; all other such calls are about other processes.
MOUNTING = frozenset({"mount", "umount", "umount2", "pivot_root", "move_mount", "fsconfig"})

_OPENING: RightSet = frozenset({"execute", "read_file", "write_file", "read_dir"})

# How a row names the process that a call was on.
_TARGET = re.compile(r"process (\d+)|/proc/(\d+)/")

_DELETED = " (deleted)"  # the kernel adds it to the path of a file without a name
_SOCKETCALL = "socketcall"  # on i386, one call for all on sockets: the row names which


def expected_blockers(access: Access) -> RightSet:
    """Return the blockers that the kernel logs for a denied access; it checks rights to open before ``truncate``."""
    if access.missing & _OPENING:
        return access.missing - {"truncate"}
    if not access.rights:
        return frozenset({"change_topology" if access.syscall in MOUNTING else "ptrace"})
    return access.missing


def matches(access: Access, denial: Denial) -> bool:
    """Whether a denied access and a record agree: the same call, the same rights, on the same object or process.

    For a rename or link that is denied because the file would gain rights, the kernel names every right that the
    directory lacks, requested or not: there the access's rights must be among them. With several layers it may even
    name the rights that another layer lacks, because all are checked together: there only the object must be the same.
    Of a denial that the policy does not explain, the kernel may name any of the requested rights, on another object.
    """
    if call_name(denial.arch, denial.call) not in ("", _SOCKETCALL, access.syscall) or not _has_same_target(
        access, denial
    ):
        return False
    if not access.explained:
        return denial.blockers <= access.rights
    blockers = expected_blockers(access)
    if "refer" in access.rights:
        if not blockers <= denial.blockers and not access.layer:
            return False
    elif blockers != denial.blockers:
        return False
    if access.port is not None or denial.port is not None:
        return access.port == (denial.port or 0)  # port 0, any free one, is left out of the record
    if access.object_path is None or denial.path is None:
        return not access.rights or access.object_path is None
    # In a chroot the kernel logs the path as the program sees it; a nameless file is logged below its directory.
    return any(
        access.object_path.endswith(logged) or logged.startswith(access.object_path.rstrip("/") + "/#")
        for logged in _logged_names(denial.path)
    )


def _logged_names(path: str) -> tuple[str, ...]:
    """Return the names that a logged path may stand for: what looks like a removed file may be called so."""
    return (path, path.removesuffix(_DELETED)) if path.endswith(_DELETED) else (path,)


def _has_same_target(access: Access, denial: Denial) -> bool:
    """Whether the process that the access was on may be the recorded one: a group or pidfd stands for any."""
    if not denial.target:
        return True
    found = _TARGET.match(access.path or "")
    if found is None:
        return True
    named = int(found[1] or found[2])
    return named == denial.target or os.path.exists(f"/proc/{denial.target}/task/{named}")  # tgkill(2) names a thread


class Comparison(NamedTuple):
    """The result of comparing denied rows with the kernel's records.

    ``confirmed`` says for each access whether a record agrees. ``unmatched`` are the records that agree with no row.
    """

    confirmed: tuple[bool, ...]
    unmatched: tuple[Denial, ...]


class _DeniedRows:
    """The positions of denied accesses, by what a record of them would name."""

    def __init__(self, accesses: Sequence[Access]) -> None:
        self._by_name: dict[str, list[int]] = {}
        self._by_port: dict[int | None, list[int]] = {}
        self.unexplained: list[int] = []
        for position, access in enumerate(accesses):
            if access.verdict == "denied" and not access.explained:
                self.unexplained.append(position)
            elif access.verdict == "denied":
                if access.object_path is not None:
                    self._by_name.setdefault(os.path.basename(access.object_path), []).append(position)
                if access.object_path is None or not access.rights:
                    self._by_port.setdefault(access.port or None, []).append(position)

    def candidates(self, denial: Denial) -> Iterator[int]:
        """Return the positions of the accesses that a record may match."""
        yield from self._by_port.get(denial.port or None, ())
        if denial.path is not None:
            for directory, name in map(os.path.split, _logged_names(denial.path)):
                yield from self._by_name.get(name, ())
                if name.startswith("#"):
                    yield from self._by_name.get(os.path.basename(directory), ())


def compare(accesses: Sequence[Access], denials: Iterable[Denial]) -> Comparison:
    """Match denied accesses with what the kernel recorded of the same run, in any of its processes.

    A rename or link may leave two records, one per directory, even if only one directory lacks a requested right:
    either row matches such an event.
    """
    events: dict[int, list[Denial]] = {}
    for denial in denials:
        events.setdefault(denial.serial, []).append(denial)
    # What happened again needs to be compared only once.
    alike: dict[tuple[object, ...], list[list[Denial]]] = {}
    for event in events.values():
        key = tuple((each.blockers, each.path, each.port, each.target, each.call, each.arch) for each in event)
        alike.setdefault(key, []).append(event)
    rows = _DeniedRows(accesses)
    confirmed = [False] * len(accesses)
    unmatched: list[Denial] = []
    for same in alike.values():
        found = {
            position
            for denial in same[0]
            for position in rows.candidates(denial)
            if matches(accesses[position], denial)
        }
        # A record of another row's object may be of this one too: its object is what the tracer found, too late.
        unexplained = {each for each in rows.unexplained if any(matches(accesses[each], denial) for denial in same[0])}
        for position in found | unexplained:
            confirmed[position] = True
        if not found and not unexplained:
            unmatched += (denial for event in same for denial in event)
    return Comparison(tuple(confirmed), tuple(unmatched))


class Confirmation(NamedTuple):
    """What audit says of a run.

    ``answers`` by row number; ``unlisted``, the records that no row explains; and messages for the user.
    """

    answers: tuple[tuple[int, bool], ...]
    unlisted: tuple[Denial, ...]
    notices: tuple[str, ...]


def confirm(denied: Sequence[Row], reader: AuditReader, root: int) -> Confirmation:
    """Compare the denied rows with what ``reader`` recorded of the run that began as process ``root``.

    Waits a moment for the kernel's own count of denials, which comes last.
    """
    until = time.monotonic() + _AUDIT_WAIT_S
    reader.read()
    while (denied or reader.denials) and not reader.is_complete(root) and time.monotonic() < until:
        time.sleep(0.005)
        reader.read()
    dropped = reader.has_lost_records()
    complete = reader.is_complete(root) and not dropped
    found = compare([row.access for row in denied], reader.denials_of(root))
    answers = tuple(
        (row.number, confirmed)
        for row, confirmed in zip(denied, found.confirmed, strict=True)
        if confirmed or complete  # a lost record proves nothing
    )
    notices: list[str] = []
    if dropped:
        counted, known = reader.counted(root), len(reader.denials_of(root))
        how_many = f" ({known:,} of {counted:,} denials arrived)" if counted is not None and counted > known else ""
        notices.append(
            f"Some of the kernel's audit records were lost, because they came faster than they could be read{how_many}:"
            " not every denial could be confirmed, and denials that no system call shows may be missing."
        )
    elif reader.was_turned_off():
        notices.append(
            "Something else turned the kernel's audit off during the run: not every denial could be confirmed, and"
            " denials that no system call shows may be missing."
        )
    elif not all(found.confirmed) and not complete:
        # A domain lives on in what its processes left behind, such as a connection that nobody accepted.
        notices.append("Not every denial could be confirmed: the kernel has not reported yet how many there were.")
    explained = [confirmed for row, confirmed in zip(denied, found.confirmed, strict=True) if row.access.explained]
    unconfirmed = explained.count(False) if complete else 0
    if unconfirmed:
        notices.append(f"The kernel's audit did not record {unconfirmed} of the listed denials.")
    return Confirmation(answers, found.unmatched, tuple(notices))
