"""Laying the denied rows of a run beside the kernel's audit records, and saying where they differ."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.audit import AuditReader, Denial
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.rows import Row

_AUDIT_WAIT_S = 0.3  # the kernel tells last how many denials there were, some milliseconds after the end

# The calls that a sandbox forbids without a right: all others that it does are about other processes.
MOUNTING = frozenset({"mount", "umount", "umount2", "pivot_root", "move_mount", "fsconfig"})

_OPENING: RightSet = frozenset({"execute", "read_file", "write_file", "read_dir"})


def expected_blockers(access: Access) -> RightSet:
    """What the kernel names of a denied access: it stops at the rights of opening before it comes to ``truncate``."""
    if access.missing & _OPENING:
        return access.missing - {"truncate"}
    if not access.rights:
        return frozenset({"change_topology" if access.syscall in MOUNTING else "ptrace"})
    return access.missing


def matches(access: Access, denial: Denial) -> bool:
    """Whether a denied access and a record tell the same: the same rights, on the same object.

    Of a rename or link that is not wanted because the file would gain rights, the kernel names every right that the
    directory lacks, wanted or not: there the access's rights must be among them. With several layers it may even be the
    rights that another layer lacks, since it asks all of them at once: there only the object must be the same.
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
    told = denial.path.removesuffix(" (deleted)")
    # In a chroot the kernel tells the path as the program sees it; a nameless file is told below its directory.
    return access.object_path.endswith(told) or told.startswith(access.object_path.rstrip("/") + "/#")


class Comparison(NamedTuple):
    """A run's denied rows beside the kernel's records.

    ``confirmed`` tells for each access given whether a record says the same. ``unseen`` are the records that no row
    tells of, one for each different one.
    """

    confirmed: tuple[bool, ...]
    unmatched: tuple[Denial, ...]


def compare(accesses: Sequence[Access], denials: Iterable[Denial]) -> Comparison:
    """Match denied accesses with what the kernel recorded of the same run, whoever of its processes it was.

    A rename or link may leave two records, one for each directory, also where only one of them lacks something that
    the call wanted: such an event is told by either row.
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
        told = False
        for position, access in enumerate(accesses):
            if access.verdict == "denied" and any(matches(access, denial) for denial in event):
                confirmed[position] = told = True
        if not told:
            unmatched += event
    return Comparison(tuple(confirmed), tuple(unmatched))


class Confirmation(NamedTuple):
    """What the audit says of a run: ``answers`` by the number of the row, and sentences for the person."""

    answers: tuple[tuple[int, bool], ...]
    notices: tuple[str, ...]


def confirm(denied: Sequence[Row], reader: AuditReader, root: int) -> Confirmation:
    """Compare the denied rows with what ``reader`` heard of the run that began as process ``root``.

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
        if confirmed or complete  # a record that may have been lost proves nothing
    )
    notices: list[str] = []
    if denied and dropped:
        notices.append("Some of the kernel's audit records were lost: not every denial could be confirmed.")
    elif not all(found.confirmed) and not complete:
        # A domain lives on in what its processes left with others, such as a connection that nobody accepted.
        notices.append("Not every denial could be confirmed: the kernel has not told yet how many there were.")
    unconfirmed = sum(not confirmed for confirmed in found.confirmed) if complete else 0
    if unconfirmed:
        notices.append(f"The kernel's audit does not know of {unconfirmed} of the denials that are listed.")
    for denial in found.unmatched:
        where = denial.process or denial.path if denial.port is None else f"port {denial.port}"
        rights = ", ".join(sorted(denial.blockers))
        notices.append(f"The kernel's audit tells of a denial that is not listed: {rights} on {where}.")
    return Confirmation(answers, tuple(notices))
