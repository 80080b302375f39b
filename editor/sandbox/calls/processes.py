"""Calls about other processes, and those by which a process changes how it can be watched or restricted.

Source: security/landlock/task.c.
"""

from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.attempt import Args, Attempt, Decoders, Scene, Want, signed

_PTRACE_ATTACHING = frozenset({0, 16, 0x4206})  # TRACEME, ATTACH, SEIZE
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_NEW_LISTENER = 1 << 3
_CLONE_UNTRACED = 0x00800000


def _signal(scene: Scene, target: int, number: int) -> Attempt:
    wanted: RightSet = frozenset({"signal"})
    if target > 0:
        name = scene.process_name(target)
        shown = f"process {target} ({name})" if name else f"process {target}"
        return Attempt("scope", Want(wanted, shown, process=target, signal=number))
    if target == -1:
        return Attempt("scope", Want(wanted, "all processes", group=-1, signal=number))
    shown = f"process group {-target}" if target else "its own process group"
    return Attempt("scope", Want(wanted, shown, group=-target, signal=number))


def _kill(scene: Scene, args: Args) -> Attempt:
    return _signal(scene, signed(args[0]), signed(args[1]))


def _tgkill(scene: Scene, args: Args) -> Attempt:
    return _signal(scene, signed(args[1]), signed(args[2]))


def _pidfd_send_signal(scene: Scene, args: Args) -> Attempt:
    target = scene.process_of(signed(args[0]))
    if target > 0:
        return _signal(scene, target, signed(args[1]))
    return Attempt("scope", Want(frozenset({"signal"}), scene.descriptor(signed(args[0])).real, signal=signed(args[1])))


def _ptrace(scene: Scene, args: Args) -> Attempt | None:
    if args[0] not in _PTRACE_ATTACHING:
        return None
    note = (
        "The program traces other programs itself. That cannot work inside a test, since a process has one tracer;"
        " under paddock run the same policy is enforced, and it can."
    )
    target = "its own parent" if args[0] == 0 else f"process {signed(args[1])}"
    name = scene.process_name(signed(args[1])) if args[0] else ""
    why = "tracing is no right of Landlock: a sandboxed program may trace only inside its own domain"
    asked = f"{target} ({name})" if name else target
    return Attempt("trace", Want(NO_RIGHTS, asked, process=signed(args[1]) if args[0] else -1), why=why, note=note)


def _process_vm(scene: Scene, args: Args) -> Attempt:
    name = scene.process_name(signed(args[0]))
    why = "memory of other processes is no right of Landlock: it can be reached only inside the own domain"
    return Attempt("trace", Want(NO_RIGHTS, f"process {signed(args[0])} ({name})", process=signed(args[0])), why=why)


def _pidfd_getfd(scene: Scene, args: Args) -> Attempt:
    target = scene.process_of(signed(args[0]))
    asked = f"process {target} ({scene.process_name(target)})" if target > 0 else "a process"
    why = "descriptors of other processes are no right of Landlock: they can be copied only inside the own domain"
    return Attempt("trace", Want(NO_RIGHTS, asked, process=target), why=why)


def _io_uring(_scene: Scene, _args: Args) -> Attempt:
    note = "The program uses io_uring: what it opens through it is enforced by the kernel, but cannot be seen here."
    return Attempt("plain", Want(NO_RIGHTS), why="what goes through io_uring is enforced, but not seen", note=note)


def _seccomp(_scene: Scene, args: Args) -> Attempt | None:
    if args[0] == _SECCOMP_SET_MODE_FILTER and args[1] & _SECCOMP_NEW_LISTENER:
        note = "The program supervises system calls itself (seccomp notification): those it takes over are not seen."
        return Attempt("plain", note=note)
    return None


def _restrict_self(_scene: Scene, _args: Args) -> Attempt:
    note = "The program restricts itself with Landlock as well: what only its own rules deny is shown as failed."
    return Attempt("plain", note=note)


def _clone3(scene: Scene, args: Args) -> None:
    """No child may be hidden from the tracer: the flag that asks for it is taken out."""
    flags = int.from_bytes(scene.memory(args[0], 8), "little")
    if flags & _CLONE_UNTRACED:
        scene.set_memory(args[0], (flags & ~_CLONE_UNTRACED).to_bytes(8, "little"))


DECODERS: Decoders = MappingProxyType(
    {
        "kill": _kill, "tkill": _kill, "rt_sigqueueinfo": _kill, "tgkill": _tgkill, "rt_tgsigqueueinfo": _tgkill,
        "pidfd_send_signal": _pidfd_send_signal,
        "ptrace": _ptrace, "process_vm_readv": _process_vm, "process_vm_writev": _process_vm,
        "pidfd_getfd": _pidfd_getfd,
        "io_uring_setup": _io_uring, "seccomp": _seccomp, "landlock_restrict_self": _restrict_self,
        "clone3": _clone3,
    }
)  # fmt: skip
