"""Turns what a call requested and what the kernel returned into rows of the report.

The result is always the kernel's. The policy is only asked for the reason: which rules allowed the call, or whether
they explain the error.
"""

import errno
from collections.abc import Callable

from editor.evaluation.decision import Decision
from editor.evaluation.layers import Deciders
from editor.landlock.rights import RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.verdicts.call_decider import CallDecider, CallerId, SandboxMembers
from editor.sandbox.verdicts.outcome import Outcome, RowMaker
from editor.sandbox.verdicts.passed import Passed
from editor.sandbox.verdicts.permissions import PermissionChecker
from editor.sandbox.verdicts.refused import Refused
from editor.sandbox.verdicts.report import Access, Mode

# A signal interrupted the call; the kernel restarts it, or the program sees EINTR (include/linux/errno.h).
_RESTARTS = range(512, 517)

# Errors of a connection after Landlock allowed it (it is checked first, see hook_socket_connect).
_AFTER_CONNECT = frozenset(
    {
        errno.EINPROGRESS, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EALREADY,
        errno.ECONNRESET, errno.EAGAIN, errno.EINTR, errno.EADDRINUSE, errno.EADDRNOTAVAIL,
    }
)  # fmt: skip

_NOT_FOUND = "what this means could not be looked up, so what the policy would say is not known"


class Judge:
    """Makes the rows for one run.

    ``notice`` takes messages about contradictions between policy and kernel, ``notice_unseen`` those about denials that
    only audit could show.
    """

    def __init__(
        self,
        deciders: Deciders,
        mode: Mode,
        abi: int,
        members: SandboxMembers,
        *,
        notice: Callable[[str], None],
        notice_unseen: Callable[[str], None],
    ) -> None:
        self._observing = mode != "enforce"
        self._notice_unseen = notice_unseen
        permissions = PermissionChecker()
        self._decider = CallDecider(deciders, abi, members, permissions)
        self._maker = RowMaker(self._decider, members, observing=self._observing)
        self._passed = Passed(self._decider, members, self._maker, notice)
        self._refused = Refused(
            self._decider, members, permissions, maker=self._maker, passed=self._passed, observing=self._observing
        )

    def is_surprising(self, attempt: Attempt, caller: CallerId) -> bool:
        """Whether it is a surprise that the call passed.

        The policy denies it, or its names led nowhere, or they lead elsewhere now.
        """
        return any(map(self._is_unknown, attempt.requests)) or any(
            not decision.allowed or (request.entry is not None and decision.object not in (None, request.object_path))
            for request, decision in zip(attempt.requests, self._decider.decide(attempt, caller), strict=True)
        )

    def rows(self, attempt: Attempt, result: int, caller: CallerId) -> tuple[Access, ...]:
        """Return the rows for one call that returned ``result`` (a negative errno if it failed)."""
        error = -result if -4096 < result < 0 else 0
        if error in _RESTARTS:
            error = errno.EINTR
        if attempt.syscall == "landlock_restrict_self" and not error:
            self._refused.expect_own_domain()
        if not attempt.requests:
            return ()
        decisions = self._decider.decide(attempt, caller)
        if attempt.kind == "deferred":
            if not error and not self._observing:
                self._report_deferred(attempt, decisions, caller)
            return ()
        outcome = Outcome(attempt, error, caller)
        if self._observing:
            return self._observed(outcome, decisions)
        if not error or (attempt.kind == "network" and error in _AFTER_CONNECT):
            pairs = zip(attempt.requests, decisions, strict=True)
            return tuple(row for request, decision in pairs for row in self._passed.rows(outcome, request, decision))
        return self._refused.rows(outcome, decisions)

    def _report_deferred(self, attempt: Attempt, decisions: tuple[Decision, ...], caller: CallerId) -> None:
        """Report what the kernel may deny later, unless audit shows it then: a signal, or opening files."""
        refused = [
            not decision.allowed if request.rights else self._decider.restricts_files
            for request, decision in zip(attempt.requests, decisions, strict=True)
        ]
        if any(refused):
            self._notice_unseen(f"{caller.comm} {attempt.reason}.")

    def _observed(self, outcome: Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, caller = outcome
        if self._decider.enforces:
            closed = self._refused.predicted_outsider(outcome, decisions)
            if closed is not None:
                return (closed,)
        if error and not (attempt.kind == "network" and error in _AFTER_CONNECT):
            return self._refused.rows(outcome, decisions)
        rows = []
        for request, decision in zip(attempt.requests, decisions, strict=True):
            if attempt.kind == "topology" and self._decider.restricts_files:
                rows.append(self._maker.row(outcome._replace(error=errno.EPERM), request, "denied", attempt.reason))
            elif self._is_unknown(request):
                rows.append(self._maker.row(outcome, request, "failed", _NOT_FOUND, explained=False))
            elif decision.allowed:
                rows.append(self._passed.row(outcome, request, decision))
            else:
                if request.group is not None and self._decider.succeeds_for_group(request, caller):
                    rows += self._passed.rows(outcome, request, decision)
                    continue
                code = getattr(errno, decision.errno or "", errno.EACCES)
                rows.append(self._maker.row(outcome._replace(error=code), request, "denied", decision.reason, decision))
        return tuple(rows)

    @staticmethod
    def _is_unknown(request: AccessRequest) -> bool:
        """Whether the object of rights on files is not known."""
        return (
            request.object_path is None
            and request.lineage is None
            and not request.unchecked_reason
            and any(RIGHTS[name].kind == "fs" for name in request.rights)
        )
