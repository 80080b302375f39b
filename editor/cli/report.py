"""The report of a run under a policy, as lines of text and as JSON."""

import shlex
from collections.abc import Sequence

from editor.cli.console import Console, columns
from editor.cli.text import edit_command, location
from editor.escape import printable
from editor.evaluation.resolve import resolve
from editor.landlock.rights import listed
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import Access, Report, Verdict
from editor.suggest.grant import CannotGrant, describe, grant

_MAX_SUGGESTIONS = 10
_MAX_ROWS = 100  # for each verdict but denied, which is never cut
_MAX_ABSENT = 3

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
    command = shlex.join(printable(word) for word in report.command)
    abi = f"ABI {report.abi.enforced}"
    if report.abi.enforced != report.abi.kernel:
        abi += f" (the kernel has {report.abi.kernel or 'no Landlock'})"
    files = ", ".join(printable(name) for name in (report.policy, *report.layers))
    lines.append(f"{console.paint(command, 'bold')} under {files}, {abi}, {report.duration_s:.2f} s")
    verdicts = [f"{counts[verdict]} {verdict}" for verdict, _ in reversed(_HEADINGS) if counts[verdict]]
    lines.append(f"exit status {report.exit_code}; {', '.join(verdicts) or 'no access that Landlock knows'}")
    for number, policy in enumerate(policies, 1):
        lines += _suggestions(report, policy, number if len(policies) > 1 else 0)
    return lines


def _rows(accesses: Sequence[Access]) -> list[str]:
    """Return one line for all accesses that differ only in process, system call or spelling."""
    groups: dict[tuple[object, ...], list[Access]] = {}
    for access in accesses:
        key = (access.rights, access.object_path or access.path, access.port, access.errno, access.decided_by,
               access.reason)  # fmt: skip
        groups.setdefault(key, []).append(access)
    rows = []
    for group in groups.values():
        first = group[0]
        names = listed(first.missing or first.rights) or first.syscall
        processes = ", ".join(dict.fromkeys(printable(each.process) for each in group))
        times = sum(each.times for each in group)
        why = [location(ref) for ref in first.decided_by] if first.verdict == "allowed" else []
        if first.errno and first.verdict != "allowed":
            why.append(first.errno)
        if first.reason:
            why.append(first.reason)
        asked = [path for path in dict.fromkeys(map(_asked, group)) if path]
        if first.verdict == "denied" and first.object_path is not None and asked != [printable(first.object_path)]:
            why.append(f"for {', '.join(asked[:3])}{', ...' if len(asked) > 3 else ''}")
        if any(each.confirmed is False for each in group):
            why.append("the kernel's audit disagrees")
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
    sentences: dict[str, None] = {}
    denied = [access for access in report.accesses if access.verdict == "denied" and access.layer == layer]
    if not denied:
        return []
    resolved = resolve(policy)
    for access in denied:
        try:
            edits = grant(access, resolved, rows=report.accesses)
        except CannotGrant as error:
            sentences[f"{_subject(access)}: {error}"] = None
            continue
        sentences.update(dict.fromkeys(describe(edit, access, rows=report.accesses) for edit in edits))
    shown = list(sentences)[:_MAX_SUGGESTIONS]
    more = len(sentences) - len(shown)
    return [
        "",
        f"To allow what was denied ({edit_command(policy)}):",
        *(f"  {sentence}" for sentence in shown),
        *([f"  and {more} more"] if more else []),
    ]


def report_json(report: Report) -> dict[str, object]:
    """Return the object that ``paddock test --format json`` prints."""
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
    }
