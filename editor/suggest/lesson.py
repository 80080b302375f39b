"""Learn a policy from runs of a command: the first is observed, the last enforced.

A command that left files behind meets other circumstances the next time: it overwrites and removes what it made. It is
observed once more, then. A lesson is a value; whoever runs commands asks it for the next run and tells it the report.
"""

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, GrantPath
from editor.evaluation.resolve import resolve
from editor.sandbox.verdicts.report import Access, Mode, Report
from editor.suggest.lasting import LastingPlaces
from editor.suggest.learning import Learned, extend_policy, write_policy
from editor.suggest.needed import GAVE_UP, NEEDED, standings_in_runs
from editor.suggest.plan import Fold, Proposal
from editor.suggest.planning import make_plan
from editor.suggest.protected import THIS_POLICY


class RunSummary(NamedTuple):
    """One run of a lesson: its mode, the command's exit status, and its denials (in an observed run, predicted)."""

    mode: Mode
    exit_code: int
    denials: int


class Lesson(NamedTuple):
    """What was learned from ``runs``. ``base`` is the policy to extend if ``onto``, otherwise one without rules.

    ``document`` is the policy so far; the next run is under it, in ``next_mode``. ``layer`` is the number that reports
    give the policy: 0, or 1 if there are more layers. ``needs`` are the denials of all runs; ``forced`` are the keys of
    those for which an enforced run ended otherwise than the observed one. ``granted`` are the proposals that the policy
    contains, ``left_out`` those that open a protected place which the command has not been seen to need, ``hopeless``
    those without edits.
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
    granted: tuple[Proposal, ...] = ()
    left_out: tuple[Proposal, ...] = ()
    hopeless: tuple[Proposal, ...] = ()
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


def begin(base: PolicyDocument, *, onto: bool, fold: Fold = "balanced", most_runs: int = 3, layer: int = 0) -> Lesson:
    """Return a lesson that starts from ``base``, and takes at most ``most_runs`` runs."""
    return Lesson(base, onto, fold, most_runs, base, layer)


def recorded(lesson: Lesson, denied: tuple[Access, ...]) -> Lesson:
    """Return ``lesson`` after what others recorded, before any run of its own; ``denied`` under its policy."""
    return _learn(lesson._replace(needs=_added(lesson.needs, _settled(denied, _made(denied)))))


def after(lesson: Lesson, report: Report) -> Lesson:
    """Return ``lesson`` after the run that it asked for, as ``report`` has it."""
    judged = standings_in_runs((report,), lesson.layer)
    denied = _settled((access for access, _ in judged), _made(lesson.needs))
    run = RunSummary(report.mode, report.exit_code, sum(each.times for each in denied))
    before = lesson
    lesson = lesson._replace(runs=(*lesson.runs, run), needs=_added(lesson.needs, denied), tolerated=())
    left = lesson.most_runs - len(lesson.runs)
    learned = _learn(lesson)
    if run.mode == "enforce" and not lesson.works:
        ranks = [standing.rank for _, standing in judged]
        for mattered in _suspects([*zip(denied, ranks, strict=True)], last=not left):
            learned = _learn(lesson._replace(forced=lesson.forced.union(each.key() for each in mattered)))
            if learned.document.text != before.document.text:
                break
    grew = learned.document.text != before.document.text
    if lesson.works and not (grew and left):
        # It ended as the unrestricted one did: what it was denied, it did not need.
        return lesson._replace(tolerated=denied, grew=False, done=True)
    again = not before.runs and left > 1 and _changed_files(learned.needs)
    done = not left or (run.mode == "enforce" and not grew)
    return learned._replace(next_mode="observe" if again else "enforce", grew=grew, done=done)


def _suspects(judged: Sequence[tuple[Access, int]], *, last: bool) -> Iterator[list[Access]]:
    """Yield what a run may have ended otherwise for, the likeliest first, then that and more.

    ``judged`` are its denials with their ranks. If it was the ``last`` run, no other tells if more was needed.
    """
    needed = [access for access, rank in judged if rank <= NEEDED]
    if not last:
        yield [access for access, rank in judged if rank == GAVE_UP]
    yield [access for access in needed if not (access.object_path or "").startswith("/proc/")]
    yield needed
    yield [access for access, _ in judged]


def _changed_files(needs: Sequence[Access]) -> bool:
    """Whether a run left files that were not there before, or removed some that were."""
    made = _made(needs)
    removed = (need for need in needs if any(right.startswith("remove_") for right in need.missing))
    return any(map(os.path.lexists, made)) or any(_home(need.path, made) is None for need in removed)


def _added(needs: tuple[Access, ...], accesses: Iterable[Access]) -> tuple[Access, ...]:
    known = {access.key() for access in needs}
    return (*needs, *(access for access in accesses if access.key() not in known))


def _settled(accesses: Iterable[Access], made: dict[str, str]) -> tuple[Access, ...]:
    """Return ``accesses``, of which those to what runs ``made`` before are to something new.

    A later run finds it, but on another machine it has to be made first.
    """
    return tuple(
        access._replace(made_in=_home(access.made_in or access.object_path, made) or access.made_in)
        for access in accesses
    )


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
    """Return ``lesson`` with the policy that its needs make."""
    resolved = resolve(lesson.base.policy)
    needs = lesson.needs
    opened: set[str] = set()
    left_out: list[Proposal] = []
    while True:
        proposals = make_plan(needs, resolved, lesson.layer, fold=lesson.fold).proposals
        opened |= {each.confirm for each in proposals if each.confirm and _mattered(each, lesson.forced)}
        withheld = [each for each in proposals if each.confirm and not _may_open(each, opened)]
        if not withheld:
            break
        left_out += withheld
        # What else a withheld rule would have allowed gets rules of its own.
        dropped = {access.key() for each in withheld for access in _reasons(each)}
        needs = tuple(access for access in needs if access.key() not in dropped)
    granted = tuple(
        each
        for each in proposals
        if each.edits and (each.confirm or not each.tolerated or _mattered(each, lesson.forced))
    )
    learned: Learned = (extend_policy if lesson.onto else write_policy)(lesson.base, granted)
    return lesson._replace(
        document=learned.document,
        problems=learned.problems,
        granted=granted,
        left_out=tuple(left_out),
        hopeless=tuple(each for each in proposals if not each.edits and not each.tolerated),
    )


def _may_open(proposal: Proposal, opened: Container[str]) -> bool:
    # People keep a policy next to what they work on: where the command writes in any case, it is not a secret.
    beside = not proposal.tolerated and proposal.confirm.endswith(f"({THIS_POLICY})")
    return beside or proposal.confirm in opened


def _mattered(proposal: Proposal, forced: Container[tuple[object, ...]]) -> bool:
    return any(access.key() in forced for access in _reasons(proposal))


def _reasons(proposal: Proposal) -> Sequence[Access]:
    """Return the accesses for which ``proposal`` is about its paths, and not about something beneath them."""
    paths: set[str] = set()
    for edit in proposal.edits:
        if isinstance(edit, GrantPath):
            paths.add(os.path.realpath(edit.path))
        elif isinstance(edit, AddPathRule):
            paths.update(map(os.path.realpath, edit.paths))
    if not proposal.confirm or not paths:
        return proposal.accesses
    places = LastingPlaces()
    found = [access for access in proposal.accesses if os.path.realpath(places.of(access)) in paths]
    return found or proposal.accesses
