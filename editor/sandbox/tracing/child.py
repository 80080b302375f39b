"""The forked process that becomes the command: set up, restricted, traced, and executed.

Between fork(2) and execve(2) it shares the tracer's code, so any failure here must end the process. Rules are built
here, as ``paddock run`` does it: /proc/self and /dev/stdin are this process's.

It tells the tracer in lines of JSON when it is ready, and why it could not become the command.
"""

import ctypes
import errno
import fcntl
import json
import os
import signal
import stat
import termios
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple, NoReturn

from editor.evaluation.resolve import ResolvedPolicy, identify_own
from editor.landlock import kernel, ruleset
from editor.landlock.rights import in_order
from editor.sandbox.tracing import seccomp
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.wire import Spec

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_MAX_DESCRIPTORS = 1 << 30  # more than a process can have (fs.nr_open)


class NotStarted(Exception):
    """The command was not started; ``code`` is env(1)'s exit status for the reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_programs(name: str, env: dict[str, str], cwd: str) -> tuple[str, ...]:
    """Return the programs called ``name``, at least one, in the order in which execvp(3) tries them.

    They are searched in the command's PATH. Raises NotStarted.
    """
    if "/" in name:
        candidates = [name]
    else:
        candidates = [os.path.join(entry or ".", name) for entry in env.get("PATH", os.defpath).split(":")]
    found = []
    refused = ""
    for candidate in candidates:
        path = os.path.join(cwd, candidate)
        try:
            status = os.stat(path)
        except PermissionError:
            refused = refused or f"{candidate}: Permission denied"
            continue
        except (OSError, ValueError):
            continue
        if stat.S_ISDIR(status.st_mode):
            refused = refused or f"{candidate}: Is a directory"
        elif not os.access(path, os.X_OK, effective_ids=True):
            refused = refused or f"{candidate}: Permission denied"
        else:
            found.append(candidate)
    if found:
        return tuple(found)
    if refused:
        raise NotStarted(126, refused)
    raise NotStarted(127, f"{name}: command not found" if "/" not in name else f"{name}: No such file or directory")


class Ready(NamedTuple):
    """What the forked process says once it is ready to be restricted.

    ``notes`` are on what of the policies is not enforced or granted as written; ``policies`` are the policies with
    what their paths lead to for this process.
    """

    notes: tuple[ruleset.Note, ...]
    policies: tuple[ResolvedPolicy, ...]


def read_ready(descriptor: int, pid: int, policies: Iterable[ResolvedPolicy]) -> Ready:
    """Wait until the forked process ``pid`` is ready, and return what it says. Raises NotStarted if it has failed."""
    data = _read_line(descriptor, pid)
    notes = (ruleset.Note(kind, subject, frozenset(rights), text) for kind, subject, rights, text in data["notes"])
    return Ready(tuple(notes), tuple(map(_with_changes, policies, data["paths"])))


def _read_line(descriptor: int, pid: int) -> dict[str, Any]:
    text = b""
    while not text.endswith(b"\n"):
        read = os.read(descriptor, 1 << 16)
        if not read:
            end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert end is not None  # noqa: S101 only WNOHANG returns None
            raise NotStarted(128 + end.si_status, f"signal {end.si_status} came before the command was started")
        text += read
    data: dict[str, Any] = json.loads(text)
    if "failed" in data:
        raise NotStarted(*data["failed"])
    return data


def read_listener(descriptor: int, pid: int) -> int:
    """Wait until the forked process ``pid`` has installed its filter; return its own number of the listener.

    Raises NotStarted if it has failed.
    """
    return int(_read_line(descriptor, pid)["listener"])


def read_failure(descriptor: int) -> str:
    """Return why the forked process did not become the command although it was ready; empty if it did."""
    try:
        text = os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return ""
    return str(json.loads(text)["failed"][1]) if text else ""


def _changes(before: ResolvedPolicy, after: ResolvedPolicy) -> list[list[Any]]:
    """Return the paths that lead elsewhere in ``after``, in a form that JSON can carry."""
    pairs = enumerate(zip(before.paths, after.paths, strict=True))
    return [[number, new.target, new.identity, new.is_dir] for number, (old, new) in pairs if new != old]


def _with_changes(policy: ResolvedPolicy, changes: list[list[Any]]) -> ResolvedPolicy:
    paths = list(policy.paths)
    for number, target, identity, is_dir in changes:
        known = None if identity is None else (identity[0], identity[1])
        paths[number] = paths[number]._replace(target=target, identity=known, is_dir=is_dir)
    return policy._replace(paths=tuple(paths))


class Child:
    """The forked process on its way to becoming the command, which reports to the descriptor ``report``."""

    def __init__(self, spec: Spec, code: bytes, signals: TracerSignals, report: int) -> None:
        self._spec = spec
        self._code = code
        self._signals = signals
        self._report = report
        self._libc = ctypes.CDLL(None)

    def run(self, go: int) -> NoReturn:
        """Execute the command once ``go`` says so, or exit with env(1)'s status for the reason why not."""
        code = 125
        try:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # rules on a dead file server can hang
            self._settle(go)
            layers = self._build()
            programs = find_programs(self._spec.command[0], self._spec.env, self._spec.cwd)
            # The first traced call is the command's own execve: report it under the command's name.
            self._libc.prctl(_PR_SET_NAME, os.fsencode(os.path.basename(programs[0]))[:15], 0, 0, 0)
            self._tell_ready(layers)
            self._libc.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)
            if os.read(go, 1) == b"g":  # traced from here on, or else asked for its listener
                code = self._execute(programs, layers, go)
        except NotStarted as error:
            self._fail(error.code, str(error))
        except kernel.LandlockError as error:
            self._fail(code, error.strerror or str(error))
        except BaseException as error:  # never return into the tracer's code
            self._fail(code, f"{self._spec.command[0]}: {error}")
        finally:
            os._exit(code)

    def _fail(self, code: int, message: str) -> None:
        self._write({"failed": [code, message[:1000]]})

    def _write(self, data: dict[str, Any]) -> None:
        text = json.dumps(data).encode() + b"\n"
        while text:
            text = text[os.write(self._report, text) :]

    def _settle(self, go: int) -> None:
        """Become as the command will be: its session, descriptors, working directory and signals."""
        spec = self._spec
        if spec.session:
            os.setsid()
        for target, descriptor in enumerate((spec.stdin, spec.stdout, spec.stderr)):
            os.dup2(descriptor, target, inheritable=True)
        # No rule can mean a descriptor of the tracer's.
        kept = (2, *sorted((go, self._report, *spec.inherited)), _MAX_DESCRIPTORS)
        for below, above in pairwise(kept):
            os.closerange(below + 1, above)
        if spec.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(spec.cwd)
        self._signals.restore()

    def _build(self) -> tuple[ruleset.BuiltRuleset, ...]:
        spec = self._spec
        if spec.mode != "enforce":
            return ()
        return tuple(ruleset.build(policy.ruleset(), spec.abi) for policy in (spec.resolved, *spec.layers))

    def _tell_ready(self, layers: tuple[ruleset.BuiltRuleset, ...]) -> None:
        policies = (self._spec.resolved, *self._spec.layers)
        notes = [
            [note.kind, note.subject, in_order(note.rights), note.message] for layer in layers for note in layer.notes
        ]
        self._write({"notes": notes, "paths": [_changes(policy, identify_own(policy)) for policy in policies]})

    def _execute(self, programs: tuple[str, ...], layers: tuple[ruleset.BuiltRuleset, ...], go: int) -> int:
        for layer in layers:
            ruleset.enforce(layer, kernel.LOG_NEW_EXEC_ON)
        if not layers:
            kernel.set_no_new_privs()
        if self._spec.mode == "ask":
            self._write({"listener": seccomp.install_with_listener(self._code)})  # closed on execution
            os.read(go, 1)
        else:
            seccomp.install(self._code)
        refused: OSError | None = None
        for program in programs:
            try:
                self._become(program)
            except PermissionError as error:  # execvp(3) goes on, and another one in PATH may be granted
                refused = refused or error
            except OSError as error:
                refused = error
                break
        assert refused is not None  # noqa: S101 there is at least one program
        code = 127 if refused.errno == errno.ENOENT else 126
        self._fail(code, f"{self._spec.command[0]}: {refused.strerror}")
        return code

    def _become(self, program: str) -> NoReturn:
        spec = self._spec
        try:
            os.execve(program, spec.command, spec.env)  # noqa: S606 running programs is the job
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
        os.execve("/bin/sh", ("/bin/sh", program, *spec.command[1:]), spec.env)  # noqa: S606 as execvp(3) does
