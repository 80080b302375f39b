"""Decide accesses without a path: on ports, and by scope."""

from collections.abc import Iterable

from editor.evaluation.decision import Decision
from editor.evaluation.reasons import line, listed
from editor.evaluation.resolve import GrantRef, ResolvedPort
from editor.landlock.rights import NO_RIGHTS


def decide_port(port: int | None, right: str, rule: ResolvedPort | None) -> Decision:
    """Decide ``right``, which is handled, on ``port``; ``rule`` is what the policy grants on it.

    Without a port number, as in an address of another family, no rule can apply.
    """
    wanted = frozenset({right})
    if port is None:
        return Decision(False, wanted, (), "no rule can cover an address without a port", NO_RIGHTS, "EACCES")
    if rule is None:
        return Decision(False, wanted, (), f"no rule covers port {port}", NO_RIGHTS, "EACCES")
    if right in rule.rights:
        refs = tuple(dict.fromkeys(each.ref for each in rule.refs if right in each.rights))
        return Decision(True, NO_RIGHTS, refs, "", NO_RIGHTS, None)
    refs = tuple(dict.fromkeys(each.ref for each in rule.refs))
    reason = f"port {port} ({line(refs[0])}) grants {listed(rule.rights)} but not {right}"
    return Decision(False, wanted, refs, reason, NO_RIGHTS, "EACCES")


def decide_scope(name: str, rulesets: Iterable[GrantRef]) -> Decision:
    """Deny reaching outside the domain by the scope ``name``, which is among those of ``rulesets``."""
    refs = tuple(each.ref for each in rulesets if name in each.rights)
    reason = f"the policy keeps {name} inside the sandbox"
    return Decision(False, frozenset({name}), refs, reason, NO_RIGHTS, "EPERM")
