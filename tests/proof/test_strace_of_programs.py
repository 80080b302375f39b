"""What ``strace -f`` reports of the same command under the same policy: the same calls, paths and errors."""

from collections.abc import Callable, Iterator

import pytest

from tests.proof import strace_log
from tests.proof.differences import compare
from tests.proof.jobs import JOBS, Job
from tests.proof.stage import Stage
from tests.sandbox.harness import require_abi

_SCOPED_ABI = 6


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One directory for all jobs of this module."""
    with Stage.opened() as opened:
        yield opened


@pytest.mark.proof
@pytest.mark.program("strace")
@pytest.mark.parametrize("job", [pytest.param(job, marks=job.marks, id=job.name) for job in JOBS])
def test_calls_names_and_errors_match_strace(
    job: Job, stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    require_abi(_SCOPED_ABI)
    stage.prepare(job, None)
    done = stage.test(job, None)
    stage.prepare(job, None)
    traced = stage.trace(job, None, strace_log.TRACED)
    log = strace_log.read(traced.log, traced.cwd)
    record_property("calls", len(log.seen) + len(log.pairs))
    record_property("rows", len(done.accesses))
    found = compare(done.accesses, log, job)
    outputs = f"\n{done.exit_code} {done.notes}\n{done.output}\n-- strace\n{traced.output}"
    assert found == (frozenset(), frozenset()), (
        "\n".join([*found.only_strace, "-- Paddock", *found.only_paddock]) + outputs
    )
