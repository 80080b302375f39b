"""What ``paddock run`` and ``paddock test`` add to a program, against starting Python to do nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial

from tests.benchmarks.report import Row, alternate, environment
from tests.samples.harness import policy_path

_ROUNDS = 31


def _seconds(command: Sequence[str]) -> float:
    env = environment()
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - started


def measure() -> list[Row]:
    """Measure both verbs on /bin/true under a sample policy against ``python -c pass`` with the same interpreter."""
    paddock = os.path.join(os.path.dirname(sys.executable), "paddock")
    rows = []
    for verb, more_s, goal, against in (
        ("run", 0.0, 3.0, "python3 -c pass"),
        ("test", 0.2, 1.0, "python3 -c pass + 200 ms"),
    ):
        nothing = partial(_seconds, [sys.executable, "-c", "pass"])
        something = partial(_seconds, [paddock, verb, policy_path("read-only-shell"), "--", "/bin/true"])
        baseline, measured = alternate(nothing, something, _ROUNDS)
        rows.append(Row(f"paddock {verb} /bin/true", against, baseline + more_s, measured, goal))
    return rows
