"""``paddock check``: parse and lint policies, fix what can be fixed, say what every Landlock ABI makes of them."""

import argparse
import sys
from collections.abc import Sequence

from editor.analysis.check import Check, Checked, Problem, check
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
    """Check the policies that ``words`` name and return the exit status."""
    parser = new_parser(
        "check",
        "[options] FILE|DIR...",
        "Parse and lint policies. Status 0: clean, 1: findings (notes do not count), 2: a file cannot be read or "
        "parsed.",
    )
    add_file_options(parser)
    parser.add_argument(
        "--target-abi", "--abi", dest="abi", type=abi_number, metavar="N", help="the Landlock ABI that it is meant for"
    )
    parser.add_argument("--format", choices=(*FORMATS, "sarif"), default="text")
    parser.add_argument(
        "--fix", action="store_true", help="mend in each file what can be mended without changing the meaning here"
    )
    parser.add_argument("--notes", action="store_true", help="show what may well be meant just so, too")
    parser.add_argument("--ignore", action="append", default=[], metavar="ID", help="leave out findings of this kind")
    parser.add_argument(
        "--compat", action="store_true", help="instead, say what every Landlock ABI makes of the policy"
    )
    options = parse(parser, words)
    files = files_of(options, parser)
    for id_ in options.ignore:
        if id_ not in LINTS:
            parser.error(f"there is no finding {shown(id_)}; there are: {', '.join(sorted(LINTS))}")
    if options.fix and (options.also or options.var or options.compat):
        parser.error("--fix mends each file by itself: it goes without --with, --var and --compat")
    prepare_streams()
    console = Console(sys.stdout)
    return _compat(files, options, console) if options.compat else _check(files, options, console)


def _check(files: list[str], options: argparse.Namespace, console: Console) -> int:
    variables = variables_of(options)
    ignored = frozenset(options.ignore)
    checked = []
    unsaved = []
    for file in files:
        result = check(Check((file, *options.also), options.abi, variables, ignored, options.fix))
        try:
            for each in result.rewritten:
                write_file(each.file, each.after.encode(), expected=each.before.encode())
        except SaveError as error:  # the other files are fixed all the same
            unsaved.append(str(error))
        else:
            checked.append(result)
    for sentence in (*(sentence for each in checked for sentence in each.unmended), *unsaved):
        sys.stderr.write(f"paddock check: {shown(sentence)}\n")
    if options.format == "json":
        print_json({"files": [each.to_json() for each in checked]})
    elif options.format == "sarif":
        from editor.cli.sarif import sarif  # noqa: PLC0415

        print_json(sarif(checked))
    else:
        console.write(checked_lines(checked, console, notes=options.notes))
    return 2 if unsaved else max(each.status for each in checked)


def _compat(files: list[str], options: argparse.Namespace, console: Console) -> int:
    if options.format == "sarif":
        raise UsageError("--compat makes text or JSON.")
    reports = [compatibility(load_policy(file, options)) for file in files]
    if options.format == "json":
        print_json({"files": [each.to_json() for each in reports]})
    else:
        console.write(compatibility_lines(reports, console))
    return 0


def checked_lines(checked: Sequence[Checked], console: Console, *, notes: bool = False) -> list[str]:
    """A line for each finding, as compilers write them, and one for each policy without any; notes where wanted."""
    lines: list[str] = []
    texts: dict[str, list[str]] = {}
    for each in checked:
        lines += [_line(problem, console, "fixed") for problem in each.fixed]
        shown = (*each.problems, *each.notes) if notes else each.problems
        for problem in sorted(shown, key=lambda one: one[2:5]):
            lines.append(_line(problem, console))
            if not each.valid:
                lines += excerpt(problem, texts, console)
        if not each.problems:
            more = f" ({len(each.notes)} notes, --notes shows them)" if each.notes and not notes else ""
            lines.append(f"{printable(each.file)}: {console.paint('no findings', 'allowed')}{more}")
        # Of several files together, each is mended by itself.
        elif fixable := sum(problem.fixable and problem.file == each.file for problem in each.problems):
            lines.append(f"{printable(each.file)}: --fix mends {fixable} of {len(each.problems)}")
    return lines


def _line(problem: Problem, console: Console, word: str = "") -> str:
    file = printable(problem.file)
    place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
    hint = f" ({problem.hint})" if problem.hint else ""
    severity = console.paint(word or problem.severity, _STYLES.get(word or problem.severity, "warning"))
    return f"{place}: {severity}: {printable(problem.message + hint)} [{problem.id}]"


def compatibility_lines(reports: Sequence[Compatibility], console: Console) -> list[str]:
    """The reports as tables; versions that make the same of the policy share a row."""
    lines: list[str] = []
    for report in reports:
        lines += [console.paint(printable(report.policy), "bold")]
        rows = [["ABI", "kernel", "comes with", "of what is handled"]]
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
    lines.append("Distributions backport: paddock abi asks the kernel that runs.")
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
    return f"{len(level.enforced)} of {total} enforced; silently not: {names}"
