"""The loop: mutate an input, run every target on it, keep it if it led to something new."""

import faulthandler
import os
import random
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NamedTuple

from tests.fuzz.inputs import Spoiler, seeds
from tests.fuzz.targets import TARGETS, Case

_MOST_KEPT = 4000
_SLOWEST = 5
_HOPELESS_S = 300  # wall-clock time: far above any limit of processor time, even on a busy machine


class HangError(Exception):
    """One target took too long with one input."""


class Finding(NamedTuple):
    """The first input with which a target failed in one way: ``what`` is the exception and its origin."""

    target: str
    what: str
    data: bytes
    other: bytes
    trace: str


class Slow(NamedTuple):
    """The seconds of processor time that a target took with an input."""

    seconds: float
    target: str
    data: bytes


class Fuzzer:
    """Runs targets on inputs. The same seed produces the same inputs, unless time ends the run."""

    def __init__(self, seed: int, targets: Sequence[Callable[[Case], None]] = TARGETS, *, limit: float = 0) -> None:
        self.chance = random.Random(seed)  # noqa: S311 it must be reproducible
        self.spoiler = Spoiler(self.chance)
        self.targets = targets
        self.corpus = seeds()
        self.executions = 0
        self.policies = 0
        self.findings: dict[tuple[str, str], Finding] = {}
        self.slowest: list[Slow] = []
        self._limit = limit
        self._seen = set[str]()

    def run(self, executions: int | None = None, seconds: float | None = None) -> None:
        """Run for a number of executions of one target, or for a time, in a temporary directory."""
        ends = None if seconds is None else time.monotonic() + seconds
        until = None if executions is None else self.executions + executions
        unused = list(self.corpus)
        before = os.getcwd()
        with tempfile.TemporaryDirectory(prefix="paddock-fuzz-") as directory:
            os.chdir(directory)
            try:
                while (ends is None or time.monotonic() < ends) and (until is None or self.executions < until):
                    data = unused.pop() if unused and self.chance.random() < 0.2 else self.spoiler.spoiled(self.corpus)
                    self.put(data, self._other(data))
            finally:
                os.chdir(before)

    def _other(self, data: bytes) -> bytes:
        """Return an input to combine ``data`` with: another one, or a small change of ``data``."""
        if self.chance.random() < 0.5:
            return self.chance.choice(self.corpus)
        return self.spoiler.changed(data, self.corpus)

    def put(self, data: bytes, other: bytes) -> None:
        """Run every target on one input."""
        seed = self.chance.getrandbits(64)
        seen: list[str] = []
        for target in self.targets:
            case = Case(data, other, random.Random(seed))  # noqa: S311 as above
            self.executions += 1
            began = time.process_time()
            try:
                self._within(self._limit, target, case)
            except Exception as error:
                self._record(target, case, error)
            self._time(Slow(time.process_time() - began, target.__name__, data))
            seen += case.seen
        self.policies += "toml" in seen or "json" in seen
        if not self._seen.issuperset(seen) and len(self.corpus) < _MOST_KEPT:
            self._seen.update(seen)
            self.corpus.append(data)

    def _within(self, seconds: float, target: Callable[[Case], None], case: Case) -> None:
        if not seconds:
            target(case)
            return

        def stop(_signal: int, _frame: FrameType | None) -> None:
            raise HangError(f"more than {seconds} s of the processor")

        faulthandler.dump_traceback_later(_HOPELESS_S, exit=True)  # if not even a signal helps
        signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            target(case)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()

    def _record(self, target: Callable[[Case], None], case: Case, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} at {os.path.basename(last.filename)}:{last.lineno}"
        trace = "".join(traceback.format_exception(error))
        found = Finding(target.__name__, what, case.data, case.other, trace)
        self.findings.setdefault((found.target, found.what), found)

    def _time(self, slow: Slow) -> None:
        self.slowest = sorted([*self.slowest, slow], key=lambda each: -each.seconds)[:_SLOWEST]
