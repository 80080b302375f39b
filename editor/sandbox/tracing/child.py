"""The forked process that becomes the command: set up, restricted, traced, and executed.

Between fork(2) and execve(2) it shares the tracer's code, so any failure here must end the process.
"""

import ctypes
import errno
import fcntl
import os
import stat
import termios
from typing import NoReturn

from editor.landlock import kernel, ruleset
from editor.sandbox.tracing import seccomp
from editor.sandbox.tracing.signals import TracerSignals
from editor.sandbox.wire import Spec

_PR_SET_NAME = 15


class NotStarted(Exception):
    """The command was not started; ``code`` is env(1)'s exit status for the reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_program(name: str, env: dict[str, str], cwd: str) -> str:
    """Return the program called ``name``, searched in the command's PATH as execvp(3) does. Raises NotStarted."""
    if "/" in name:
        candidates = [name]
    else:
        candidates = [os.path.join(entry or ".", name) for entry in env.get("PATH", os.defpath).split(":")]
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
            return candidate
    if refused:
        raise NotStarted(126, refused)
    raise NotStarted(127, f"{name}: command not found" if "/" not in name else f"{name}: No such file or directory")


class Child:
    """The forked process on its way to becoming the command."""

    def __init__(
        self,
        spec: Spec,
        program: str,
        built: tuple[ruleset.BuiltRuleset, ...],
        code: bytes,
        signals: TracerSignals,
    ) -> None:
        self._spec = spec
        self._program = program
        self._built = built
        self._code = code
        self._signals = signals

    def run(self, go_read: int, go_write: int, failure: int) -> NoReturn:
        """Execute the command, or exit with env(1)'s status for the reason why not."""
        code = 125
        try:
            os.close(go_write)
            if os.read(go_read, 1) == b"g":  # traced from here on
                self._set_up()
                code = self._execute(failure)
        except BaseException as error:  # never return into the tracer's code
            os.write(failure, f"{self._spec.command[0]}: {error}".encode("utf-8", "backslashreplace")[:4000])
        finally:
            os._exit(code)

    def _set_up(self) -> None:
        spec = self._spec
        if spec.session:
            os.setsid()
        for target, descriptor in enumerate((spec.stdin, spec.stdout, spec.stderr)):
            os.dup2(descriptor, target, inheritable=True)
        if spec.terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(spec.cwd)
        self._signals.restore()
        libc = ctypes.CDLL(None)
        # The first traced call is the command's own execve: report it under the command's name.
        libc.prctl(_PR_SET_NAME, os.fsencode(os.path.basename(self._program))[:15], 0, 0, 0)

    def _execute(self, failure: int) -> int:
        spec = self._spec
        for layer in self._built:
            ruleset.enforce(layer, kernel.LOG_NEW_EXEC_ON)
        if not self._built:
            kernel.set_no_new_privs()
        seccomp.install(self._code)
        try:
            try:
                os.execve(self._program, spec.command, spec.env)  # noqa: S606 running programs is the job
            except OSError as error:
                if error.errno != errno.ENOEXEC:
                    raise
                os.execve("/bin/sh", ("/bin/sh", self._program, *spec.command[1:]), spec.env)  # noqa: S606 as execvp(3) does
        except OSError as error:
            os.write(failure, f"{spec.command[0]}: {error.strerror}".encode("utf-8", "backslashreplace")[:4000])
            return 127 if error.errno == errno.ENOENT else 126
