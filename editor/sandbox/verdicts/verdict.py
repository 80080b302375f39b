"""From what a call wanted and what the kernel answered to rows of the report.

The result is always the kernel's. The policy is asked only for the reason: which rules let it pass, or whether they
explain the error. Where both cannot be told apart (file permissions come first for some calls) the row says so.
"""

import errno
import re
from collections.abc import Callable
from typing import NamedTuple

from editor.evaluation.decision import Decision
from editor.evaluation.layers import Deciders
from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import Attempt, Want
from editor.sandbox.verdicts.call_decider import RESOLVE_UNIX, CallDecider, Inside, Who
from editor.sandbox.verdicts.permissions import PermissionJudge, same_mount
from editor.sandbox.verdicts.report import Access, Mode, Verdict

# A signal interrupted the call; the kernel repeats it, or the program sees EINTR (include/linux/errno.h).
_RESTARTS = range(512, 517)

# A connection that failed after Landlock had let it pass (the check comes first, see hook_socket_connect).
_AFTER_CONNECT = frozenset(
    {
        errno.EINPROGRESS, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EALREADY,
        errno.ECONNRESET, errno.EAGAIN, errno.EINTR, errno.EADDRINUSE, errno.EADDRNOTAVAIL,
    }
)  # fmt: skip

_LANDLOCK_ERRORS = {
    "open": frozenset({errno.EACCES}),
    "exec": frozenset({errno.EACCES}),
    "carried": frozenset({errno.EACCES}),
    "directory": frozenset({errno.EACCES, errno.EXDEV}),
    "network": frozenset({errno.EACCES}),
    "scope": frozenset({errno.EPERM}),
    "topology": frozenset({errno.EPERM}),
    "trace": frozenset({errno.EPERM}),
    "plain": frozenset[int](),
}

_OTHER = (
    "neither the policy nor file permissions explain this:"
    " a mount option, another security module or a nested sandbox may"
)
_PERMISSIONS = "file permissions refuse it"
_SEARCH = "a directory on the way may not be searched: file permissions refuse it"
_OTHER_USER = "the process belongs to another user, or is protected"
_NO_CAPABILITY = "changing mounts needs the capability CAP_SYS_ADMIN, which the program does not have"
_OTHERS_THINGS = (
    "what is inside of other processes is no right of Landlock: a sandboxed program may look only inside its own domain"
)

# The files that show what is inside of a process. (To one in a process-id namespace of its own, numbers mean others.)
_OF_A_PROCESS = re.compile(r"/proc/(\d+)/")

_TWO_NAMES = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})


class _Outcome(NamedTuple):
    """One call: what it wanted, the errno that it got (0: none), who made it."""

    attempt: Attempt
    error: int
    who: Who


class Judge:
    """Makes rows for one run. ``notice`` takes sentences about what does not fit together."""

    def __init__(self, deciders: Deciders, mode: Mode, abi: int, inside: Inside, notice: Callable[[str], None]) -> None:
        self._observing = mode == "observe"
        self._inside = inside
        self._notice = notice
        self._permissions = PermissionJudge()
        self._decider = CallDecider(deciders, abi, inside, self._permissions)

    def rows(self, attempt: Attempt, result: int, who: Who) -> tuple[Access, ...]:
        """The rows for one call that returned ``result`` (minus an errno where it failed)."""
        error = -result if -4096 < result < 0 else 0
        if error in _RESTARTS:
            error = errno.EINTR
        if not attempt.wants:
            return ()
        decisions = self._decider.decide(attempt, who)
        outcome = _Outcome(attempt, error, who)
        if self._observing:
            return self._observed(outcome, decisions)
        if not error or (attempt.kind == "network" and error in _AFTER_CONNECT):
            pairs = zip(attempt.wants, decisions, strict=True)
            return tuple(row for want, decision in pairs for row in self._all_passed(outcome, want, decision))
        return self._refused(outcome, decisions)

    def _row(
        self, outcome: _Outcome, want: Want, verdict: Verdict, reason: str, decision: Decision | None = None
    ) -> Access:
        attempt, error, who = outcome
        return Access(
            verdict=verdict,
            rights=want.rights,
            missing=decision.missing if decision is not None and verdict == "denied" else NO_RIGHTS,
            path=want.asked,
            object_path=want.object_path,
            port=want.port,
            syscall=attempt.syscall,
            errno=errno.errorcode.get(error, str(error)) if error else None,
            process=who.comm,
            pid=who.pid,
            times=1,
            decided_by=decision.decided_by if decision is not None else (),
            reason=reason,
            predicted=self._observing,
            layer=self._decider.layer(attempt, decision) if verdict == "denied" else 0,
            old_path=want.old,
        )

    def _all_passed(self, outcome: _Outcome, want: Want, decision: Decision) -> tuple[Access, ...]:
        """The rows of a want that passed.

        A signal to a group succeeds once one member gets it; to those outside it was denied all the same.
        """
        passed = self._passed(outcome, want, decision)
        if want.group is None or decision.allowed:
            return (passed,)
        reason = f"members outside the sandbox did not get it: {decision.reason}"
        return (passed, self._row(outcome, want, "denied", reason, decision))

    def _passed(self, outcome: _Outcome, want: Want, decision: Decision) -> Access:
        """A call that Landlock let pass: the kernel says so, or this is what is expected of it (observing)."""
        attempt = outcome.attempt
        if not want.rights:
            return self._row(outcome, want, "uncontrolled", attempt.why)
        if want.unchecked or self._decider.is_newer(want.rights):
            return self._row(outcome, want, "uncontrolled", decision.reason)
        if decision.allowed:
            return self._row(outcome, want, "allowed", decision.reason, decision)
        if attempt.kind == "scope" or want.rights == RESOLVE_UNIX:
            reason = "the other side is inside the sandbox"
        elif attempt.kind == "carried":
            reason = "the descriptor was opened outside the sandbox, and keeps what it could do"
        else:
            reason = f"the kernel allowed it, although by the policy {decision.reason}"
            reason += f": {attempt.why}" if attempt.why else ""
            on = want.object_path or (want.port if want.port is not None else "an address without a port")
            self._notice(
                f"The kernel allowed {attempt.syscall} on {on}, although by the policy {decision.reason}"
                + (f": {attempt.why}." if attempt.why else ".")
            )
        return self._row(outcome, want, "allowed", reason, decision._replace(decided_by=()))

    def _observed(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error and not (attempt.kind == "network" and error in _AFTER_CONNECT):
            return self._refused(outcome, decisions)
        rows = []
        for want, decision in zip(attempt.wants, decisions, strict=True):
            if attempt.kind == "topology" and self._decider.restricts_files:
                rows.append(self._row(outcome._replace(error=errno.EPERM), want, "denied", attempt.why))
            elif decision.allowed:
                rows.append(self._passed(outcome, want, decision))
            else:
                code = getattr(errno, decision.errno or "", errno.EACCES)
                rows.append(self._row(outcome._replace(error=code), want, "denied", decision.reason, decision))
        return tuple(rows)

    def _refused(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error == errno.EACCES:
            for want, decision in zip(attempt.wants, decisions, strict=True):
                if self._looks_into_another(outcome, want, decision):
                    closed = want._replace(rights=NO_RIGHTS, object_path=None)
                    return (self._row(outcome, closed, "denied", _OTHERS_THINGS),)
        explained = error in _LANDLOCK_ERRORS[attempt.kind] and not self._observing
        if explained and attempt.kind in ("topology", "trace"):
            by_landlock = self._forbids_mounts(outcome) if attempt.kind == "topology" else self._reaches_out(outcome)
            if by_landlock:
                return (self._row(outcome, attempt.wants[0], "denied", attempt.why),)
        if (
            attempt.kind == "directory"
            and explained
            and any(self._unreachable(outcome, want) for want in attempt.wants)
        ):
            return self._all_failed(outcome, _SEARCH)
        if explained and attempt.refer is not None and any(not decision.allowed for decision in decisions):
            return self._refused_refer(outcome, decisions)
        if attempt.syscall in _TWO_NAMES:
            return tuple(self._failed(outcome, want) for want in attempt.wants)
        rows: list[Access] = []
        denied = [explained and not decision.allowed for decision in decisions]
        for position, (want, decision) in enumerate(zip(attempt.wants, decisions, strict=True)):
            if denied[position]:
                rows.append(self._explained(outcome, want, decision))
                break
            if self._stopped_here(outcome, want, later=any(denied[position:])):
                rows.append(self._failed(outcome, want))
                break
            rows.append(self._passed(outcome._replace(error=0), want, decision))
        else:
            rows[-1] = self._failed(outcome, attempt.wants[-1])
        return tuple(rows)

    def _reaches_out(self, outcome: _Outcome) -> bool:
        """Whether tracing or reading another process is what a domain forbids: inside it, it is free."""
        target = outcome.attempt.wants[0].process
        return (
            self._decider.enforces
            and target > 0
            and not self._inside.inside_process(target)
            and not self._permissions.refuses_tracing(outcome.who.tid, target)
        )

    def _looks_into_another(self, outcome: _Outcome, want: Want, decision: Decision) -> bool:
        """Whether a name of /proc was refused since it shows what is inside of a process outside of the sandbox.

        That is put to Landlock as tracing is (hook_ptrace_access_check in security/landlock/task.c): for links such as
        ``exe`` and ``fd/3`` before the file that they lead to, for files such as ``mem`` after the file's own rights.
        """
        found = _OF_A_PROCESS.match(want.asked or "")
        if found is None or not self._decider.enforces or self._observing or want.seen not in ("", want.object_path):
            return False
        target = int(found[1])
        if self._inside.inside_process(target) or self._permissions.refuses_tracing(
            outcome.who.tid, target, reading=True
        ):
            return False
        if want.object_path is not None and want.object_path.endswith(want.asked or ""):  # no link, but the file itself
            return decision.allowed and not self._permissions.refuses(outcome.who.tid, want.seen, want.rights)
        return True

    def _forbids_mounts(self, outcome: _Outcome) -> bool:
        """Whether a change of mounts was put to Landlock: all but mount(2) ask for the capability before."""
        asked_first = outcome.attempt.syscall == "mount" or not self._permissions.refuses_mounts(outcome.who.tid)
        return self._decider.restricts_files and asked_first

    def _unreachable(self, outcome: _Outcome, want: Want) -> bool:
        """Whether looking the name up in its directory was refused, before anything was put to Landlock."""
        return bool(want.seen) and self._permissions.unreachable(outcome.who.tid, want.seen)

    def _all_failed(self, outcome: _Outcome, reason: str) -> tuple[Access, ...]:
        return tuple(self._row(outcome, want, "failed", reason) for want in outcome.attempt.wants)

    def _stopped_here(self, outcome: _Outcome, want: Want, *, later: bool) -> bool:
        """Whether a refusal is about this object, on which no rule explains it, and not about a later one of the call.

        ``later`` says that on a later one the policy does explain it.
        """
        if outcome.attempt.kind == "network":
            return not later
        if outcome.error == errno.EACCES and (later or outcome.attempt.kind == "exec"):
            return not want.seen or self._permissions.refuses(outcome.who.tid, want.seen, want.rights)
        if outcome.error == errno.ENOENT and outcome.attempt.kind == "exec":
            return want.entry is None
        return True

    def _explained(self, outcome: _Outcome, want: Want, decision: Decision) -> Access:
        attempt, _, who = outcome
        if want.process > 0 and self._permissions.refuses_signal(who.tid, want.process, want.signal):
            return self._row(outcome, want, "failed", _OTHER_USER)
        if "make_reg" in want.rights and self._unreachable(outcome, want):
            return self._row(outcome, want, "failed", _SEARCH)
        refuses = bool(want.seen) and self._permissions.refuses(who.tid, want.seen, want.rights)
        if not refuses:
            return self._row(outcome, want, "denied", decision.reason, decision)
        if attempt.kind == "directory" or want.new:
            # What changes a directory is put to Landlock before the file permissions (fs/namei.c): it said no.
            reason = f"{decision.reason}; {_PERMISSIONS} as well"
            return self._row(outcome, want, "denied", reason, decision)
        reason = f"{_PERMISSIONS}, before the policy is asked; the policy would deny it too: {decision.reason}"
        return self._row(outcome, want, "failed", reason)

    def _refused_refer(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error == errno.EXDEV and len(attempt.wants) > 1 and not same_mount(*(want.seen for want in attempt.wants)):
            reason = "the two directories are on different mounts"
            return (self._row(outcome, attempt.wants[-1], "failed", reason),)
        return tuple(
            self._passed(outcome._replace(error=0), want, decision)
            if decision.allowed
            else self._row(outcome, want, "denied", decision.reason, decision)
            for want, decision in zip(attempt.wants, decisions, strict=True)
        )

    def _failed(self, outcome: _Outcome, want: Want) -> Access:
        attempt, error, who = outcome
        reason = ""
        if error in (errno.EACCES, errno.EPERM):
            if want.problem == errno.EACCES:
                reason = _SEARCH
            elif want.seen and self._permissions.refuses(who.tid, want.seen, want.rights):
                reason = _PERMISSIONS
            elif attempt.kind == "plain":
                reason = attempt.why
            elif attempt.kind == "topology" and self._permissions.refuses_mounts(who.tid):
                reason = _NO_CAPABILITY
            elif attempt.kind == "scope" or (
                attempt.kind == "trace" and want.process > 0 and not self._inside.inside_process(want.process)
            ):
                reason = _OTHER_USER
            elif attempt.kind == "trace" and self._decider.enforces:
                reason = "inside the run every process is traced already, by this test"
            elif attempt.kind in ("open", "exec", "directory"):
                reason = _OTHER
        elif error == errno.EXDEV and attempt.refer is not None:
            reason = "the two directories are on different mounts"
        elif error == errno.EINTR:
            reason = "interrupted by a signal"
        return self._row(outcome, want, "failed", reason)
