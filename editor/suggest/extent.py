"""What else a grant would allow: the files beneath it that no program asked for, counted on this filesystem."""

import os
import stat
import time
from collections.abc import Iterable
from typing import NamedTuple

from editor.editing.edits import AddPathRule, GrantPath
from editor.escape import printable
from editor.evaluation.mounts import read_mounts
from editor.landlock.rights import RightSet
from editor.suggest.plan import Plan, Proposal

MOST_ENTRIES = 10_000
_MOST_SECONDS = 0.05  # for one proposal
_MOST_SECONDS_OF_PLAN = 1.0

# There, names are not files, or asking for them may wait for another machine.
_NOT_COUNTED = frozenset(
    {"proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "autofs", "nfs",
     "nfs4", "cifs", "smb3", "9p", "ceph"}
)  # fmt: skip
_ON_FILES: RightSet = frozenset({"execute", "read_file", "write_file", "truncate", "ioctl_dev", "resolve_unix"})


class Extent(NamedTuple):
    """How many ``entries`` are beneath a directory besides those that were used; at least so many unless ``whole``."""

    entries: int
    whole: bool = True


def with_extents(plan: Plan) -> Plan:
    """Return ``plan`` with ``beyond`` filled in: what else each proposal would allow on this filesystem.

    This reads directories: at most 10,000 entries or 50 ms for each proposal, and a second for all. What is not counted
    for lack of time says so.
    """
    counter = _Counter()
    return Plan(tuple(each._replace(beyond=counter.beyond(each)) for each in plan.proposals))


def beyond(proposal: Proposal) -> str:
    """Return what else ``proposal`` would allow, such as "412 more files under /etc"; empty if nothing."""
    return _Counter().beyond(proposal)


class _Counter:
    """Counts for the proposals of one plan; no directory twice."""

    def __init__(self) -> None:
        self._foreign = frozenset(
            mount.point for mount in read_mounts() if mount.kind in _NOT_COUNTED or mount.kind.startswith("fuse")
        )
        self._ends = time.monotonic() + _MOST_SECONDS_OF_PLAN
        self._counted: dict[tuple[str, bool], Extent] = {}

    def beyond(self, proposal: Proposal) -> str:
        """Return what else ``proposal`` would allow, in a few words."""
        used = {access.object_path for access in proposal.accesses}
        parts = []
        for edit in proposal.edits:
            if isinstance(edit, GrantPath | AddPathRule):
                paths = edit.paths if isinstance(edit, AddPathRule) else (edit.path,)
                parts += [self._beneath(path, edit.rights, used) for path in paths]
        return ", ".join(filter(None, parts))

    def _beneath(self, path: str, rights: RightSet, used: Iterable[str | None]) -> str:
        shown = printable(path)
        if path == "/proc":
            return "what /proc shows of every process"
        if path == "/proc/self":
            return "what /proc shows of the command's own process"
        if not os.path.isdir(path):
            return ""
        place = os.path.realpath(path)
        if any(place == point or place.startswith(f"{point}/") for point in self._foreign):
            return f"everything else under {shown}"
        of_files = bool(rights & _ON_FILES)
        one, many = ("file", "files") if of_files else ("directory", "directories")
        if time.monotonic() > self._ends:
            return f"an unknown number of other {many} under {shown}"
        entries, whole = self._count(place, of_files=of_files)
        prefix = place.rstrip("/") + "/"
        entries -= sum(
            each is not None and each.startswith(prefix) and _is_counted(each, of_files=of_files) for each in used
        )
        if entries <= 0:
            return "" if whole else f"an unknown number of other {many} under {shown}"
        return f"{'' if whole else 'over '}{entries:,} more {one if entries == 1 else many} under {shown}"

    def _count(self, path: str, *, of_files: bool) -> Extent:
        known = self._counted.get((path, of_files))
        if known is None:
            known = self._counted[path, of_files] = _count(path, self._foreign, of_files=of_files)
        return known


def _count(path: str, foreign: frozenset[str], *, of_files: bool) -> Extent:
    """Count what is beneath ``path``: files, or directories; links are neither, and other places are not entered."""
    ends = time.monotonic() + _MOST_SECONDS
    entries = seen = 0
    left = [path]
    while left:
        directory = left.pop()
        try:
            with os.scandir(directory) as found:
                for entry in found:
                    seen += 1
                    if seen > MOST_ENTRIES or (not seen % 256 and time.monotonic() > ends):
                        return Extent(entries, whole=False)
                    if entry.is_symlink():
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path not in foreign:
                            left.append(entry.path)
                            entries += not of_files
                    else:
                        entries += of_files
        except (OSError, ValueError):  # what we cannot list, programs of the same user cannot either
            continue
    return Extent(entries)


def _is_counted(path: str, *, of_files: bool) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISLNK(mode) and stat.S_ISDIR(mode) != of_files
