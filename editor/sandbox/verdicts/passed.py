"""Explains why a call passed: which rules allowed it, or why the kernel did not ask Landlock."""

import re
from collections.abc import Callable

from editor.evaluation.decision import Decision
from editor.sandbox.calls.attempt import AccessRequest
from editor.sandbox.verdicts.call_decider import RESOLVE_UNIX, CallDecider, SandboxMembers
from editor.sandbox.verdicts.outcome import Outcome, RowMaker
from editor.sandbox.verdicts.report import Access

# Files that show the inside of a process; anybody may open them, and they ask when they are read (fs/proc/base.c).
_CHECKED_WHEN_READ = re.compile(r"/proc/(\d+)/(?:task/\d+/)?(?:io|syscall|stack|personality)")
_CHECKED_LATER = "reading it fails: Landlock hides what is inside other processes, and is asked only then"


class Passed:
    """Makes the rows of requests that passed; ``notice`` takes contradictions between policy and kernel."""

    def __init__(
        self, decider: CallDecider, members: SandboxMembers, maker: RowMaker, notice: Callable[[str], None]
    ) -> None:
        self._decider = decider
        self._members = members
        self._maker = maker
        self._notice = notice

    def rows(self, outcome: Outcome, request: AccessRequest, decision: Decision) -> tuple[Access, ...]:
        """Return the rows of a request that passed.

        A signal to a group succeeds once one member gets it; for members outside it was denied all the same.
        """
        passed = self.row(outcome, request, decision)
        if request.group is None or decision.allowed:
            return (passed,)
        reason = f"members outside the sandbox did not receive it: {decision.reason}"
        return (passed, self._maker.row(outcome, request, "denied", reason, decision))

    def row(self, outcome: Outcome, request: AccessRequest, decision: Decision) -> Access:
        """Return the row of a call that Landlock allowed, or is expected to allow (observing)."""
        attempt = outcome.attempt
        if not request.rights:
            return self._maker.row(outcome, request, "uncontrolled", attempt.reason)
        if request.unchecked_reason or self._decider.is_newer(request.rights):
            return self._maker.row(outcome, request, "uncontrolled", decision.reason)
        if decision.allowed:
            reason = decision.reason or (_CHECKED_LATER if self._is_checked_later(request) else "")
            return self._maker.row(outcome, request, "allowed", reason, decision)
        if attempt.kind == "scope" or request.rights == RESOLVE_UNIX:
            reason = "the other end is inside the sandbox"
        elif attempt.kind == "carried":
            reason = "the descriptor was opened outside the sandbox, and keeps its rights"
        else:
            reason = f"the kernel allowed it, although under the policy {decision.reason}"
            reason += f": {attempt.reason}" if attempt.reason else ""
            on = request.object_path or (request.port if request.port is not None else "an address without a port")
            self._notice(
                f"The kernel allowed {attempt.syscall} on {on}, although under the policy {decision.reason}"
                + (f": {attempt.reason}." if attempt.reason else ".")
            )
        return self._maker.row(outcome, request, "allowed", reason, decision._replace(decided_by=()))

    def _is_checked_later(self, request: AccessRequest) -> bool:
        """Whether a file shows the inside of an outsider, and the kernel asks Landlock only when it is read."""
        found = _CHECKED_WHEN_READ.fullmatch(request.object_path or "")
        return (
            found is not None
            and self._decider.enforces
            and request.tracer_path in ("", request.object_path)  # not in another mount namespace
            and not self._members.has_process(int(found[1]))
        )
