"""Turns what a call requested and what the kernel returned into rows of the report.

The result is always the kernel's. The policy is only asked for the reason: which rules allowed the call, or whether
they explain the error. If file permissions, which some calls check first, could explain it as well, the row says so.
"""

import errno
import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.evaluation.decision import Decision
from editor.evaluation.layers import Deciders
from editor.landlock.rights import NO_RIGHTS, RIGHTS, RightSet
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.verdicts.call_decider import RESOLVE_UNIX, CallDecider, CallerId, SandboxMembers
from editor.sandbox.verdicts.permissions import PermissionChecker, same_mount, splits_directories
from editor.sandbox.verdicts.report import Access, Mode, Verdict

# A signal interrupted the call; the kernel restarts it, or the program sees EINTR (include/linux/errno.h).
_RESTARTS = range(512, 517)

# Errors of a connection after Landlock allowed it (it is checked first, see hook_socket_connect).
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
    "trace": frozenset({errno.EPERM, errno.EACCES}),
    "inspect": frozenset({errno.EPERM, errno.EACCES}),
    "plain": frozenset[int](),
}

_OTHER = (
    "neither the policy nor file permissions explain it:"
    " perhaps a mount option, another security module or a nested sandbox"
)
_UNEXPLAINED = (
    "refused as Landlock does, but neither the policy nor file permissions explain it: perhaps the program restricted"
    " itself further, another security module refused it, or the file was exchanged meanwhile"
)
_OWN_RULES = "refused as Landlock does, although the policy allows it: the program has restricted itself further"
_CARRIED = "the descriptor keeps the rights that its file had when it was opened, whatever the policy grants it now"
_UNEXPLAINED_SOCKET = (
    "refused as Landlock does, although the socket seems to belong to the run: perhaps it was created outside, or is"
    " connected to another one"
)
_NOT_FOUND = "what this means could not be looked up, so what the policy would say is not known"
_PERMISSIONS = "file permissions refuse it"
_SEARCH = "file permissions refuse to search a directory on the way"
_DIFFERENT_MOUNTS = "the two directories are on different mounts"
_OTHER_USER = "the process belongs to another user, or is protected"
_NO_CAPABILITY = "changing mounts requires CAP_SYS_ADMIN, which the program does not have"
_PROCESS_INTERNALS = (
    "Landlock has no right for inspecting other processes: a sandboxed program may only do so inside its own domain"
)

# Files that show the inside of a process. (In another pid namespace, the numbers mean other processes.)
_OF_A_PROCESS = re.compile(r"/proc/(\d+)/")
# Those that ask when they are opened; the first two kinds only of a process with memory, the second with mm_access().
_CHECKED_WHEN_OPENED = re.compile(  # fs/proc/base.c, task_mmu.c and fd.c
    r"/proc/(\d+)/(?:task/\d+/)?"
    r"(?:(mem)|(environ|auxv|maps|smaps|smaps_rollup|numa_maps|pagemap)|timers|fdinfo(?:/\d+)?)"
)
# Those that anybody may open, and that ask when they are read (fs/proc/base.c).
_CHECKED_WHEN_READ = re.compile(r"/proc/(\d+)/(?:task/\d+/)?(?:io|syscall|stack|personality)")
_CHECKED_LATER = "reading it fails: Landlock hides what is inside other processes, and is asked only then"

_TRUNCATING: RightSet = frozenset({"truncate"})
_ABSTRACT: RightSet = frozenset({"abstract_unix_socket"})
_ON_PROCESSES = frozenset({"trace", "inspect"})
_ON_FILES = frozenset({"open", "exec", "directory"})

# What Landlock's refusal becomes where that is not EPERM: mm_access() and the callers' own errors.
_EACCES_OF_PROCESSES = frozenset({"process_madvise", "perf_event_open", "readlink", "readlinkat", "chdir", "ioctl"})
# Errors of calls on other processes that come after Landlock was asked, by the sources in calls/inspection.py.
_AFTER_PROCESS_CHECK: Mapping[str, frozenset[int]] = MappingProxyType(
    {
        "pidfd_getfd": frozenset({errno.EBADF}),
        "kcmp": frozenset({errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP}),
        "get_robust_list": frozenset({errno.EFAULT}),
        "migrate_pages": frozenset({errno.EINVAL}),
        "setns": frozenset({errno.EINVAL}),
        "process_vm_readv": frozenset({errno.EFAULT}),
        "process_vm_writev": frozenset({errno.EFAULT}),
    }
)

_TWO_NAMES = frozenset({"rename", "renameat", "renameat2", "link", "linkat"})


class _Outcome(NamedTuple):
    """One call: what it requested, the errno that it got (0: none), and who made it."""

    attempt: Attempt
    error: int
    caller: CallerId


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
        self._observing = mode == "observe"
        self._members = members
        self._notice = notice
        self._notice_unseen = notice_unseen
        self._permissions = PermissionChecker()
        self._restricts_itself = False  # whether the program has created a Landlock domain of its own
        self._decider = CallDecider(deciders, abi, members, self._permissions)

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
            self._restricts_itself = True
        if not attempt.requests:
            return ()
        decisions = self._decider.decide(attempt, caller)
        if attempt.kind == "deferred":
            if not error and not self._observing:
                self._report_deferred(attempt, decisions, caller)
            return ()
        outcome = _Outcome(attempt, error, caller)
        if self._observing:
            return self._observed(outcome, decisions)
        if not error or (attempt.kind == "network" and error in _AFTER_CONNECT):
            pairs = zip(attempt.requests, decisions, strict=True)
            return tuple(row for request, decision in pairs for row in self._all_passed(outcome, request, decision))
        return self._refused(outcome, decisions)

    def _report_deferred(self, attempt: Attempt, decisions: tuple[Decision, ...], caller: CallerId) -> None:
        """Report what the kernel may deny later, unless audit shows it then: a signal, or opening files."""
        refused = [
            not decision.allowed if request.rights else self._decider.restricts_files
            for request, decision in zip(attempt.requests, decisions, strict=True)
        ]
        if any(refused):
            self._notice_unseen(f"{caller.comm} {attempt.reason}.")

    def _row(
        self,
        outcome: _Outcome,
        request: AccessRequest,
        verdict: Verdict,
        reason: str,
        decision: Decision | None = None,
        *,
        explained: bool = True,
    ) -> Access:
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
        found = _OF_A_PROCESS.match(f"{request.object_path or ''}/")
        return (
            found is not None
            and request.tracer_path in ("", request.object_path)  # not in another mount namespace
            and self._members.is_command(int(found[1]))
        )

    def _all_passed(self, outcome: _Outcome, request: AccessRequest, decision: Decision) -> tuple[Access, ...]:
        """Return the rows of a request that passed.

        A signal to a group succeeds once one member gets it; for members outside it was denied all the same.
        """
        passed = self._passed(outcome, request, decision)
        if request.group is None or decision.allowed:
            return (passed,)
        reason = f"members outside the sandbox did not receive it: {decision.reason}"
        return (passed, self._row(outcome, request, "denied", reason, decision))

    def _passed(self, outcome: _Outcome, request: AccessRequest, decision: Decision) -> Access:
        """Return the row of a call that Landlock allowed, or is expected to allow (observing)."""
        attempt = outcome.attempt
        if not request.rights:
            return self._row(outcome, request, "uncontrolled", attempt.reason)
        if request.unchecked_reason or self._decider.is_newer(request.rights):
            return self._row(outcome, request, "uncontrolled", decision.reason)
        if decision.allowed:
            reason = decision.reason or (_CHECKED_LATER if self._is_checked_later(request) else "")
            return self._row(outcome, request, "allowed", reason, decision)
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
        return self._row(outcome, request, "allowed", reason, decision._replace(decided_by=()))

    def _observed(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, caller = outcome
        if self._decider.enforces:
            closed = self._predicted_outsider(outcome, decisions)
            if closed is not None:
                return (closed,)
        if error and not (attempt.kind == "network" and error in _AFTER_CONNECT):
            return self._refused(outcome, decisions)
        rows = []
        for request, decision in zip(attempt.requests, decisions, strict=True):
            if attempt.kind == "topology" and self._decider.restricts_files:
                rows.append(self._row(outcome._replace(error=errno.EPERM), request, "denied", attempt.reason))
            elif self._is_unknown(request):
                rows.append(self._row(outcome, request, "failed", _NOT_FOUND, explained=False))
            elif decision.allowed:
                rows.append(self._passed(outcome, request, decision))
            else:
                if request.group is not None and self._decider.succeeds_for_group(request, caller):
                    rows += self._all_passed(outcome, request, decision)
                    continue
                code = getattr(errno, decision.errno or "", errno.EACCES)
                rows.append(self._row(outcome._replace(error=code), request, "denied", decision.reason, decision))
        return tuple(rows)

    def _predicted_outsider(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> Access | None:
        """Return the row of a call that Landlock would refuse because it reaches into a process outside the run."""
        attempt, error, caller = outcome
        if attempt.syscall == "process_madvise" and self._permissions.reads_memory_anyway(caller.tid):
            return None
        if attempt.kind in _ON_PROCESSES:
            code = errno.EACCES if attempt.syscall in _EACCES_OF_PROCESSES else errno.EPERM
            outcome = outcome._replace(error=code)
            reached = {0, *_LANDLOCK_ERRORS[attempt.kind], *_AFTER_PROCESS_CHECK.get(attempt.syscall, ())}
            outsider = next((request for request in attempt.requests if self._is_outsider(outcome, request)), None)
            if outsider is not None:
                return self._row(outcome, outsider, "denied", attempt.reason) if error in reached else None
        for request, decision in zip(attempt.requests, decisions, strict=True):
            if self._shows_outsider(request, decision, caller.tid, opened=not error):
                closed = request._replace(rights=NO_RIGHTS, object_path=None)
                return self._row(outcome._replace(error=errno.EACCES), closed, "denied", _PROCESS_INTERNALS)
        return None

    def _shows_outsider(self, request: AccessRequest, decision: Decision, tid: int, *, opened: bool) -> bool:
        """Whether a path leads through the inside of a process outside the run, or was opened and shows it."""
        target = request.through
        if not target and opened and decision.allowed and request.tracer_path in ("", request.object_path):
            found = _CHECKED_WHEN_OPENED.fullmatch(request.object_path or "")
            if found is None or (found[3] and self._permissions.reads_memory_anyway(tid)):
                return False
            if not (found[2] or found[3]) or _has_memory(int(found[1])):
                target = int(found[1])
        return (
            target > 0
            and not self._members.has_process(target)
            and not self._permissions.refuses_tracing(tid, target, reading=True)
        )

    @staticmethod
    def _is_unknown(request: AccessRequest) -> bool:
        """Whether the object of rights on files is not known."""
        return (
            request.object_path is None
            and request.lineage is None
            and not request.unchecked_reason
            and any(RIGHTS[name].kind == "fs" for name in request.rights)
        )

    def _refused(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error == errno.EACCES:
            for request, decision in zip(attempt.requests, decisions, strict=True):
                if self._inspects_outsider(outcome, request, decision):
                    closed = request._replace(rights=NO_RIGHTS, object_path=None)
                    return (self._row(outcome, closed, "denied", _PROCESS_INTERNALS),)
        explained = error in _LANDLOCK_ERRORS[attempt.kind] and not self._observing
        if explained and attempt.kind == "topology" and self._denies_mount_change(outcome):
            return (self._row(outcome, attempt.requests[0], "denied", attempt.reason),)
        if explained and attempt.kind in _ON_PROCESSES:
            outsider = next((request for request in attempt.requests if self._is_outsider(outcome, request)), None)
            if outsider is not None:
                return (self._row(outcome, outsider, "denied", attempt.reason),)
        if explained and attempt.kind == "directory" and self._any_lookup_refused(outcome):
            return self._all_failed(outcome, _SEARCH)
        if explained and attempt.refer is not None and any(not decision.allowed for decision in decisions):
            return self._refused_refer(outcome, decisions)
        if attempt.syscall in _TWO_NAMES:
            return self._failed_move(outcome)
        rows: list[Access] = []
        denied = [explained and not decision.allowed for decision in decisions]
        for position, (request, decision) in enumerate(zip(attempt.requests, decisions, strict=True)):
            if denied[position]:
                rows.append(self._explain_denial(outcome, request, decision))
                break
            if self._is_refused_here(outcome, request, later=any(denied[position:])):
                rows.append(self._failed(outcome, request))
                break
            if self._observing and not decision.allowed:  # enforced, the call would get no further
                code = getattr(errno, decision.errno or "", errno.EACCES)
                rows.append(self._row(outcome._replace(error=code), request, "denied", decision.reason, decision))
                break
            rows.append(self._passed(outcome._replace(error=0), request, decision))
        else:
            rows[-1] = self._failed(outcome, attempt.requests[-1])
        return tuple(rows)

    def _is_outsider(self, outcome: _Outcome, request: AccessRequest) -> bool:
        """Whether the call would reach a process outside the domain; inside, that is always allowed."""
        target, tid = request.process, outcome.caller.tid
        reading = outcome.attempt.kind == "inspect"
        return (
            self._decider.enforces
            and target > 0
            and not self._members.has_process(target)
            and not self._permissions.refuses_tracing(tid, target, reading=reading)
        )

    def _is_checked_later(self, request: AccessRequest) -> bool:
        """Whether a file shows the inside of an outsider, and the kernel asks Landlock only when it is read."""
        found = _CHECKED_WHEN_READ.fullmatch(request.object_path or "")
        return (
            found is not None
            and self._decider.enforces
            and request.tracer_path in ("", request.object_path)  # not in another mount namespace
            and not self._members.has_process(int(found[1]))
        )

    def _inspects_outsider(self, outcome: _Outcome, request: AccessRequest, decision: Decision) -> bool:
        """Whether a name in /proc was refused because it shows the inside of a process outside the sandbox.

        Landlock checks that like tracing (hook_ptrace_access_check in security/landlock/task.c): for links such as
        ``exe`` and ``fd/3`` before the file that they lead to, for files such as ``mem`` after the file's own rights.
        """
        if not self._decider.enforces or self._observing:
            return False
        target = request.through
        if not target and request.tracer_path in ("", request.object_path):  # not in another mount namespace
            found = _OF_A_PROCESS.match(request.path or "")
            target = 0 if found is None else int(found[1])
        if not target:
            return False
        if self._members.has_process(target):
            return False
        if self._permissions.refuses_tracing(outcome.caller.tid, target, reading=True):
            return False
        is_link = (
            bool(request.through) or request.object_path is None or not request.object_path.endswith(request.path or "")
        )
        return is_link or (decision.allowed and not self._permissions_refuse(outcome, request))

    def _denies_mount_change(self, outcome: _Outcome) -> bool:
        """Whether Landlock checked a mount change: all calls but mount(2) check the capability first."""
        asked_first = outcome.attempt.syscall == "mount" or not self._permissions.refuses_mounts(outcome.caller.tid)
        return self._decider.restricts_files and asked_first

    def _lookup_refused(self, outcome: _Outcome, request: AccessRequest) -> bool:
        """Whether looking up the name in its directory was refused, before Landlock was asked."""
        return bool(request.tracer_path) and self._permissions.refuses_lookup(outcome.caller.tid, request.tracer_path)

    def _any_lookup_refused(self, outcome: _Outcome) -> bool:
        return any(self._lookup_refused(outcome, request) for request in outcome.attempt.requests)

    def _permissions_refuse(self, outcome: _Outcome, request: AccessRequest) -> bool:
        return self._permissions.refuses(outcome.caller.tid, request.tracer_path, request.rights)

    def _all_failed(self, outcome: _Outcome, reason: str) -> tuple[Access, ...]:
        return tuple(self._row(outcome, request, "failed", reason) for request in outcome.attempt.requests)

    def _is_refused_here(self, outcome: _Outcome, request: AccessRequest, *, later: bool) -> bool:
        """Whether a refusal is about this object, although no rule explains it, and not about a later one.

        ``later`` is true if the policy explains the refusal on a later object.
        """
        if outcome.attempt.kind == "network":
            return not later
        if outcome.error == errno.EACCES and (later or outcome.attempt.kind == "exec"):
            return not request.tracer_path or self._permissions_refuse(outcome, request)
        if outcome.error == errno.ENOENT and outcome.attempt.kind == "exec":
            return request.entry is None
        return True

    def _explain_denial(self, outcome: _Outcome, request: AccessRequest, decision: Decision) -> Access:
        attempt, _, caller = outcome
        if request.process > 0 and self._permissions.refuses_signal(caller.tid, request.process, request.signal):
            return self._row(outcome, request, "failed", _OTHER_USER)
        if "make_reg" in request.rights and self._lookup_refused(outcome, request):
            return self._row(outcome, request, "failed", _SEARCH)
        if not self._permissions_refuse(outcome, request):
            return self._row(outcome, request, "denied", decision.reason, decision)
        if attempt.kind == "directory" or request.is_new:
            # Landlock is asked about directory changes before the file permissions (fs/namei.c): it denied this.
            reason = f"{decision.reason}; {_PERMISSIONS} as well"
            return self._row(outcome, request, "denied", reason, decision)
        reason = f"{_PERMISSIONS}, before the policy is asked; the policy would deny it too: {decision.reason}"
        return self._row(outcome, request, "failed", reason)

    def _refused_refer(self, outcome: _Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error == errno.EXDEV and len(attempt.requests) > 1 and not _on_same_mount(*attempt.requests):
            return self._all_failed(outcome, _DIFFERENT_MOUNTS)
        return tuple(
            self._passed(outcome._replace(error=0), request, decision)
            if decision.allowed
            else self._row(outcome, request, "denied", decision.reason, decision)
            for request, decision in zip(attempt.requests, decisions, strict=True)
        )

    @staticmethod
    def _move_refusal(attempt: Attempt) -> str:
        """Return why a move or link between two directories may fail apart from Landlock; empty if it may not."""
        if len(attempt.requests) > 1 and not _on_same_mount(*attempt.requests):
            return _DIFFERENT_MOUNTS
        if splits_directories(attempt.requests[-1].tracer_path):
            return "this filesystem does not move or link between some directories"
        return ""

    def _could_deny(self, request: AccessRequest) -> bool:
        """Whether Landlock could have refused this: on another object, or by rules that the program added."""
        if self._observing or request.unchecked_reason:
            return False
        return self._restricts_itself or self._decider.restricts(request.rights)

    def _could_be_own(self, attempt: Attempt, error: int, request: AccessRequest, tid: int) -> bool:
        """Whether a domain of the program's own may have kept it from another process or a socket of the run."""
        if not self._restricts_itself or self._observing or error not in _LANDLOCK_ERRORS[attempt.kind]:
            return False
        if attempt.kind == "scope":
            return request.process <= 0 or not self._permissions.refuses_signal(tid, request.process, request.signal)
        target = request.process
        if attempt.kind not in _ON_PROCESSES and (found := _OF_A_PROCESS.match(request.object_path or "")):
            target = int(found[1])
        return self._members.has_process(target) and not self._permissions.refuses_tracing(tid, target, reading=True)

    def _failed_move(self, outcome: _Outcome) -> tuple[Access, ...]:
        """Return the rows of a failed rename or link: what refuses one of its two names refuses the call."""
        rows = tuple(self._failed(outcome, request) for request in outcome.attempt.requests)
        known = next((row.reason for row in rows if row.verdict == "failed" and row.reason), "")
        if not known or all(row.explained for row in rows):
            return rows
        return self._all_failed(outcome, known)

    def _failed(self, outcome: _Outcome, request: AccessRequest) -> Access:
        attempt, error, caller = outcome
        reason = ""
        if error in (errno.EACCES, errno.EPERM):
            if request.error == errno.EACCES:
                reason = _SEARCH
            elif self._permissions_refuse(outcome, request):
                reason = self._permissions.mount_refusal(request) or _PERMISSIONS
            elif attempt.kind == "plain":
                reason = attempt.reason
            elif attempt.kind == "topology" and self._permissions.refuses_mounts(caller.tid):
                reason = _NO_CAPABILITY
            elif request.rights == _TRUNCATING and attempt.kind == "carried" and self._could_deny(request):
                return self._row(outcome, request, "denied", _CARRIED, explained=False)
            elif request.rights == _ABSTRACT and self._could_deny(request):
                return self._row(outcome, request, "denied", _UNEXPLAINED_SOCKET, explained=False)
            elif self._could_be_own(attempt, error, request, caller.tid):
                return self._row(outcome, request, "denied", _OWN_RULES, explained=False)
            elif attempt.kind == "network":
                reason = self._permissions.port_refusal(caller.tid, request)
                if not reason and self._could_deny(request):
                    return self._row(outcome, request, "denied", _UNEXPLAINED, explained=False)
            elif attempt.kind == "scope" or (
                attempt.kind in _ON_PROCESSES and request.process > 0 and not self._members.has_process(request.process)
            ):
                reason = _OTHER_USER
            elif attempt.kind == "trace" and self._decider.enforces:
                reason = "every process of the run is already traced by this test"
            elif attempt.kind in _ON_FILES:
                if error not in _LANDLOCK_ERRORS[attempt.kind] or not self._could_deny(request):
                    reason = _OTHER
                else:
                    reason = self._permissions.other_refusal(caller.tid, request)
                    if not reason:
                        return self._row(outcome, request, "denied", _UNEXPLAINED, explained=False)
        elif error == errno.EXDEV and attempt.refer is not None:
            reason = self._move_refusal(attempt)
            if not reason and self._could_deny(request):
                return self._row(outcome, request, "denied", _UNEXPLAINED, explained=False)
        elif error == errno.EINTR:
            reason = "interrupted by a signal"
        return self._row(outcome, request, "failed", reason)


def _has_memory(process: int) -> bool:
    """Whether a process has memory of its own: not a thread of the kernel, nor one that has ended."""
    try:
        os.readlink(f"/proc/{process}/exe")
    except OSError:
        return False
    return True


def _on_same_mount(source: AccessRequest, target: AccessRequest) -> bool:
    if source.lineage and target.lineage:
        return source.lineage[-1].mount == target.lineage[-1].mount
    return same_mount(source.tracer_path, target.tracer_path)
