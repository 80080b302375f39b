"""Learn a policy from runs of a command: the first is observed, the last enforced.

A command that left files behind meets other circumstances the next time: it overwrites and removes what it made. It is
observed once more, then. A lesson is a value; whoever runs commands asks it for the next run and tells it the report.
"""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.evaluation.resolve import resolve
from editor.sandbox.verdicts.report import Access, Mode, Report
from editor.suggest.learning import Learned, extend_policy, write_policy
from editor.suggest.needed import TOLERATED, standings
from editor.suggest.plan import Fold, Plan, Proposal
from editor.suggest.planning import make_plan


class RunSummary(NamedTuple):
    """One run of a lesson: its mode, the command's exit status, and its denials (in an observed run, predicted)."""

    mode: Mode
    exit_code: int
    denials: int


class Lesson(NamedTuple):
    """What was learned from ``runs``. ``base`` is the policy to extend if ``onto``, otherwise one without rules.

    ``document`` is the policy so far; the next run is under it, in ``next_mode``. ``layer`` is the number that reports
    give the policy: 0, or 1 if there are more layers. ``needs`` are the denials of all runs; ``forced`` are the keys of
    those for which an enforced run ended otherwise than the observed one. ``plan`` says how to allow the needs.
    ``tolerated`` are the denials of the last run if it ended as the observed one before did. ``grew``: the last run
    added to the policy. ``done``: another run would teach nothing.
    """

    base: PolicyDocument
    onto: bool
    fold: Fold
    most_runs: int
    document: PolicyDocument
    layer: int = 0
    next_mode: Mode = "observe"
    needs: tuple[Access, ...] = ()
    forced: frozenset[tuple[object, ...]] = frozenset()
    plan: Plan = Plan(())
    runs: tuple[RunSummary, ...] = ()
    tolerated: tuple[Access, ...] = ()
    problems: tuple[str, ...] = ()
    grew: bool = False
    done: bool = False

    @property
    def expected(self) -> int:
        """The exit status of the last observed run."""
        return next((run.exit_code for run in reversed(self.runs) if run.mode == "observe"), 0)

    @property
    def works(self) -> bool:
        """Whether the last run was enforced and ended as the observed one before did."""
        return bool(self.runs) and self.runs[-1].mode == "enforce" and self.runs[-1].exit_code == self.expected

    @property
    def granted(self) -> tuple[Proposal, ...]:
        """The proposals that ``document`` contains: what opens a protected place only if the command needs it."""
        needed = set(self.plan.needed)
        return tuple(each for each in self.plan.proposals if each.edits and (each in needed or self._is_forced(each)))

    @property
    def left_out(self) -> tuple[Proposal, ...]:
        """The proposals that ``document`` does not contain because they open a protected place."""
        return tuple(each for each in self.plan.proposals if each.confirm and not self._is_forced(each))

    def _is_forced(self, proposal: Proposal) -> bool:
        return any(access.key() in self.forced for access in proposal.accesses)


def begin(base: PolicyDocument, *, onto: bool, fold: Fold = "balanced", most_runs: int = 3, layer: int = 0) -> Lesson:
    """Return a lesson that starts from ``base``, and takes at most ``most_runs`` runs."""
    return Lesson(base, onto, fold, most_runs, base, layer)


def recorded(lesson: Lesson, denied: tuple[Access, ...]) -> Lesson:
    """Return ``lesson`` after what others recorded, before any run of its own; ``denied`` under its policy."""
    return _learn(lesson._replace(needs=_added(lesson.needs, denied, _made(denied))))


def after(lesson: Lesson, report: Report) -> Lesson:
    """Return ``lesson`` after the run that it asked for, as ``report`` has it."""
    denied = tuple(each for each in report.accesses if each.verdict == "denied" and each.layer == lesson.layer)
    run = RunSummary(report.mode, report.exit_code, sum(each.times for each in denied))
    before = lesson
    lesson = lesson._replace(runs=(*lesson.runs, run), tolerated=())
    enforced = run.mode == "enforce"
    if enforced and not lesson.works:
        lesson = lesson._replace(forced=lesson.forced | _fatal(denied, report.exit_code))
    lesson = _learn(lesson._replace(needs=_added(lesson.needs, denied, _made(lesson.needs))))
    grew = lesson.document.text != before.document.text
    left = lesson.most_runs - len(lesson.runs)
    if lesson.works and not (grew and left):
        # It ended as the unrestricted one did: what it was denied, it did not need.
        return lesson._replace(document=before.document, plan=before.plan, tolerated=denied, grew=False, done=True)
    again = not before.runs and left > 1 and _changed_files(lesson.needs)
    done = not left or (enforced and not grew)
    return lesson._replace(next_mode="observe" if again else "enforce", grew=grew, done=done)


def _fatal(denied: Sequence[Access], exit_code: int) -> frozenset[tuple[object, ...]]:
    """Return the keys of those denials for which a run may have ended with ``exit_code`` against expectation."""
    judged = zip(denied, standings(denied, exit_code or None), strict=True)
    return frozenset(access.key() for access, standing in judged if standing.rank != TOLERATED)


def _changed_files(needs: Sequence[Access]) -> bool:
    """Whether a run left files that were not there before, or removed some that were."""
    made = _made(needs)
    removed = (need for need in needs if any(right.startswith("remove_") for right in need.missing))
    return any(map(os.path.lexists, made)) or any(_home(need.path, made) is None for need in removed)


def _added(needs: tuple[Access, ...], accesses: Iterable[Access], made: dict[str, str]) -> tuple[Access, ...]:
    """Return ``needs`` and those of ``accesses`` that are new; ``made`` is what runs before made.

    A later run finds that, but on another machine it has to be made first: such accesses are to something new.
    """
    known = {access.key() for access in needs}
    settled = (
        access if access.made_in else access._replace(made_in=_home(access.object_path, made)) for access in accesses
    )
    return (*needs, *(access for access in settled if access.key() not in known))


def _made(needs: Sequence[Access]) -> dict[str, str]:
    """Return what runs made, the outermost of each: path -> the directory above it, which was there before."""
    made: dict[str, str] = {}
    for access in needs:
        path, home = access.object_path, access.made_in
        if home is None and any(right.startswith("make_") for right in access.missing):
            path, home = access.path, access.object_path
        if path is not None and home is not None and path.startswith(f"{home.rstrip('/')}/"):
            made[os.path.join(home, path[len(home.rstrip("/")) + 1 :].split("/")[0])] = home
    return made


def _home(path: str | None, made: dict[str, str]) -> str | None:
    """Return the directory above ``path`` that was there before, if runs made ``path``."""
    here = path or ""
    while here.startswith("/") and here != "/":
        if here in made:
            return made[here]
        here = os.path.dirname(here)
    return None


def _learn(lesson: Lesson) -> Lesson:
    resolved = resolve(lesson.base.policy)
    plan = make_plan(lesson.needs, resolved, lesson.layer, fold=lesson.fold)
    lesson = lesson._replace(plan=plan)
    learned: Learned = (extend_policy if lesson.onto else write_policy)(lesson.base, lesson.granted)
    return lesson._replace(document=learned.document, problems=learned.problems)
