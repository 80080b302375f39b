"""``paddock run``: restrict this process with a policy, then execute the command in its place.

Everything is imported and prepared before the policy is enforced: after that, even Python's own files may be
unreadable.
"""

import errno
import os
import signal
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.kernel import LandlockError
from editor.landlock.rights import NO_RIGHTS, in_order, unnamed
from editor.landlock.ruleset import BuiltRuleset, Note, build, enforce
from editor.policy.model import Policy
from editor.sandbox.environment import original_environment

# As env(1): the launcher failed, the command cannot be executed, the command was not found.
FAILED, CANNOT_EXECUTE, NOT_FOUND = 125, 126, 127

_SHELL = "/bin/sh"


class LaunchError(Exception):
    """The command was not started. The message is printable; ``status`` is the exit status to report."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


class Launch(NamedTuple):
    """What to run, and under which limits.

    ``abi`` simulates an older kernel; ``require_abi`` is the lowest ABI to accept. ``layers`` are further policies,
    each a domain nested in the one before. ``hint`` returns a command that says why a program could not be executed;
    it is called under the policy, so it must import nothing.
    """

    command: tuple[str, ...]
    abi: int | None = None
    require_abi: int | None = None
    layers: tuple[Policy, ...] = ()
    hint: Callable[[str], str] | None = None


def launch(
    policy: Policy, request: Launch, warn: Callable[[Policy, ResolvedPolicy, tuple[Note, ...]], None] | None
) -> NoReturn:
    """Enforce ``policy`` on this process, irreversibly, and execute the command in its place.

    ``warn``, if given, is called before that with what is not enforced or granted as written, once for each policy.
    Raises LaunchError if anything fails: the command is never started without the policy.
    """
    layers: list[BuiltRuleset] = []
    for each in (policy, *request.layers):
        resolved = resolve(each)
        built = _build(resolved, request)
        layers.append(built)
        if warn is not None and built.notes:
            warn(each, resolved, built.notes)
    environment = original_environment()
    shown = _plain(request.command[0])
    _restore_signals()
    try:
        for built in layers:
            enforce(built)
    except LandlockError as error:
        raise LaunchError(f"the policy cannot be enforced: {error.strerror}") from error
    _execute(request, environment, shown)


def _build(resolved: ResolvedPolicy, request: Launch) -> BuiltRuleset:
    try:
        built = build(resolved.ruleset(), request.abi)
    except LandlockError as error:
        raise LaunchError(
            f"{error.strerror}; the command was not started, because nothing would restrict it"
        ) from error
    if request.require_abi is not None and built.abi < request.require_abi:
        raise LaunchError(
            f"Landlock ABI {request.require_abi} is required, and this kernel enforces ABI {built.abi}; "
            "the command was not started"
        )
    lost = unnamed(NO_RIGHTS.union(*(note.rights for note in built.notes if note.kind == "abi_lost")))
    if request.require_abi is not None and lost:
        raise LaunchError(
            f"{', '.join(in_order(lost))}: no Landlock ABI known to Paddock has it, and this kernel does not restrict "
            "it; the command was not started"
        )
    if built.fd is None:
        raise LaunchError(
            f"nothing of this policy can be enforced at Landlock ABI {built.abi}; the command was not started, "
            "because nothing would restrict it"
        )
    return built


def _plain(text: str) -> str:
    """Return ``text`` in a form that is safe on any terminal, without importing anything."""
    return text if text and text.isascii() and text.isprintable() else ascii(text)


def _restore_signals() -> None:
    """Reset the two signals that Python ignores to their defaults, as for any new program."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _execute(request: Launch, environment: dict[str, str], shown: str) -> NoReturn:
    """Execute the command as execvp(3) does. Raises LaunchError with env(1)'s status if no program can be executed."""
    command = request.command
    refused: OSError | None = None
    refused_path = ""
    for path in _candidates(command[0], environment):
        try:
            _become(path, command, environment)
        except FileNotFoundError:
            # ENOENT also means that the interpreter is missing: then the file itself exists.
            if os.path.exists(path):
                raise LaunchError(f"cannot execute {shown}: its interpreter does not exist", NOT_FOUND) from None
        except PermissionError as error:
            # Of several in PATH, the one that may be executed as far as its permissions go.
            if refused is None or (os.access(path, os.X_OK) and not os.access(refused_path, os.X_OK)):
                refused, refused_path = error, path
        except (OSError, ValueError) as error:  # ValueError: a NUL in the command
            if isinstance(error, NotADirectoryError) and "/" not in command[0]:
                continue  # an entry of PATH is not a directory
            text = error.strerror if isinstance(error, OSError) else str(error)
            raise LaunchError(f"cannot execute {shown}: {text}", CANNOT_EXECUTE) from error
    if refused is not None:
        check = f"; find out which ({request.hint(refused_path)})" if request.hint is not None else ""
        raise LaunchError(
            f"cannot execute {shown}: {refused.strerror}; if file permissions allow it, the policy does not grant "
            f"execute and read_file on it, its interpreter or its loader{check}",
            CANNOT_EXECUTE,
        )
    raise LaunchError(f"{shown}: command not found", NOT_FOUND)


def _candidates(name: str, environment: dict[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    if not name:
        return []
    search = environment.get("PATH", os.defpath)
    return [os.path.join(directory, name) for directory in search.split(":")]


def _become(path: str, command: tuple[str, ...], environment: dict[str, str]) -> NoReturn:
    try:
        os.execve(path, command, environment)  # noqa: S606 executing is the job
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # Like execvp(3): a script without a #! line is run by the shell.
    os.execve(_SHELL, (_SHELL, path, *command[1:]), environment)  # noqa: S606
