"""Turns the kernel's audit on while any reader needs it; the last one restores the original state.

Readers must know of each other: otherwise one would turn audit off while another still listens, and the second would
take "on" for the original state.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

# Only root may set audit, and only root may write there.
_DIRECTORY = "/run"
_GATE = "paddock-audit"
_USERS = "paddock-audit-users"


class AuditState(NamedTuple):
    """The settings that are changed, and the process of auditd(8), 0 if none runs."""

    enabled: int
    backlog_limit: int
    daemon: int


class AuditSwitch:
    """Keeps audit on, with a backlog of ``wanted`` records, until released. Raises OSError.

    ``ask`` and ``change`` read and write the kernel's state. Users hold a shared lock on one file, which a killed
    process gives up; another file contains the original state.
    """

    def __init__(
        self,
        ask: Callable[[], AuditState],
        change: Callable[[AuditState], None],
        wanted: int,
        directory: str = _DIRECTORY,
    ) -> None:
        self._ask = ask
        self._change = change
        self._directory = directory
        self._users = self._open(_USERS)
        try:
            with self._locked_gate() as gate:
                found, left = ask(), _read(gate)
                if self._is_only_user() and (left is None or found != _on(left, wanted)):
                    _write(gate, found)  # otherwise a killed user left it so, and nothing has changed since
                if found != _on(found, wanted):
                    change(_on(found, wanted))
                fcntl.flock(self._users, fcntl.LOCK_SH)
        except BaseException:
            os.close(self._users)
            raise

    def release(self) -> None:
        """Let go; the last user restores the original state, unless auditd(8) was started since. Raises OSError."""
        try:
            with self._locked_gate() as gate:
                before = _read(gate)
                if before is not None and self._is_only_user():
                    os.ftruncate(gate, 0)
                    if self._ask().daemon == before.daemon:
                        self._change(before)
        finally:
            os.close(self._users)

    def _is_only_user(self) -> bool:
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._users, fcntl.LOCK_SH)  # the failed attempt dropped the shared lock
            return False
        return True

    def _open(self, name: str) -> int:
        path = os.path.join(self._directory, name)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    @contextlib.contextmanager
    def _locked_gate(self) -> Iterator[int]:
        """Lock the file with the original state."""
        gate = self._open(_GATE)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield gate
        finally:
            os.close(gate)


def _on(state: AuditState, wanted: int) -> AuditState:
    return state._replace(enabled=state.enabled or 1, backlog_limit=max(state.backlog_limit, wanted))


def _read(gate: int) -> AuditState | None:
    words = os.pread(gate, 100, 0).split()
    return AuditState(*map(int, words)) if len(words) == len(AuditState._fields) else None


def _write(gate: int, state: AuditState) -> None:
    os.ftruncate(gate, 0)
    os.pwrite(gate, " ".join(map(str, state)).encode(), 0)
