"""Compare `Decider` with the kernel itself, on random trees, policies and operations.

PADDOCK_ORACLE_CASES sets how many operations are compared (10,000 take some 20 seconds), PADDOCK_ORACLE_SEED repeats a
run; pytest's summary shows the seed. An ordinary user can run everything but mounts and device files, which need root.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import REPOSITORY

CASES = int(os.environ.get("PADDOCK_ORACLE_CASES", "6000" if os.environ.get("CI") else "2000"))


def test_decider_predicts_the_kernel(record_property: Callable[[str, object], None]) -> None:
    seed = int(os.environ.get("PADDOCK_ORACLE_SEED", "0")) or secrets.randbelow(2**31)
    command = [sys.executable, "-m", "tests.evaluation.kernel_oracle", str(seed), str(CASES)]
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


_COVERED = """
import errno, json, os, sys
from editor.landlock.ruleset import build, enforce
from editor.evaluation.decider import Decider
from editor.policy.parse import parse_policy
from editor.evaluation.resolve import resolve
top = sys.argv[1]
rights = ["make_dir", "remove_dir", "remove_file", "refer"]
policy = {"ruleset": [{"handledAccessFs": [*rights, "make_reg"]}], "pathBeneath": [
    {"allowedAccess": rights, "parent": [top]}, {"allowedAccess": ["make_reg"], "parent": [f"{top}/target"]}]}
resolved = resolve(parse_policy(json.dumps(policy), "p.json", "json"))
old, new = f"{top}/covered", f"{top}/target/new"
decision = Decider(resolved, 5).rename(old, new)
enforce(build(resolved.ruleset(), 5))
try:
    os.rename(old, new)
except OSError as error:
    print(decision.errno, errno.errorcode[error.errno])
"""


@pytest.mark.root
def test_rename_is_checked_on_what_a_mount_covers(tmp_path: Path) -> None:
    """The mounted directory has the right that would be gained, but it is not what would be moved."""
    for name in ("covered", "target"):
        (tmp_path / name).mkdir()
    script = 'mount --bind "$1/target" "$1/covered" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable, _COVERED],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert (done.stdout, done.stderr) == ("EXDEV EXDEV\n", "")
