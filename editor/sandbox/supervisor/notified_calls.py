"""What the supervisor does with a call that waits: it decodes it, judges it, and lets it go on or refuses it.

It sees a call only before it happens: what it reports is predicted.
"""

from collections.abc import Callable

from editor.evaluation.layers import Deciders
from editor.sandbox.calls.attempt import Attempt, signed
from editor.sandbox.channel import Channel
from editor.sandbox.supervisor.held import Held
from editor.sandbox.supervisor.inherited import Inherited
from editor.sandbox.supervisor.listener import Listener, Notification
from editor.sandbox.supervisor.prediction import Prediction
from editor.sandbox.tracing import ptrace
from editor.sandbox.tracing.call_stops import CallStops
from editor.sandbox.tracing.confirmation import Confirmation
from editor.sandbox.tracing.members import Members
from editor.sandbox.tracing.task import SharedState, Task
from editor.sandbox.tracing.tasks import Tasks
from editor.sandbox.verdicts.call_decider import CallerId
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.verdict import Judge

_FLAG_NEW_LISTENER = 1 << 3  # of seccomp(2)
_INHERITED = "the descriptor was opened outside the sandbox, and keeps its rights"


class NotifiedCalls(CallStops):
    """Handles the calls of one run that arrive at ``listener``.

    ``keep`` is called with each call that the policy denies something of. It returns whether it keeps the call waiting,
    to call ``let_go`` or ``refuse`` later; otherwise the call goes on.
    """

    def __init__(
        self,
        shared: SharedState,
        members: Members,
        channel: Channel,
        confirmation: Confirmation,
        *,
        deciders: Deciders,
        judge: Judge,
        listener: Listener,
        tasks: Tasks,
        inherited: Inherited,
        keep: Callable[[Held], bool],
    ) -> None:
        super().__init__(shared, members, channel, confirmation, deciders=deciders, judge=judge)
        self._listener = listener
        self._tasks = tasks
        self._inherited = inherited
        self._keep = keep
        self._prediction = Prediction()
        self._under_way: dict[int, tuple[Task, Attempt]] = {}  # calls that went on, by thread: they may have an effect

    def use_policies(self, deciders: Deciders, judge: Judge) -> None:
        """Judge by other policies from now on."""
        self._deciders = deciders
        self._judge = judge

    def notified(self, notification: Notification) -> None:
        """Handle a call that waits. Raises Gone."""
        task = self._tasks.add(notification.tid)
        task.forget_directory()
        self._take_effects(task.tid)
        task.call = notification.call
        attempt = self._decode_waiting(task, notification.call)
        if attempt is None:
            self._listener.let_go(notification)
            return
        if attempt.kind == "carried" and self._inherited.has(task.tid, signed(notification.call.arguments[0])):
            attempt.requests = tuple(request._replace(unchecked_reason=_INHERITED) for request in attempt.requests)
        held = Held(notification, task, attempt, self.judged(task, attempt))
        if not self._listener.is_waiting(notification):
            return  # what was read may be of another process with the same number
        if attempt.syscall == "seccomp" and notification.call.arguments[1] & _FLAG_NEW_LISTENER:
            self._channel.notice(
                f"{task.comm} asks for notifications of a seccomp filter of its own. That fails in this mode (EBUSY),"
                " because the kernel allows only one such filter; it works under paddock run, with the same policy."
            )
        if not held.denied or not self._keep(held):
            self.let_go(held)

    def _decode_waiting(self, task: Task, call: ptrace.Call) -> Attempt | None:
        try:
            return self._decoding.decode(task, call)
        except ptrace.BadMemory:
            return None  # the kernel fails the call with EFAULT, too
        except ptrace.Gone:
            raise
        except Exception as error:  # whatever a program passes, keep watching and report what was missed
            self._report_unreadable(task, call, error)
            return None

    def judged(self, task: Task, attempt: Attempt) -> tuple[Access, ...]:
        """Return the rows for a call that waits. Raises Gone."""
        caller = CallerId(task.tid, task.process, task.comm)
        call = task.call
        opening = None if call is None else self._decoding.opening(call)
        flags = 0 if opening is None or call is None else call.arguments[opening.flags_at]
        try:
            return self._judge.rows(attempt, -self._prediction.error(attempt, caller, flags), caller)
        except ptrace.Gone:
            raise
        except Exception as error:  # a call that cannot be judged must not end the run
            self.failed += 1
            self._channel.notice(
                f"A call of {caller.comm} could not be judged ({attempt.syscall}: {type(error).__name__}: {error})."
            )
            return ()

    def let_go(self, held: Held, remark: str = "") -> None:
        """Have the call go on; ``remark`` says why, where the policy denies it."""
        self._listener.let_go(held.notification)
        for access in held.accesses:
            passed = access if access.verdict != "denied" else access._replace(errno=None)
            self._count(passed, remark)
        attempt = held.attempt
        if attempt.changed_paths or attempt.bound_socket or attempt.moves or attempt.kind == "topology":
            self._under_way[held.task.tid] = held.task, attempt
        if attempt.notice:
            self._channel.notice(attempt.notice)

    def refuse(self, held: Held, remark: str) -> None:
        """Have the call fail as Landlock would; ``remark`` says why."""
        self._listener.refuse(held.notification, held.error)
        for access in held.accesses:
            self._count(access, remark)

    def _count(self, access: Access, remark: str) -> None:
        if remark and access.verdict == "denied":
            access = access._replace(reason=f"{access.reason}; {remark}" if access.reason else remark)
        self.rows.increment(self.rows.row_for(access))

    def _take_effects(self, tid: int) -> None:
        """Take into account what calls have done by now; that of thread ``tid``, which makes another one, is over."""
        for each, (task, attempt) in list(self._under_way.items()):
            if each == tid or each not in self._tasks:
                del self._under_way[each]
            if attempt.made[1]:
                self._members.add_made(attempt)
            self._apply_effects(attempt)
            if attempt.kind == "topology":
                self._avoid_new_fuse_mounts(task)
