"""Compares the denied rows of a run with the kernel's audit records."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.audit import AuditReader, Denial
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.rows import Row

_AUDIT_WAIT_S = 0.3  # the kernel logs the number of denials some milliseconds after the end

# Mount changes are denied without a right; all other such calls are about other processes.
MOUNTING = frozenset({"mount", "umount", "umount2", "pivot_root", "move_mount", "fsconfig"})

_OPENING: RightSet = frozenset({"execute", "read_file", "write_file", "read_dir"})


def expected_blockers(access: Access) -> RightSet:
    """Return the blockers that the kernel logs for a denied access; it checks rights to open before ``truncate``."""
    if access.missing & _OPENING:
        return access.missing - {"truncate"}
    if not access.rights:
        return frozenset({"change_topology" if access.syscall in MOUNTING else "ptrace"})
    return access.missing


def matches(access: Access, denial: Denial) -> bool:
    """Whether a denied access and a record agree: the same rights, on the same object.

    For a rename or link that is denied because the file would gain rights, the kernel names every right that the
    directory lacks, requested or not: there the access's rights must be among them. With several layers it may even
    name the rights that another layer lacks, because all are checked together: there only the object must be the same.
    """
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
    logged = denial.path.removesuffix(" (deleted)")
    # In a chroot the kernel logs the path as the program sees it; a nameless file is logged below its directory.
    return access.object_path.endswith(logged) or logged.startswith(access.object_path.rstrip("/") + "/#")


class Comparison(NamedTuple):
    """The result of comparing denied rows with the kernel's records.

    ``confirmed`` says for each access whether a record agrees. ``unmatched`` are the records that agree with no row,
    without duplicates.
    """

    confirmed: tuple[bool, ...]
    unmatched: tuple[Denial, ...]


def compare(accesses: Sequence[Access], denials: Iterable[Denial]) -> Comparison:
    """Match denied accesses with what the kernel recorded of the same run, in any of its processes.

    A rename or link may leave two records, one per directory, even if only one directory lacks a requested right:
    either row matches such an event.
    """
    events: dict[int, list[Denial]] = {}
    for denial in denials:
        events.setdefault(denial.serial, []).append(denial)
    different: dict[tuple[object, ...], list[Denial]] = {}
    for event in events.values():
        different.setdefault(tuple((each.blockers, each.path, each.port) for each in event), event)
    confirmed = [False] * len(accesses)
    unmatched: list[Denial] = []
    for event in different.values():
        is_matched = False
        for position, access in enumerate(accesses):
            if access.verdict == "denied" and any(matches(access, denial) for denial in event):
                confirmed[position] = is_matched = True
        if not is_matched:
            unmatched += event
    return Comparison(tuple(confirmed), tuple(unmatched))


class Confirmation(NamedTuple):
    """What audit says of a run: ``answers`` by row number, and messages for the user."""

    answers: tuple[tuple[int, bool], ...]
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
    if denied and dropped:
        notices.append("Some of the kernel's audit records were lost: not every denial could be confirmed.")
    elif not all(found.confirmed) and not complete:
        # A domain lives on in what its processes left behind, such as a connection that nobody accepted.
        notices.append("Not every denial could be confirmed: the kernel has not reported yet how many there were.")
    unconfirmed = sum(not confirmed for confirmed in found.confirmed) if complete else 0
    if unconfirmed:
        notices.append(f"The kernel's audit did not record {unconfirmed} of the listed denials.")
    for denial in found.unmatched:
        where = denial.process or denial.path if denial.port is None else f"port {denial.port}"
        rights = ", ".join(sorted(denial.blockers))
        notices.append(f"The kernel's audit recorded a denial that is not listed: {rights} on {where}.")
    return Confirmation(answers, tuple(notices))
