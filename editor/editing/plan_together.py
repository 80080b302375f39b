"""Plan several edits of rules, and removals of variables, as one: the work grows with their number, not its square."""

from collections.abc import Iterator

from editor.editing.edits import EditError, EditTogether, RemoveEntry, RemoveVariable, SetRuleRights
from editor.editing.plan_handled import add_handled, handled_by
from editor.editing.plan_variables import remove_variables
from editor.editing.rights_list import change_rights
from editor.editing.steps import ChangeList, Key, RemoveTable, Section, Step
from editor.landlock.rights import NO_RIGHTS, Kind
from editor.policy.model import PathRule, Policy, PortRule


def edit_together(policy: Policy, edit: EditTogether) -> Iterator[Step]:
    """Yield steps that apply every edit, and keep handled what rules no longer grant. Raises EditError."""
    variables = {each.name for each in edit.edits if isinstance(each, RemoveVariable)}
    for section in ("path_beneath", "net_port"):
        rights: dict[int, SetRuleRights] = {}
        removed: dict[int, set[int]] = {}
        for each in edit.edits:
            if isinstance(each, SetRuleRights) and each.section == section:
                rights[each.number] = each
            elif isinstance(each, RemoveEntry) and each.section == section:
                removed.setdefault(each.number, set()).add(each.entry)
        if rights or removed:
            yield from _edit_rules(policy, section, rights, removed)
    yield from remove_variables(policy, variables)


def _edit_rules(
    policy: Policy, section: Section, changed: dict[int, SetRuleRights], removed: dict[int, set[int]]
) -> Iterator[Step]:
    kind: Kind = "fs" if section == "path_beneath" else "net"
    key: Key = "parent" if kind == "fs" else "port"
    rules: tuple[PathRule, ...] | tuple[PortRule, ...] = policy.path_rules if kind == "fs" else policy.port_rules
    given = [rule.rights for rule in rules]
    for number in sorted({*changed, *removed}):
        if not 0 <= number < len(rules):
            raise EditError(f"There is no rule {number} in {section}.")
        rule = rules[number]
        size = len(rule.parents if isinstance(rule, PathRule) else rule.ports)
        entries = frozenset(removed.get(number, ()))
        if not entries <= set(range(size)):
            raise EditError(f"The rule on line {rule.location.line} has no entry {max(entries)}.")
        change = changed.get(number)
        wanted = rule.rights if change is None else change.rights
        if len(entries) == size or not wanted:
            given[number] = NO_RIGHTS
            yield RemoveTable(section, number, change is not None and change.with_comment)
            continue
        if wanted != rule.rights:
            given[number] = wanted
            names = rule.allowed_access
            yield change_rights(section, number, "allowed_access", names, kind=kind, abi=policy.abi, wanted=wanted)
        if entries:
            yield ChangeList(section, number, key, entries, ())
    handled = policy.handled_fs if kind == "fs" else policy.handled_net
    listed = NO_RIGHTS.union(*(handled_by(table, kind) for table in policy.rulesets))
    if lost := handled - listed - NO_RIGHTS.union(*given):
        yield add_handled(policy, kind, lost)
