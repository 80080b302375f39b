"""Explains why a call failed: the policy, file permissions, or something else.

If file permissions, which some calls check first, could explain a denial as well, the row says so.
"""

import errno
import os
import re
from collections.abc import Mapping
from types import MappingProxyType

from editor.evaluation.decision import Decision
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.verdicts.call_decider import CallDecider, SandboxMembers
from editor.sandbox.verdicts.outcome import OF_A_PROCESS, Outcome, RowMaker
from editor.sandbox.verdicts.passed import Passed
from editor.sandbox.verdicts.permissions import PermissionChecker, same_mount, splits_directories
from editor.sandbox.verdicts.report import Access

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
_PERMISSIONS = "file permissions refuse it"
_SEARCH = "file permissions refuse to search a directory on the way"
_DIFFERENT_MOUNTS = "the two directories are on different mounts"
_OTHER_USER = "the process belongs to another user, or is protected"
_NO_CAPABILITY = "changing mounts requires CAP_SYS_ADMIN, which the program does not have"
_PROCESS_INTERNALS = (
    "Landlock has no right for inspecting other processes: a sandboxed program may only do so inside its own domain"
)

# Files that show the inside of a process and ask when they are opened. The first two kinds do so only of a process with
# memory, the second with mm_access().
_CHECKED_WHEN_OPENED = re.compile(  # fs/proc/base.c, task_mmu.c and fd.c
    r"/proc/(\d+)/(?:task/\d+/)?"
    r"(?:(mem)|(environ|auxv|maps|smaps|smaps_rollup|numa_maps|pagemap)|timers|fdinfo(?:/\d+)?)"
)

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


class Refused:
    """Makes the rows of calls that failed, of a run that is only ``observing`` or under its policy."""

    def __init__(
        self,
        decider: CallDecider,
        members: SandboxMembers,
        permissions: PermissionChecker,
        *,
        maker: RowMaker,
        passed: Passed,
        observing: bool,
    ) -> None:
        self._decider = decider
        self._members = members
        self._permissions = permissions
        self._maker = maker
        self._passed = passed
        self._observing = observing
        self._restricts_itself = False  # whether the program has created a Landlock domain of its own

    def expect_own_domain(self) -> None:
        """Take into account that the program has created a Landlock domain of its own."""
        self._restricts_itself = True

    def predicted_outsider(self, outcome: Outcome, decisions: tuple[Decision, ...]) -> Access | None:
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
                return self._maker.row(outcome, outsider, "denied", attempt.reason) if error in reached else None
        for request, decision in zip(attempt.requests, decisions, strict=True):
            if self._shows_outsider(request, decision, caller.tid, opened=not error):
                closed = request._replace(rights=NO_RIGHTS, object_path=None)
                return self._maker.row(outcome._replace(error=errno.EACCES), closed, "denied", _PROCESS_INTERNALS)
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

    def rows(self, outcome: Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        """Return the rows of a call that failed, for the requests up to the one that explains it."""
        attempt, error, _ = outcome
        if error == errno.EACCES:
            for request, decision in zip(attempt.requests, decisions, strict=True):
                if self._inspects_outsider(outcome, request, decision):
                    closed = request._replace(rights=NO_RIGHTS, object_path=None)
                    return (self._maker.row(outcome, closed, "denied", _PROCESS_INTERNALS),)
        explained = error in _LANDLOCK_ERRORS[attempt.kind] and not self._observing
        if explained and attempt.kind == "topology" and self._denies_mount_change(outcome):
            return (self._maker.row(outcome, attempt.requests[0], "denied", attempt.reason),)
        if explained and attempt.kind in _ON_PROCESSES:
            outsider = next((request for request in attempt.requests if self._is_outsider(outcome, request)), None)
            if outsider is not None:
                return (self._maker.row(outcome, outsider, "denied", attempt.reason),)
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
                refused = outcome._replace(error=code)
                rows.append(self._maker.row(refused, request, "denied", decision.reason, decision))
                break
            rows.append(self._passed.row(outcome._replace(error=0), request, decision))
        else:
            rows[-1] = self._failed(outcome, attempt.requests[-1])
        return tuple(rows)

    def _is_outsider(self, outcome: Outcome, request: AccessRequest) -> bool:
        """Whether the call would reach a process outside the domain; inside, that is always allowed."""
        target, tid = request.process, outcome.caller.tid
        reading = outcome.attempt.kind == "inspect"
        return (
            self._decider.enforces
            and target > 0
            and not self._members.has_process(target)
            and not self._permissions.refuses_tracing(tid, target, reading=reading)
        )

    def _inspects_outsider(self, outcome: Outcome, request: AccessRequest, decision: Decision) -> bool:
        """Whether a name in /proc was refused because it shows the inside of a process outside the sandbox.

        Landlock checks that like tracing (hook_ptrace_access_check in security/landlock/task.c): for links such as
        ``exe`` and ``fd/3`` before the file that they lead to, for files such as ``mem`` after the file's own rights.
        """
        if not self._decider.enforces or self._observing:
            return False
        target = request.through
        if not target and request.tracer_path in ("", request.object_path):  # not in another mount namespace
            found = OF_A_PROCESS.match(request.path or "")
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

    def _denies_mount_change(self, outcome: Outcome) -> bool:
        """Whether Landlock checked a mount change: all calls but mount(2) check the capability first."""
        asked_first = outcome.attempt.syscall == "mount" or not self._permissions.refuses_mounts(outcome.caller.tid)
        return self._decider.restricts_files and asked_first

    def _lookup_refused(self, outcome: Outcome, request: AccessRequest) -> bool:
        """Whether looking up the name in its directory was refused, before Landlock was asked."""
        return bool(request.tracer_path) and self._permissions.refuses_lookup(outcome.caller.tid, request.tracer_path)

    def _any_lookup_refused(self, outcome: Outcome) -> bool:
        return any(self._lookup_refused(outcome, request) for request in outcome.attempt.requests)

    def _permissions_refuse(self, outcome: Outcome, request: AccessRequest) -> bool:
        return self._permissions.refuses(outcome.caller.tid, request.tracer_path, request.rights)

    def _all_failed(self, outcome: Outcome, reason: str) -> tuple[Access, ...]:
        return tuple(self._maker.row(outcome, request, "failed", reason) for request in outcome.attempt.requests)

    def _is_refused_here(self, outcome: Outcome, request: AccessRequest, *, later: bool) -> bool:
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

    def _explain_denial(self, outcome: Outcome, request: AccessRequest, decision: Decision) -> Access:
        attempt, _, caller = outcome
        if request.process > 0 and self._permissions.refuses_signal(caller.tid, request.process, request.signal):
            return self._maker.row(outcome, request, "failed", _OTHER_USER)
        if "make_reg" in request.rights and self._lookup_refused(outcome, request):
            return self._maker.row(outcome, request, "failed", _SEARCH)
        if not self._permissions_refuse(outcome, request):
            return self._maker.row(outcome, request, "denied", decision.reason, decision)
        if attempt.kind == "directory" or request.is_new:
            # Landlock is asked about directory changes before the file permissions (fs/namei.c): it denied this.
            reason = f"{decision.reason}; {_PERMISSIONS} as well"
            return self._maker.row(outcome, request, "denied", reason, decision)
        reason = f"{_PERMISSIONS}, before the policy is asked; the policy would deny it too: {decision.reason}"
        return self._maker.row(outcome, request, "failed", reason)

    def _refused_refer(self, outcome: Outcome, decisions: tuple[Decision, ...]) -> tuple[Access, ...]:
        attempt, error, _ = outcome
        if error == errno.EXDEV and len(attempt.requests) > 1 and not _on_same_mount(*attempt.requests):
            return self._all_failed(outcome, _DIFFERENT_MOUNTS)
        return tuple(
            self._passed.row(outcome._replace(error=0), request, decision)
            if decision.allowed
            else self._maker.row(outcome, request, "denied", decision.reason, decision)
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
        if attempt.kind not in _ON_PROCESSES and (found := OF_A_PROCESS.match(request.object_path or "")):
            target = int(found[1])
        return self._members.has_process(target) and not self._permissions.refuses_tracing(tid, target, reading=True)

    def _failed_move(self, outcome: Outcome) -> tuple[Access, ...]:
        """Return the rows of a failed rename or link: what refuses one of its two names refuses the call."""
        rows = tuple(self._failed(outcome, request) for request in outcome.attempt.requests)
        known = next((row.reason for row in rows if row.verdict == "failed" and row.reason), "")
        if not known or all(row.explained for row in rows):
            return rows
        return self._all_failed(outcome, known)

    def _failed(self, outcome: Outcome, request: AccessRequest) -> Access:
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
                return self._maker.row(outcome, request, "denied", _CARRIED, explained=False)
            elif request.rights == _ABSTRACT and self._could_deny(request):
                return self._maker.row(outcome, request, "denied", _UNEXPLAINED_SOCKET, explained=False)
            elif self._could_be_own(attempt, error, request, caller.tid):
                return self._maker.row(outcome, request, "denied", _OWN_RULES, explained=False)
            elif attempt.kind == "network":
                reason = self._permissions.port_refusal(caller.tid, request)
                if not reason and self._could_deny(request):
                    return self._maker.row(outcome, request, "denied", _UNEXPLAINED, explained=False)
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
                        return self._maker.row(outcome, request, "denied", _UNEXPLAINED, explained=False)
        elif error == errno.EXDEV and attempt.refer is not None:
            reason = self._move_refusal(attempt)
            if not reason and self._could_deny(request):
                return self._maker.row(outcome, request, "denied", _UNEXPLAINED, explained=False)
        elif error == errno.EINTR:
            reason = "interrupted by a signal"
        return self._maker.row(outcome, request, "failed", reason)


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
