"""What the policy says of an attempt: which of its wants a rule grants, and what is inside the sandbox anyway."""

import os
from typing import NamedTuple, Protocol

from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.evaluation.layers import Deciders, LayersDecider
from editor.landlock.rights import NO_RIGHTS, RIGHTS, RightSet, rights_of
from editor.sandbox.calls.attempt import Attempt, Want
from editor.sandbox.verdicts.permissions import PermissionJudge

# Like a scope, it is asked of sockets only that were made outside of the domain (hook_unix_find in fs.c).
RESOLVE_UNIX: RightSet = frozenset({"resolve_unix"})


class Who(NamedTuple):
    """Who made a call: thread, process, and the process's name (comm)."""

    tid: int
    pid: int
    comm: str


class Inside(Protocol):
    """What is inside the sandbox, for predicting scopes."""

    def inside_process(self, pid: int) -> bool:
        """Whether a process belongs to the run."""

    def inside_address(self, name: str) -> bool:
        """Whether a UNIX socket address (``Attempt.bound_name``) was made by the run."""


class CallDecider:
    """Answers for the policies of one run. ``deciders`` know the rules, ``abi`` is the one that the run enforces."""

    def __init__(self, deciders: Deciders, abi: int, inside: Inside, permissions: PermissionJudge) -> None:
        self._deciders = deciders
        self._abi = abi
        self._inside = inside
        self._permissions = permissions
        self.restricts_files = bool(deciders.handled_fs & rights_of("fs", abi))
        """Whether any filesystem right is handled."""
        self.enforces = bool(
            self.restricts_files
            or deciders.handled_net & rights_of("net", abi)
            or deciders.scoped & rights_of("scope", abi)
        )
        """Whether anything is handled or scoped: only then is there a domain."""

    def decide(self, attempt: Attempt, who: Who) -> tuple[Decision, ...]:
        """What the policy says of each of the attempt's wants, in their order."""
        if attempt.refer is not None:
            return self._decide_refer(attempt)
        return tuple(self._decide_one(want, who) for want in attempt.wants)

    def _decide_one(self, want: Want, who: Who) -> Decision:
        if want.unchecked or not want.rights:
            return Decision(True, NO_RIGHTS, (), want.unchecked, want.rights, None)
        name = next(iter(want.rights))
        kind = RIGHTS[name].kind
        if kind == "net":
            return self._deciders.here.port(want.port, name)
        if kind == "scope":
            decision = self._deciders.here.scope(name)
            if not decision.allowed and self._is_inside(want, who):
                return Decision(True, NO_RIGHTS, decision.decided_by, "inside the sandbox", NO_RIGHTS, None)
            return decision
        if want.object_path is None:
            return Decision(True, NO_RIGHTS, (), "", NO_RIGHTS, None)
        decision = self._for(want).file(want.object_path, want.rights, follow=False)
        if not decision.allowed and want.rights == RESOLVE_UNIX and self._inside.inside_address(want.object_path):
            return Decision(True, NO_RIGHTS, (), "the other side is inside the sandbox", NO_RIGHTS, None)
        return decision

    def _for(self, want: Want) -> Decider | LayersDecider:
        """Who answers for an object: a process in a mount namespace of its own reaches others by the same names."""
        try:
            return self._deciders.for_object(want.object_path or "", want.seen or want.object_path or "")
        except OSError:
            return self._deciders.here

    def _is_inside(self, want: Want, who: Who) -> bool:
        if want.process:
            return self._inside.inside_process(want.process)
        if want.group is not None:
            return not self._has_outsiders(want, who)
        return want.asked is not None and self._inside.inside_address(want.asked)

    def _has_outsiders(self, want: Want, who: Who) -> bool:
        """Whether a process group has members outside of the sandbox who could be sent the signal otherwise."""
        try:
            group = want.group or os.getpgid(who.pid)
        except OSError:
            return False
        for name in os.listdir("/proc"):
            pid = int(name) if name.isdigit() else 1
            if pid == 1 or self._inside.inside_process(pid):  # kill(-1) leaves out the first process
                continue
            try:
                member = group == -1 or os.getpgid(pid) == group
            except OSError:
                continue
            if member and not self._permissions.refuses_signal(who.tid, pid, want.signal):
                return True
        return False

    def _decide_refer(self, attempt: Attempt) -> tuple[Decision, ...]:
        refer = attempt.refer
        assert refer is not None  # noqa: S101 for the type checker: the caller has looked
        whole = self._for(attempt.wants[0]).refer(
            refer.old_dir, refer.new_dir, refer.moved, refer.replaced, removes=refer.removes, flags=refer.flags
        )
        if whole.allowed:
            return tuple(
                whole._replace(uncontrolled=whole.uncontrolled & want.rights, object=want.object_path)
                for want in attempt.wants
            )
        lacking = dict(whole.lacking)
        return tuple(
            whole._replace(
                allowed=want.object_path not in lacking,
                missing=lacking.get(want.object_path or "", NO_RIGHTS),
                uncontrolled=whole.uncontrolled & want.rights,
                reason=whole.reason if want.object_path in lacking else "",
            )
            for want in attempt.wants
        )

    def layer(self, attempt: Attempt, decision: Decision | None) -> int:
        """The layer that denied: of what no rule can grant, the youngest that restricts anything of the kind."""
        if decision is not None:
            return decision.layer
        if attempt.kind == "topology":
            return self._deciders.youngest(lambda policy: policy.handled_fs & rights_of("fs", self._abi))
        known = rights_of("fs", self._abi) | rights_of("net", self._abi) | rights_of("scope", self._abi)
        return self._deciders.youngest(lambda policy: (policy.handled_fs | policy.handled_net | policy.scoped) & known)

    def is_newer(self, rights: RightSet) -> bool:
        """Whether all of ``rights`` came after the ABI of the run."""
        return all(RIGHTS[name].abi > self._abi for name in rights)
