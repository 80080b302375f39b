"""What landlockconfig, the reference implementation of Landlock Config, lacks of a policy."""

from editor.exchange import Loss
from editor.landlock.rights import RIGHTS, in_order, listed, unnamed
from editor.policy.model import Policy
from editor.policy.reference import REFERENCE_ABI

_LACKING = frozenset(name for name, right in RIGHTS.items() if right.abi > REFERENCE_ABI)
_READER = "landlockconfig (llconfig, Island)"


def unknown_to_reference(policy: Policy) -> tuple[Loss, ...]:
    """Return what the reference implementation rejects or ignores; an exported text keeps all of it."""
    written = {name for table in policy.rulesets for name in (*table.handled_access_fs, *table.handled_access_net)}
    written |= {name for rule in policy.path_rules for name in rule.allowed_access}
    written |= {name for port_rule in policy.port_rules for name in port_rule.allowed_access}
    named = in_order(written & _LACKING)
    numbers = in_order(unnamed(policy.handled_fs | policy.handled_net | policy.scoped))
    grouped = in_order((policy.handled_fs | policy.handled_net) & _LACKING - set(named))
    messages = []
    if named:
        messages.append(f"{listed(named)}: {_READER} does not know {_pronoun(named)} yet and rejects the file.")
    if numbers:
        messages.append(f"{listed(numbers)}: written as a number; {_READER} accepts names only and rejects the file.")
    if grouped and policy.abi is not None and policy.abi > REFERENCE_ABI:
        group = f"part of a group at abi = {policy.abi}"
        messages.append(f"{listed(grouped)}: {group}; {_READER} does not restrict {_pronoun(grouped)}.")
    return tuple(Loss(message, False) for message in messages)


def _pronoun(names: list[str]) -> str:
    return "it" if len(names) == 1 else "them"
