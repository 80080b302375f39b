"""Runs all parts on every kernel, one guest after the other, and prints a line per kernel.

Usage: python -m tests.kernels [FAMILY...]. A family is like ``6.12``; all of FAMILIES by default. PADDOCK_ORACLE_SEED
repeats a run, PADDOCK_ORACLE_CASES sets the number of random cases per kernel, PADDOCK_KERNEL_PARTS chooses parts
(``facts;tester``), PADDOCK_KERNEL_HOOKS ways to hooks by words in their names (``fanotify;core dump``). Exits with
status 1 if anything fails, otherwise with 2 if a kernel is not available.
"""

import json
import os
import secrets
import sys
from typing import Any

from tests.kernels import debian, initramfs, machine
from tests.kernels.parts import PARTS

# Each introduced a version of Landlock, or is in a Debian release.
FAMILIES = ("6.1", "6.12", "7.0", "7.1", "7.2", "7.3")

# Walking the table of hooks takes minutes, and these have no hook that their neighbours lack.
_WITHOUT_HOOKS = frozenset({"7.0", "7.1"})

# Seconds per guest. On an idle machine, it takes a quarter of that.
TIMEOUT = 2400.0


def _summary(kernel: debian.Kernel, outcome: machine.Outcome) -> str:
    parts = {record["part"]: record for record in outcome.records}
    line = f"Linux {kernel.family}"
    if "abi" in parts.get("facts", {}):
        known = parts["facts"]
        line = f"Linux {known['release']}: ABI {known['abi']}, errata {known['errata']:#x}"
    for name in PARTS:
        part = parts.get(name, {})
        if "cases" in part:
            more = f", {part['denied']} denied" if "denied" in part else ""
            more += f", {len(part['skipped'])} skipped" if "skipped" in part else ""
            line += f"; {name}: {part['cases']} cases{more}, {len(part['problems'])} disagreements"
    return f"{line}; {outcome.seconds:.0f} s, {outcome.cpu_seconds:.0f} s of CPU"


def _problems(records: list[dict[str, Any]]) -> list[str]:
    return [f"{record['part']}: {problem}" for record in records for problem in record.get("problems", ())]


def main() -> int:
    """Run the tests; return the exit status."""
    seed = int(os.environ.get("PADDOCK_ORACLE_SEED", "0")) or secrets.randbelow(2**31)
    cases = int(os.environ.get("PADDOCK_ORACLE_CASES", "1000"))
    chosen = os.environ.get("PADDOCK_KERNEL_PARTS", ";".join(PARTS)).split(";")
    hooks = os.environ.get("PADDOCK_KERNEL_HOOKS", "").split(";")
    print(f"PADDOCK_ORACLE_SEED={seed}", flush=True)
    kernels = debian.Kernels(debian.cache_directory())
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    archive = initramfs.build(root)
    status = 0
    for family in sys.argv[1:] or FAMILIES:
        try:
            kernel = kernels.get(family)
            parts = [part for part in chosen if family not in _WITHOUT_HOOKS or not part.startswith("hooks")]
            job = {"parts": parts, "seed": seed, "cases": cases, "hooks": hooks}
            outcome = machine.boot(kernel.image, archive + initramfs.job(json.dumps(job)), TIMEOUT)
        except debian.KernelMissing as error:
            print(error, flush=True)
            status = status or 2
            continue
        except machine.GuestFailed as error:
            print(f"Linux {family}: {error}", flush=True)
            status = 1
            continue
        print(_summary(kernel, outcome), flush=True)
        for problem in _problems(outcome.records):
            print(f"  {problem}", flush=True)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
