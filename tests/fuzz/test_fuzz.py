"""A short, reproducible run of the fuzzer; and tests that it notices failures."""

import pytest

from editor.policy.files import decode
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.targets import Case


def test_short_run_finds_nothing() -> None:
    fuzzer = Fuzzer(seed=1)
    fuzzer.run(executions=3000)
    assert not fuzzer.findings, next(iter(fuzzer.findings.values())).trace
    assert fuzzer.policies > 20  # many inputs are valid policies


@pytest.mark.parametrize("seed", [1, 2])
def test_run_is_reproducible(seed: int) -> None:
    seen: list[bytes] = []
    for _ in range(2):
        inputs: list[bytes] = []
        Fuzzer(seed, (lambda case: inputs.append(case.data),)).run(executions=200)  # noqa: B023 used at once
        seen.append(b"\0".join(inputs))
    assert seen[0] == seen[1]


def fails(case: Case) -> None:
    """Fail like a parser that accepts a lone surrogate."""
    if "\\ud800" in decode(case.data, "f"):
        raise IndexError


def hangs(case: Case) -> None:
    """Hang like a parser that does not advance."""
    while case.data:
        pass


def test_failures_and_hangs_are_found() -> None:
    fuzzer = Fuzzer(3, (fails,))
    fuzzer.run(executions=5000)
    assert {target for target, _ in fuzzer.findings} == {"fails"}
    assert any(what.startswith("IndexError at test_fuzz.py") for _, what in fuzzer.findings)
    fuzzer = Fuzzer(3, (hangs,), limit=0.05)
    fuzzer.run(executions=2)
    ((_, what),) = fuzzer.findings
    assert what.startswith("HangError")
