"""Plan edits of what the ruleset tables handle: rights and scopes."""

from collections.abc import Iterator

from editor.editing.edits import EditError, SetHandled, SetScope, kind_of
from editor.editing.rights_list import change_rights, written
from editor.editing.steps import AddMember, AddTable, Key, RemoveMember, RemoveTable, Step
from editor.landlock.rights import Kind, RightSet
from editor.policy.model import PathRule, Policy, PortRule, RulesetTable

_KEYS: dict[Kind, Key] = {"fs": "handled_access_fs", "net": "handled_access_net", "scope": "scoped"}


def set_handled(policy: Policy, edit: SetHandled) -> Iterator[Step]:
    """Yield steps that make a right handled or not. Raises EditError if a rule grants it or nothing would be left."""
    kind = kind_of(edit)
    rules: tuple[PathRule, ...] | tuple[PortRule, ...] = policy.path_rules if kind == "fs" else policy.port_rules
    if not edit.on:
        for rule in rules:
            if edit.right in rule.rights:
                raise EditError(
                    f"Cannot stop handling '{edit.right}': the rule on line {rule.location.line} grants it. "
                    "Remove it from the rule first."
                )
    yield from _set_list(policy, kind, edit.right, policy.handled_fs if kind == "fs" else policy.handled_net, edit.on)


def set_scope(policy: Policy, edit: SetScope) -> Iterator[Step]:
    """Yield steps that turn a scope on or off. Raises EditError if nothing would be left."""
    yield from _set_list(policy, "scope", edit.scope, policy.scoped, edit.on)


def _set_list(policy: Policy, kind: Kind, name: str, present: RightSet, on: bool) -> Iterator[Step]:
    """Add ``name`` to a ruleset table's list of ``kind``, or remove it from all of them."""
    if on:
        if name not in present:
            yield add_handled(policy, kind, frozenset({name}))
        return
    left = len(policy.variables) + len(policy.rulesets) + len(policy.path_rules) + len(policy.port_rules)
    for table in policy.rulesets:
        if name not in handled_by(table, kind):
            continue
        key = _KEYS[kind]
        names, wanted = _names(table, kind), handled_by(table, kind) - {name}
        step = change_rights("ruleset", table.number, key, names, kind=kind, abi=policy.abi, wanted=wanted)
        if step.insert or len(step.remove) < len(names):
            yield step
        elif any(_names(table, other) for other in _KEYS if other != kind):
            yield RemoveMember("ruleset", table.number, key)
        else:
            left -= 1
            yield RemoveTable("ruleset", table.number)
    if not left:
        raise EditError(f"Cannot remove '{name}': nothing else is restricted, and an empty policy is invalid.")


def add_handled(policy: Policy, kind: Kind, rights: RightSet) -> Step:
    """Return the step that adds ``rights`` to what the ruleset tables handle."""
    key = _KEYS[kind]
    for table in policy.rulesets:
        names = _names(table, kind)
        if names:
            wanted = handled_by(table, kind) | rights
            return change_rights("ruleset", table.number, key, names, kind=kind, abi=policy.abi, wanted=wanted)
    if policy.rulesets:
        return AddMember("ruleset", 0, key, written(rights))
    return AddTable("ruleset", ((key, written(rights)),))


def handled_by(table: RulesetTable, kind: Kind) -> RightSet:
    """Return the rights of ``kind`` that ``table`` handles."""
    return {"fs": table.handled_fs, "net": table.handled_net, "scope": table.scopes}[kind]


def _names(table: RulesetTable, kind: Kind) -> tuple[str, ...]:
    return {"fs": table.handled_access_fs, "net": table.handled_access_net, "scope": table.scoped}[kind]
