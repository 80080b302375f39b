"""What the policy says of an attempt: which requests a rule grants, and which stay inside the sandbox."""

import os
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision, Entry
from editor.evaluation.layers import Deciders, LayersDecider
from editor.landlock.rights import NO_RIGHTS, RIGHTS, RightSet, known_rights, rights_of
from editor.sandbox.calls.attempt import AccessRequest, Attempt
from editor.sandbox.verdicts.permissions import PermissionChecker

# Like a scope, it is only checked for sockets created outside the domain (hook_unix_find in fs.c).
RESOLVE_UNIX: RightSet = frozenset({"resolve_unix"})


class CallerId(NamedTuple):
    """Who made a call: thread, process, and the process's name (comm)."""

    tid: int
    pid: int
    comm: str


class SandboxMembers(Protocol):
    """What belongs to the sandbox, to predict scopes."""

    def has_process(self, pid: int) -> bool:
        """Whether a process belongs to the run."""

    def is_command(self, pid: int) -> bool:
        """Whether a process is the one that became the command."""

    def has_address(self, name: str, tid: int) -> bool:
        """Whether an abstract UNIX address leads thread ``tid`` to a socket of the run."""

    def has_socket_file(self, entry: Entry | None) -> bool:
        """Whether the run created the file of a UNIX socket."""

    def made_in(self, request: AccessRequest) -> str | None:
        """Return the directory in which the run made the object, or one above it; None if it made none of them."""


class CallDecider:
    """Decides for the policies of one run. ``deciders`` know the rules; ``abi`` is the one that the run enforces."""

    def __init__(self, deciders: Deciders, abi: int, members: SandboxMembers, permissions: PermissionChecker) -> None:
        self._deciders = deciders
        self._abi = abi
        self._members = members
        self._permissions = permissions
        self.restricts_files = bool(deciders.handled_fs & rights_of("fs", abi))
        """Whether any filesystem right is handled."""
        self.enforces = bool((deciders.handled_fs | deciders.handled_net | deciders.scoped) & known_rights(abi))
        """Whether anything is handled or scoped: otherwise there is no domain."""

    def decide(self, attempt: Attempt, caller: CallerId) -> tuple[Decision, ...]:
        """Return what the policy says of each request of the attempt, in order."""
        if attempt.refer is not None:
            return self._decide_refer(attempt)
        return tuple(self._decide_one(request, caller) for request in attempt.requests)

    def _decide_one(self, request: AccessRequest, caller: CallerId) -> Decision:
        if request.unchecked_reason or not request.rights:
            return Decision(True, NO_RIGHTS, (), request.unchecked_reason, request.rights, None)
        name = next(iter(request.rights))
        kind = RIGHTS[name].kind
        if kind == "net":
            return self._deciders.here.port(request.port, name)
        if kind == "scope":
            decision = self._deciders.here.scope(name)
            if not decision.allowed and self._is_member(request, caller):
                return Decision(True, NO_RIGHTS, decision.decided_by, "inside the sandbox", NO_RIGHTS, None)
            return decision
        shown = request.object_path or request.path or ""
        if request.lineage is not None:
            decision = self._deciders.here.reached(shown, request.lineage, request.rights)
        elif request.object_path is None:
            return Decision(True, NO_RIGHTS, (), "", NO_RIGHTS, None)
        else:
            decision = self._decider_for(request).file(shown, request.rights, follow=False)
        if not decision.allowed and request.rights == RESOLVE_UNIX and self._members.has_socket_file(request.entry):
            return Decision(True, NO_RIGHTS, (), "the other end is inside the sandbox", NO_RIGHTS, None)
        return decision

    def _decider_for(self, request: AccessRequest) -> Decider | LayersDecider:
        """Return the decider for an object: in another mount namespace, the same name may be another object."""
        try:
            return self._deciders.for_object(
                request.object_path or "", request.tracer_path or request.object_path or ""
            )
        except OSError:
            return self._deciders.here

    def _is_member(self, request: AccessRequest, caller: CallerId) -> bool:
        if request.process:
            return self._members.has_process(request.process)
        if request.group is not None:
            return not self._has_outsiders(request, caller)
        return request.path is not None and self._members.has_address(request.path, caller.tid)

    def succeeds_for_group(self, request: AccessRequest, caller: CallerId) -> bool:
        """Whether a signal to a group with outsiders succeeds: once one member gets it, or if it is for everybody.

        Source: __kill_pgrp_info() and kill_something_info() in kernel/signal.c.
        """
        return request.group == -1 or any(map(self._members.has_process, self._receivers(request, caller)))

    def _has_outsiders(self, request: AccessRequest, caller: CallerId) -> bool:
        """Whether a process group has members outside the sandbox that could otherwise be sent the signal."""
        return any(not self._members.has_process(pid) for pid in self._receivers(request, caller))

    def _receivers(self, request: AccessRequest, caller: CallerId) -> Iterator[int]:
        """Yield the processes of a group that could be sent the signal, were it not for Landlock."""
        try:
            group = request.group or os.getpgid(caller.pid)
        except OSError:
            return
        for name in os.listdir("/proc"):
            pid = int(name) if name.isdigit() else 1
            if pid == 1:  # kill(-1) skips the first process
                continue
            try:
                member = group == -1 or os.getpgid(pid) == group
            except OSError:
                continue
            if member and not self._permissions.refuses_signal(caller.tid, pid, request.signal):
                yield pid

    def _decide_refer(self, attempt: Attempt) -> tuple[Decision, ...]:
        refer = attempt.refer
        assert refer is not None  # noqa: S101 for the type checker: the caller has looked
        whole = self._decider_for(attempt.requests[0]).refer(
            refer.old_dir, refer.new_dir, refer.moved, refer.replaced,
            removes=refer.removes, flags=refer.flags, reached=refer.reached,
        )  # fmt: skip
        if whole.allowed:
            return tuple(
                whole._replace(uncontrolled=whole.uncontrolled & request.rights, object=request.object_path)
                for request in attempt.requests
            )
        lacking = dict(whole.lacking)
        return tuple(
            whole._replace(
                allowed=request.object_path not in lacking,
                missing=lacking.get(request.object_path or "", NO_RIGHTS),
                uncontrolled=whole.uncontrolled & request.rights,
                reason=whole.reason if request.object_path in lacking else "",
            )
            for request in attempt.requests
        )

    def layer(self, attempt: Attempt, decision: Decision | None) -> int:
        """Return the layer that denied: if no rule could grant it, the youngest that restricts anything of the kind."""
        if decision is not None:
            return decision.layer
        if attempt.kind == "topology":
            return self._deciders.youngest(lambda policy: policy.handled_fs & rights_of("fs", self._abi))
        known = known_rights(self._abi)
        return self._deciders.youngest(lambda policy: (policy.handled_fs | policy.handled_net | policy.scoped) & known)

    def restricts(self, rights: RightSet) -> bool:
        """Whether any of ``rights`` is restricted at the ABI of the run."""
        handled = self._deciders.handled_fs | self._deciders.handled_net | self._deciders.scoped
        restricted = handled & known_rights(self._abi)
        return bool(rights & restricted) or (self.restricts_files and "refer" in rights)

    def is_newer(self, rights: RightSet) -> bool:
        """Whether all of ``rights`` are newer than the ABI of the run."""
        return all(RIGHTS[name].abi > self._abi for name in rights)
