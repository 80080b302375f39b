"""Run all benchmarks, print a table with the goals, and exit with status 1 if one is missed (``make bench``)."""

import subprocess
import sys

from tests.benchmarks import deciding, first_screen, large_policy, large_screen, live_reload, planning, start
from tests.benchmarks.report import table


def main() -> int:
    """Run all benchmarks one after the other."""
    rows = [
        first_screen.measure(),
        *start.measure(),
        deciding.measure(),
        live_reload.measure(),
        *large_policy.measure(),
        *large_screen.measure(),
        *planning.measure(),
    ]
    print(table(rows), flush=True)
    print("\nTracing, against strace:", flush=True)
    tracing = subprocess.run([sys.executable, "-m", "tests.benchmarks.tracer_speed"], check=False).returncode
    return int(tracing != 0 or any(row.ratio > row.goal for row in rows))


if __name__ == "__main__":
    sys.exit(main())
