"""A short run of the fuzzer, the same each time; and that it would notice."""

import pytest

from editor.policy.files import decode
from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.targets import Case


def test_nothing_is_found_in_a_short_run() -> None:
    fuzzer = Fuzzer(seed=1)
    fuzzer.run(executions=3000)
    assert not fuzzer.findings, next(iter(fuzzer.findings.values())).trace
    assert fuzzer.policies > 20  # not all of it is refused at once


@pytest.mark.parametrize("seed", [1, 2])
def test_a_run_can_be_repeated(seed: int) -> None:
    seen: list[bytes] = []
    for _ in range(2):
        inputs: list[bytes] = []
        Fuzzer(seed, (lambda case: inputs.append(case.data),)).run(executions=200)  # noqa: B023 used at once
        seen.append(b"\0".join(inputs))
    assert seen[0] == seen[1]


def fails(case: Case) -> None:
    """As a reader would that takes a lone surrogate for a character."""
    if "\\ud800" in decode(case.data, "f"):
        raise IndexError


def hangs(case: Case) -> None:
    """As a reader would that does not move on."""
    while case.data:
        pass


def test_what_fails_or_hangs_is_found() -> None:
    fuzzer = Fuzzer(3, (fails,))
    fuzzer.run(executions=5000)
    assert {target for target, _ in fuzzer.findings} == {"fails"}
    assert any(what.startswith("IndexError at test_fuzz.py") for _, what in fuzzer.findings)
    fuzzer = Fuzzer(3, (hangs,), limit=0.05)
    fuzzer.run(executions=2)
    ((_, what),) = fuzzer.findings
    assert what.startswith("HangError")
