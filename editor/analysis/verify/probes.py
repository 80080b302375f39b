"""Accesses that Paddock itself tries inside the sandbox, each also outside, to show that it is the policy that denies.

A probe does no damage: it opens without truncating or waiting, executes nothing to its first instruction, connects to
this machine only, binds no port, and what it makes in a directory is removed. It does not open devices and named pipes
where that alone can have an effect.
"""

import contextlib
import json
import os
import secrets
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from editor.analysis.verify.attempts import Attempt, moved_name
from editor.analysis.verify.expected import IN_DIRECTORY, Expected, checked_path, decide
from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import in_order
from editor.landlock.ruleset import RulesetSpec

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from editor.analysis.verify.attempts import main; main()"
_TREE = os.path.abspath(__file__).rsplit("/editor/", 1)[0]

# What Landlock returns: security/landlock/fs.c, net.c and task.c.
_REFUSALS = {"refer": ("EXDEV", "EACCES"), "signal": ("EPERM",), "abstract_unix_socket": ("EPERM",)}
_OPENED = ("read_file", "write_file", "ioctl_dev")
# Major numbers of devices that may be opened without effect: memory (null, zero, random ...), terminals.
_HARMLESS = {1, 5, *range(136, 144)}


class ProbeError(Exception):
    """The probes could not be tried. The message is a sentence."""


class Stopped(Exception):
    """The descriptor to watch became readable: what was going on was ended."""


class ProbeRequest(NamedTuple):
    """What to try under ``resolved`` at ABI ``abi``. Relative paths start at its base. ``timeout`` is in seconds."""

    allowed: Sequence[Expected]
    denied: Sequence[Expected]
    resolved: ResolvedPolicy
    abi: int
    timeout: float


class ProbeResult(NamedTuple):
    """How one right of an expected access was tried.

    ``outside`` and ``inside`` are the errors without and with the policy, None for none. ``reason`` says why the access
    is not as expected, empty if it is.
    """

    right: str
    expected: Expected
    outside: str | None
    inside: str | None
    reason: str


class _Probe(NamedTuple):
    """One attempt, and what a check expects of it."""

    expected: Expected
    denied: bool
    attempt: Attempt


def try_probes(request: ProbeRequest, stop: int) -> tuple[ProbeResult, ...]:
    """Try each right of what is expected under the policy, and without it.

    Raises ProbeError, and Stopped once the descriptor ``stop`` is readable.
    """
    resolved = request.resolved
    with _outside() as socket_name:
        probes = [
            _Probe(expected, is_denied, _attempt(expected, right, resolved.base, socket_name))
            for group, is_denied in ((request.allowed, False), (request.denied, True))
            for expected in group
            for right in in_order(expected.rights)
        ]
        attempts = [probe.attempt for probe in probes]
        results = []
        for ruleset in (None, resolved.ruleset()):
            with _in_place(attempts):
                results.append(_try(attempts, ruleset, request, stop))
    decider = Decider(resolved, request.abi)
    return tuple(
        ProbeResult(probe.attempt.right, probe.expected, outside, inside, _reason(probe, outside, inside, decider))
        for probe, outside, inside in zip(probes, *results, strict=True)
    )


def _attempt(expected: Expected, right: str, directory: str, socket_name: str) -> Attempt:
    """Return how to try ``right`` on what ``expected`` names. Raises ProbeError if that could have an effect."""
    if expected.port is not None:
        return Attempt(right, port=expected.port)
    if expected.path is None:
        return Attempt(right, outside=os.getpid() if right == "signal" else socket_name)
    path = checked_path(expected, right, directory)
    if right in _OPENED:
        with contextlib.suppress(OSError):  # missing, which the attempt will say
            status = os.stat(path)
            is_device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
            if stat.S_ISFIFO(status.st_mode) or (is_device and os.major(status.st_rdev) not in _HARMLESS):
                what = "device" if is_device else "named pipe"
                raise ProbeError(f"{expected.text} was not tried: opening a {what} can have an effect.")
    return Attempt(right, path, name=f".paddock-probe-{secrets.token_hex(8)}" if right in IN_DIRECTORY else "")


@contextlib.contextmanager
def _outside() -> Iterator[str]:
    """Listen on an abstract socket, which belongs to no sandbox; return its name."""
    name = f"paddock-probe-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen(8)
        yield name


@contextlib.contextmanager
def _in_place(attempts: Sequence[Attempt]) -> Iterator[None]:
    """Make what the attempts remove and move; afterwards remove what is left of it and what they made."""
    entries = [attempt for attempt in attempts if attempt.name]
    try:
        for right, path, _, name, _ in entries:
            made = os.path.join(path, name)
            with contextlib.suppress(OSError):  # the attempt will say what is not permitted here
                if right == "remove_dir":
                    os.mkdir(made, 0o700)
                elif right in ("remove_file", "refer"):
                    os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                if right == "refer":
                    os.mkdir(os.path.dirname(os.path.join(path, moved_name(name))), 0o700)
        yield
    finally:
        for _, path, _, name, _ in entries:
            moved = os.path.join(path, moved_name(name))
            for remove, left in (
                (os.unlink, moved),
                (os.rmdir, os.path.dirname(moved)),
                (os.unlink, os.path.join(path, name)),
                (os.rmdir, os.path.join(path, name)),
            ):
                with contextlib.suppress(OSError):
                    remove(left)


def _try(
    attempts: Sequence[Attempt], ruleset: RulesetSpec | None, request: ProbeRequest, stop: int
) -> list[str | None]:
    """Return the error of each attempt, tried by a process of its own under ``ruleset``."""
    spec = {"ruleset": None if ruleset is None else ruleset.to_json(), "abi": request.abi, "attempts": attempts}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        given.write(json.dumps(spec).encode())
        given.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", f"utf8={sys.flags.utf8_mode}", "-c", _BOOT, _TREE],
            stdin=given,
            stdout=answer,
            stderr=errors,
            start_new_session=True,
        )
        watched = os.pidfd_open(process.pid)
        try:
            ready, _, _ = select.select([watched, stop], [], [], request.timeout)
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(watched)
        if stop in ready:
            raise Stopped
        if not ready:
            raise ProbeError(f"The probes did not end within {request.timeout:g} seconds.")
        for file in (answer, errors):
            file.seek(0)
        if process.returncode:
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise ProbeError(f"The probes could not be tried: {lines[-1] if lines else 'their process was killed'}.")
        found: list[str | None] = json.loads(answer.read())
        return found


def _reason(probe: _Probe, outside: str | None, inside: str | None, decider: Decider) -> str:
    """Return why ``probe`` is not as expected, empty if it is."""
    expected, right = probe.expected, probe.attempt.right
    decision = decide(decider, expected, right, decider.resolved.base)
    what = f"{right} {expected.object}"
    if outside is not None:
        if not expected.unproven:
            return (
                f"{what} proves nothing: it fails with {outside} without the policy too "
                "(mark it unproven = true to ask the policy's rules instead)"
            )
        if decision.allowed == probe.denied:
            return f"{what} is {'allowed' if decision.allowed else 'denied'} by the policy{_by(decision)}"
        return ""
    if inside is None:
        return f"{what} is allowed{_by(decision)}" if probe.denied else ""
    if inside not in _REFUSALS.get(right, ("EACCES",)):
        return f"{what} fails with {inside} under the policy, which is not Landlock's error"
    return "" if probe.denied else f"{what} is denied{_by(decision)}"


def _by(decision: Decision) -> str:
    rules = ", ".join(f"{ref.file}:{ref.line}" for ref in decision.decided_by)
    why = decision.reason or ("nothing restricts it" if decision.uncontrolled else "")
    if decision.allowed:
        return f" by {rules}" if rules else f" ({why})" if why else ""
    return f" ({why})" if why else f" ({rules} lack it)" if rules else ""
