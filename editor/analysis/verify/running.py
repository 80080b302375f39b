"""Run checks of policies, several at a time, each in a run and a directory of its own."""

import contextlib
import os
import select
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

from editor.analysis.verify.checks import Check
from editor.analysis.verify.judging import beyond, judge, needed_abi, not_restricted
from editor.analysis.verify.probes import ProbeError, ProbeRequest, ProbeResult, Stopped, try_probes
from editor.evaluation.resolve import resolve
from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI, listed
from editor.policy.model import Policy
from editor.sandbox.environment import original_environment
from editor.sandbox.events import Finished, Output
from editor.sandbox.runner import RunRequest, start
from editor.sandbox.verdicts.report import Report

DEFAULT_TIMEOUT_S = 60.0
_MOST_OUTPUT = 1 << 16  # bytes kept of what a command wrote, the last ones
_MOST_AT_A_TIME = 64  # each takes about ten descriptors, and select(2) stops at 1024

Outcome = Literal["held", "failed", "skipped", "error"]


class Job(NamedTuple):
    """One check of ``policy``, to be run at ABI ``abi``; None is that of the kernel.

    With ``allow_missing``, what the kernel or the ABI lacks is left out; otherwise the check fails. ``timeout`` is for
    checks that have none of their own.
    """

    policy: Policy
    check: Check
    abi: int | None = None
    allow_missing: bool = False
    timeout: float = DEFAULT_TIMEOUT_S


class Result(NamedTuple):
    """How a check ended: it ``held``, ``failed``, was ``skipped``, or could not be tried (``error``).

    ``abi`` is the enforced one, 0 if nothing was. ``reasons`` are sentences that say why it did not hold, ``left_out``
    what was not checked because the kernel or the ABI lacks it, ``notes`` other facts. ``report`` is that of the
    command, ``probes`` what Paddock tried, ``output`` the last of what the command wrote.
    """

    job: Job
    outcome: Outcome
    abi: int
    duration_s: float
    reasons: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    report: Report | None = None
    probes: tuple[ProbeResult, ...] = ()
    output: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``paddock verify --format json`` prints."""
        check, report = self.job.check, self.report
        return {
            "policy": self.job.policy.file,
            "file": check.location.file,
            "line": check.location.line,
            "name": check.name,
            "abi": self.abi,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "left_out": list(self.left_out),
            "notes": list(self.notes),
            "duration_s": round(self.duration_s, 3),
            "exit_code": None if report is None else report.exit_code,
            "denied": [
                access.to_json() for access in (report.accesses if report else ()) if access.verdict == "denied"
            ],
            "probes": [
                {
                    "access": each.expected.text,
                    "right": each.right,
                    "outside": each.outside,
                    "inside": each.inside,
                    "reason": each.reason,
                }
                for each in self.probes
            ],
            "output": self.output,
        }


class Verification:
    """Checks being run. Call ``stop`` from any thread or signal handler; use it as a context manager."""

    def __init__(self, jobs: Sequence[Job], at_a_time: int) -> None:
        self._stopped, self._stop = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._pool = ThreadPoolExecutor(min(at_a_time, _MOST_AT_A_TIME))
        self._futures: list[Future[Result]] = [self._pool.submit(run_check, job, self._stopped) for job in jobs]

    def __enter__(self) -> "Verification":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)
        os.close(self._stopped)
        os.close(self._stop)

    def stop(self) -> None:
        """End the checks that are running, with all that they started; no other is begun."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._stop, b"\0")

    def results(self) -> Iterator[Result]:
        """Yield the results in the order of the jobs, each as soon as it is there; end early if stopped."""
        for future in self._futures:
            try:
                yield future.result()
            except Stopped:
                return


def run_check(job: Job, stop: int) -> Result:
    """Run one check. Raises Stopped once the descriptor ``stop`` is readable; nothing of the check is left then."""
    if select.select([stop], [], [], 0)[0]:
        raise Stopped
    began = time.monotonic()
    missing, abi = _lacking(job)
    if missing and (not job.allow_missing or not abi):
        if job.allow_missing:
            return Result(job, "skipped", abi, 0.0, left_out=missing)
        return Result(job, "failed", abi, 0.0, missing)
    try:
        with _workplace(job.check) as directory:
            if job.check.prepare:
                problem = _prepare(job, directory, stop)
                if problem is not None:
                    return problem._replace(duration_s=time.monotonic() - began, abi=abi)
            result = (_command if job.check.command else _probes)(job, abi, directory, stop)
    except (OSError, ProbeError) as error:
        text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        result = Result(job, "error", abi, 0.0, (text,))
    return result._replace(duration_s=time.monotonic() - began, notes=(*missing, *result.notes))


def _lacking(job: Job) -> tuple[tuple[str, ...], int]:
    """Return what the kernel lacks for ``job``, as sentences, and the ABI to enforce: 0 if there is nothing to try."""
    try:
        known = kernel.query_abi()
    except kernel.LandlockUnavailable as error:
        return (f"Landlock is missing: {error.strerror}",), 0
    if job.abi is not None:
        if job.abi > known:
            return (f"this kernel has Landlock ABI {known}, not {job.abi}",), 0
        return (), job.abi
    enforced = min(known, LATEST_ABI)
    needed, rights = needed_abi(resolve(job.policy))
    if needed > enforced:
        return (f"this kernel has Landlock ABI {known}, and the policy needs {needed} for {listed(rights)}",), enforced
    return (), enforced


@contextlib.contextmanager
def _workplace(check: Check) -> Iterator[str]:
    """Yield the directory of ``check``: its own, or a new one with its files, removed afterwards. Raises OSError."""
    if check.directory is not None:
        os.close(os.open(check.directory, os.O_DIRECTORY | os.O_PATH))  # raises if it is none
        yield check.directory
        return
    directory = os.path.realpath(tempfile.mkdtemp(prefix="paddock-verify-"))
    try:
        for name, content in check.files:
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(content)
        yield directory
    finally:
        os.chmod(directory, 0o700)
        for parent, names, _ in os.walk(directory):  # top down: each can be searched before it is
            for path in (os.path.join(parent, name) for name in names):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(directory)


def _prepare(job: Job, directory: str, stop: int) -> Result | None:
    """Run the command that prepares a check, without the policy; return the error if it fails.

    It is a run too, which only watches: so all that it starts ends with it.
    """
    request = _request(job, job.check.prepare, directory)._replace(mode="observe", confirm=False)
    report, output, timed_out = _run(request, stop)
    if report.exit_code == 0 and not timed_out:
        return None
    why = f"took more than {request.timeout:g} s" if timed_out else f"failed with exit status {report.exit_code}"
    notes = f" ({' '.join(report.notes)})" if report.notes else ""
    return Result(job, "error", 0, 0.0, (f"preparing it {why}{notes}",), output=output)


def _command(job: Job, abi: int, directory: str, stop: int) -> Result:
    request = _request(job, job.check.command, directory)._replace(mode=job.check.mode, abi=abi)
    report, output, timed_out = _run(request, stop)
    judgement = judge(job.check, report, directory, timed_out=timed_out)
    left_out = judgement.missing if job.allow_missing else ()
    reasons = judgement.reasons if job.allow_missing else (*judgement.reasons, *judgement.missing)
    outcome: Outcome = "failed" if reasons else "held"
    return Result(job, outcome, abi, 0.0, reasons, left_out, report.notes, report, output=output)


def _probes(job: Job, abi: int, directory: str, stop: int) -> Result:
    check = job.check
    missing = []
    denied = []
    for expected in check.denied:
        lost = beyond(expected.rights, abi)
        if lost:
            missing.append(not_restricted(expected, lost, abi))
        if expected.rights - lost:
            denied.append(expected._replace(rights=expected.rights - lost))
    resolved = resolve(job.policy, base=directory)
    probes = try_probes(ProbeRequest(check.allowed, denied, resolved, abi, check.timeout or job.timeout), stop)
    reasons = tuple(each.reason for each in probes if each.reason)
    if not job.allow_missing:
        reasons = (*reasons, *missing)
    outcome: Outcome = "failed" if reasons else "held" if probes else "skipped"
    return Result(job, outcome, abi, 0.0, reasons, tuple(missing) if job.allow_missing else (), probes=probes)


def _request(job: Job, command: tuple[str, ...], directory: str) -> RunRequest:
    return RunRequest(
        resolved=resolve(job.policy, base=directory),
        command=command,
        cwd=directory,
        env=original_environment() | dict(job.check.environment),
        timeout=job.check.timeout or job.timeout,
    )


def _run(request: RunRequest, stop: int) -> tuple[Report, str, bool]:
    """Return the report of a run, the last of its output, and whether it took longer than its timeout.

    Raises OSError, and Stopped when the run has ended.
    """
    until = None if request.timeout is None else time.monotonic() + request.timeout
    run = start(request._replace(timeout=None))
    output = b""
    timed_out = False
    try:
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            ready, _, _ = select.select([run.fileno(), stop], [], [], left)
            if stop in ready:
                raise Stopped
            if not ready:
                timed_out, until = True, None
                run.stop()
            for event in run.read_events():
                if isinstance(event, Output):
                    output = (output + event.data)[-_MOST_OUTPUT:]
                elif isinstance(event, Finished):
                    return event.report, output.decode(errors="replace"), timed_out
    finally:
        if run.report is None:
            run.stop()
            run.wait()
