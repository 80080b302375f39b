"""Calls on other processes that the kernel lets through only where ptrace(2) would be: into the same domain.

Sources: hook_ptrace_access_check() in security/landlock/task.c, and the callers of ptrace_may_access() and mm_access()
named in the table.
"""

import re
import stat
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import (
    AccessRequest,
    Args,
    Attempt,
    Caller,
    Decoder,
    Decoders,
    Kind,
    request_without_rights,
    signed,
)
from editor.sandbox.calls.paths import AT_FDCWD, Lookup

PR_SCHED_CORE = 62
# PIDFD_GET_CGROUP_NAMESPACE to PIDFD_GET_UTS_NAMESPACE: _IO(0xFF, 1) to _IO(0xFF, 10).
NAMESPACE_COMMANDS = frozenset(range(0xFF01, 0xFF0B))

_OWN = "may only reach processes of its own domain"
_LINKS = f"Landlock has no right for inspecting other processes: a sandboxed program {_OWN}"
_CAP_SYS_NICE = 23
_CAP_SYS_ADMIN = 21
_CAP_PERFMON = 38
_MPOL_MF_MOVE_ALL = 1 << 2
_EXCLUDES_KERNEL = 1 << 5  # in the bit field of struct perf_event_attr
_BIT_FIELD_AT = 40
_PARANOID = "/proc/sys/kernel/perf_event_paranoid"
_INSIDE = re.compile(r"/proc/(\d+)/")


class _Checked(NamedTuple):
    """Which arguments of a call name the process that it is about, and ``what`` of that process it reaches.

    A process id of 0 means the caller. ``attaches`` is true where the kernel asks for PTRACE_MODE_ATTACH.
    """

    what: str
    pids: tuple[int, ...] = ()
    pidfd: int | None = None
    attaches: bool = False


_CALLS: Mapping[str, _Checked] = MappingProxyType(
    {
        "process_vm_readv": _Checked("the memory", pids=(0,), attaches=True),  # mm/process_vm_access.c
        "process_vm_writev": _Checked("the memory", pids=(0,), attaches=True),
        "process_madvise": _Checked("the memory", pidfd=0),  # mm/madvise.c
        "move_pages": _Checked("the memory", pids=(0,)),  # find_mm_struct() in mm/migrate.c
        "migrate_pages": _Checked("the memory", pids=(0,)),  # mm/mempolicy.c
        "pidfd_getfd": _Checked("descriptors", pidfd=0, attaches=True),  # __pidfd_fget() in kernel/pid.c
        "kcmp": _Checked("resources", pids=(0, 1)),  # kernel/kcmp.c
        "get_robust_list": _Checked("locks", pids=(0,)),  # kernel/futex/syscalls.c
        "perf_event_open": _Checked("events", pids=(1,)),  # perf_check_permission() in kernel/events/core.c
        "setns": _Checked("namespaces", pidfd=0),  # validate_nsset() in kernel/nsproxy.c
        "ioctl": _Checked("namespaces", pidfd=0),  # pidfd_ioctl() in fs/pidfs.c
        "prctl": _Checked("scheduling", pids=(2,)),  # sched_core_share_pid() in kernel/sched/core_sched.c
    }
)


def _on(caller: Caller, pids: Iterable[int]) -> Iterable[AccessRequest]:
    for pid in dict.fromkeys(pids):
        target = pid or caller.process
        name = caller.process_name(target) if target > 0 else ""
        shown = f"process {target}" if target > 0 else "a process"
        yield AccessRequest(NO_RIGHTS, f"{shown} ({name})" if name else shown, process=target)


def _checked(call: str, caller: Caller, args: Args) -> Attempt:
    what, positions, pidfd, attaches = _CALLS[call]
    # A descriptor that is no pidfd means no process.
    pids = [caller.process_of_pidfd(signed(args[pidfd])) or -1] if pidfd is not None else []
    pids += [signed(args[position]) for position in positions]
    kind: Kind = "trace" if attaches else "inspect"
    reason = f"Landlock has no right for {what} of other processes: a sandboxed program {_OWN}"
    return Attempt(kind, *_on(caller, pids), reason=reason)


def _plainly(call: str) -> Decoder:
    return lambda caller, args: _checked(call, caller, args)


def _unasked(attempt: Attempt, reason: str) -> Attempt:
    return Attempt("plain", *attempt.requests, reason=reason)


def _move_pages(caller: Caller, args: Args) -> Attempt:
    attempt = _checked("move_pages", caller, args)
    if args[5] & _MPOL_MF_MOVE_ALL and not caller.has_capability(_CAP_SYS_NICE):
        return _unasked(attempt, "moving shared pages requires CAP_SYS_NICE, which is checked before Landlock")
    return attempt


def _perf_event_open(caller: Caller, args: Args) -> Attempt | None:
    target = signed(args[1])
    if target <= 0:  # the caller itself, or a processor
        return None
    attempt = _checked("perf_event_open", caller, args)
    if caller.has_capability(_CAP_PERFMON) or caller.has_capability(_CAP_SYS_ADMIN):
        return _unasked(attempt, "with CAP_PERFMON, Landlock is not asked about measuring other processes")
    flags = int.from_bytes(caller.read_memory(args[0] + _BIT_FIELD_AT, 8), "little")
    if _paranoia() > (2 if flags & _EXCLUDES_KERNEL else 1):
        return _unasked(attempt, "kernel.perf_event_paranoid refuses it before Landlock is asked")
    return attempt


def _paranoia() -> int:
    try:
        with open(_PARANOID, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 2  # the kernel's default


def _setns(caller: Caller, args: Args) -> Attempt:
    if not caller.process_of_pidfd(signed(args[0])):
        return Attempt("plain", moves="view")  # a file below /proc/PID/ns, which was checked when it was opened
    attempt = _checked("setns", caller, args)
    attempt.moves = "view"
    return attempt


def open_namespace(caller: Caller, args: Args) -> Attempt | None:
    """Decode the commands of ioctl(2) that open the namespaces of a process by its pidfd."""
    return _checked("ioctl", caller, args) if caller.process_of_pidfd(signed(args[0])) else None


def _prctl(caller: Caller, args: Args) -> Attempt | None:
    return _checked("prctl", caller, args) if args[0] & 0xFFFFFFFF == PR_SCHED_CORE else None


def _another_process(caller: Caller, lookup: Lookup) -> AccessRequest | None:
    """Return a request on a link in /proc to something of another process; None for all other paths."""
    found = _INSIDE.match(lookup.path) or _INSIDE.match(lookup.real_path or "")
    if found is None or int(found[1]) == caller.process:
        return None
    request = request_without_rights(caller, lookup)
    if lookup.mode is not None and stat.S_ISLNK(lookup.mode) and not request.through:
        request = request._replace(through=int(found[1]))
    return request


def _read_link(caller: Caller, directory: int, path: str) -> Attempt | None:
    if not path or (directory == AT_FDCWD and not path.startswith("/proc/")):
        return None  # most calls: only paths through /proc are checked
    request = _another_process(caller, caller.look_up(directory, path, follow=False))
    return None if request is None else Attempt("inspect", request, reason=_LINKS)


def _readlink(caller: Caller, args: Args) -> Attempt | None:
    return _read_link(caller, AT_FDCWD, caller.read_string(args[0]))


def _readlinkat(caller: Caller, args: Args) -> Attempt | None:
    return _read_link(caller, signed(args[0]), caller.read_string(args[1]))


def _chdir(caller: Caller, args: Args) -> Attempt:
    path = caller.read_string(args[0])
    request = _another_process(caller, caller.look_up(AT_FDCWD, path, follow=True)) if path[:6] == "/proc/" else None
    requests = () if request is None else (request,)
    return Attempt("inspect", *requests, reason=_LINKS, moves="directory")


DECODERS: Decoders = MappingProxyType(
    {
        **{name: _plainly(name) for name in ("process_vm_readv", "process_vm_writev", "process_madvise")},
        **{name: _plainly(name) for name in ("migrate_pages", "pidfd_getfd", "kcmp", "get_robust_list")},
        "move_pages": _move_pages, "perf_event_open": _perf_event_open, "setns": _setns, "prctl": _prctl,
        "readlink": _readlink, "readlinkat": _readlinkat, "chdir": _chdir,
    }
)  # fmt: skip
