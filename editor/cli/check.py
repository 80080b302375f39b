"""``paddock check``: parse, lint and fix policies, or show how each Landlock ABI enforces them."""

import argparse
import sys
from collections.abc import Sequence

from editor.analysis.check import CheckRequest, CheckResult, Problem, check
from editor.analysis.compatibility import Compatibility, Level, compatibility
from editor.analysis.lint.catalogue import LINTS
from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import (
    FORMATS,
    UsageError,
    abi_number,
    add_file_options,
    files_of,
    load_policy,
    new_parser,
    parse,
    shown,
    variables_of,
)
from editor.cli.text import excerpt
from editor.escape import printable
from editor.landlock.rights import LATEST_ABI, listed
from editor.workspace.saving import SaveError, write_file

_STYLES = {"error": "error", "warning": "warning", "note": "dim", "fixed": "allowed"}


def main(words: list[str]) -> int:
    """Check policies; status 0 if clean, 1 with findings, 2 if a file cannot be read, parsed or saved."""
    parser = new_parser(
        "check",
        "[options] FILE|DIR...",
        "Parse and lint policies. Status 0: clean, 1: findings (notes do not count), 2: a file cannot be read or "
        "parsed, or a fix cannot be saved.",
    )
    add_file_options(parser)
    parser.add_argument(
        "--target-abi",
        "--abi",
        dest="abi",
        type=abi_number,
        metavar="N",
        help="the Landlock ABI that the policy is written for",
    )
    parser.add_argument("--format", choices=(*FORMATS, "sarif"), default="text")
    parser.add_argument(
        "--fix", action="store_true", help="fix what can be fixed without changing what a file means on this machine"
    )
    parser.add_argument("--notes", action="store_true", help="also show findings that are possibly intentional")
    parser.add_argument("--ignore", action="append", default=[], metavar="ID", help="ignore findings of this kind")
    parser.add_argument("--compat", action="store_true", help="show how each Landlock ABI enforces the policy instead")
    options = parse(parser, words)
    files = files_of(options, parser)
    for id_ in options.ignore:
        if id_ not in LINTS:
            parser.error(f"unknown finding {shown(id_)}; choose from {', '.join(sorted(LINTS))}")
    if options.fix and (options.also or options.var or options.compat):
        parser.error("--fix works on each file individually: it cannot be combined with --with, --var or --compat")
    prepare_streams()
    console = Console(sys.stdout)
    return _compat(files, options, console) if options.compat else _check(files, options, console)


def _check(files: list[str], options: argparse.Namespace, console: Console) -> int:
    variables = variables_of(options.var)
    ignored = frozenset(options.ignore)
    results = []
    unsaved = []
    for file in files:
        result = check(CheckRequest((file, *options.also), options.abi, variables, ignored, options.fix))
        try:
            for each in result.rewritten:
                write_file(each.file, each.after.encode(), expected=each.before.encode())
        except SaveError as error:  # the other files are fixed all the same
            unsaved.append(str(error))
        else:
            results.append(result)
    for sentence in (*(sentence for each in results for sentence in each.unfixed), *unsaved):
        sys.stderr.write(f"paddock check: {shown(sentence)}\n")
    if options.format == "json":
        print_json({"files": [each.to_json() for each in results]})
    elif options.format == "sarif":
        from editor.cli.sarif import sarif  # noqa: PLC0415

        print_json(sarif(results))
    else:
        console.write(finding_lines(results, console, notes=options.notes))
    return 2 if unsaved else max(each.status for each in results)


def _compat(files: list[str], options: argparse.Namespace, console: Console) -> int:
    if options.format == "sarif":
        raise UsageError("--compat supports the formats text and json only.")
    reports = [compatibility(load_policy(file, options)) for file in files]
    if options.format == "json":
        print_json({"files": [each.to_json() for each in reports]})
    else:
        console.write(compatibility_lines(reports, console))
    return 0


def finding_lines(results: Sequence[CheckResult], console: Console, *, notes: bool = False) -> list[str]:
    """Return a line for each finding, as compilers print them, and one for each policy without any."""
    lines: list[str] = []
    texts: dict[str, list[str]] = {}
    for each in results:
        lines += [_line(problem, console, "fixed") for problem in each.fixed]
        shown = (*each.problems, *each.notes) if notes else each.problems
        for problem in sorted(shown, key=lambda one: one[2:5]):
            lines.append(_line(problem, console))
            if not each.valid:
                lines += excerpt(problem, texts, console)
        if not each.problems:
            more = f" (notes: {len(each.notes)}; show them with --notes)" if each.notes and not notes else ""
            lines.append(f"{printable(each.file)}: {console.paint('no findings', 'allowed')}{more}")
        # --fix works on each file individually, so not on what several files have in common.
        elif fixable := sum(problem.fixable and problem.file == each.file for problem in each.problems):
            lines.append(f"{printable(each.file)}: --fix can fix {fixable} of {len(each.problems)} findings")
    return lines


def _line(problem: Problem, console: Console, word: str = "") -> str:
    file = printable(problem.file)
    place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
    hint = f" ({problem.hint})" if problem.hint else ""
    severity = console.paint(word or problem.severity, _STYLES.get(word or problem.severity, "warning"))
    return f"{place}: {severity}: {printable(problem.message + hint)} [{problem.id}]"


def compatibility_lines(reports: Sequence[Compatibility], console: Console) -> list[str]:
    """Return the reports as tables; ABIs that enforce the policy alike share a row."""
    lines: list[str] = []
    for report in reports:
        lines += [console.paint(printable(report.policy), "bold")]
        rows = [["ABI", "kernel", "distributions", "handled rights"]]
        for group in _alike(report.levels):
            first, last = group[0], group[-1]
            numbers = f"{first.version.number}" + (f"-{last.version.number}" if last is not first else "")
            since = f"{first.version.kernel}" + (" and later" if last.version.number == LATEST_ABI else "")
            if last is not first and last.version.number != LATEST_ABI:
                since += f" to {last.version.kernel}"
            releases = ", ".join(f"{each.name} ({each.kernel})" for level in group for each in level.releases)
            rows.append([numbers, since, releases or "-", _summary(first)])
            rows += [["", "", "", f"breaks: {sentence}"] for sentence in first.breaks]
        lines += columns(rows)
        lines += [f"  {sentence}" for sentence in report.readers]
    lines.append("Distributions backport Landlock: paddock abi asks the running kernel.")
    return lines


def _alike(levels: Sequence[Level]) -> list[list[Level]]:
    groups: list[list[Level]] = []
    for level in levels:
        if groups and level[2:] == groups[-1][0][2:]:
            groups[-1].append(level)
        else:
            groups.append([level])
    return groups


def _summary(level: Level) -> str:
    total = len(level.enforced) + len(level.unrestricted)
    if not level.unrestricted:
        return f"all {total} enforced"
    names = listed(level.unrestricted)
    return f"{len(level.enforced)} of {total} enforced; not: {names}"
