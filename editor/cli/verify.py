"""``paddock verify``: run the checks of policies, and report whether each holds."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from editor.analysis.verify.checks import Check, checks_path, policy_path, read_checks
from editor.analysis.verify.running import DEFAULT_TIMEOUT_S, Job, Result, Verification
from editor.cli.console import Console, prepare_streams, print_json
from editor.cli.options import (
    FORMATS,
    UsageError,
    abi_number,
    add_file_options,
    files_of,
    load_policy,
    new_parser,
    one_file_of,
    parse,
    shown,
)
from editor.cli.running import count, seconds
from editor.cli.text import excerpt
from editor.escape import printable
from editor.policy.compose import files_of as policies_of
from editor.policy.errors import PolicyError
from editor.policy.files import CHECKS_SUFFIX
from editor.policy.suggestions import did_you_mean

_WORDS = {"held": "ok", "failed": "FAILED", "skipped": "skipped", "error": "ERROR"}
_STYLES = {"held": "allowed", "failed": "denied", "skipped": "dim", "error": "error"}
_MOST_LINES = 20  # of what a command wrote, for a check that does not hold


def main(words: list[str]) -> int:
    """Run the checks; status 0 if all hold, 1 if one does not, 2 if one cannot be read or tried."""
    parser = new_parser(
        "verify",
        "[options] FILE|DIR...",
        "Run the checks in NAME.checks.toml, next to each policy NAME.toml. Status 0: all hold, 1: one does not, "
        "2: one cannot be read or tried.",
    )
    add_file_options(parser)
    parser.add_argument("-j", "--jobs", type=count, default=1, metavar="N", help="run N checks at a time")
    parser.add_argument(
        "--abi",
        dest="abis",
        type=abi_number,
        action="append",
        default=[],
        metavar="N",
        help="check at this Landlock ABI, which the kernel must have; may be repeated",
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run only the check of this name")
    parser.add_argument("--checks", metavar="FILE", help="take the checks of the one policy from FILE")
    parser.add_argument("--format", choices=(*FORMATS, "junit", "tap", "sarif"), default="text")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out what this kernel or the ABI does not have, instead of failing",
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=DEFAULT_TIMEOUT_S,
        metavar="SECONDS",
        help="end a check that gives none itself after this time (default: 60)",
    )
    options = parse(parser, words)
    prepare_streams()
    if options.checks is None:
        found, problems = _read({policy: checks_path(policy) for policy in _policies(files_of(options, parser))})
    else:
        (policy,) = one_file_of(options, parser)
        found, problems = _read({policy: options.checks})
    if problems:
        console = Console(sys.stderr)
        for problem in problems:
            console.write([f"paddock verify: {printable(str(problem))}", *excerpt(problem, {}, console)])
        return 2
    jobs = _jobs(found, options)
    console = Console(sys.stdout)
    results = []
    with Verification(jobs, options.jobs) as verification, _stopping(verification.stop) as ended_by:
        for result in verification.results():
            results.append(result)
            if options.format == "text":
                console.write(result_lines(result, console, with_abi=len(options.abis) > 1))
    if ended_by:
        sys.stderr.write(f"paddock verify: ended by {signal.Signals(ended_by[0]).name}; nothing of it is left\n")
        return 128 + ended_by[0]
    _write(results, options.format, console)
    if any(result.outcome == "error" for result in results):
        return 2
    return 1 if any(result.outcome == "failed" for result in results) else 0


def _policies(words: Sequence[str]) -> list[str]:
    """Return the policies that ``words`` name: itself, that of a file of checks, those of a directory with checks."""
    found = []
    for word in words:
        if os.path.isdir(word):
            checked = [file for file in policies_of(word) if os.path.exists(checks_path(file))]
            if not checked:
                raise PolicyError(f"no policy in this directory has checks (NAME{CHECKS_SUFFIX})", file=word)
            found += checked
        else:
            found.append(policy_path(word) if word.endswith(CHECKS_SUFFIX) else word)
    return list(dict.fromkeys(found))


def _read(files: Mapping[str, str]) -> tuple[dict[str, tuple[Check, ...]], list[PolicyError]]:
    """Return the checks of each policy in ``files``, which gives the file of each, and what is wrong with them."""
    found = {}
    problems: list[PolicyError] = []
    for policy, file in files.items():
        found[policy], wrong = read_checks(file)
        problems += wrong
    return found, problems


def _jobs(found: dict[str, tuple[Check, ...]], options: argparse.Namespace) -> list[Job]:
    """Return what to run, policy by policy. Raises UsageError if ``--only`` names no check, PolicyError."""
    names = [check.name for checks in found.values() for check in checks]
    for name in options.only:
        if name not in names:
            hint = did_you_mean(name, names)
            raise UsageError(f"no check is named '{shown(name)}'{f'; {shown(hint)}' if hint else ''}")
    return [
        Job(policy, check, abi, options.allow_missing, options.timeout)
        for file, checks in found.items()
        for policy in (load_policy(file, options),)
        for check in checks
        if not options.only or check.name in options.only
        for abi in dict.fromkeys(options.abis or (None,))
    ]


@contextlib.contextmanager
def _stopping(stop: Callable[[], None]) -> Iterator[list[int]]:
    """Call ``stop`` on SIGINT, SIGTERM and SIGHUP; return the list of those that came."""
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # An ignored signal (nohup, a background job) stays ignored.
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in handled}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write(results: Sequence[Result], format: str, console: Console) -> None:
    if format == "text":
        console.write([summary(results)])
    elif format == "json":
        print_json(to_json(results))
    elif format == "junit":
        from editor.cli.junit import junit  # noqa: PLC0415 only the format asked for

        sys.stdout.write(junit(results))
    elif format == "tap":
        from editor.cli.tap import tap  # noqa: PLC0415

        console.write(tap(results))
    else:
        from editor.cli.sarif import sarif_of_checks  # noqa: PLC0415

        print_json(sarif_of_checks(results))


def title(result: Result, *, with_abi: bool) -> str:
    """Return the name of the check, with its ABI if there are several."""
    return f"{result.job.check.name} (ABI {result.job.abi})" if with_abi and result.job.abi else result.job.check.name


def result_lines(result: Result, console: Console, *, with_abi: bool) -> list[str]:
    """Return one line for a check that holds; for another, also why, and the last of what its command wrote."""
    check = result.job.check
    word = console.paint(_WORDS[result.outcome], _STYLES[result.outcome])
    policy = printable(result.job.policy.file)
    lines = [f"{word}: {policy}: {printable(title(result, with_abi=with_abi))} ({result.duration_s:.2f} s)"]
    if result.outcome in ("failed", "error"):
        place = f"{printable(check.location.file)}:{check.location.line}"
        lines += [f"  {place}: {printable(reason)}" for reason in result.reasons]
        written = result.output.splitlines()
        lines += [f"  | {printable(line)}" for line in written[-_MOST_LINES:]]
        lines += [f"  note: {printable(note)}" for note in result.notes]
    return [*lines, *(f"  left out: {printable(sentence)}" for sentence in result.left_out)]


def counts(results: Sequence[Result]) -> dict[str, int]:
    """Count the results by outcome."""
    return {outcome: sum(result.outcome == outcome for result in results) for outcome in _WORDS}


def summary(results: Sequence[Result]) -> str:
    """Return one line with the numbers of all."""
    number = counts(results)
    parts = [f"{number['held']} held"]
    parts += [f"{number[outcome]} {word}" for outcome, word in _SUMMARY if number[outcome]]
    return f"{len(results)} check{'s' if len(results) != 1 else ''}: {', '.join(parts)}"


_SUMMARY = (("failed", "did not hold"), ("error", "could not be tried"), ("skipped", "skipped"))


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return the object that ``--format json`` prints."""
    return {"counts": counts(results), "checks": [result.to_json() for result in results]}
