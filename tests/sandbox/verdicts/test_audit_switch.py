"""Turning audit on and off, with a state in a file instead of the kernel's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from editor.sandbox.verdicts.audit_switch import AuditState, AuditSwitch
from tests.cli.harness import REPOSITORY

_OFF = AuditState(enabled=0, backlog_limit=64, daemon=0)
_ON = AuditState(enabled=1, backlog_limit=8192, daemon=0)


class State:
    """A state that several processes see."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not (directory / "state").exists():
            self.change(_OFF)

    def ask(self) -> AuditState:
        return AuditState(*map(int, (self.directory / "state").read_text().split()))

    def change(self, state: AuditState) -> None:
        (self.directory / "state").write_text(" ".join(map(str, state)))

    def switch(self) -> AuditSwitch:
        return AuditSwitch(self.ask, self.change, 8192, str(self.directory))


def test_last_user_restores_the_original_state(tmp_path: Path) -> None:
    state = State(tmp_path)
    first = state.switch()
    second = state.switch()
    assert state.ask() == _ON
    first.release()
    third = state.switch()
    second.release()
    assert state.ask() == _ON
    third.release()
    assert state.ask() == _OFF


def test_audit_that_was_on_stays_on(tmp_path: Path) -> None:
    state = State(tmp_path)
    before = AuditState(enabled=2, backlog_limit=20_000, daemon=7)
    state.change(before)
    switch = state.switch()
    assert state.ask() == before
    switch.release()
    assert state.ask() == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.sandbox.verdicts.test_audit_switch import State
switch = State(Path(sys.argv[1])).switch()
os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(directory: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(directory)], check=False, cwd=REPOSITORY)
    assert done.returncode == -signal.SIGKILL


def test_next_user_restores_after_a_killed_one(tmp_path: Path) -> None:
    state = State(tmp_path)
    _killed(tmp_path)
    assert state.ask() == _ON
    state.switch().release()
    assert state.ask() == _OFF


def test_change_after_a_killed_user_is_kept(tmp_path: Path) -> None:
    state = State(tmp_path)
    _killed(tmp_path)
    changed = AuditState(enabled=1, backlog_limit=9_000, daemon=0)
    state.change(changed)
    state.switch().release()
    assert state.ask() == changed


def test_audit_stays_on_for_a_new_auditd(tmp_path: Path) -> None:
    state = State(tmp_path)
    switch = state.switch()
    started = state.ask()._replace(daemon=os.getpid())
    state.change(started)
    switch.release()
    assert state.ask() == started
