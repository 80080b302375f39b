"""Every audit record has its denied row, and every denied row its record: right, object and caller."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from editor.sandbox.verdicts.audit import AuditReader, Denial
from editor.sandbox.verdicts.report import Access
from tests.proof.jobs import JOBS, SCOPES, Job
from tests.proof.records import compare
from tests.proof.stage import ORDINARY, Stage, Watched
from tests.sandbox.harness import require_abi

_AUDIT_ABI = 7
_TURNS = 3
_PATIENCE_S = 4.0  # the kernel's last record of a domain comes when nothing of it is left


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One directory for all jobs of this module."""
    with Stage.opened() as opened:
        yield opened


def _watched(stage: Stage, job: Job, uid: int | None, reader: AuditReader) -> tuple[Watched, list[Denial]] | None:
    """Return a run and all records of it, or None if some are missing: the kernel counts them."""
    done = stage.test(job, uid)
    until = time.monotonic() + _PATIENCE_S
    reader.read()
    while not reader.is_complete(done.root) and time.monotonic() < until:
        time.sleep(0.005)
        reader.read()
    whole = reader.is_complete(done.root) and not reader.has_lost_records()
    return (done, reader.denials_of(done.root)) if whole else None


def _lost_dumps(job: Job) -> int:
    """Return how many core dumps of ``job`` the policy prevents with this machine's place for them."""
    with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
        return 0 if file.read(1) in ("|", "/", "@") else job.lost_dumps


def _object(row: Access) -> str | int | None:
    return row.object_path if row.port is None else row.port


@pytest.mark.proof
@pytest.mark.audit
@pytest.mark.parametrize("uid", [None, ORDINARY], ids=["root", "user"])
@pytest.mark.parametrize("job", [pytest.param(job, marks=job.marks, id=job.name) for job in JOBS])
def test_records_and_rows_match(
    job: Job, uid: int | None, stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    require_abi(_AUDIT_ABI)
    for _ in range(_TURNS):
        rules = stage.prepare(job, uid)
        with AuditReader(enable=True) as reader:
            found = _watched(stage, job, uid, reader)
        if found is not None:
            break
    else:
        pytest.fail("the kernel's records do not come whole")
    done, denials = found
    # The kernel writes core dumps on its own behalf: no call is denied.
    lost = [denial for denial in denials if denial.call is None]
    denials = [denial for denial in denials if denial.call is not None]
    assert len(lost) == _lost_dumps(job)
    if uid is None and os.geteuid() == 0:
        rows = [row for row in done.accesses if row.observed == "audit"]
        assert Counter(row.path for row in rows) == Counter(denial.path for denial in lost)
    else:
        assert sum("core dump" in note for note in done.notes) == len(lost)
    record_property("records", len(denials))
    record_property("denied", sum(row.times for row in done.denied))
    record_property("rows", len(done.accesses))
    verdict = compare(done.denied, denials, rules, threads=job.threads)
    assert verdict.unseen == ()
    assert verdict.unrecorded == ()
    assert denials, "the policy cuts nothing off"
    # An allowance without an object would be a guess.
    assert [row for row in done.accesses if row.verdict == "allowed" and row.rights - SCOPES and not _object(row)] == []
    # What the product itself says of the records; an ordinary user cannot read them.
    allowed = {True, None} if uid is None else {None}
    assert {row.confirmed for row in done.denied} <= allowed
    notes = [note for note in done.notes if "core dump" not in note]
    assert [note for note in notes if "audit" in note or "could not be" in note] == []
