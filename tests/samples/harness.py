"""Runs a command under a sample policy through the real ``paddock test``, and reads its report."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(ROOT, "sample_policies")

Report = dict[str, Any]


def policy_path(name: str) -> str:
    """Return the file of the sample policy ``name``."""
    return os.path.join(SAMPLES, f"{name}.toml")


def environment(home: str) -> dict[str, str]:
    """A plain user's environment: this machine's own settings must not reach the programs under test."""
    return {"PATH": "/usr/bin:/bin", "HOME": home, "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def test_command(name: str, report: str, command: Sequence[str]) -> list[str]:
    """Return the ``paddock test`` command that runs ``command`` under the policy ``name`` and writes ``report``."""
    return [
        *(sys.executable, "-m", "editor", "test", policy_path(name)),
        *("--format", "json", "-o", report, "--", *command),
    ]


def run_under(name: str, command: Sequence[str], *, cwd: str, home: str, answer: str = "", **extra: str) -> Report:
    """Return the report of ``command`` under the policy ``name``, with ``output``: what the command printed.

    The report file also goes to ``home``, where no policy lets the command write. ``answer`` is its standard input,
    ``extra`` are additional environment variables.
    """
    report = os.path.join(home, "report.json")
    done = subprocess.run(
        test_command(name, report, command),
        cwd=cwd,
        env=environment(home) | extra,
        input=answer,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    try:
        with open(report, encoding="utf-8") as file:
            result: Report = json.load(file)
    except FileNotFoundError:
        raise AssertionError(f"no report, exit status {done.returncode}:\n{done.stdout}") from None
    os.unlink(report)
    assert done.returncode == result["exit_code"]
    return result | {"output": done.stdout}


def denied(report: Report) -> list[tuple[tuple[str, ...], str | int | None]]:
    """Return what was denied: the missing rights, and the object or port, in the order of the run."""
    return [
        (tuple(access["missing"]), access["object"] if access["port"] is None else access["port"])
        for access in report["accesses"]
        if access["verdict"] == "denied"
    ]
