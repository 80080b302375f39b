"""Landlock's audit records in text: what auditd, ausearch(8), journald and the kernel's log make of them.

A denial is a record of type 1423 (LANDLOCK_ACCESS) that shares a serial number with the record of its system call
(1300). Where only the first is there, the denial has no process. Sources: security/landlock/audit.c for the fields,
kernel/audit.c for the line in the kernel's log, process_audit_string() in systemd's journald-audit.c for the journal,
and what ausearch 3.0.9 prints.
"""

import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from editor.landlock.rights import RIGHTS
from editor.sandbox.syscalls import call_name
from editor.sandbox.verdicts.audit import blocked_rights, named_fields
from editor.sandbox.verdicts.report import Access

_ACCESS = frozenset({"LANDLOCK_ACCESS", "UNKNOWN[1423]", "AUDIT1423", "1423"})
_CALL = frozenset({"SYSCALL", "1300"})

# auditd and ausearch print "type=NAME msg=audit(ID): ", interpreted with a space before the colon; the kernel's log has
# "type=NUMBER audit(ID): ".
_RECORD = re.compile(r"type=(\S+) (msg=)?audit\(([^()]+:\d+)\)( ?): ?(.*)", re.DOTALL)
# The journal in its short form leaves out the event's id.
_JOURNAL = re.compile(r"\baudit\[(\d+)\]: (\S+) (.*)", re.DOTALL)
# ausearch -i prints names without quotes, and unusual bytes in octal.
_INTERPRETED_FIELD = re.compile(r"(\w+)=(.*?)(?= +\w+=| *\Z)", re.DOTALL)
_OCTAL = re.compile(r"\\([0-7]{3})")

_REASON = "the kernel's audit recorded this denial"


class _Record(NamedTuple):
    type: str
    event: str
    values: dict[str, str]


def has_records(text: str) -> bool:
    """Whether ``text`` contains a record of a Landlock denial, in any spelling."""
    return any(f"type={name} " in text or f"{name} domain=" in text for name in _ACCESS) or (
        '"_AUDIT_TYPE"' in text and '"1423"' in text
    )


def accesses(lines: Iterable[str]) -> Iterator[Access]:
    """Yield each denial that ``lines`` record, in order."""
    denials: list[_Record] = []
    calls: dict[str, dict[str, str]] = {}
    for line in lines:
        record = _journal_entry(line) if line.startswith("{") else _record(line)
        if record is None:
            continue
        if record.type in _CALL and record.event:
            calls[record.event] = record.values
        elif record.type in _ACCESS and "blockers" in record.values:
            denials.append(record)
    for denial in denials:
        yield _access(denial, calls.get(denial.event, {}))


def _record(line: str) -> _Record | None:
    found = _RECORD.search(line)
    if found is None:
        short = _JOURNAL.search(line)
        return None if short is None else _Record(short[2], "", {**named_fields(short[3]), "pid": short[1]})
    # Only an interpreted id has a date.
    values = _interpreted(found[5]) if "/" in found[3] or found[4] else named_fields(found[5])
    return _Record(found[1], found[3], values)


def _interpreted(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in _INTERPRETED_FIELD.findall(text):
        raw = _OCTAL.sub(lambda match: chr(int(match[1], 8)), value.strip('"'))
        values.setdefault(name, raw)
    return values


def _journal_entry(line: str) -> _Record | None:
    """Return the record in a line of ``journalctl -o json``: from the audit socket, or from the kernel's log."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    message = _text(entry.get("MESSAGE")) if isinstance(entry, dict) else ""
    if not isinstance(entry, dict) or "_AUDIT_TYPE" not in entry:
        return _record(message)
    event = f"{entry.get('_SOURCE_REALTIME_TIMESTAMP', '')}:{entry.get('_AUDIT_ID', '')}"
    values = named_fields(message.partition(" ")[2])
    return _Record(_text(entry["_AUDIT_TYPE"]), event, values)


def _text(value: Any) -> str:
    """Return a field of the journal: journalctl prints bytes that are not text as a list of numbers."""
    if isinstance(value, list):
        try:
            return bytes(value).decode(errors="surrogateescape")
        except (TypeError, ValueError):
            return ""
    return str(value or "")


def _access(denial: _Record, call: dict[str, str]) -> Access:
    values = denial.values
    blockers = blocked_rights(values["blockers"])
    rights = frozenset(name for name in blockers if name in RIGHTS)
    if "write_file" in rights and _truncates(call):
        rights |= {"truncate"}
    kinds = {RIGHTS[name].kind for name in rights}
    path = values.get("path")
    port = values.get("dest", values.get("src", "0"))
    return Access(
        verdict="denied",
        rights=rights,
        missing=rights,
        path=path,
        object_path=path if "fs" in kinds else None,
        port=int(port) if "net" in kinds and port.isdecimal() else None,
        syscall=_call_name(call),
        errno=_error(call.get("exit", "")),
        process=call.get("comm", ""),
        pid=_number(call.get("pid", values.get("pid", ""))),
        times=1,
        confirmed=True,
        reason=_REASON if rights else f"{_REASON}: {', '.join(sorted(blockers))}",
        observed="audit",
    )


def _truncates(call: dict[str, str]) -> bool:
    """Whether a denied call opened its file to empty it: hook_file_open() records only the rights for opening."""
    name = _call_name(call)
    if name == "creat":
        return True
    flags = call.get({"open": "a1", "openat": "a2"}.get(name, ""), "")
    try:
        return bool(int(flags, 16) & os.O_TRUNC)
    except ValueError:
        return "O_TRUNC" in flags  # interpreted


def _call_name(call: dict[str, str]) -> str:
    name = call.get("syscall", "")
    if not name.isdecimal():
        return name
    try:
        return call_name(int(call.get("arch", ""), 16), int(name))
    except ValueError:
        return f"call {name}"


def _error(result: str) -> str | None:
    """Return the name of an error: ``-13``, or interpreted ``EACCES(Permission denied)``."""
    if result.startswith("-") and result[1:].isdecimal():
        return errno.errorcode.get(int(result[1:]), result[1:])
    return result.partition("(")[0] if result.startswith("E") else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
