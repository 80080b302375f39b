"""Steps are proven in few runs: what a run is denied stays granted, and where no denial tells, halves are tried."""

import random

import pytest

from editor.landlock.rights import NO_RIGHTS
from editor.policy.model import RuleRef
from editor.sandbox.verdicts.report import Access
from editor.suggest.proving import Proof, Trial, prove
from editor.suggest.tightening import Step


def step(number: int) -> Step:
    return Step("rule", "path_beneath", number, (0,), NO_RIGHTS, f"step {number}", RuleRef("p.toml", number, ""))


def denial(number: int) -> Access:
    return Access(
        "denied", frozenset({"read_file"}), frozenset({"read_file"}), None, f"/{number}", None, "", None, "", 0, 1
    )


def proven(count: int, breaking: set[int], *, denials: bool, most_runs: int = 100) -> Proof:
    """Prove ``count`` steps, of which the ``breaking`` ones break the command, with or without a denial."""

    def find(needed: tuple[Access, ...]) -> tuple[Step, ...]:
        places = {access.object_path for access in needed}
        return tuple(step(number) for number in range(count) if f"/{number}" not in places)

    def attempt(steps: tuple[Step, ...]) -> Trial:
        broken = [each.rule for each in steps if each.rule in breaking]
        return Trial(not broken, tuple(map(denial, broken)) if denials else (), "exit status 1 instead of 0")

    return prove(find, attempt, most_runs)


@pytest.mark.parametrize("seed", range(20))
def test_what_a_run_is_denied_stays_granted(seed: int) -> None:
    breaking = some(seed)
    proof = proven(30, breaking, denials=True)
    assert [each.rule for each in proof.steps] == [number for number in range(30) if number not in breaking]
    assert [each.object_path for each in proof.needed] == [f"/{number}" for number in sorted(breaking)]
    assert (proof.taken_back, proof.runs) == ((), 2 if breaking else 1)


@pytest.mark.parametrize("seed", range(20))
def test_where_no_denial_tells_exactly_the_steps_that_break_are_taken_back(seed: int) -> None:
    breaking = some(seed)
    proof = proven(30, breaking, denials=False)
    assert [each.rule for each in proof.steps] == [number for number in range(30) if number not in breaking]
    assert [each.step.rule for each in proof.taken_back] == sorted(breaking)
    assert {each.why for each in proof.taken_back} <= {"exit status 1 instead of 0"}
    assert proof.runs <= 1 + 10 * len(breaking)


def some(seed: int) -> set[int]:
    rng = random.Random(seed)  # noqa: S311 reproducible
    return {number for number in range(30) if rng.random() < 0.15}


def test_denials_that_no_step_explains() -> None:
    tried: list[int] = []

    def attempt(steps: tuple[Step, ...]) -> Trial:
        tried.append(len(steps))
        return Trial(step(2) not in steps, (denial(99),), "denied /99")

    proof = prove(lambda _: tuple(map(step, range(4))), attempt, 100)
    assert [each.rule for each in proof.steps] == [0, 1, 3]
    assert [(each.step.rule, each.why) for each in proof.taken_back] == [(2, "denied /99")]
    assert tried == [4, 2, 4, 3, 3]


def test_all_of_them_break() -> None:
    assert proven(3, {0, 1, 2}, denials=True).steps == ()
    assert proven(3, {0, 1, 2}, denials=False).steps == ()


def test_nothing_to_prove() -> None:
    assert proven(0, set(), denials=True) == Proof((), (), (), 0)


@pytest.mark.parametrize("most_runs", [0, 1, 2])
def test_what_was_not_tried_is_taken_back(most_runs: int) -> None:
    proof = proven(8, {0}, denials=False, most_runs=most_runs)
    assert (proof.steps, proof.runs) == ((), most_runs)
    assert {each.why for each in proof.taken_back} == {"not tried: more runs are needed"}
    assert len(proof.taken_back) == 8
