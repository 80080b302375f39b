"""Find the checks that an edit of their policy may decide otherwise."""

from collections.abc import Iterator, Mapping, Sequence

from editor.analysis.verify.checks import Check
from editor.analysis.verify.expected import decide
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RightSet, rights_of
from editor.sandbox.verdicts.report import Access, Report

_FILES = rights_of("fs")
_SCOPES = rights_of("scope")


def touched(
    checks: Sequence[Check],
    before: ResolvedPolicy,
    after: ResolvedPolicy,
    abi: int,
    reports: Mapping[str, Report] | None = None,
) -> tuple[Check, ...]:
    """Return those of ``checks`` that may end otherwise at ``abi`` under ``after`` than under ``before``.

    ``reports`` are the last runs of checks, by name. A command without one may access anything, so any change of the
    policy touches it. A check in another directory than the base of the policy is touched by any change of a relative
    path, since that means something else there.
    """
    if before == after:
        return ()
    reports = reports or {}
    deciders = Decider(before, abi), Decider(after, abi)
    moved = _relative(before) != _relative(after)
    return tuple(
        check
        for check in checks
        if (moved and check.directory != before.base) or _is_touched(check, *deciders, reports.get(check.name))
    )


def _relative(resolved: ResolvedPolicy) -> frozenset[tuple[str, RightSet]]:
    return frozenset((each.path, each.rights) for each in resolved.paths if not each.path.startswith("/"))


def _is_touched(check: Check, before: Decider, after: Decider, report: Report | None) -> bool:
    if check.command and report is None:
        return True
    directory = check.directory or before.resolved.base
    for expected in (*check.allowed, *check.denied):
        for right in expected.rights:
            if _differ(*(decide(decider, expected, right, directory) for decider in (before, after))):
                return True
    accesses = report.accesses if report is not None else ()
    return any(
        _differ(first, second)
        for access in accesses
        for first, second in zip(_decisions(before, access), _decisions(after, access), strict=True)
    )


def _differ(first: Decision, second: Decision) -> bool:
    return (first.allowed, first.missing) != (second.allowed, second.missing)


def _decisions(decider: Decider, access: Access) -> Iterator[Decision]:
    """Yield what the policy says of the rights of ``access``; nothing for an object that is on no path."""
    files = access.rights & _FILES
    if files:
        if access.object_path is not None and access.object_path.startswith("/"):
            yield decider.file(access.object_path, files)
    else:
        for right in sorted(access.rights):
            yield decider.scope(right) if right in _SCOPES else decider.port(access.port, right)
