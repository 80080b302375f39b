"""What the verbs find, as lines for people: aligned, with file and line, and with what to do next."""

import shlex
from collections.abc import Iterable, Sequence

from editor.analysis.explain import Explanation, Level, place
from editor.cli.console import Console, columns
from editor.escape import printable
from editor.landlock.abi import ABI_VERSIONS, KernelState
from editor.landlock.kernel import RESTRICT_FLAGS
from editor.landlock.rights import LATEST_ABI, RIGHTS, in_order
from editor.policy.compose import GIVEN
from editor.policy.model import Policy, RuleRef
from editor.sandbox.verdicts.report import Access, Report, Verdict
from editor.suggest.grant import CannotGrant, describe, grant

_MAX_SUGGESTIONS = 10
# Of rows that are not denials: what a person still reads.
_MAX_ROWS = 100
_MAX_ABSENT = 3

_HEADINGS: tuple[tuple[Verdict, str], ...] = (
    ("uncontrolled", "Not restricted"),
    ("allowed", "Allowed"),
    ("failed", "Failed for another reason than the policy"),
    ("denied", "Denied"),
)


# paddock abi


def kernel_lines(state: KernelState, console: Console) -> list[str]:
    """What this kernel enforces."""
    facts = [["kernel", f"Linux {state.release}"]]
    if state.abi:
        version = ABI_VERSIONS[state.effective_abi - 1]
        newer = f" (newer than this program, which knows {LATEST_ABI})" if state.abi > LATEST_ABI else ""
        facts.append(["Landlock", f"ABI {state.abi}{newer}, first in Linux {version.kernel}"])
        fixed = [str(bit + 1) for bit in range(state.errata.bit_length()) if state.errata >> bit & 1]
        facts.append(["errata fixed", ", ".join(fixed) if fixed else "none that the kernel tells of"])
    else:
        facts.append(["Landlock", console.paint(f"off: {state.problem}", "denied")])
    lsms = ", ".join(state.lsms) if state.lsms is not None else "unknown: /sys/kernel/security is not readable"
    facts.append(["active LSMs", lsms])
    lines = columns(facts, indent="")
    for title, kind in (("Filesystem rights", "fs"), ("Network rights", "net"), ("Scopes", "scope")):
        lines += ["", console.paint(title, "bold")]
        lines += columns(
            [
                [_mark(right.abi, state, console), right.name, f"ABI {right.abi}", right.meaning]
                for right in RIGHTS.values()
                if right.kind == kind
            ]
        )
    lines += ["", console.paint("Flags of restrict_self", "bold")]
    lines += columns(
        [[_mark(flag.abi, state, console), flag.name, f"ABI {flag.abi}", flag.meaning] for flag in RESTRICT_FLAGS]
    )
    return lines


def _mark(abi: int, state: KernelState, console: Console) -> str:
    return "yes" if abi <= state.abi else console.paint("no ", "denied")


# paddock explain


def explanation_lines(explanation: Explanation, policy: Policy, console: Console) -> list[str]:
    """The answer for ``policy``, the way up the hierarchy, and what would change it."""
    verdict = "allowed" if explanation.allowed else "denied"
    subject = printable(explanation.target.text)
    if all(answer.answer == "uncontrolled" for answer in explanation.answers):
        verdict, said = "uncontrolled", "not restricted"
    else:
        said = verdict
    abi = f"Landlock ABI {explanation.abi.enforced}"
    if explanation.abi.kernel < explanation.abi.enforced:
        has = f"ABI {explanation.abi.kernel}" if explanation.abi.kernel else "no Landlock"
        abi += f", but this kernel has {has}"
    lines = [f"{subject}: {console.paint(said, verdict)}  ({abi})", ""]
    rows = []
    for answer in explanation.answers:
        why = [place(ref) for ref in answer.decided_by] if answer.answer == "allowed" else []
        if answer.reason:
            why.append(answer.reason)
        rows.append([answer.right, answer.answer, "; ".join(why)])
    lines += columns(rows)
    lines += [f"  {note}" for note in explanation.notes]
    if explanation.links:
        lines += ["", "Symbolic links on the way:"]
        lines += columns([[printable(link.path), f"-> {printable(link.target)}"] for link in explanation.links])
    if explanation.levels:
        lines += ["", "From the object up to the root:"]
        rows = []
        for level in explanation.levels:
            path = printable(level.path) + _mounted(level)
            rows += [[path, ", ".join(in_order(each.rights)), place(each.ref)] for each in level.grants]
            if not level.grants:
                rows.append([path, "-", ""])
        lines += columns(rows)
    if explanation.changes:
        lines += ["", f"What would change it ({edit_command(policy)}):"]
        lines += [f"  {sentence}" for sentence in explanation.changes]
    return lines


def edit_command(policy: Policy) -> str:
    """The command that opens ``policy`` on the screen: all of its files, and the variables that it was given."""
    words = list(policy.files or (policy.file,))
    for variable in policy.variables:
        if variable.location.file == GIVEN:
            words += [part for value in variable.literals for part in ("--var", f"{variable.name}={value}")]
    return shlex.join(("paddock", "edit", *map(printable, words)))


def _mounted(level: Level) -> str:
    """What is mounted at a level: rules belong to the directory that is seen there."""
    mount = level.mount
    if mount is None or level.path == "/":
        return ""
    return f"  [bind mount of {printable(mount.root)}]" if mount.is_bind else f"  [{printable(mount.kind)} mount]"


# paddock test


def report_lines(report: Report, policies: Sequence[Policy], console: Console) -> list[str]:
    """Everything that a run touched; what was denied, and what to do about it, comes last.

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
        # Programs look for many files that are not there (locales, libraries): names that explain nothing.
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
    lines.append(f"exit status {report.exit_code}; {', '.join(verdicts) or 'nothing touched that Landlock knows'}")
    for number, policy in enumerate(policies, 1):
        lines += _suggestions(report, policy, number if len(policies) > 1 else 0)
    return lines


def _rows(accesses: Sequence[Access]) -> list[str]:
    """One line for all accesses that differ only in process, call or spelling."""
    groups: dict[tuple[object, ...], list[Access]] = {}
    for access in accesses:
        key = (access.rights, access.object_path or access.path, access.port, access.errno, access.decided_by,
               access.reason)  # fmt: skip
        groups.setdefault(key, []).append(access)
    rows = []
    for group in groups.values():
        first = group[0]
        names = ", ".join(in_order(first.missing or first.rights)) or first.syscall
        processes = ", ".join(dict.fromkeys(printable(each.process) for each in group))
        times = sum(each.times for each in group)
        why = [_short(ref) for ref in first.decided_by] if first.verdict == "allowed" else []
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
    """The name that the program used; of a rename or link within a directory both."""
    path = printable(access.path or "")
    return path if access.old_path is None else f"{printable(access.old_path)} -> {path}"


def _subject(access: Access) -> str:
    if access.port is not None:
        return f"port {access.port}"
    return printable(access.object_path or access.path or "-")


def _short(ref: RuleRef) -> str:
    return f"{printable(ref.file)}:{ref.line}"


def _suggestions(report: Report, policy: Policy, layer: int) -> list[str]:
    """What to change in ``policy``, which is the layer of that number, for what it denied."""
    sentences: dict[str, None] = {}
    for access in report.accesses:
        if access.verdict == "denied" and access.layer == layer:
            try:
                edits = grant(access, policy, together=report.accesses)
            except CannotGrant as error:
                sentences[f"{_subject(access)}: {error}"] = None
                continue
            sentences.update(dict.fromkeys(describe(edit, access, together=report.accesses) for edit in edits))
    if not sentences:
        return []
    shown = list(sentences)[:_MAX_SUGGESTIONS]
    more = len(sentences) - len(shown)
    return [
        "",
        f"To allow what was denied ({edit_command(policy)}):",
        *(f"  {sentence}" for sentence in shown),
        *([f"  and {more} more"] if more else []),
    ]


def warning_lines(verb: str, sentences: Iterable[str], console: Console) -> list[str]:
    """Sentences that a verb says beside its result."""
    return [f"paddock {verb}: {console.paint('warning:', 'warning')} {sentence}" for sentence in sentences]
