"""How much a policy grants beyond what was used: the figures that tightening drives down."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from editor.evaluation.mounts import is_beneath
from editor.evaluation.resolve import ResolvedPolicy
from editor.suggest.usage import Usage

# Counting goes on to here: what is more than that is much too much in any case.
_MOST_FILES = 100_000

# What is there is made up by the kernel, and different at each look.
_NOT_FILES = ("/proc", "/sys")


class Score(NamedTuple):
    """``files`` are the files and directories on which something is granted, ``rights`` those of all paths and ports.

    ``more``: there are more files than were counted.
    """

    files: int
    rights: int
    more: bool = False

    def __str__(self) -> str:
        files = f"{'more than ' if self.more else ''}{self.files:,} file{'s' if self.files != 1 or self.more else ''}"
        return f"{files}, {self.rights:,} right{'s' if self.rights != 1 else ''}"


def granted(resolved: ResolvedPolicy) -> Score:
    """Return what the policy grants on this machine. /proc and /sys count as one file each."""
    tops = _tops({each.target for each in resolved.paths if each.target is not None and each.rights})
    files, more = _count(tops)
    rights = sum(len(path.rights) for path in resolved.paths) + sum(len(port.rights) for port in resolved.ports)
    return Score(files, rights, more)


def used(usage: Usage) -> Score:
    """Return what was used of it."""
    objects = {path for use in usage.used.values() for path in use.objects if path}
    return Score(len(objects), sum(len(use.rights) for use in usage.used.values()))


def _tops(paths: Iterable[str]) -> list[str]:
    """Return those of ``paths`` that are not beneath another one."""
    tops: list[str] = []
    for path in sorted(paths, key=lambda path: path.split("/")):
        if not tops or not is_beneath(path, tops[-1]):
            tops.append(path)
    return tops


def _count(tops: Iterable[str]) -> tuple[int, bool]:
    files = 0
    waiting = list(tops)
    while waiting:
        path = waiting.pop()
        files += 1
        if files > _MOST_FILES:
            return _MOST_FILES, True
        if any(is_beneath(path, each) for each in _NOT_FILES):
            continue
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        files += 1
        except OSError:  # not a directory, or not to be read
            continue
    return (_MOST_FILES, True) if files > _MOST_FILES else (files, False)
