"""Which denials mattered: those for which a program gave up, and those that it got along with."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from editor.escape import printable
from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.report import Access, Report

GAVE_UP, NEEDED, TOLERATED = range(3)


class Standing(NamedTuple):
    """How much one denial mattered: ``GAVE_UP``, ``NEEDED`` or ``TOLERATED``, and a printable sentence why, if any."""

    rank: int
    why: str = ""


_NEEDED = Standing(NEEDED)
_ENDED_WELL = Standing(TOLERATED, "The program got along without: it ended with status 0.")
_WORKED_WITHOUT = Standing(TOLERATED, "Another run was denied this, too, and ended with status 0.")
_WORKED_WITH = Standing(GAVE_UP, "A run to which this was not denied ended with status 0.")

_READING: RightSet = frozenset({"read_file", "read_dir"})

# isatty(3) asks devices that have no answer to give, and takes any error for a no.
_CONTROLLING: RightSet = frozenset({"ioctl_dev"})
_NO_TERMINALS = frozenset({"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})

# What runtimes and libraries read to adapt themselves to the machine, and replace by a guess if they cannot. A program
# whose very purpose is one of these says so when it fails, or fails with nothing else denied.
_PROBES = (
    ("/sys/fs/cgroup", "limits of memory and processors"),
    ("/proc/self/cgroup", "limits of memory and processors"),
    ("/proc/cgroups", "limits of memory and processors"),
    ("/proc/self/mountinfo", "limits of memory and processors"),
    ("/sys/kernel/mm", "huge pages"),
    ("/dev/hugepages", "huge pages"),
    ("/proc/sys/vm", "settings of the memory management"),
    ("/sys/devices/system/cpu", "the number of processors"),
    ("/sys/devices/system/node", "the number of processors"),
    ("/proc/cpuinfo", "the number of processors"),
    ("/proc/stat", "the number of processors"),
    ("/proc/loadavg", "the load"),
    ("/proc/meminfo", "the size of the memory"),
    ("/proc/sys/kernel/cap_last_cap", "the kernel's capabilities"),
    ("/proc/sys/net/core/somaxconn", "the longest queue of connections"),
    ("/proc/filesystems", "SELinux"),
    ("/proc/self/mounts", "SELinux"),
    ("/sys/fs/selinux", "SELinux"),
    ("/sys/kernel/security", "other security modules"),
    ("/sys/module/apparmor", "other security modules"),
)
# What the C library reads to print a message, such as that about a denial.
_FOR_MESSAGES = ("/etc/locale.alias", "/usr/share/locale/", "/usr/lib/locale/")
_PROBED = ("/proc/", *(place for place, _ in _PROBES))
_OF_PROCESS = re.compile(r"/proc/([0-9]+)(?=/|\Z)")

_REFUSAL = re.compile(
    r"denied|not permitted|cross-device|cannot|can't|could not|unable|failed|failure|error|EACCES|EPERM|EXDEV",
    re.IGNORECASE,
)
_WORD = re.compile(r"""[^\s'"`:,;()<>\[\]]+""")
_QUOTED = re.compile(r"""'([^']+)'|"([^"]+)"|`([^'`]+)['`]|\u2018([^\u2019]+)\u2019""")
_MAX_LINES = 2_000  # of output, the last ones
_SHOWN = 160


def standings(
    denied: Sequence[Access], exit_code: int | None = None, output: str = "", last: Access | None = None
) -> list[Standing]:
    """Return how much each of the ``denied`` accesses of one run mattered.

    They are in the order in which the program came upon them. ``exit_code`` is the run's status and ``output`` what the
    command printed, if they are known; ``last`` is the one denied last, by default the last one given.
    """
    enforced = not all(access.predicted for access in denied)
    said = _complaints(denied, output) if enforced and output else {}
    if enforced and exit_code == 0:
        return [
            Standing(TOLERATED, f"{_ENDED_WELL.why} It said: {said[at]}") if at in said else _ENDED_WELL
            for at in range(len(denied))
        ]
    found = [
        Standing(GAVE_UP, f"The program said: {said[at]}") if at in said else _standing_of_probe(access)
        for at, access in enumerate(denied)
    ]
    if not enforced or exit_code is None:
        return found
    if all(standing.rank == TOLERATED for standing in found):
        # Nothing else was denied that could be why it failed.
        found = [_NEEDED] * len(found)
    candidates = [at for at, standing in enumerate(found) if standing.rank != TOLERATED]
    candidates = [at for at in candidates if not _is_for_messages(denied[at])] or candidates
    decisive = next((at for at in candidates if denied[at] is last), candidates[-1] if candidates else None)
    if decisive is not None and found[decisive].rank != GAVE_UP:
        found[decisive] = Standing(GAVE_UP, f"Nothing else was denied before the run ended with status {exit_code}.")
    return found


def standings_in_runs(reports: Sequence[Report], layer: int = 0, output: str = "") -> list[tuple[Access, Standing]]:
    """Return how much each access that layer number ``layer`` denied in the runs ``reports`` mattered.

    Runs of the same command explain each other: what a run was denied that ended with status 0 is tolerated, and what
    only failed runs were denied, among which is why they failed. ``output`` is what the last run printed.
    """
    survived: set[object] = set()
    found: dict[tuple[object, ...], tuple[Access, Standing]] = {}
    denied = [[access for access in report.accesses if _is_denied(access, layer)] for report in reports]
    for report, rows in zip(reports, denied, strict=True):
        if report.mode == "enforce" and report.exit_code == 0:
            survived |= set(map(_subject, rows))
    fatal = _fatal(reports, denied)
    for number, (report, rows) in enumerate(zip(reports, denied, strict=True)):
        known = report.exit_code if report.mode == "enforce" else None
        printed = output if number == len(reports) - 1 else ""
        alone = standings(rows, known, printed, _denied_last(report, layer))
        for access, standing in zip(rows, alone, strict=True):
            together = standing
            if _subject(access) in fatal:
                together = _WORKED_WITH
            elif _subject(access) in survived and standing.rank != TOLERATED:
                together = _WORKED_WITHOUT
            known_as, before = found.get(access.key(), (access, together))
            found[access.key()] = known_as, min(before, together)
    return list(found.values())


def _is_denied(access: Access, layer: int) -> bool:
    return access.verdict == "denied" and access.layer == layer


def _denied_last(report: Report, layer: int) -> Access | None:
    """Return the access that was denied last, apart from probes and messages; None if the report does not tell."""
    for number in reversed(report.denied_last):
        access = report.accesses[number]
        if _is_denied(access, layer) and not probed(access) and not _is_for_messages(access):
            return access
    return None


def _is_for_messages(access: Access) -> bool:
    return access.object_path is not None and access.object_path.startswith(_FOR_MESSAGES)


def _subject(access: Access) -> object:
    return access.object_path or access.port or access.path or access.syscall, access.missing


def _fatal(reports: Sequence[Report], denied: Sequence[Sequence[Access]]) -> set[object]:
    """Return what failed runs were denied and a run of the same command, denied strictly less, was not."""
    runs = [
        (report.command, report.exit_code, {_subject(access) for access in rows})
        for report, rows in zip(reports, denied, strict=True)
        if report.mode == "enforce"
    ]
    fatal: set[object] = set()
    for command, status, refused in runs:
        if status:
            for other, ended, fewer in runs:
                if other == command and not ended and fewer < refused:
                    fatal |= refused - fewer
    return fatal


def _standing_of_probe(access: Access) -> Standing:
    what = probed(access)
    return Standing(TOLERATED, f"Programs look here for {what} and get along without.") if what else _NEEDED


def probed(access: Access) -> str:
    """Return what programs look for here and can do without, empty if this is no such probe."""
    path = access.object_path
    if path in _NO_TERMINALS and access.missing == _CONTROLLING:
        return "a terminal"
    if path is None or not path.startswith(_PROBED) or not access.missing <= _READING:
        return ""
    process = _OF_PROCESS.match(path)
    if process:
        if not access.of_command and int(process[1]) != access.pid and not _asks_for_own(access):
            return "other processes"
        path = f"/proc/self{path[process.end() :]}"
    for place, what in _PROBES:
        if path == place or path.startswith(place + "/"):
            return what
    return ""


def _asks_for_own(access: Access) -> bool:
    """Whether the program asked for its own directory in /proc, or for that of no particular process."""
    return not (access.path and _OF_PROCESS.match(access.path))


def _complaints(denied: Sequence[Access], output: str) -> dict[int, str]:
    """Return the line with which the program complains about each access, by its position in ``denied``."""
    by_name: dict[str, list[int]] = {}
    for at, access in enumerate(denied):
        for path in {access.path, access.object_path, access.old_path}:
            if path is not None:
                by_name.setdefault(os.path.basename(path.rstrip("/")), []).append(at)
    found: dict[int, str] = {}
    for line in output.splitlines()[-_MAX_LINES:]:
        if not _REFUSAL.search(line):
            continue
        for name in _names_in(line):
            for at in by_name.get(os.path.basename(name), ()):
                access = denied[at]
                if any(_is_named(path, name) for path in (access.path, access.object_path, access.old_path)):
                    found[at] = printable(line.strip()[:_SHOWN])
    return found


def _names_in(line: str) -> Iterator[str]:
    """Yield what may be paths in a message: words, what is in quotes, and what is between colons."""
    quoted: Iterable[str] = (text for found in _QUOTED.findall(line) for text in found if text)
    for text in {*_WORD.findall(line), *quoted, *line.split(": ")}:
        name = os.path.normpath(text.strip().rstrip("."))
        if name != ".":
            yield name


def _is_named(path: str | None, name: str) -> bool:
    """Whether ``name`` is ``path``, or its end: a program may have been given a relative path."""
    return path is not None and (path == name or (name[:1] != "/" and path.endswith("/" + name)))
