"""Predicts whether a call that is about to happen will fail for another reason than the policy, before it is asked.

Nobody should be asked about a file that does not exist. Where a failure is not foreseen, the question is superfluous,
but the answer does no harm: the call fails all the same.
"""

import errno
import os
import stat

from editor.landlock.rights import RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.tracing.addresses import has_socket
from editor.sandbox.verdicts.call_decider import CallerId
from editor.sandbox.verdicts.permissions import PermissionChecker

_RENAME_NOREPLACE = 1
_LINKS = frozenset({"link", "linkat"})


class Prediction:
    """Predicts the errors of the calls of one run."""

    def __init__(self) -> None:
        self._permissions = PermissionChecker()

    def error(self, attempt: Attempt, caller: CallerId, flags: int = 0) -> int:
        """Return the errno with which a call will fail before Landlock is asked, 0 if it gets there.

        ``flags`` are those of a call that opens a file.
        """
        if attempt.kind == "scope":
            return next(filter(None, (self._of_signal(each, caller) for each in attempt.requests)), 0)
        if attempt.kind == "topology" and attempt.syscall != "mount":  # that one asks Landlock first
            return errno.EPERM if self._permissions.refuses_mounts(caller.tid) else 0
        if attempt.kind == "directory":
            return self._of_directory(attempt, caller)
        if attempt.kind in ("open", "exec"):
            return next(filter(None, (self._of_file(each, caller, flags) for each in attempt.requests)), 0)
        return 0

    def _of_signal(self, request: AccessRequest, caller: CallerId) -> int:
        if request.process > 0:
            if not os.path.exists(f"/proc/{request.process}"):
                return errno.ESRCH
            return errno.EPERM if self._permissions.refuses_signal(caller.tid, request.process, request.signal) else 0
        name = request.path or ""
        return 0 if not name.startswith("@") or has_socket(name, caller.tid) else errno.ECONNREFUSED

    def _of_directory(self, attempt: Attempt, caller: CallerId) -> int:
        """Return the error of a call that makes, removes, renames or links a name: Landlock comes after the lookup."""
        for request in attempt.requests:
            if request.error > 0:
                return request.error
            if request.tracer_path and self._permissions.refuses_lookup(caller.tid, request.tracer_path):
                return errno.EACCES
        if any(request.object_path is None for request in attempt.requests):
            return errno.ENOENT
        removing = any(name.startswith("remove_") for name in attempt.requests[0].rights)
        if attempt.refer is None and removing:
            return errno.ENOENT if attempt.requests[0].entry is None else 0
        keeps = attempt.refer is None or attempt.syscall in _LINKS or attempt.refer.flags & _RENAME_NOREPLACE
        return errno.EEXIST if keeps and os.path.lexists(attempt.made[1]) else 0

    def _of_file(self, request: AccessRequest, caller: CallerId, flags: int) -> int:
        """Return the error of opening or executing a file: Landlock comes after its permissions."""
        if request.error > 0:
            return request.error
        if request.is_new and "make_reg" in request.rights:  # on the directory, which has to be searched first
            return errno.EACCES if self._permissions.refuses_lookup(caller.tid, request.tracer_path) else 0
        if request.unchecked_reason or request.is_new or not any(RIGHTS[name].kind == "fs" for name in request.rights):
            return 0
        if request.entry is None:
            return errno.ENOENT if request.rights.isdisjoint({"make_reg"}) else 0
        mode = request.entry.mode
        if flags & os.O_CREAT and flags & os.O_EXCL:
            return errno.EEXIST
        if stat.S_ISLNK(mode):
            return errno.ELOOP
        if flags & os.O_DIRECTORY and not stat.S_ISDIR(mode):
            return errno.ENOTDIR
        if stat.S_ISDIR(mode) and "write_file" in request.rights and flags & os.O_TMPFILE != os.O_TMPFILE:
            return errno.EISDIR
        return errno.EACCES if self._permissions.refuses(caller.tid, request.tracer_path, request.rights) else 0
