"""The report of a run under a policy, as lines of text and as JSON."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from editor.cli.console import Console, columns
from editor.cli.options import shell_word
from editor.cli.proposals import plan_lines, proposal_json
from editor.cli.text import location
from editor.escape import printable
from editor.landlock.rights import listed
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import Access, Mode, Report, Verdict
from editor.suggest.plan import Plan

_MAX_ROWS = 100  # for each verdict but denied, which is never cut
_MAX_ABSENT = 3


class LayerPlan(NamedTuple):
    """One of the policies of a run, and the plan for what it denied."""

    policy: Policy
    plan: Plan


_NOT_ENFORCED: Mapping[Mode, str] = MappingProxyType(
    {
        "enforce": "",
        "observe": " (expected: nothing was enforced)",
        "ask": " (by the policy; each was answered)",
    }
)
_HEADINGS: tuple[tuple[Verdict, str], ...] = (
    ("uncontrolled", "Not restricted"),
    ("allowed", "Allowed"),
    ("failed", "Failed for a reason other than the policy"),
    ("denied", "Denied"),
)


def report_lines(report: Report, plans: Sequence[LayerPlan], console: Console) -> list[str]:
    """Return all that a run accessed, as lines; denials and how to allow them come last.

    ``plans`` are for the layers that it ran under, the oldest first.
    """
    lines: list[str] = []
    counts = report.counts()
    for verdict, heading in _HEADINGS:
        rows = [access for access in report.accesses if access.verdict == verdict]
        if not rows:
            continue
        expected = _NOT_ENFORCED[report.mode] if verdict == "denied" else ""
        lines.append(console.paint(f"{heading}: {counts[verdict]}{expected}", verdict))
        # Programs look for many files that do not exist (locales, libraries): listing them would explain nothing.
        absent = [access for access in rows if verdict == "failed" and access.errno == "ENOENT"]
        if len(absent) > _MAX_ABSENT:
            rows = [access for access in rows if access.errno != "ENOENT"]
            names = len({access.path for access in absent})
            lines.append(f"  {names} paths that do not exist (ENOENT); --format json lists them")
        shown = _rows(rows)
        lines += shown if verdict == "denied" else shown[:_MAX_ROWS]
        if len(shown) > _MAX_ROWS and verdict != "denied":
            lines.append(f"  and {len(shown) - _MAX_ROWS} more; --format json lists them")
        lines.append("")
    lines += [f"{console.paint('note:', 'warning')} {printable(note)}" for note in report.notes]
    command = " ".join(map(shell_word, report.command))
    abi = f"ABI {report.abi.enforced}"
    if report.abi.enforced != report.abi.kernel:
        abi += f" (the kernel has {report.abi.kernel or 'no Landlock'})"
    files = ", ".join(printable(name) for name in (report.policy, *report.layers))
    lines.append(f"{console.paint(command, 'bold')} under {files}, {abi}, {report.duration_s:.2f} s")
    verdicts = [f"{counts[verdict]} {verdict}" for verdict, _ in reversed(_HEADINGS) if counts[verdict]]
    if report.unexplained:
        verdicts[0] += f" ({report.unexplained} not explained by the policy)"
    lines.append(f"exit status {report.exit_code}; {', '.join(verdicts) or 'no access that Landlock knows'}")
    for policy, plan in plans:
        lines += plan_lines(plan, policy, console)
    return lines


def _rows(accesses: Sequence[Access]) -> list[str]:
    """Return one line for all accesses that differ only in process, system call or spelling."""
    groups: dict[tuple[object, ...], list[Access]] = {}
    for access in accesses:
        key = (access.rights, access.object_path or access.path, access.port, access.errno, access.decided_by,
               access.reason, access.observed)  # fmt: skip
        groups.setdefault(key, []).append(access)
    rows = []
    for group in groups.values():
        first = group[0]
        names = listed(first.missing or first.rights) or first.syscall or "-"
        processes = ", ".join(dict.fromkeys(printable(each.process or "-") for each in group))
        times = sum(each.times for each in group)
        why = [location(ref) for ref in first.decided_by] if first.verdict == "allowed" else []
        if first.errno and first.verdict != "allowed":
            why.append(first.errno)
        if first.reason:
            why.append(first.reason)
        asked = [path for path in dict.fromkeys(map(_asked, group)) if path]
        if first.verdict == "denied" and first.object_path is not None and asked != [printable(first.object_path)]:
            why.append(f"for {', '.join(asked[:3])}{', ...' if len(asked) > 3 else ''}")
        if first.observed == "audit":
            why.append("seen by the kernel's audit alone")
        if any(each.confirmed is False for each in group):
            why.append("the kernel's own record disagrees")
        rows.append([names, _subject(first), f"{processes} x{times}", "; ".join(why)])
    return columns(rows)


def _asked(access: Access) -> str:
    """Return the path that the program used, or both paths of a rename or link within a directory."""
    path = printable(access.path or "")
    return path if access.old_path is None else f"{printable(access.old_path)} -> {path}"


def _subject(access: Access) -> str:
    if access.port is not None:
        return f"port {access.port}"
    return printable(access.object_path or access.path or "-")


def report_json(report: Report, plans: Sequence[LayerPlan]) -> dict[str, Any]:
    """Return the object that ``paddock test --format json`` prints; ``plans`` are as in ``report_lines``.

    The ``accesses`` of a proposal are positions in the list of all accesses.
    """
    positions = {access.key(): position for position, access in enumerate(report.accesses)}
    proposals = []
    for number, (_, plan) in enumerate(plans, 1):
        for proposal in plan.proposals:
            answered = [positions[access.key()] for access in proposal.accesses]
            layer = {"layer": number} if len(plans) > 1 else {}
            proposals.append({**proposal_json(proposal), "accesses": answered, **layer})
    return {
        "policy": report.policy,
        **({"layers": list(report.layers)} if report.layers else {}),
        "command": list(report.command),
        "mode": report.mode,
        "abi": report.abi._asdict(),
        "exit_code": report.exit_code,
        "duration_s": report.duration_s,
        "counts": report.counts(),
        "notes": list(report.notes),
        "accesses": [access.to_json() for access in report.accesses],
        "proposals": proposals,
    }
