"""``paddock test``: run a command under a policy, pass its streams through, and report what it accessed."""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from editor.cli.console import Console, prepare_streams
from editor.cli.options import (
    FORMATS,
    abi_number,
    add_file_options,
    add_layer_option,
    check_layers,
    new_parser,
    one_file_of,
    parse,
    split_command,
    variables_of,
)
from editor.cli.report import report_json, report_lines
from editor.escape import printable
from editor.evaluation.file_rights import file_rules
from editor.evaluation.resolve import resolve
from editor.policy.compose import Variables, load
from editor.policy.model import Policy
from editor.sandbox.events import AccessUpdate, Finished, Lingering
from editor.sandbox.runner import Run, RunRequest, start
from editor.sandbox.verdicts.report import Mode, Report, listed_processes

# Ctrl-C reaches the command too, which may handle the first one; the second one stops the run.
_PATIENCE = 1


class TestRequest(NamedTuple):
    """What to run and where the report goes: ``format`` is text, json or jsonl, ``output`` a file or None.

    The files and directories ``paths`` are composed into one policy, with ``variables``; ``layers`` are policy files
    enforced on top of it, with the same variables. ``max_processes``, ``deny_io_uring`` and ``wait`` are as in
    ``RunRequest``.
    """

    paths: tuple[str, ...]
    variables: Variables
    command: tuple[str, ...]
    mode: Mode
    abi: int | None
    timeout: float | None
    format: str
    output: str | None
    layers: tuple[str, ...] = ()
    max_processes: int | None = None
    deny_io_uring: bool = False
    wait: bool = False


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
        choices=("enforce", "observe"),
        default="enforce",
        help="observe: enforce nothing, only predict the verdicts",
    )
    parser.add_argument("--abi", type=abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="stop the command after this time")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for processes that outlive the command, such as a daemon, until --timeout or Ctrl-C ends them",
    )
    parser.add_argument(
        "--max-processes",
        type=_count,
        metavar="N",
        help="kill the run (status 125) if it has more than N processes and threads",
    )
    parser.add_argument(
        "--io-uring", choices=("allow", "deny"), default="allow", help="deny: programs find a kernel without io_uring"
    )
    add_layer_option(parser)
    parser.add_argument("--format", choices=(*FORMATS, "jsonl"), default="text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the report to FILE")
    options = parse(parser, words)
    (file,) = one_file_of(options, parser)
    if not command:
        parser.error("no command given: put it after --")
    check_layers(options, parser)
    paths = (file, *options.also)
    variables = variables_of(options.var)
    return run_test(
        TestRequest(
            paths, variables, command, options.mode, options.abi, options.timeout, options.format, options.output,
            tuple(options.layer), options.max_processes, options.io_uring == "deny", options.wait,
        )
    )  # fmt: skip


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError
    return number


_seconds.__name__ = "number of seconds"  # argparse: "invalid number of seconds value: 'x'"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "number"


def run_test(test: TestRequest) -> int:
    """Run ``test``, write its report, and return the exit status.

    As text, the report goes to standard error once the command has ended. As JSON, it is alone on standard output and
    the command's own output goes to standard error. A report to a file leaves both streams to the command.
    Raises PolicyError, OSError.
    """
    prepare_streams()
    policies = (load(test.paths, test.variables), *(load((path,), test.variables) for path in test.layers))
    alone = test.format != "text" and test.output is None
    request = RunRequest(
        resolved=resolve(policies[0]),
        layers=tuple(resolve(policy) for policy in policies[1:]),
        command=test.command,
        mode=test.mode,
        abi=test.abi,
        stdin=_if_open(0),
        stdout=_if_open(2 if alone else 1),
        stderr=_if_open(2),
        timeout=test.timeout,
        max_processes=test.max_processes,
        deny_io_uring=test.deny_io_uring,
        wait=test.wait,
        inherited=_inherited(),
    )
    with _report_stream(test) as stream:
        run = start(request)
        try:
            report = _follow(run, stream if test.format == "jsonl" else None)
            if test.mode == "enforce":
                report = report._replace(notes=(*_notes_on_files(policies, request), *report.notes))
            _write(report, policies, test.format, stream)
        except BrokenPipeError:
            raise
        except OSError as error:  # such as a full disk
            raise _incomplete(error, test, run) from error
    return report.exit_code


def _incomplete(error: OSError, test: TestRequest, run: Run) -> OSError:
    """Return ``error``, of writing the report, with what became of the command."""
    if run.report is None:
        return error
    reason = f"{error.strerror}: the report is incomplete; the command's own status was {run.report.exit_code}"
    standard = "standard error" if test.format == "text" else "standard output"
    return OSError(error.errno, reason, test.output or standard)


def _notes_on_files(policies: Sequence[Policy], request: RunRequest) -> Iterator[str]:
    for policy, resolved in zip(policies, (request.resolved, *request.layers), strict=True):
        for each in file_rules(policy, resolved):
            place = f"{each.parent.location.file}:{each.parent.location.line}"
            yield f"{place}: {each.message} [file-right]"


def _if_open(descriptor: int) -> int | None:
    try:
        os.fstat(descriptor)
    except OSError:
        return None
    return descriptor


def _inherited() -> tuple[int, ...]:
    """Return the descriptors that this process was given besides its streams, as by ``cat <(echo)`` in bash."""
    try:
        numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # /proc is not mounted
        return ()
    return tuple(number for number in numbers if number > 2 and _is_inheritable(number))


def _is_inheritable(descriptor: int) -> bool:
    """Whether ``descriptor`` was given to this process: Python's own are closed on execution."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # that of the listing
        return False


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


def _follow(run: Run, lines: TextIO | None) -> Report:
    """Wait for the run to end, writing each access to ``lines`` as it happens."""
    with _interrupts() as wakeup:
        interrupts = 0
        patience = _PATIENCE
        try:
            while True:
                ready, _, _ = select.select([run.fileno(), wakeup], [], [])
                if wakeup in ready:
                    for number in os.read(wakeup, 64):
                        interrupts += 1
                        if number != signal.SIGINT or interrupts > patience:
                            run.stop()
                for event in run.read_events():
                    if isinstance(event, Finished):
                        return event.report
                    if isinstance(event, Lingering):
                        patience = 0  # the command is gone, and a daemon does not hear of Ctrl-C
                        _say_what_is_left(event)
                    if lines is not None and isinstance(event, AccessUpdate):
                        lines.write(json.dumps(event.access.to_json()) + "\n")
                if lines is not None:
                    lines.flush()
        finally:
            if run.report is None:
                run.stop()
                run.wait()


def _say_what_is_left(event: Lingering) -> None:
    if sys.stderr is not None:
        names = printable(listed_processes(event.processes))
        sys.stderr.write(f"paddock test: the command has ended; waiting for {names} (Ctrl-C ends them)\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _interrupts() -> Iterator[int]:
    """Open a descriptor that yields the number of each SIGINT, SIGTERM and SIGHUP as one byte."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # An ignored signal (nohup, a background job) stays ignored.
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]

    def notify(number: int, _frame: object) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(writer, bytes([number]))

    before = {number: signal.signal(number, notify) for number in handled}
    try:
        yield reader
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _write(report: Report, policies: Sequence[Policy], format: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    if format == "text":
        console = Console(stream)
        if not report.accesses and report.notes and not report.duration_s:  # nothing ran: the notes say why
            console.write(f"paddock test: {printable(note)}" for note in report.notes)
        else:
            console.write(report_lines(report, policies, console))
        return
    data = report_json(report, policies)
    if format == "jsonl":
        del data["accesses"]
        for proposal in data["proposals"]:
            del proposal["accesses"]  # there is no list to point into
        stream.write(json.dumps(data) + "\n")
    else:
        stream.write(json.dumps(data, indent=2) + "\n")
    stream.flush()
