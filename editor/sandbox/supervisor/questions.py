"""The questions of a run: which calls wait for an answer, and what becomes of them."""

import json
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from editor.sandbox.channel import Channel
from editor.sandbox.supervisor.held import Held
from editor.sandbox.supervisor.notified_calls import NotifiedCalls
from editor.sandbox.supervisor.standing import Standing
from editor.sandbox.wire import Spec

_MAX_TREE = 32
_REMARKS = {
    "allow": "allowed once when asked",
    "allow-for-run": "allowed for this run when asked",
    "grant": "granted when asked",
    "deny": "denied when asked",
    "deny-always": "denied always when asked",
    "kill": "the run was ended when asked",
}


class _Open(NamedTuple):
    """A question without an answer yet; ``deadline`` is when nobody is waited for any longer."""

    held: Held
    deadline: float | None


class Questions:
    """Asks the caller about calls that the policy denies something of, and carries out its answers.

    ``is_waiting`` says whether a call still waits. ``kill`` ends the run.
    """

    def __init__(
        self, spec: Spec, channel: Channel, *, is_waiting: Callable[[Held], bool], kill: Callable[[], None]
    ) -> None:
        self._spec = spec
        self._channel = channel
        self._is_waiting = is_waiting
        self._kill = kill
        self._standing = Standing()
        self._open: dict[int, _Open] = {}
        self._number = 0
        self._command = 0
        self._is_closed = False
        self.calls: NotifiedCalls
        """What carries the answers out; set before the first call comes."""

    def set_command(self, pid: int) -> None:
        """Say which process is the command: process trees end there."""
        self._command = pid

    @property
    def are_open(self) -> bool:
        """Whether any question waits for an answer."""
        return bool(self._open)

    def keep(self, held: Held) -> bool:
        """Answer a call from what was answered before, or ask. It is kept waiting, or has been answered."""
        allowed = self._standing.answer(held.denied)
        if allowed is not None:
            self._finish(held, allow=allowed, remark="answered before")
        elif self._is_closed:
            self._default(held)
        else:
            self._ask(held)
        return True

    def _ask(self, held: Held) -> None:
        self._number += 1
        timeout = self._spec.ask_timeout
        self._open[self._number] = _Open(held, None if timeout is None else time.monotonic() + timeout)
        question = {
            "number": self._number,
            "accesses": [access.to_json() for access in held.denied],
            "tree": _tree(held.task.process, self._command),
        }
        self._channel.send([json.dumps({"question": question})])

    def answer(self, number: int, choice: str) -> None:
        """Carry out the answer to a question, if it is still open."""
        found = self._open.pop(number, None)
        if found is None:
            return
        held = found.held
        allow = choice in ("allow", "allow-for-run", "grant")
        self._finish(held, allow=allow, remark=_REMARKS[choice])
        if choice == "kill":
            self._kill()
        elif choice not in ("allow", "deny"):
            self._standing.remember(held.denied, allow=allow)
            self.review()

    def review(self) -> None:
        """Answer the open questions that an answer, or another policy, has settled."""
        for number, (held, _) in list(self._open.items()):
            accesses = self.calls.judged(held.task, held.attempt)
            now = held._replace(accesses=accesses)
            allowed = self._standing.answer(now.denied)  # True if nothing is denied any more
            if allowed is not None:
                self._withdraw(number)
                self._finish(now, allow=allowed, remark="answered before")

    def expire(self, now: float) -> None:
        """Withdraw the questions whose time is over or whose thread is gone."""
        for number, (held, deadline) in list(self._open.items()):
            if not self._is_waiting(held):
                self._withdraw(number)
            elif deadline is not None and now >= deadline:
                self._withdraw(number)
                self._default(held)

    def close(self) -> None:
        """Give every open question, and every later one, the answer for when nobody answers."""
        self._is_closed = True
        for number, (held, _) in list(self._open.items()):
            self._withdraw(number)
            self._default(held)

    def _withdraw(self, number: int) -> None:
        del self._open[number]
        self._channel.send([json.dumps({"withdrawn": number})])

    def _default(self, held: Held) -> None:
        allow = self._spec.ask_default == "allow"
        self._finish(held, allow=allow, remark=f"{'allowed' if allow else 'denied'} because nobody answered")

    def _finish(self, held: Held, *, allow: bool, remark: str) -> None:
        if allow:
            self.calls.let_go(held, remark)
        else:
            self.calls.refuse(held, remark)


def _tree(process: int, command: int) -> list[tuple[int, str]]:
    """Return a process and its ancestors up to ``command``, each an id and a name."""
    tree: list[tuple[int, str]] = []
    while process > 1 and len(tree) < _MAX_TREE:
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                text = file.read()
        except OSError:
            break
        before, _, after = text.rpartition(b")")
        tree.append((process, os.fsdecode(before.partition(b"(")[2])))
        if process == command or process == os.getpid():
            break
        process = int(after.split()[1])
    return tree
