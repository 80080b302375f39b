"""What is done inside a guest, by name.

Each part returns counts, and ``problems``: a list of sentences, empty if all is well. Everything here needs only the
standard library and this source tree.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from editor.landlock.abi import probe
from tests.analysis.verify import rights
from tests.kernels import tester
from tests.landlock import facts, matrix
from tests.suggest.promises import connecting

_NOBODY = 65534
_AUDIT_ABI = 7  # the first ABI whose denials are in the kernel's audit


def _facts(_job: dict[str, Any]) -> dict[str, Any]:
    """Check that the kernel is what the tables say of its release."""
    state = probe()
    expected = facts.abi_of_release(state.release)
    problems = [] if state.abi == expected else [f"Landlock ABI {state.abi}, the table has {expected}"]
    return {
        "release": state.release,
        "abi": state.abi,
        "errata": state.errata,
        "problems": problems + facts.check(state.abi),
    }


def _matrix(_job: dict[str, Any]) -> dict[str, Any]:
    """Try every right at every version up to the kernel's."""
    tried, problems = matrix.run(probe().effective_abi)
    return {"cases": tried, "problems": problems}


def _probes(_job: dict[str, Any]) -> dict[str, Any]:
    """Probe every right as ``paddock verify`` does, allowed and denied."""
    tried, problems = rights.run(probe().effective_abi)
    return {"cases": tried, "problems": problems}


def _oracle(seed: int, cases: int, user: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.evaluation.kernel_oracle", str(seed), str(cases)],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=[],
    )
    if done.returncode != 0:
        return {"cases": 0, "problems": [done.stderr]}
    result = json.loads(done.stdout)
    return {
        "cases": result["compared"],
        "denied": result["denied"],
        "tally": result["tally"],
        "problems": [json.dumps(each, indent=1) for each in result["disagreements"]],
    }


def _differential(job: dict[str, Any]) -> dict[str, Any]:
    """Compare `decide` and the kernel on random cases, as root."""
    return _oracle(job["seed"], job["cases"], os.geteuid())


def _differential_ordinary(job: dict[str, Any]) -> dict[str, Any]:
    """Compare `decide` and the kernel on a quarter of the random cases, as an ordinary user."""
    return _oracle(job["seed"] + 1, job["cases"] // 4, _NOBODY)


def _tester(_job: dict[str, Any]) -> dict[str, Any]:
    """Check that ``paddock test`` reports every denial and nothing else, and that audit, if any, agrees."""
    abi = probe().effective_abi
    tried, problems = tester.check(abi, audited=abi >= _AUDIT_ABI)
    return {"cases": tried, "problems": problems}


def _walk_hooks(job: dict[str, Any], user: int) -> dict[str, Any]:
    """Walk the table of hooks as ``user``; each line is also shown on the guest's console as it comes."""
    lines = []
    command = [sys.executable, "-m", "tests.sandbox.hooks", *filter(None, job["hooks"])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=user,
        group=user,
        extra_groups=[],
    ) as walk:
        assert walk.stdout is not None
        for line in walk.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    found = re.fullmatch(r"(\d+) right, (\d+) wrong, (\d+) skipped", lines[-1] if lines else "")
    if found is None:
        return {"cases": 0, "problems": ["\n".join(("the walk ended early:", *lines[-30:]))]}
    wrong = [line for line in lines[:-1] if not line.startswith(("right", "skipped"))]
    skipped = [line for line in lines if line.startswith("skipped")]
    return {"cases": int(found[1]) + int(found[2]), "skipped": skipped, "problems": _paragraphs(wrong)}


def _paragraphs(lines: list[str]) -> list[str]:
    """Join each line with the indented ones after it."""
    found: list[str] = []
    for line in lines:
        if line.startswith(" ") and found:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found


def _hooks(job: dict[str, Any]) -> dict[str, Any]:
    """Try every way to every hook as root."""
    return _walk_hooks(job, os.geteuid())


def _hooks_ordinary(job: dict[str, Any]) -> dict[str, Any]:
    """Try every way to every hook as an ordinary user."""
    return _walk_hooks(job, _NOBODY)


def _promises(_job: dict[str, Any]) -> dict[str, Any]:
    """Check that programs reach only what they were promised."""
    tried, problems = connecting.check()
    return {"cases": tried, "problems": problems}


PARTS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "facts": _facts,
    "matrix": _matrix,
    "probes": _probes,
    "tester": _tester,
    "promises": _promises,
    "hooks": _hooks,
    "hooks, ordinary user": _hooks_ordinary,
    "differential": _differential,
    "differential, ordinary user": _differential_ordinary,
}
