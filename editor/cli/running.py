"""What verbs that run a command under the tracer share: their options, their streams, and Ctrl-C."""

import argparse
import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Iterator
from typing import NamedTuple, Protocol, TextIO

from editor.cli.options import abi_number, add_layer_option
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.events import AccessUpdate, Event, Finished, Lingering
from editor.sandbox.runner import Run, RunRequest
from editor.sandbox.verdicts.report import Mode, Report, listed_processes

# Ctrl-C reaches the command too, which may handle the first one; the second one stops the run.
_PATIENCE = 1


class RunOptions(NamedTuple):
    """What the options of a run say; each is as in ``RunRequest``. ``layers`` are policy files."""

    abi: int | None = None
    timeout: float | None = None
    max_processes: int | None = None
    deny_io_uring: bool = False
    wait: bool = False
    layers: tuple[str, ...] = ()


class Answering(Protocol):
    """What answers the questions of a run."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors to watch for input, as long as a question is shown."""

    def handle(self, event: Event) -> None:
        """Take note of an event of the run."""

    def read_key(self) -> None:
        """Read the input that there is."""


class Followed(NamedTuple):
    """A run that is over; ``interrupted`` says that a signal to this process asked for its end."""

    report: Report
    interrupted: bool


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options on how the command runs."""
    parser.add_argument("--abi", type=abi_number, metavar="N", help="simulate a kernel with this Landlock ABI")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="stop the command after this time")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="wait for processes that outlive the command, such as a daemon, until --timeout or Ctrl-C ends them",
    )
    parser.add_argument(
        "--max-processes",
        type=count,
        metavar="N",
        help="kill the run (status 125) if it has more than N processes and threads",
    )
    parser.add_argument(
        "--io-uring", choices=("allow", "deny"), default="allow", help="deny: programs find a kernel without io_uring"
    )
    add_layer_option(parser)


def run_options_of(options: argparse.Namespace) -> RunOptions:
    """Return what the options of ``add_run_options`` say."""
    return RunOptions(
        abi=options.abi,
        timeout=options.timeout,
        max_processes=options.max_processes,
        deny_io_uring=options.io_uring == "deny",
        wait=options.wait,
        layers=tuple(options.layer),
    )


def seconds(text: str) -> float:
    """Convert the value of an option in seconds. Raises ValueError, as argparse expects."""
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError
    return number


seconds.__name__ = "number of seconds"  # argparse: "invalid number of seconds value: 'x'"


def count(text: str) -> int:
    """Convert the value of an option that counts from 1. Raises ValueError, as argparse expects."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


count.__name__ = "number"


def request_of(
    policies: tuple[ResolvedPolicy, ...], command: tuple[str, ...], mode: Mode, options: RunOptions, *, alone: bool
) -> RunRequest:
    """Return the run of ``command`` under ``policies``, the oldest layer first, on this process's own streams.

    With ``alone``, standard output is Paddock's: what the command writes there goes to standard error.
    """
    return RunRequest(
        resolved=policies[0],
        layers=policies[1:],
        command=command,
        mode=mode,
        abi=options.abi,
        stdin=_if_open(0),
        stdout=_if_open(2 if alone else 1),
        stderr=_if_open(2),
        timeout=options.timeout,
        max_processes=options.max_processes,
        deny_io_uring=options.deny_io_uring,
        wait=options.wait,
        inherited=_inherited(),
    )


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


def follow(run: Run, verb: str, lines: TextIO | None = None, asker: Answering | None = None) -> Followed:
    """Wait for ``run`` to end, writing each access to ``lines`` as it happens; ``asker`` answers its questions.

    Signals end it; Ctrl-C does the second time, or while a question is shown.
    """
    with _interrupts() as wakeup:
        interrupts = 0
        patience = _PATIENCE
        try:
            while True:
                asking = asker.descriptors if asker is not None else ()
                ready, _, _ = select.select([run.fileno(), wakeup, *asking], [], [])
                if wakeup in ready:
                    for number in os.read(wakeup, 64):
                        interrupts += 1
                        if number != signal.SIGINT or interrupts > patience or asking:
                            run.stop()
                if asker is not None and any(descriptor in ready for descriptor in asking):
                    asker.read_key()
                for event in run.read_events():
                    if asker is not None:
                        asker.handle(event)
                    if isinstance(event, Finished):
                        return Followed(event.report, interrupts > 0)
                    if isinstance(event, Lingering):
                        patience = 0  # the command is gone, and a daemon does not hear of Ctrl-C
                        _say_what_is_left(event, verb)
                    if lines is not None and isinstance(event, AccessUpdate):
                        lines.write(json.dumps(event.access.to_json()) + "\n")
                if lines is not None:
                    lines.flush()
        finally:
            if run.report is None:
                run.stop()
                run.wait()


def _say_what_is_left(event: Lingering, verb: str) -> None:
    if sys.stderr is not None:
        names = printable(listed_processes(event.processes))
        sys.stderr.write(f"paddock {verb}: the command has ended; waiting for {names} (Ctrl-C ends them)\n")
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
