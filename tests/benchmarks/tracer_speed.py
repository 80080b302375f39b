"""What tracing costs, against strace(1) following the same calls, and against no tracing.

``python -m tests.benchmarks.tracer_speed [NAME...]`` prints a table and exits with status 1 if a goal is missed.
Results depend on how long the machine takes to wake an idle processor: compare them only within one table, on an idle
machine.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.policy.parse import parse_policy
from editor.sandbox import runner, syscalls
from editor.sandbox.calls import table as decode
from tests.benchmarks.report import Row, alternate, table

_OPENS = """
import os, sys
for _ in range(int(sys.argv[2]) - 1):
    if os.fork() == 0:
        break
opening, closing = os.open, os.close
for _ in range(int(sys.argv[1])):
    closing(opening("/etc/passwd", 0))
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
"""
_BUSY = """
import os
parent = os.fork()
total = 0
for number in range(20_000_000):
    total += number & 7
    if not number % 1_000_000:
        os.close(os.open("/etc/passwd", 0))
if parent:
    os.wait()
"""
_SOURCES = 200
_ROUNDS = 3


def _policy() -> ResolvedPolicy:
    rights = [
        "execute",
        "read_file",
        "read_dir",
        "write_file",
        "make_reg",
        "remove_file",
        "make_dir",
        "refer",
        "truncate",
    ]
    rules = [{"allowedAccess": rights, "parent": ["/"]}]
    return resolve(
        parse_policy(json.dumps({"ruleset": [{"handledAccessFs": rights}], "pathBeneath": rules}), "p", "json")
    )


def _bare(command: Sequence[str], cwd: str) -> Callable[[], float]:
    def measured() -> float:
        began = time.perf_counter()
        subprocess.run(command, cwd=cwd, check=True, capture_output=True)
        return time.perf_counter() - began

    return measured


def _strace(command: Sequence[str], cwd: str) -> Callable[[], float]:
    calls = decode.traced_calls(frozenset()) & set(syscalls.numbers(syscalls.machine().native)) - {"prctl", "clone"}
    # strace does not know calls newer than itself: only Paddock traces those.
    known = ",".join(f"?{name}" for name in sorted(calls))
    log = os.path.join(cwd, "strace.log")
    return _bare(["strace", "-f", "--seccomp-bpf", "-o", log, "-e", f"trace={known}", *command], cwd)


def _paddock(command: Sequence[str], cwd: str) -> Callable[[], float]:
    policy = _policy()

    def measured() -> float:
        began = time.perf_counter()
        report = runner.start(runner.RunRequest(policy, tuple(command), cwd=cwd, confirm=False)).wait()
        if report.exit_code:
            raise RuntimeError(f"the command failed under the tracer: {report.notes}")
        return time.perf_counter() - began

    return measured


def _project(top: str) -> list[str]:
    """Create a C project of many small files and return the command that builds it from scratch."""
    for number in range(_SOURCES):
        with open(os.path.join(top, f"part{number}.c"), "w", encoding="ascii") as file:
            file.write(f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint part{number}(int x) {{\n")
            file.write("".join(f"    x = x * {step} + abs(x);\n" for step in range(3, 40)) + "    return x;\n}\n")
    objects = " ".join(f"part{number}.o" for number in range(_SOURCES))
    with open(os.path.join(top, "Makefile"), "w", encoding="ascii") as file:
        file.write(f"all: {objects}\nclean:\n\trm -f {objects}\n")
    return ["sh", "-c", "make -s clean && make -s -j2 CFLAGS=-O1"]


def measure(wanted: Sequence[str] = ()) -> list[Row]:
    """Measure all rows, or those whose names begin with one of ``wanted``."""
    python = [sys.executable, "-I", "-S", "-c"]
    with tempfile.TemporaryDirectory() as top:
        build = _project(top)
        plans = [
            ("100,000 opens", [*python, _OPENS, "100000", "1"], "strace", 0.40),
            ("2 x 50,000 opens", [*python, _OPENS, "50000", "2"], "strace", 0.50),
            ("busy pair, few calls", [*python, _BUSY], "bare", 1.10),
            ("make -j2, 200 files", build, "strace", 1.0),
            ("make -j2, 200 files", build, "bare", 1.6),
        ]
        rows = []
        for name, command, against, goal in plans:
            if wanted and not name.startswith(tuple(wanted)):
                continue
            baseline = _strace(command, top) if against == "strace" else _bare(command, top)
            rows.append(Row(name, against, *alternate(baseline, _paddock(command, top), _ROUNDS), goal))
            print(f"{name} against {against}: {rows[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return rows


def main(arguments: Sequence[str]) -> int:
    """Measure and print the table."""
    missing = [name for name in ("strace", "make", "gcc") if shutil.which(name) is None]
    if missing:
        print(f"needs {', '.join(missing)}", file=sys.stderr)
        return 1
    rows = measure(arguments)
    print(table(rows))
    return int(any(row.ratio > row.goal for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
