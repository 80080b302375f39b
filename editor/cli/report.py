"""The report of a run under a policy, as lines of text and as JSON."""

import os
import textwrap
from collections.abc import Sequence
from typing import Any

from editor.cli.console import Console, columns
from editor.cli.options import shell_word
from editor.cli.text import edit_command, location
from editor.editing.edits import Edit, GrantPath, GrantPort, SetScope
from editor.escape import printable
from editor.evaluation.resolve import resolve
from editor.landlock.rights import RightSet, in_order, listed
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import Access, Report, Verdict
from editor.suggest.plan import Proposal
from editor.suggest.planning import plan_of

_MANY_PROPOSALS = 10  # beyond that, those for files of one directory are grouped
_MIN_GROUP = 3
_MAX_ROWS = 100  # for each verdict but denied, which is never cut
_MAX_ABSENT = 3
_WIDTH = 100  # of lists of names

_HEADINGS: tuple[tuple[Verdict, str], ...] = (
    ("uncontrolled", "Not restricted"),
    ("allowed", "Allowed"),
    ("failed", "Failed for a reason other than the policy"),
    ("denied", "Denied"),
)


def report_lines(report: Report, policies: Sequence[Policy], console: Console) -> list[str]:
    """Return all that a run accessed, as lines; denials and how to allow them come last.

    ``policies`` are the layers that it ran under, the oldest first.
    """
    lines: list[str] = []
    counts = report.counts()
    for verdict, heading in _HEADINGS:
        rows = [access for access in report.accesses if access.verdict == verdict]
        if not rows:
            continue
        expected = " (expected: nothing was enforced)" if report.mode == "observe" and verdict == "denied" else ""
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
    for number, policy in enumerate(policies, 1):
        lines += _suggestions(report, policy, number if len(policies) > 1 else 0)
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


def _suggestions(report: Report, policy: Policy, layer: int) -> list[str]:
    """Return how to allow what ``policy`` denied; ``layer`` is its number, 0 if it is the only one."""
    proposals = plan_of([report], resolve(policy), layer).proposals
    if not proposals:
        return []
    return ["", f"To allow what was denied ({edit_command(policy)}):", *_proposal_lines(proposals)]


def _proposal_lines(proposals: Sequence[Proposal]) -> list[str]:
    """Return the sentences of all proposals; of many, those with the same rights for files of one directory as one."""
    lines: list[str] = []
    groups: dict[tuple[str, RightSet], list[str]] = {}
    if len(proposals) > _MANY_PROPOSALS:
        for proposal in proposals:
            for path, rights in _files_granted(proposal):
                groups.setdefault((os.path.dirname(path), rights), []).append(os.path.basename(path))
        groups = {key: names for key, names in groups.items() if len(names) >= _MIN_GROUP}
    for proposal in proposals:
        keys = [(os.path.dirname(path), rights) for path, rights in _files_granted(proposal)]
        if not keys or keys[0] not in groups:
            lines.append(f"  {proposal.sentence}")
        elif names := groups[keys[0]]:
            directory, rights = keys[0]
            lines.append(f"  Grant {listed(rights)} on each of {len(names)} files in {printable(directory)}:")
            lines += textwrap.wrap(
                ", ".join(map(printable, names)), _WIDTH, initial_indent="    ", subsequent_indent="    ",
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
            groups[keys[0]] = []
    return lines


def _files_granted(proposal: Proposal) -> list[tuple[str, RightSet]]:
    """Return the path and rights of a proposal that is a grant on one file."""
    if len(proposal.edits) != 1:
        return []
    (edit,) = proposal.edits
    return [(edit.path, edit.rights)] if isinstance(edit, GrantPath) and not os.path.isdir(edit.path) else []


def report_json(report: Report, policies: Sequence[Policy]) -> dict[str, Any]:
    """Return the object that ``paddock test --format json`` prints; ``policies`` are as in ``report_lines``.

    The ``accesses`` of a proposal are positions in the list of all accesses.
    """
    positions = {access.key(): position for position, access in enumerate(report.accesses)}
    proposals = []
    for number, policy in enumerate(policies, 1):
        layer = number if len(policies) > 1 else 0
        for proposal in plan_of([report], resolve(policy), layer).proposals:
            answered = [positions[access.key()] for access in proposal.accesses]
            proposals.append({**_proposal_json(proposal), "accesses": answered, **({"layer": layer} if layer else {})})
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


def _proposal_json(proposal: Proposal) -> dict[str, Any]:
    return {"edits": [_edit_json(edit) for edit in proposal.edits], "sentence": proposal.sentence}


def _edit_json(edit: Edit) -> dict[str, Any]:
    if isinstance(edit, GrantPath):
        return {"path": edit.path, "rights": in_order(edit.rights)}
    if isinstance(edit, GrantPort):
        return {"port": edit.port, "rights": in_order(edit.rights)}
    if isinstance(edit, SetScope):
        return {"scope": edit.scope, "restricted": edit.on}
    raise TypeError(f"no grant is a {type(edit).__name__}")
