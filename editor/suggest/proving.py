"""Prove by trying that a command runs as before under a tightened policy, in as few runs as possible."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from editor.evaluation.decider import Decider
from editor.landlock.rights import kind_of
from editor.sandbox.verdicts.report import Access
from editor.suggest.tightening import Step

_NOT_TRIED = "not tried: more runs are needed"


class Trial(NamedTuple):
    """How a run under a tightened policy went: whether as before, or else what it was denied that it was not before.

    ``denied`` may be empty although it did not work: ``problem`` is then a clause that says what was different.
    """

    works: bool
    denied: tuple[Access, ...] = ()
    problem: str = ""


class TakenBack(NamedTuple):
    """A step that was taken back, and why, as a clause."""

    step: Step
    why: str


class Proof(NamedTuple):
    """The ``steps`` under which the command runs as before, and how many ``runs`` it took to find them.

    ``needed`` is what runs were denied, so that it stays granted. ``taken_back`` are the steps with which the command
    ends otherwise although no denial tells why, or that were not tried.
    """

    steps: tuple[Step, ...]
    needed: tuple[Access, ...]
    taken_back: tuple[TakenBack, ...]
    runs: int


def prove(
    find: Callable[[tuple[Access, ...]], tuple[Step, ...]],
    attempt: Callable[[tuple[Step, ...]], Trial],
    most_runs: int,
) -> Proof:
    """Find steps and try them all, in at most ``most_runs`` runs.

    ``find`` returns the steps that leave granted what the reports show and some more accesses; ``attempt`` runs the
    command with steps taken. Without steps, it is known to work.
    """
    needed: tuple[Access, ...] = ()
    steps = find(needed)
    runs = 0
    while steps and runs < most_runs:
        trial = attempt(steps)
        runs += 1
        if trial.works:
            return Proof(steps, needed, (), runs)
        more = find((*needed, *trial.denied)) if trial.denied else steps
        if more == steps:  # a group of steps that does not work is halved
            back: list[TakenBack] = []
            kept, tried = _keep(_halved(steps, trial, back), back, attempt, most_runs - runs)
            return Proof(kept, needed, tuple(back), runs + tried)
        needed, steps = (*needed, *trial.denied), more
    return Proof((), needed, tuple(TakenBack(step, _NOT_TRIED) for step in steps), runs)


def _keep(
    groups: list[tuple[Step, ...]],
    back: list[TakenBack],
    attempt: Callable[[tuple[Step, ...]], Trial],
    most_runs: int,
) -> tuple[tuple[Step, ...], int]:
    """Return the steps of ``groups`` that work, and the number of runs; add all others to ``back``."""
    kept: tuple[Step, ...] = ()
    runs = 0
    while groups:
        group = groups.pop(0)
        if runs == most_runs:
            back += [TakenBack(step, _NOT_TRIED) for step in group]
            continue
        trial = attempt((*kept, *group))
        runs += 1
        if trial.works:
            kept = (*kept, *group)
        else:
            groups = [*_halved(group, trial, back), *groups]
    return kept, runs


def _halved(steps: tuple[Step, ...], trial: Trial, back: list[TakenBack]) -> list[tuple[Step, ...]]:
    """Return the halves of ``steps``, which do not work; a single one is added to ``back``."""
    if len(steps) == 1:
        back.append(TakenBack(steps[0], trial.problem))
        return []
    half = len(steps) // 2
    return [steps[:half], steps[half:]]


def brought_about(denied: Sequence[Access], decider: Decider) -> tuple[Access, ...]:
    """Return those of the ``denied`` accesses that the policy of ``decider`` allows, as used by a program."""
    return tuple(access._replace(verdict="allowed", decided_by=()) for access in denied if _is_allowed(access, decider))


def _is_allowed(access: Access, decider: Decider) -> bool:
    kinds = {kind_of(name) for name in access.rights}
    if kinds == {"net"}:
        return all(decider.port(access.port, name).allowed for name in access.rights)
    if kinds == {"scope"}:
        return all(decider.scope(name).allowed for name in access.rights)
    return access.object_path is not None and decider.file(access.object_path, access.rights).allowed
