"""`decide` against the kernel itself, on random trees, policies and operations.

PADDOCK_ORACLE_CASES sets how many operations are compared (10,000 take some 20 seconds), PADDOCK_ORACLE_SEED repeats a
run; the seed stands in pytest's summary. As an ordinary user everything runs but mounts and device files, which need
root.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

CASES = int(os.environ.get("PADDOCK_ORACLE_CASES", "10000" if os.environ.get("CI") else "2000"))


def test_decide_predicts_what_the_kernel_does(record_property: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("PADDOCK_ORACLE_SEED", "0")) or secrets.randbelow(2**31)
    command = [sys.executable, "-m", "tests.policy.kernel_oracle", str(seed), str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + CASES / 20)
    record_property("told", f"PADDOCK_ORACLE_SEED={seed}")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    record_property(
        "told", f"{result['compared']} cases, {result['denied']} denied, {len(result['disagreements'])} disagreements"
    )
    assert result["disagreements"] == [], json.dumps(result["disagreements"][0], indent=1)
    # A run in which the kernel allowed or denied nearly everything would prove nothing.
    assert result["compared"] >= CASES
    assert 0.1 * CASES < result["denied"] < 0.8 * CASES
    reached = set(result["tally"])
    assert {"rename EXDEV", "rename EACCES", "rename allowed", "link EXDEV", "link allowed"} <= reached
    assert {"open EACCES", "open allowed", "signal EPERM", "abstract EPERM", "bind_tcp EACCES"} <= reached
