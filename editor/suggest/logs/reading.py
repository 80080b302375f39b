"""Read what others recorded of programs, in whatever form it comes."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from editor.sandbox.verdicts.report import Access
from editor.suggest.logs import audit_lines, report_json, strace

Source = Literal["report", "audit", "strace"]


class LogError(ValueError):
    """A log that cannot be read. The message is a sentence without the log's name."""


class Log(NamedTuple):
    """The accesses of one log, each once with its number of times, in the order of their first appearance."""

    source: Source
    accesses: tuple[Access, ...]


def read_log(data: bytes, *, cwd: str = "/") -> Log:
    """Read a report of Paddock (JSON or JSON lines), a log of strace, or audit records in any spelling.

    ``cwd`` is the directory in which strace was started: relative names in its log begin there. Raises LogError if the
    format is not recognised, the data is damaged, or there is no access in it.
    """
    text = data.decode(errors="surrogateescape")
    if report_json.is_report(text):
        try:
            return Log("report", _counted(report_json.accesses(text)))
        except ValueError as error:
            raise LogError(f"The report cannot be read: {error}.") from error
    if audit_lines.has_records(text):
        return Log("audit", _counted(audit_lines.accesses(text.splitlines())))
    if strace.is_log(text):
        return Log("strace", _counted(strace.accesses(text.splitlines(), cwd)))
    if "audit(" in text or '"_AUDIT_TYPE"' in text:
        raise LogError("The audit records contain no denial by Landlock (type 1423, LANDLOCK_ACCESS).")
    raise LogError(
        "This is neither a JSON report of Paddock, nor a log of strace, nor audit records as ausearch, journalctl"
        " -o json or dmesg prints them."
    )


def _counted(accesses: Iterable[Access]) -> tuple[Access, ...]:
    rows: dict[tuple[object, ...], Access] = {}
    for access in accesses:
        key = access.key()
        known = rows.get(key)
        rows[key] = access if known is None else known._replace(times=known.times + access.times)
    return tuple(rows.values())
