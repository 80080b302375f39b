"""A log of the kernel's records, in each spelling, gives the same plan as the run itself."""

import errno
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from editor.editing.edits import AddPathRule, Edit, GrantPath
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.syscalls import call_name, machine
from editor.sandbox.verdicts.audit import AuditReader, named_fields
from editor.suggest.logs.reading import LogError, read_log
from editor.suggest.planning import make_plan
from tests.sandbox.harness import ALL_FS, ALL_NET, ALL_SCOPES, Outcome, policy, require_abi, run, system_rules

pytestmark = pytest.mark.audit

SCRIPT = r"""
import os, socket
def attempt(do, *arguments):
    try: do(*arguments)
    except OSError: pass
attempt(open, "plain")
attempt(open, "with space and [brackets]")
attempt(open, "line\nbreak \\ and \x1b[31m")
attempt(open, "old", "w")
attempt(os.listdir, "dir")
attempt(os.mkdir, "dir/new")
attempt(os.unlink, "old")
attempt(socket.socket().connect, ("127.0.0.1", 9))
attempt(os.kill, os.getppid(), 0)
"""
NAMES = ("plain", "with space and [brackets]", "line\nbreak \\ and \x1b[31m", "old")

Record = tuple[int, str]


class _Recorder(AuditReader):
    """Keeps the records as the kernel sent them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        super().__init__(enable=True)

    def _handle_record(self, kind: int, payload: bytes) -> None:
        self.records.append((kind, os.fsdecode(payload.rstrip(b"\0\n"))))
        super()._handle_record(kind, payload)


def _watched(resolved: ResolvedPolicy, cwd: Path) -> tuple[Outcome, list[Record]]:
    """Run the script; return the run, and the records of its denials and their system calls."""
    for _ in range(3):  # something else may turn audit off meanwhile: the kernel's count shows it
        reader = _Recorder()
        with reader:
            done = run(resolved, sys.executable, "-I", "-S", "-c", SCRIPT, cwd=str(cwd))
            root = done.report.accesses[0].pid
            until = time.monotonic() + 3
            while not reader.is_complete(root) and time.monotonic() < until:
                time.sleep(0.01)
                reader.read()
            if reader.is_complete(root) and not reader.has_lost_records():
                ours = {str(denial.serial) for denial in reader.denials_of(root)}
                return done, [each for each in reader.records if each[1].split(")")[0].split(":")[-1] in ours]
    pytest.fail("the kernel's records do not come whole")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[ResolvedPolicy, Outcome, list[Record]]:
    require_abi(7)
    place = tmp_path_factory.mktemp("audit_lines")
    for name in NAMES:
        (place / name).write_text("x\n", encoding="ascii")
    (place / "dir").mkdir()
    resolved = policy(system_rules(), fs=ALL_FS, net=ALL_NET, scoped=ALL_SCOPES)
    return resolved, *_watched(resolved, place)


def _auditd(records: Sequence[Record], names: dict[int, str]) -> str:
    return "".join(f"type={names[kind]} msg={text}\n" for kind, text in records if kind in names)


AUSEARCH = "/usr/sbin/ausearch"
BY_NAME = {1423: "LANDLOCK_ACCESS", 1300: "SYSCALL"}
BY_NUMBER = {1423: "UNKNOWN[1423]", 1300: "SYSCALL"}


def _ausearch(records: Sequence[Record], *options: str) -> str:
    """Return what ausearch(8) makes of a log of auditd: the real one where it is installed."""
    log = _auditd(records, BY_NUMBER)
    if not os.path.exists(AUSEARCH):
        return _interpreted(records) if "-i" in options else log if "--raw" in options else f"----\ntime->Wed\n{log}"
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(log)
        file.flush()
        command = [AUSEARCH, "-if", file.name, *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=True)
    return done.stdout


def _interpreted(records: Sequence[Record]) -> str:
    """Return what ``ausearch -i`` 3.0.9 prints of these records: names plain, unusual bytes in octal, numbers named."""
    lines = []
    for kind, text in records:
        if kind not in BY_NUMBER:
            continue
        time_and_serial, rest = text.removeprefix("audit(").split("): ", 1)
        for name, value in named_fields(rest).items():
            plain = "".join(f"\\{ord(letter):03o}" if letter < " " else letter for letter in value)
            if name == "exit" and value.startswith("-"):
                plain = f"{errno.errorcode[-int(value)]}({os.strerror(-int(value))})"
            elif name == "syscall":
                plain = call_name(machine().native, int(value))
            elif name == "dev":
                plain = f'"{value}"'
            elif name in ("a0", "a1", "a2", "a3"):
                plain = f"0x{value}"
            rest = re.sub(rf'\b{name}=("[^"]*"|\S*)', lambda _, new=f"{name}={plain}": new, rest, count=1)  # type: ignore[misc]
        lines.append(
            f"type={BY_NUMBER[kind]} msg=audit(11/25/26 18:54:26.404:{time_and_serial.split(':')[1]}) : {rest} \n"
        )
    return "".join(lines)


def _kernel_log(records: Sequence[Record]) -> str:
    """Return the lines of kauditd_printk_skb() in kernel/audit.c, as dmesg(1) prints them."""
    return "".join(f"[18291.2{number:05}] audit: type={kind} {text}\n" for number, (kind, text) in enumerate(records))


def _journal_of_kernel(records: Sequence[Record]) -> str:
    lines = _kernel_log(records).splitlines()
    return "".join(json.dumps({"_TRANSPORT": "kernel", "MESSAGE": line.split("] ", 1)[1]}) + "\n" for line in lines)


def _journal_of_audit(records: Sequence[Record], *, as_bytes: bool = False) -> str:
    """Return the entries that process_audit_string() of systemd makes, as ``journalctl -o json`` prints them."""
    lines = []
    for kind, text in records:
        serial, rest = text.split(":", 1)[1].split("): ", 1)
        name = "SYSCALL" if kind == 1300 else f"AUDIT{kind}"
        message = f"{name} {rest}"
        entry = {
            "_TRANSPORT": "audit", "_AUDIT_TYPE": str(kind), "_AUDIT_ID": serial, "_AUDIT_TYPE_NAME": name,
            "_SOURCE_REALTIME_TIMESTAMP": text[6:].split(":")[0].replace(".", "") + "000",
            "MESSAGE": list(os.fsencode(message)) if as_bytes else message,
        }  # fmt: skip
        lines.append(json.dumps(entry) + "\n")
    return "".join(lines)


def _journal_in_short(records: Sequence[Record]) -> str:
    return "".join(
        f"Nov 25 18:54:26 host audit[77]: {'SYSCALL' if kind == 1300 else f'AUDIT{kind}'} {text.split('): ', 1)[1]}\n"
        for kind, text in records
    )


SPELLINGS: dict[str, Callable[[Sequence[Record]], str]] = {
    "auditd by name": lambda records: _auditd(records, BY_NAME),
    "auditd by number": lambda records: _auditd(records, BY_NUMBER),
    "ausearch": _ausearch,
    "ausearch --raw": lambda records: _ausearch(records, "--raw"),
    "ausearch -i": lambda records: _ausearch(records, "-i"),
    "dmesg": _kernel_log,
    "journal of the kernel's log": _journal_of_kernel,
    "journal of audit": _journal_of_audit,
    "journal of audit in bytes": lambda records: _journal_of_audit(records, as_bytes=True),
    "journal in short": _journal_in_short,
}


def _edits(plan_of: Sequence[object], resolved: ResolvedPolicy) -> set[Edit]:
    plan = make_plan(plan_of, resolved, fold="exact")  # type: ignore[arg-type]  # rows of either source
    return {edit for proposal in plan.proposals for edit in proposal.edits}


def _without_truncate(edit: Edit) -> Edit:
    return edit._replace(rights=edit.rights - {"truncate"}) if isinstance(edit, AddPathRule | GrantPath) else edit


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_records_give_the_plan_of_the_run(spelling: str, watched: tuple[ResolvedPolicy, Outcome, list[Record]]) -> None:
    resolved, done, records = watched
    log = read_log(os.fsencode(SPELLINGS[spelling](records)))
    assert log.source == "audit"
    live = _edits(done.report.accesses, resolved)
    assert len(live) >= 7
    if spelling == "journal in short":  # has no ids, so that what the system call adds is unknown
        live = {_without_truncate(edit) for edit in live}
    assert _edits(log.accesses, resolved) == live
    denied = done.rows(verdict="denied")
    assert sum(access.times for access in log.accesses) == sum(row.times for row in denied)
    if spelling != "journal in short":
        assert {(row.syscall, row.errno, row.process) for row in denied} == {
            (access.syscall, access.errno, access.process) for access in log.accesses
        }


def test_records_without_a_denial_are_named() -> None:
    with pytest.raises(LogError, match="no denial by Landlock"):
        read_log(b"type=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=1\n")


def test_damaged_records_are_passed_over() -> None:
    good = b'type=1423 audit(1.2:3): domain=1 blockers=fs.read_file path="/x" dev="a" ino=1\n'
    bad = (
        b'{"MESSAGE": [300], "_AUDIT_TYPE": "1423"}\n{broken\ntype=1423 audit(1.2:4): blockers=\xff path="/y\n'
        b"type=1423 audit(9.9:5): domain=1 blockers=net.connect_tcp dest=many\n"
    )
    objects = [access.object_path for access in read_log(bad + good).accesses if "read_file" in access.missing]
    assert objects == ["/x"]
