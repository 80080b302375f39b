"""How a call ended, and the row that reports it."""

import errno
import re
from typing import NamedTuple

from editor.evaluation.decision import Decision
from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.verdicts.call_decider import CallDecider, CallerId, SandboxMembers
from editor.sandbox.verdicts.report import Access, Verdict

# Files that show the inside of a process. (In another pid namespace, the numbers mean other processes.)
OF_A_PROCESS = re.compile(r"/proc/(\d+)/")


class Outcome(NamedTuple):
    """One call: what it requested, the errno that it got (0: none), and who made it."""

    attempt: Attempt
    error: int
    caller: CallerId


class RowMaker:
    """Makes the rows of one run, ``observing`` or under its policy."""

    def __init__(self, decider: CallDecider, members: SandboxMembers, *, observing: bool) -> None:
        self._decider = decider
        self._members = members
        self._observing = observing

    def row(
        self,
        outcome: Outcome,
        request: AccessRequest,
        verdict: Verdict,
        reason: str,
        decision: Decision | None = None,
        *,
        explained: bool = True,
    ) -> Access:
        """Return the row of one request of a call. ``explained`` is false if only a guess says who refused it."""
        attempt, error, caller = outcome
        return Access(
            verdict=verdict,
            rights=request.rights,
            missing=decision.missing if decision is not None and verdict == "denied" else NO_RIGHTS,
            path=request.path,
            object_path=request.object_path,
            port=request.port,
            syscall=attempt.syscall,
            errno=errno.errorcode.get(error, str(error)) if error else None,
            process=caller.comm,
            pid=caller.pid,
            times=1,
            decided_by=decision.decided_by if decision is not None else (),
            reason=reason,
            predicted=self._observing,
            layer=self._decider.layer(attempt, decision) if verdict == "denied" else 0,
            old_path=request.old_path,
            made_in=self._members.made_in(request) if verdict == "denied" else None,
            explained=explained,
            of_command=verdict == "denied" and self._is_of_command(request),
        )

    def _is_of_command(self, request: AccessRequest) -> bool:
        """Whether the object is what /proc shows of the command's own process."""
        found = OF_A_PROCESS.match(f"{request.object_path or ''}/")
        return (
            found is not None
            and request.tracer_path in ("", request.object_path)  # not in another mount namespace
            and self._members.is_command(int(found[1]))
        )
