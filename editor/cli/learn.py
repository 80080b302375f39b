"""``paddock learn``: write the policy that a command needs, from runs of it or from what others recorded."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple, get_args

from editor.cli.console import prepare_streams
from editor.cli.options import UsageError, check_layers, new_parser, parse, shown, split_command, variables_of
from editor.cli.running import RunOptions, add_run_options, count, follow, request_of, run_options_of
from editor.cli.text import access_text, say
from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, GrantPath, SetScope
from editor.evaluation.resolve import resolve
from editor.landlock.abi import probe
from editor.landlock.rights import LATEST_ABI, listed
from editor.policy.compose import Variables, load
from editor.policy.files import decode, format_of
from editor.policy.reference import REFERENCE_MAX_ABI
from editor.sandbox.runner import start
from editor.sandbox.verdicts.report import Report
from editor.suggest.learning import empty_policy
from editor.suggest.lesson import Lesson, after, begin, recorded
from editor.suggest.logs.reading import LogError, read_log
from editor.suggest.plan import Fold, Proposal
from editor.suggest.recordings import denials_under
from editor.workspace.saving import AlreadyExists, SymlinkedPolicy, read_file, write_file, write_new

_MAX_SHOWN = 10


class LearnRequest(NamedTuple):
    """What to learn from: the files ``logs``, and ``command``, unless empty, run as ``options`` say.

    ``onto`` is a policy file to extend, with its text in ``old``; ``output`` is the file to write, ``force`` if it may
    be there already.
    """

    command: tuple[str, ...]
    options: RunOptions
    onto: str | None
    old: bytes | None
    output: str | None
    force: bool
    runs: int
    fold: Fold
    variables: Variables
    logs: tuple[str, ...] = ()


def main(words: list[str]) -> int:
    """Learn a policy, write it, and return the exit status of the command's last run."""
    words, command = split_command(words)
    parser = new_parser(
        "learn",
        "[options] [--onto FILE] [-o FILE] [--from LOG]... [-- COMMAND [ARGUMENT]...]",
        "Write a policy for COMMAND. It runs SEVERAL TIMES: first unrestricted, to see what it needs, then under what "
        "was learned, until nothing that it needs is denied. What it does to files and to other machines, it does each "
        "time; with --runs 1 it runs once, and the policy is not tried out. The policy goes to standard output, and "
        "the command's own output to standard error, unless -o names a file. The status is that of the command's last "
        "run (128+n for signal n); 125: Paddock failed, 126: the command cannot be executed, 127: it was not found.",
    )
    parser.add_argument("--onto", metavar="FILE", help="extend this policy; the first run is observed under it")
    parser.add_argument(
        "--from",
        dest="logs",
        action="append",
        default=[],
        metavar="LOG",
        help="learn from this as well, or without COMMAND from this alone: a JSON report of Paddock, a log of strace, "
        "or audit records as ausearch, journalctl -o json or dmesg print them",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write the policy to FILE (.json: as JSON)")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    parser.add_argument(
        "--runs", type=count, default=3, metavar="N", help="run the command at most N times (default 3)"
    )
    parser.add_argument(
        "--fold",
        choices=get_args(Fold),
        default="balanced",
        help="how far accesses become rules on directories (default balanced)",
    )
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="set a variable of --onto")
    add_run_options(parser)
    options = parse(parser, words)
    check_layers(options, parser)
    if not command and not options.logs:
        parser.error("no command given: put it after --")
    old = None
    if options.onto is not None:
        old = read_file(options.onto)
        if old is None:
            raise FileNotFoundError(2, os.strerror(2), options.onto)
    request = LearnRequest(
        command, run_options_of(options), options.onto, old, options.output, options.force, options.runs,
        options.fold, variables_of(options.var), tuple(options.logs),
    )  # fmt: skip
    return learn(request)


def learn(request: LearnRequest) -> int:
    """Learn as ``request`` says, write the policy, and return the exit status. Raises PolicyError, OSError."""
    prepare_streams()
    _check_output(request)
    lesson = _read_logs(request, _begin(request))
    if not request.command:
        number = len(request.logs)
        _say([f"learned from {number} log{'s' if number != 1 else ''}: {_rules(lesson)}, not tried out"])
        _say(_remarks(lesson))
        _write(request, lesson)
        return 0
    lesson, report = _run(request, lesson)
    if report.accesses or report.duration_s:
        _write(request, lesson)
    return report.exit_code


def _read_logs(request: LearnRequest, lesson: Lesson) -> Lesson:
    """Return ``lesson`` after what the logs recorded. Raises UsageError, OSError."""
    for path in request.logs:
        with open(path, "rb") as file:
            data = file.read()
        try:
            log = read_log(data, cwd=os.getcwd())
        except LogError as error:
            raise UsageError(f"{shown(path)}: {error}") from error
        resolved = resolve(lesson.base.policy)
        lesson = recorded(lesson, denials_under(resolved, log.accesses, _abi(request), lesson.layer))
    return lesson


def _abi(request: LearnRequest) -> int:
    """Return the Landlock ABI that the policy is for."""
    return min(probe().effective_abi or LATEST_ABI, REFERENCE_MAX_ABI, request.options.abi or LATEST_ABI)


def _begin(request: LearnRequest) -> Lesson:
    layer = 1 if request.options.layers else 0
    onto = request.onto is not None
    if request.onto is not None and request.old is not None:
        text = decode(request.old, request.onto)
        base = PolicyDocument.parse(text, request.onto, format_of(request.onto, text))
    else:
        program = request.command[0] if request.command else ""
        base = empty_policy(request.output or "", format_of(request.output or ""), _abi(request), program)
    return begin(base, onto=onto, fold=request.fold, most_runs=request.runs, layer=layer)


def _run(request: LearnRequest, lesson: Lesson) -> tuple[Lesson, Report]:
    """Run the command until the lesson is done. Returns the last run's report too."""
    layers = tuple(resolve(load((path,), request.variables)) for path in request.options.layers)
    while True:
        mode = lesson.next_mode
        _say([f"run {len(lesson.runs) + 1} of at most {lesson.most_runs}, {_how(lesson)}"])
        resolved = resolve(lesson.document.policy)
        run = start(
            request_of((resolved, *layers), request.command, mode, request.options, alone=request.output is None)
        )
        report, interrupted = follow(run, "learn")
        _say(f"note: {note}" for note in report.notes)
        if not report.accesses and not report.duration_s:  # nothing ran: the notes say why
            return lesson, report
        lesson = after(lesson, report)
        if interrupted:
            _say(["interrupted: the policy allows what was seen until then, and was not tried out"])
        elif not lesson.done and not probe().abi:
            _say(["this kernel has no Landlock: the policy was not tried out"])
        elif not lesson.done:
            continue
        else:
            _say(_summary(lesson))
        _say(_remarks(lesson))
        return lesson, report


def _how(lesson: Lesson) -> str:
    if lesson.next_mode == "enforce":
        return "under what was learned"
    return "nothing is enforced" + (": it finds other files than the first one did" if lesson.runs else "")


def _summary(lesson: Lesson) -> Iterator[str]:
    """Say in how many runs how much was learned, and how well it works."""
    last = lesson.runs[-1]
    number = len(lesson.runs)
    runs = f"learned in {number} run{'s' if number != 1 else ''}: {_rules(lesson)}"
    if lesson.expected != lesson.runs[0].exit_code:
        yield (
            f"the first run had exit status {lesson.runs[0].exit_code}, the next one {lesson.expected}, unrestricted "
            "as well: it found what the first one left"
        )
    if last.mode == "observe":
        yield f"{runs}, not tried out"
        return
    tolerated = ", which it tolerates" if last.denials and lesson.works else ""
    yield f"{runs}, {last.denials} denial{'s' if last.denials != 1 else ''}{tolerated}"
    if not lesson.works:
        yield (
            f"the last run had exit status {last.exit_code}, the unrestricted one before {lesson.expected}: "
            + ("what it was denied since is in the policy, which was not tried out again; allow more runs with --runs"
               if lesson.grew
               else "nothing more can be granted; does the command end alike each time?")
        )  # fmt: skip


def _rules(lesson: Lesson) -> str:
    policy = lesson.document.policy
    rules = len(policy.path_rules) + len(policy.port_rules)
    return f"{rules} rule{'s' if rules != 1 else ''}"


def _remarks(lesson: Lesson) -> Iterator[str]:
    """Say what a person should look at: what was denied all the same, what is left out, and what the policy opens."""
    yield from _listed("denied, and tolerated", map(access_text, lesson.tolerated))
    for each in lesson.granted:
        if each.confirm:
            yield f"look at this: the command needs {_granted(each)}; protected: {each.confirm}"
    for each in lesson.left_out:
        if not each.tolerated:
            yield f"left out: {_granted(each)}; protected: {each.confirm}"
    yield from (f"no rule can allow this: {each.sentence}" for each in lesson.hopeless)
    yield from lesson.problems


def _listed(heading: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(dict.fromkeys(lines))
    if found:
        yield f"{heading}:"
    yield from (f"  {line}" for line in found[:_MAX_SHOWN])
    if len(found) > _MAX_SHOWN:
        yield f"  and {len(found) - _MAX_SHOWN} more; paddock test lists them"


def _granted(proposal: Proposal) -> str:
    """Return what ``proposal`` grants, in words."""
    words = []
    for edit in proposal.edits:
        if isinstance(edit, GrantPath):
            words.append(f"{listed(edit.rights)} on {edit.path}")
        elif isinstance(edit, AddPathRule):
            words.append(f"{listed(edit.rights)} on {', '.join(edit.paths)}")
        elif isinstance(edit, SetScope):
            words.append(f"to reach processes outside the sandbox ({edit.scope})")
    return "; ".join(words)


def _say(lines: Iterable[str]) -> None:
    say("learn", lines)


def _check_output(request: LearnRequest) -> None:
    """Raise UsageError before the command runs if its policy could not be written afterwards."""
    if request.output is None:
        return
    if os.path.islink(request.output):
        raise UsageError(f"{shown(request.output)} is a symbolic link. Name the target instead.")
    if not os.path.isdir(os.path.dirname(request.output) or "."):
        raise FileNotFoundError(2, os.strerror(2), os.path.dirname(request.output))
    if os.path.lexists(request.output) and not request.force and not _extends_itself(request):
        raise UsageError(f"{shown(request.output)} already exists. Use --force to replace it.")


def _extends_itself(request: LearnRequest) -> bool:
    return request.onto is not None and request.output is not None and os.path.samefile(request.onto, request.output)


def _write(request: LearnRequest, lesson: Lesson) -> None:
    """Write the policy, whole or not at all. Raises SaveError, UsageError."""
    data = lesson.document.text.encode()
    if request.output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        if os.path.lexists(request.output) and _extends_itself(request):
            saved = write_file(request.output, data, expected=request.old)
        else:
            saved = write_new(request.output, data, overwrite=request.force)
    except AlreadyExists as error:
        raise UsageError(f"{error} Use --force to replace it.") from error
    except SymlinkedPolicy as error:
        raise UsageError(f"{error} Name the target instead.") from error
    _say(saved.notes)
