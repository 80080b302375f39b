"""Calls on other processes, and calls by which a process changes how it can be watched or restricted.

Source: security/landlock/task.c.
"""

from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.attempt import AccessRequest, Args, Attempt, Caller, Decoders, signed

PR_SET_NAME = 15

_SIGNAL: RightSet = frozenset({"signal"})
_PTRACE_ATTACHING = frozenset({0, 16, 0x4206})  # TRACEME, ATTACH, SEIZE
_CLONE_UNTRACED = 0x00800000


def signal_request(caller: Caller, target: int, number: int) -> AccessRequest:
    """Request to send a signal to ``target`` as kill(2) takes it: a process, a negative group, 0 or -1."""
    if target > 0:
        name = caller.process_name(target)
        shown = f"process {target} ({name})" if name else f"process {target}"
        return AccessRequest(_SIGNAL, shown, process=target, signal=number)
    if target == -1:
        return AccessRequest(_SIGNAL, "all processes", group=-1, signal=number)
    shown = f"process group {-target}" if target else "its own process group"
    return AccessRequest(_SIGNAL, shown, group=-target, signal=number)


def _signal(caller: Caller, target: int, number: int) -> Attempt:
    return Attempt("scope", signal_request(caller, target, number))


def _kill(caller: Caller, args: Args) -> Attempt:
    return _signal(caller, signed(args[0]), signed(args[1]))


def _tgkill(caller: Caller, args: Args) -> Attempt:
    return _signal(caller, signed(args[1]), signed(args[2]))


def _pidfd_send_signal(caller: Caller, args: Args) -> Attempt:
    target = caller.process_of_pidfd(signed(args[0]))
    if target > 0:
        return _signal(caller, target, signed(args[1]))
    shown = caller.look_up_descriptor(signed(args[0])).real_path
    return Attempt("scope", AccessRequest(_SIGNAL, shown, signal=signed(args[1])))


def _ptrace(caller: Caller, args: Args) -> Attempt | None:
    if args[0] not in _PTRACE_ATTACHING:
        return None
    notice = (
        "The program traces other programs itself. That fails in a test, because a process has only one tracer;"
        " it works under paddock run, with the same policy."
    )
    target = "its own parent" if args[0] == 0 else f"process {signed(args[1])}"
    name = caller.process_name(signed(args[1])) if args[0] else ""
    reason = "Landlock has no right for tracing: a sandboxed program may only trace inside its own domain"
    shown = f"{target} ({name})" if name else target
    request = AccessRequest(NO_RIGHTS, shown, process=signed(args[1]) if args[0] else -1)
    return Attempt("trace", request, reason=reason, notice=notice)


def _io_uring(_caller: Caller, _args: Args) -> Attempt:
    notice = (
        "The program uses io_uring: the kernel enforces the policy there, but the report shows only what it denied, and"
        " that only where the kernel's audit can be read."
    )
    return Attempt(
        "plain",
        AccessRequest(NO_RIGHTS),
        reason="the kernel enforces the policy on io_uring, but the report cannot show what it allows",
        notice=notice,
    )


def _restrict_self(_caller: Caller, _args: Args) -> Attempt:
    notice = (
        "The program also restricts itself with Landlock: what only its own rules deny is shown as denied,"
        " but not explained."
    )
    return Attempt("plain", notice=notice)


def _clone3(caller: Caller, args: Args) -> None:
    """Clear the flag that would hide a child from the tracer."""
    flags = int.from_bytes(caller.read_memory(args[0], 8), "little")
    if flags & _CLONE_UNTRACED:
        caller.write_memory(args[0], (flags & ~_CLONE_UNTRACED).to_bytes(8, "little"))


DECODERS: Decoders = MappingProxyType(
    {
        "kill": _kill, "tkill": _kill, "rt_sigqueueinfo": _kill, "tgkill": _tgkill, "rt_tgsigqueueinfo": _tgkill,
        "pidfd_send_signal": _pidfd_send_signal,
        "ptrace": _ptrace,
        "io_uring_setup": _io_uring, "landlock_restrict_self": _restrict_self,
        "clone3": _clone3,
    }
)  # fmt: skip
