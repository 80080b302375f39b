"""``paddock diff``: show what one policy allows and another does not."""

import sys

from editor.analysis.compare import PolicyComparison, compare_policies
from editor.cli.console import Console, columns, prepare_streams, print_json
from editor.cli.options import FORMATS, abi_number, add_file_options, load_policy, new_parser, one_file_of, parse
from editor.escape import printable
from editor.evaluation.diff import Difference
from editor.landlock.rights import LATEST_ABI, listed

# How many exceptions to a difference are shown; --format json lists all.
_MAX_EXCEPTIONS = 5


def main(words: list[str]) -> int:
    """Compare two policies; status 1 if they differ."""
    parser = new_parser(
        "diff",
        "[--abi N] [--exit-code] [--format text|json] A B",
        "Show what B allows on this machine that A does not, and the reverse: by meaning, not by text. "
        "Status 0: they allow the same, 1: they differ, 2: error.",
    )
    add_file_options(parser)
    parser.add_argument("--abi", type=abi_number, metavar="N", help="compare for this Landlock ABI")
    parser.add_argument(
        "--exit-code", action="store_true", help="accepted as for git diff; the exit status is the same without it"
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    options = parse(parser, words)
    a, b = one_file_of(options, parser, following=1)
    prepare_streams()
    result = compare_policies(
        load_policy(a, options), load_policy(b, options), min(options.abi or LATEST_ABI, LATEST_ABI)
    )
    if options.format == "json":
        print_json(result.to_json())
    else:
        console = Console(sys.stdout)
        console.write(comparison_lines(result, console))
    return 0 if result.comparison.same else 1


def comparison_lines(result: PolicyComparison, console: Console) -> list[str]:
    """Return what each of the two allows beyond the other, as lines."""
    a, b = printable(result.a), printable(result.b)
    if result.comparison.same:
        return [f"{a} and {b} allow the same on this machine."]
    lines: list[str] = []
    for more, less, found in ((b, a, result.comparison.only_b), (a, b, result.comparison.only_a)):
        if not found:
            lines.append(f"{more} allows nothing that {less} does not.")
            continue
        lines.append(console.paint(f"{more} allows, and {less} does not:", "bold"))
        lines += columns([_row(each) for each in found])
    return lines


def _row(found: Difference) -> list[str]:
    subject = printable(found.subject)
    if found.kind == "port":
        subject = "any port" if found.subject == "*" else f"port {subject}"
    elif found.kind == "scope":
        subject = "outside the sandbox"
    why = [f"{printable(ref.file)}:{ref.line}" for ref in found.rules] or ["not restricted"]
    if not found.exists:
        why.append("does not exist yet")
    if found.excepted:
        more = len(found.excepted) - _MAX_EXCEPTIONS
        names = ", ".join(map(printable, found.excepted[:_MAX_EXCEPTIONS])) + (f" and {more} more" if more > 0 else "")
        why.append(f"but not on {names}")
    return [subject, listed(found.rights), "; ".join(why)]
