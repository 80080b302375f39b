"""Learn a policy from runs of a command: one observed, the following ones under what was learned so far.

A lesson is a value; whoever runs commands asks it for the next run and tells it the report.
"""

from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.evaluation.resolve import resolve
from editor.sandbox.verdicts.report import Access, Mode, Report
from editor.suggest.learning import Learned, extend_policy, write_policy
from editor.suggest.plan import Fold, Plan, Proposal
from editor.suggest.planning import make_plan


class RunSummary(NamedTuple):
    """One run of a lesson: its mode, the command's exit status, and its denials (in an observed run, predicted)."""

    mode: Mode
    exit_code: int
    denials: int


class Lesson(NamedTuple):
    """What was learned from ``runs``. ``base`` is the policy to extend if ``onto``, otherwise one without rules.

    ``document`` is the policy so far. ``layer`` is the number that reports give it: 0, or 1 if there are more layers.
    ``needs`` are the denials of all runs; ``forced`` are the keys of those in a run that failed, which may not be taken
    for tolerated. ``plan`` says how to allow the needs. ``tolerated`` are the denials of the last run if it ended as
    the observed one did. ``grew``: the last run added to the policy. ``done``: another run would teach nothing.
    """

    base: PolicyDocument
    onto: bool
    fold: Fold
    most_runs: int
    document: PolicyDocument
    layer: int = 0
    needs: tuple[Access, ...] = ()
    forced: frozenset[tuple[object, ...]] = frozenset()
    plan: Plan = Plan(())
    runs: tuple[RunSummary, ...] = ()
    tolerated: tuple[Access, ...] = ()
    problems: tuple[str, ...] = ()
    grew: bool = False
    done: bool = False

    @property
    def next_mode(self) -> Mode:
        """The mode of the next run, which is under ``document``."""
        return "enforce" if self.runs else "observe"

    @property
    def works(self) -> bool:
        """Whether the last run was enforced and ended as the observed one did."""
        return len(self.runs) > 1 and self.runs[-1].exit_code == self.runs[0].exit_code

    @property
    def granted(self) -> tuple[Proposal, ...]:
        """The proposals that ``document`` contains."""
        return tuple(each for each in self.plan.proposals if self._is_granted(each))

    @property
    def left_out(self) -> tuple[Proposal, ...]:
        """The proposals that ``document`` does not contain, because a person has to agree to them."""
        return tuple(each for each in self.plan.proposals if each.confirm)

    def _is_granted(self, proposal: Proposal) -> bool:
        if not proposal.edits or proposal.confirm:
            return False
        return not proposal.tolerated or any(access.key() in self.forced for access in proposal.accesses)


def begin(base: PolicyDocument, *, onto: bool, fold: Fold = "balanced", most_runs: int = 3, layer: int = 0) -> Lesson:
    """Return a lesson that starts from ``base``, and takes at most ``most_runs`` runs."""
    return Lesson(base, onto, fold, most_runs, base, layer)


def recorded(lesson: Lesson, accesses: tuple[Access, ...]) -> Lesson:
    """Return ``lesson`` after ``accesses`` that somebody recorded, before any run of its own."""
    return _learn(lesson._replace(needs=_added(lesson.needs, accesses)), None)


def after(lesson: Lesson, report: Report) -> Lesson:
    """Return ``lesson`` after the run that it asked for, as ``report`` has it."""
    denied = tuple(each for each in report.accesses if each.verdict == "denied" and each.layer == lesson.layer)
    run = RunSummary(report.mode, report.exit_code, sum(each.times for each in denied))
    first = not lesson.runs
    before = lesson
    lesson = lesson._replace(runs=(*lesson.runs, run), tolerated=())
    if not first and not lesson.works:  # nothing that it was denied may be taken for tolerated
        lesson = lesson._replace(forced=lesson.forced | {each.key() for each in denied})
    lesson = _learn(lesson._replace(needs=_added(lesson.needs, denied)), report.exit_code if first else None)
    grew = lesson.document.text != before.document.text
    more = len(lesson.runs) < lesson.most_runs
    if lesson.works and not (grew and more):
        # It ended as the unrestricted one did: what it was denied, it did not need.
        return lesson._replace(document=before.document, plan=before.plan, tolerated=denied, grew=False, done=True)
    return lesson._replace(grew=grew, done=not more or not (first or grew))


def _added(needs: tuple[Access, ...], accesses: tuple[Access, ...]) -> tuple[Access, ...]:
    known = {access.key() for access in needs}
    return (*needs, *(access for access in accesses if access.key() not in known))


def _learn(lesson: Lesson, exit_code: int | None) -> Lesson:
    resolved = resolve(lesson.base.policy)
    plan = make_plan(lesson.needs, resolved, lesson.layer, fold=lesson.fold, exit_code=exit_code)
    lesson = lesson._replace(plan=plan)
    learned: Learned = (extend_policy if lesson.onto else write_policy)(lesson.base, lesson.granted)
    return lesson._replace(document=learned.document, problems=learned.problems)
