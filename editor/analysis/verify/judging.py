"""Say whether a run under a policy was as its check expects."""

from collections.abc import Sequence
from typing import NamedTuple

from editor.analysis.verify.checks import Check
from editor.analysis.verify.expected import Expected, Matcher, shown_access
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import RIGHTS, UNKNOWN_ABI, RightSet, in_order, listed, right_of
from editor.sandbox.verdicts.report import Access, Report

_PADDOCK_FAILED = 125


class Judgement(NamedTuple):
    """Why a check does not hold, and what could not be checked at this ABI; sentences, both empty if it holds."""

    reasons: tuple[str, ...]
    missing: tuple[str, ...] = ()


def needed_abi(resolved: ResolvedPolicy) -> tuple[int, RightSet]:
    """Return the lowest ABI that can restrict all that ``resolved`` handles, and the rights that need it.

    ``refer`` needs none: a kernel that does not know it denies it. Nor does a right without a name: nobody knows its
    ABI.
    """
    handled = {name: right_of(name).abi for name in resolved.handled_fs | resolved.handled_net | resolved.scoped}
    known = {name: abi for name, abi in handled.items() if name != "refer" and abi != UNKNOWN_ABI}
    most = max(known.values(), default=1)
    return most, frozenset(name for name, abi in known.items() if abi == most)


def beyond(rights: RightSet, abi: int) -> RightSet:
    """Return those of ``rights`` that Landlock ``abi`` does not restrict."""
    return frozenset(name for name in rights if RIGHTS[name].abi > abi and name != "refer")


def not_restricted(expected: Expected, rights: RightSet, abi: int) -> str:
    """Return the sentence that says that ``expected`` cannot be denied at ``abi``."""
    return f"{expected.text}: {listed(rights)} cannot be restricted at Landlock ABI {abi}"


def judge(check: Check, report: Report, directory: str, *, timed_out: bool = False) -> Judgement:
    """Return why ``report``, of the command of ``check`` run in ``directory``, is not what the check expects.

    ``timed_out`` says that the command was ended because it ran too long.
    """
    matcher = Matcher(directory)
    denials = [access for access in report.accesses if access.verdict == "denied"]
    passed = [access for access in report.accesses if access.verdict in ("allowed", "uncontrolled")]
    reasons = [
        *_status(check, report, timed_out=timed_out),
        *_unexpected(denials, (*check.denied, *check.may_be_denied), matcher),
    ]
    missing = []
    for expected in check.denied:
        lost = beyond(expected.rights, report.abi.enforced)
        if lost:
            missing.append(not_restricted(expected, lost, report.abi.enforced))
        reasons += [
            f"not denied: {right} {expected.object} ({_instead(expected, right, report, matcher)})"
            for right in in_order(expected.rights - lost)
            if not any(right in _refused(access) and matcher.covers(expected, right, access) for access in denials)
        ]
    reasons += [
        f"not allowed: {right} {expected.object} ({_instead(expected, right, report, matcher)})"
        for expected in check.allowed
        for right in in_order(expected.rights)
        if not any(right in access.rights and matcher.covers(expected, right, access) for access in passed)
    ]
    return Judgement(tuple(reasons), tuple(missing))


def _status(check: Check, report: Report, *, timed_out: bool) -> list[str]:
    """Return what is wrong with how the command ended."""
    code, wanted = report.exit_code, check.exit_status
    notes = " ".join(report.notes)
    if timed_out:
        return [] if wanted == "timeout" else [f"still running after {report.duration_s:.1f} s, and ended then"]
    if code == wanted:
        return []
    if not report.duration_s or (code == _PADDOCK_FAILED and notes):
        return [notes or f"the command did not start (exit status {code})"]
    if wanted == "any":
        return []
    if wanted == "timeout":
        return [f"ended with exit status {code} before its timeout"]
    return [f"exit status {code} instead of {wanted}"]


def _refused(access: Access) -> RightSet:
    """Return what a denied access lacked; all its rights, if the policy does not explain the denial."""
    return access.missing or access.rights


def _unexpected(denials: Sequence[Access], covered: Sequence[Expected], matcher: Matcher) -> list[str]:
    """Return a sentence for each denial that is not ``covered``; equal ones are one."""
    found: dict[str, list[Access]] = {}
    for access in denials:
        left = frozenset(
            right
            for right in _refused(access)
            if not any(matcher.covers(expected, right, access) for expected in covered)
        )
        if left:
            found.setdefault(shown_access(access, left), []).append(access)
    sentences = []
    for text, accesses in found.items():
        processes = ", ".join(sorted({access.process for access in accesses if access.process}))
        by = f" by {processes}" if processes else ""
        why = next((f" ({access.reason})" for access in accesses if access.reason), "")
        sentences.append(f"denied, but not expected: {text}{by}{why}")
    return sentences


def _instead(expected: Expected, right: str, report: Report, matcher: Matcher) -> str:
    """Say what became of ``right`` on what ``expected`` names."""
    seen = [
        access
        for access in report.accesses
        if matcher.covers(expected, right, access) and right in access.rights | access.missing
    ]
    for verdict in ("denied", "allowed", "failed", "uncontrolled"):
        for access in seen:
            if access.verdict != verdict:
                continue
            if verdict == "allowed" and access.decided_by:
                ref = access.decided_by[0]
                return f"allowed by {ref.file}:{ref.line}"
            if verdict == "failed":
                return f"it failed with {access.errno}, which is not the policy's doing"
            if verdict == "uncontrolled":
                return "Landlock does not restrict it"
            return access.reason or f"it was {verdict}"
    return "the command did not try it"
