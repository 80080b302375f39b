"""Hold the claims of findings against the kernel, on random policies.

PADDOCK_CLAIMS_POLICIES sets how many policies are tried (100 take some 10 seconds), PADDOCK_CLAIMS_SEED repeats a run;
pytest's summary shows the seed.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.cli.harness import REPOSITORY

POLICIES = int(os.environ.get("PADDOCK_CLAIMS_POLICIES", "200" if os.environ.get("CI") else "60"))


def test_kernel_refutes_no_finding(record_property: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("PADDOCK_CLAIMS_SEED", "0")) or secrets.randbelow(2**31)
    record_property("told", f"PADDOCK_CLAIMS_SEED={seed}")
    command = [sys.executable, "-m", "tests.analysis.lint.kernel_claims", str(seed), str(POLICIES)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60 + 5 * POLICIES
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["refuted"] == [], json.dumps(result["refuted"][0], indent=1)
    # A run without findings would prove nothing.
    tried = set(result["tally"])
    assert {"never-granted", "unhandled-right", "refer-denied", "covered-rule", "no refer finding"} <= tried
