"""Turns audit records that no row explains into rows: what Landlock denied where no traced call shows it.

The kernel checks Landlock also on its own behalf (a core dump, SIGIO, a signal at a parent's end), for io_uring, and in
calls that are too frequent to trace, such as read(2) below /proc and stat(2).
"""

import errno
import os
from collections.abc import Iterable

from editor.evaluation.decision import Decision
from editor.evaluation.layers import Deciders
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, RIGHTS, SCOPES, RightSet
from editor.sandbox.syscalls import call_name
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.core_dumps import Crash
from editor.sandbox.verdicts.report import Access

_KNOWN: RightSet = frozenset(right.name for right in (*FS_RIGHTS, *NET_RIGHTS, *SCOPES))
_OF_SIGNALS = frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"})
_PTRACE = frozenset({"ptrace"})
_PTRACE_ERRORS = frozenset({errno.EPERM, errno.EACCES})

_CORE_DUMP = "the kernel was to write a core dump of this process"
_ON_ITS_OWN = "the kernel acted on its own, or for io_uring"
_NOT_OURS = "the policy does not explain it: perhaps the program restricted itself further"
_OWN_SIGNAL = "the kernel dropped a signal that it sends on its own, such as SIGIO"
_PROCESS = (
    "Landlock has no right for inspecting other processes: a sandboxed program may only do so inside its own domain"
)
_MOUNTS = "any filesystem restriction also prevents changing mounts"


def row_of(denial: Denial, deciders: Deciders, crashes: Iterable[Crash] = ()) -> Access | None:
    """Return the row for a record that no other row explains.

    Return None if the call succeeded in another way, or failed later: a process with CAP_PERFMON may read what
    ``ptrace`` denies (may_access_mm() in kernel/fork.c).
    """
    passed = denial.result is not None and -denial.result not in _PTRACE_ERRORS
    if passed and denial.blockers == _PTRACE:
        return None
    rights = denial.blockers & _KNOWN
    decision = _decide(denial, rights, deciders)
    policy_reason = decision.reason if decision is not None else _NOT_OURS if rights else ""
    crash = _crash_of(denial, crashes)
    error = -denial.result if denial.result is not None and denial.result < 0 else 0
    return Access(
        verdict="denied",
        rights=rights,
        missing=rights,
        path=denial.process or denial.path,
        object_path=_object(denial),
        port=(denial.port or 0) if any(RIGHTS[name].kind == "net" for name in rights) else None,
        syscall=call_name(denial.arch, denial.call),
        errno=errno.errorcode.get(error, str(error)) if error else None,
        process=crash.comm if crash is not None else denial.comm,
        pid=crash.pid if crash is not None else denial.pid,
        times=1,
        decided_by=decision.decided_by if decision is not None else (),
        confirmed=True,
        reason="; ".join(filter(None, (_CORE_DUMP if crash else _cause(denial), policy_reason))),
        layer=decision.layer if decision is not None else 0,
        explained=decision is not None or not rights,
        observed="audit",
    )


def _cause(denial: Denial) -> str:
    """Return why the kernel asked Landlock, as far as a record tells; empty for an ordinary call."""
    if denial.blockers == _PTRACE:
        return _PROCESS
    if "change_topology" in denial.blockers:
        return _MOUNTS
    name = call_name(denial.arch, denial.call)
    if denial.blockers == {"signal"} and name not in _OF_SIGNALS:
        return _OWN_SIGNAL
    return _ON_ITS_OWN if name in ("", "io_uring_enter") else ""


def _decide(denial: Denial, rights: RightSet, deciders: Deciders) -> Decision | None:
    """Return what the policy says; None if it has no words for it or would allow it on an object of this name."""
    name = next(iter(rights), "")
    if not name:
        return None
    decider = deciders.here
    kind = RIGHTS[name].kind
    if kind == "net":
        found = decider.port(denial.port or 0, name)
    elif kind == "scope":
        found = decider.scope(name)
    elif denial.path is None:
        return None
    else:
        found = decider.file(denial.path, rights, follow=False)
    return None if found.allowed else found


def _object(denial: Denial) -> str | None:
    """Return the path of the object, or None if that name leads elsewhere for us.

    A record's path begins at the root of the process, of a detached mount, or of a filesystem without a mount point.
    """
    if denial.path is None:
        return None
    try:
        return denial.path if os.lstat(denial.path).st_ino == denial.ino else None
    except (OSError, ValueError):
        return None


def _crash_of(denial: Denial, crashes: Iterable[Crash]) -> Crash | None:
    """Return the crash whose core dump a record is about: it has no system call, and names the directory or a file."""
    if denial.call is not None or denial.path is None:
        return None
    places = (denial.path, os.path.dirname(denial.path))
    return next((crash for crash in crashes if crash.directory in places), None)
