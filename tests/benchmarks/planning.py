"""How long it takes to plan for the denials of a very large run, and how much memory it needs."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice

from editor.evaluation.resolve import resolve
from editor.policy.parse import parse_policy
from editor.sandbox.verdicts.report import Access
from editor.suggest.planning import make_plan
from tests.benchmarks.report import Row, environment

_ACCESSES = 100_000
_SECONDS = 2.0
_MEGABYTES = 300
_ROUNDS = 3
_READ = frozenset({"read_file"})
_POLICY = 'abi = 6\n[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'


def measure() -> list[Row]:
    """Measure processor time (the best of several rounds) and memory in a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.planning"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds, megabytes = map(float, done.stdout.split())
    return [
        Row(f"plan for {_ACCESSES:,} rows", f"{_SECONDS:.0f} seconds", _SECONDS, seconds, 1.0),
        Row("its memory", f"{_MEGABYTES} MB", _MEGABYTES, megabytes, 1.0, unit="MB"),
    ]


def _files() -> Iterator[str]:
    """Yield real files, as many as there are, then others that were there in the run and are gone."""
    for directory, _, names in os.walk("/usr"):
        yield from (f"{directory}/{name}" for name in names)
    for number in range(_ACCESSES):
        yield f"/srv/gone/{number % 300}/{number}"


def main() -> None:
    """Print the seconds and the megabytes."""
    accesses = [
        Access("denied", _READ, _READ, path, path, None, "openat", "EACCES", "cat", 100, 1)
        for path in islice(_files(), _ACCESSES)
    ]
    resolved = resolve(parse_policy(_POLICY, "policy.toml", "toml"))
    seconds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        make_plan(accesses, resolved)
        seconds.append(time.process_time() - began)
    print(min(seconds), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
