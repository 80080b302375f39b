"""``paddock test``: run a command under a policy, pass its streams through, and report what it accessed."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO, get_args

from editor.cli.applying import apply_needed, open_target
from editor.cli.ask_options import AskOptions, add_ask_options, ask_options_of
from editor.cli.console import Console, prepare_streams
from editor.cli.options import (
    FORMATS,
    add_file_options,
    check_layers,
    new_parser,
    one_file_of,
    parse,
    split_command,
    variables_of,
)
from editor.cli.report import LayerPlan, report_json, report_lines
from editor.cli.running import RunOptions, add_run_options, follow, request_of, run_options_of
from editor.escape import printable
from editor.evaluation.file_rights import file_rules
from editor.evaluation.resolve import resolve
from editor.policy.compose import Variables, load
from editor.policy.model import Policy
from editor.sandbox.runner import Run, RunRequest, start
from editor.sandbox.verdicts.report import Mode, Report
from editor.suggest.extent import with_extents
from editor.suggest.plan import Fold
from editor.suggest.planning import plan_of

if TYPE_CHECKING:
    from editor.cli.asking import Asker


class TestRequest(NamedTuple):
    """What to run and where the report goes: ``format`` is text, json or jsonl, ``output`` a file or None.

    The files and directories ``paths`` are composed into one policy, with ``variables``; the files in
    ``options.layers`` are enforced on top of it, with the same variables. What the command needs, or in mode "ask" what
    was granted, is written into the file ``apply``. ``asking`` is there in mode "ask".
    """

    paths: tuple[str, ...]
    variables: Variables
    command: tuple[str, ...]
    mode: Mode
    options: RunOptions
    format: str
    output: str | None
    fold: Fold = "balanced"
    apply: str | None = None
    asking: AskOptions | None = None


def main(words: list[str]) -> int:
    """Run the command, report its accesses, and return its exit status."""
    words, command = split_command(words)
    parser = new_parser(
        "test",
        "[options] FILE -- COMMAND [ARGUMENT]...",
        "Run COMMAND under a policy and report every access. The status is the command's own (128+n for signal n); "
        "125: Paddock failed, 126: the command cannot be executed, 127: it was not found.",
    )
    add_file_options(parser)
    parser.add_argument(
        "--mode",
        choices=("enforce", "observe", "ask"),
        default="enforce",
        help="observe: enforce nothing, only predict the verdicts; ask: the same, but ask before what is denied",
    )
    add_run_options(parser)
    add_ask_options(parser)
    parser.add_argument("--format", choices=(*FORMATS, "jsonl"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to FILE")
    parser.add_argument(
        "--fold",
        choices=get_args(Fold),
        default="balanced",
        help="how far proposals become rules on directories (default balanced)",
    )
    parser.add_argument(
        "--apply",
        metavar="POLICY",
        help="write the grants that the command needs into this policy file; one that does not exist becomes a copy of "
        "FILE with them. What you have to agree to is left out. With --mode ask: what was granted",
    )
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    if not command:
        parser.error("no command given: put it after --")
    check_layers(options, parser)
    paths = (file, *options.also)
    variables = variables_of(options.var)
    return run_test(
        TestRequest(
            paths, variables, command, options.mode, run_options_of(options), options.format, options.output,
            options.fold, options.apply, ask_options_of(options, parser),
        )
    )  # fmt: skip


def run_test(test: TestRequest) -> int:
    """Run ``test``, write its report, and return the exit status.

    As text, the report goes to standard error once the command has ended. As JSON, it is alone on standard output and
    the command's own output goes to standard error. A report to a file leaves both streams to the command.
    Raises PolicyError, OSError.
    """
    prepare_streams()
    policies = (load(test.paths, test.variables), *(load((path,), test.variables) for path in test.options.layers))
    alone = test.format != "text" and test.output is None
    target = None if test.apply is None else open_target(test.apply, policies)
    resolved = tuple(resolve(policy) for policy in policies)
    request = request_of(resolved, test.command, test.mode, test.options, alone=alone)
    with _report_stream(test) as stream, _asker(test) as asker:
        if test.asking is not None:
            request = request._replace(ask_timeout=test.asking.timeout, ask_default=test.asking.default)
        run = start(request)
        if asker is not None:
            asker.begin(run)
        try:
            report = follow(run, "test", stream if test.format == "jsonl" else None, asker).report
            if test.mode == "enforce":
                report = report._replace(notes=(*_notes_on_files(policies, request), *report.notes))
            plans = _plans(report, policies, test.fold)
            _write(report, plans, test.format, stream)
        except BrokenPipeError:
            raise
        except OSError as error:  # such as a full disk
            raise _incomplete(error, test, run) from error
    if asker is not None:
        asker.conclude(target)
    elif target is not None:
        apply_needed(target, plans[target.layer].plan, "test")
    return report.exit_code


@contextlib.contextmanager
def _asker(test: TestRequest) -> "Iterator[Asker | None]":
    """Return what answers the questions of a run in mode "ask"; None in another mode."""
    if test.asking is None:
        yield None
        return
    from editor.cli.asking import asker_for  # noqa: PLC0415 only in this mode

    layers = (test.paths, *((path,) for path in test.options.layers))
    with asker_for(test.asking, layers, test.variables) as asker:
        yield asker


def _incomplete(error: OSError, test: TestRequest, run: Run) -> OSError:
    """Return ``error``, of writing the report, with what became of the command."""
    if run.report is None:
        return error
    reason = f"{error.strerror}: the report is incomplete; the command's own status was {run.report.exit_code}"
    standard = "standard error" if test.format == "text" else "standard output"
    return OSError(error.errno, reason, test.output or standard)


def _plans(report: Report, policies: Sequence[Policy], fold: Fold) -> tuple[LayerPlan, ...]:
    """Return the plan for each layer, with what else each proposal would allow."""
    return tuple(
        LayerPlan(
            policy, with_extents(plan_of([report], resolve(policy), number if len(policies) > 1 else 0, fold=fold))
        )
        for number, policy in enumerate(policies, 1)
    )


def _notes_on_files(policies: Sequence[Policy], request: RunRequest) -> Iterator[str]:
    for policy, resolved in zip(policies, (request.resolved, *request.layers), strict=True):
        for each in file_rules(policy, resolved):
            place = f"{each.parent.location.file}:{each.parent.location.line}"
            yield f"{place}: {each.message} [file-right]"


@contextlib.contextmanager
def _report_stream(test: TestRequest) -> Iterator[TextIO | None]:
    """Open the stream that the report is written to; None if it is closed."""
    if test.output is not None:
        file = open(test.output, "w", encoding="utf-8")  # noqa: SIM115 closed below
        try:
            yield file
        finally:
            with contextlib.suppress(OSError):  # all is flushed, or that has failed already
                file.close()
    else:
        yield sys.stderr if test.format == "text" else sys.stdout


def _write(report: Report, plans: Sequence[LayerPlan], format: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    if format == "text":
        console = Console(stream)
        if not report.accesses and report.notes and not report.duration_s:  # nothing ran: the notes say why
            console.write(f"paddock test: {printable(note)}" for note in report.notes)
        else:
            console.write(report_lines(report, plans, console))
        return
    data = report_json(report, plans)
    if format == "jsonl":
        del data["accesses"]
        for proposal in data["proposals"]:
            del proposal["accesses"]  # there is no list to point into
        stream.write(json.dumps(data) + "\n")
    else:
        stream.write(json.dumps(data, indent=2) + "\n")
    stream.flush()
