"""What ``paddock run`` costs in front of a program, against starting the same Python for nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.benchmarks.report import Row, alternate
from tests.samples.harness import policy_path

_GOAL = 3.0
_ROUNDS = 31


def _seconds(command: Sequence[str]) -> float:
    # An installed program is compiled once: a setting that forbids it would measure the compiler.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=env)
    return time.perf_counter() - started


def measure() -> Row:
    """``paddock run`` on /bin/true under a sample policy against ``python -c pass`` with the same interpreter."""
    paddock = os.path.join(os.path.dirname(sys.executable), "paddock")
    run = [paddock, "run", policy_path("read-only-shell"), "--", "/bin/true"]
    nothing = [sys.executable, "-c", "pass"]
    baseline, measured = alternate(lambda: _seconds(nothing), lambda: _seconds(run), _ROUNDS)
    return Row("paddock run /bin/true", "python3 -c pass", baseline, measured, _GOAL)
