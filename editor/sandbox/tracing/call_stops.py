"""What the tracer does at the two stops of a call: it decodes it at the entry, and judges and counts it at the exit."""

import errno

from editor.escape import printable
from editor.evaluation.layers import Deciders
from editor.evaluation.mounts import read_mounts
from editor.sandbox.calls.attempt import Attempt
from editor.sandbox.channel import Channel
from editor.sandbox.tracing import ptrace
from editor.sandbox.tracing.confirmation import Confirmation
from editor.sandbox.tracing.decoding import Decoding
from editor.sandbox.tracing.members import Members
from editor.sandbox.tracing.task import SharedState, Task
from editor.sandbox.verdicts.call_decider import CallerId
from editor.sandbox.verdicts.rows import Row, Rows
from editor.sandbox.verdicts.verdict import Judge

# What Landlock answers, and kinds of calls that it may answer so because of a file.
_REFUSALS = frozenset({-errno.EACCES, -errno.EPERM, -errno.EXDEV})
_ON_FILES = frozenset({"open", "exec", "carried", "directory"})
_MAX_NOTICED_FAILURES = 20


class CallStops:
    """Handles the calls of one run; created before the command starts."""

    def __init__(
        self,
        shared: SharedState,
        members: Members,
        channel: Channel,
        confirmation: Confirmation,
        *,
        deciders: Deciders,
        judge: Judge,
    ) -> None:
        self.rows = Rows()
        self.failed = 0
        """How many calls could not be decoded or judged."""
        self._shared = shared
        self._members = members
        self._channel = channel
        self._confirmation = confirmation
        self._deciders = deciders
        self._judge = judge
        self._decoding = Decoding(shared, channel.notice)
        # The rows of an attempt that ended with an errno (0: none) in a process of this name.
        self._outcomes: dict[tuple[Attempt, int, str], tuple[Row, ...]] = {}
        self._fuse_before = _fuse_mounts("self")

    def drop_caches(self) -> None:
        """Forget everything that was looked up: other processes may have changed the filesystem."""
        self._shared.generation += 1
        self._shared.walker.forget()
        self._decoding.forget()
        self._outcomes.clear()
        self._deciders.forget()

    def enter(self, task: Task) -> None:
        """Decode the call that a thread is about to make, and resume it. Raises Gone."""
        task.call = call = ptrace.entered_call(task.tid)
        # Resume the thread before decoding: waking it takes as long, and it stops again at the call's exit, before it
        # can change what it passed. A call that may create something is decoded first, while that does not exist.
        opening = self._decoding.opening(call)
        early = opening is not None and not opening.may_create(call.arguments)
        if early:
            ptrace.resume(ptrace.SYSCALL, task.tid)
        attempt = None
        try:
            if opening is None:
                attempt = self._decoding.decode(task, call)
            else:
                attempt = self._decoding.decode_open(task, opening, call.arguments)
        except ptrace.BadMemory as error:
            attempt = Attempt("plain")  # the kernel fails the call with EFAULT, too, before any check
            if error.errno == errno.EPERM:
                self._channel.notice(
                    f"{task.comm} hides its memory and descriptors from other processes of its user (as after prctl "
                    "PR_SET_DUMPABLE): the kernel enforces the policy, but only root can see what it does now."
                )
        except ptrace.Gone:
            raise
        except Exception as error:  # whatever a program passes, keep tracing and report what was missed
            self._report_unreadable(task, call, error)
        task.pending = attempt
        if attempt is not None:
            task.name_before_exec = task.comm if attempt.kind == "exec" else ""
        if not early:
            ptrace.resume(ptrace.CONT if attempt is None else ptrace.SYSCALL, task.tid)

    def _report_unreadable(self, task: Task, call: ptrace.Call, error: Exception) -> None:
        self.failed += 1
        if self.failed <= _MAX_NOTICED_FAILURES:
            name = self._decoding.name_of(call)
            self._channel.notice(
                f"A call of {task.comm} could not be decoded ({name}: {type(error).__name__}: {error})."
            )

    def leave(self, task: Task) -> None:
        """Resume a thread at the end of its call, and count what the call did. Raises Gone."""
        attempt = task.pending
        task.pending = None
        if attempt is None:
            ptrace.resume(ptrace.CONT, task.tid)
            return
        result = ptrace.call_result(task.tid)
        error = min(0, result)
        comm = task.name_before_exec or task.comm
        if (error in _REFUSALS and attempt.kind in _ON_FILES) or self._decoding.is_outdated(task, attempt, result):
            known = self._make_rows(task, self._decode_afresh(task, attempt), result, comm)
        else:
            known = self._known_rows(task, attempt, result, comm)
        ptrace.resume(ptrace.CONT, task.tid)
        for row in known:
            self.rows.increment(row)
        self._confirmation.mark(task.tid, known)
        has_made = bool(attempt.made[1]) and (error == 0 or attempt.kind == "open")  # refused, it may leave a new file
        if has_made:
            self._members.add_made(attempt)
        if error == 0 or has_made:
            self._apply_effects(attempt)
        if error == 0 and attempt.kind == "topology":
            self._avoid_new_fuse_mounts(task)
        if attempt.notice:
            self._channel.notice(attempt.notice)

    def _known_rows(self, task: Task, attempt: Attempt, result: int, comm: str) -> tuple[Row, ...]:
        """Return the rows of an attempt, from the cache if it ended the same way before."""
        error = min(0, result)
        known = self._outcomes.get((attempt, error, comm))
        if known is None:
            # Of what a rename or link found, nothing is left where it was.
            again = attempt.kind == "open" or (attempt.kind == "directory" and attempt.refer is None)
            if error == 0 and again and self._judge.is_surprising(attempt, CallerId(task.tid, task.process, comm)):
                attempt = self._decode_afresh(task, attempt)  # what was looked up before the call may be outdated
            known = self._make_rows(task, attempt, result, comm)
            # A refusal may depend on the process, which is not part of an attempt's key.
            if attempt.cacheable and error not in _REFUSALS:
                self._outcomes[attempt, error, comm] = known
        return known

    def _decode_afresh(self, task: Task, attempt: Attempt) -> Attempt:
        """Decode the call that has just ended again; if it reached something else, forget everything."""
        found = self._decoding.decode_afresh(task, attempt)
        if [each.object_path for each in found.requests] != [each.object_path for each in attempt.requests]:
            self.drop_caches()
        return found

    def _make_rows(self, task: Task, attempt: Attempt, result: int, comm: str) -> tuple[Row, ...]:
        caller = CallerId(task.tid, task.process, comm)
        try:
            if attempt.from_result and result >= 0:
                opened = task.look_up_descriptor(result)
                attempt.requests = tuple(
                    request._replace(path=opened.path, object_path=opened.real_path, entry=opened.entry, error=0)
                    for request in attempt.requests
                )
            accesses = self._judge.rows(attempt, result, caller)
        except ptrace.Gone:
            raise
        except Exception as error:  # a call that cannot be judged must not end the run
            self.failed += 1
            self._channel.notice(
                f"A call of {caller.comm} could not be judged ({attempt.syscall}: {type(error).__name__}: {error})."
            )
            return ()
        return tuple(self.rows.row_for(access) for access in accesses)

    def _apply_effects(self, attempt: Attempt) -> None:
        if attempt.bound_socket:
            self._members.add_bound(attempt)
        if attempt.moves == "directory":
            self._shared.generation += 1
        elif attempt.moves or attempt.tree_change == "gone":
            self.drop_caches()
        elif attempt.changed_paths:
            for path in attempt.changed_paths:
                self._deciders.forget(path)
                self._decoding.forget_path(path)
            if attempt.tree_change == "new":  # paths that led nowhere may exist now
                self._shared.walker.forget(missing_only=True)
                self._decoding.forget_path("")

    def _avoid_new_fuse_mounts(self, task: Task) -> None:
        """Stop examining filesystems that a process of the run may serve (FUSE): that could block forever."""
        found = _fuse_mounts("self") | {task.view.host_path(point) for point in _fuse_mounts(str(task.tid))}
        new = sorted(found - self._fuse_before - {*self._shared.walker.served_mounts})
        self._shared.walker.served_mounts += tuple(new)
        for point in new:
            self._channel.notice(
                f"Files below {printable(point)} are not examined: a program serves them (FUSE), and it may be part of"
                " this run."
            )


def _fuse_mounts(process: str) -> set[str]:
    """Return the mount points of FUSE filesystems that ``process`` (a number, or ``self``) sees."""
    return {each.point for each in read_mounts(process) if each.kind.startswith("fuse")}
