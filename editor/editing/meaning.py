"""The meaning of a policy: the rights on each path and port, and what is handled.

Edits are checked with this: `intended` computes the meaning that an edit should lead to, and the edited text, parsed
again, must have the same meaning.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from editor.editing.edits import (
    AddPathRule,
    AddPortRule,
    Edit,
    EditTogether,
    ExpandEntry,
    GrantPath,
    GrantPort,
    InlineVariable,
    RemoveEntry,
    RemoveVariable,
    RenameVariable,
    RuleEdit,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRulePaths,
    SetRuleRights,
    SetScope,
    VariableEdit,
    kind_of,
)
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import ParentPath, PathRule, Policy, PortRule, path_key
from editor.policy.variables import expand, quote

_Entry = TypeVar("_Entry")


class Meaning(NamedTuple):
    """The meaning of a policy. Paths are `path_key`s with variables expanded; no entry is empty."""

    paths: Mapping[str, RightSet]
    ports: Mapping[int, RightSet]
    handled_fs: RightSet
    handled_net: RightSet
    scoped: RightSet
    abi: int | None
    variables: Mapping[str, frozenset[str]]


def meaning_of(policy: Policy, within: Container[str] | None = None) -> Meaning:
    """Return the meaning of ``policy``; with ``within``, only for paths with these keys.

    Raises TemplateError if a path's variables cannot be expanded, which cannot happen for a policy from
    ``parse_policy``.
    """
    variables = variables_of(policy)
    paths: dict[str, RightSet] = {}
    for rule in policy.path_rules:
        if rule.rights:
            for parent in rule.parents:
                plain = parent.template and "$" not in parent.template
                for path in (parent.template,) if plain else expand(parent.template, variables):
                    key = path_key(path)
                    if within is None or key in within:
                        paths[key] = paths.get(key, NO_RIGHTS) | rule.rights
    ports: dict[int, RightSet] = {}
    for port_rule in policy.port_rules:
        if port_rule.rights:
            for entry in port_rule.ports:
                ports[entry.port] = ports.get(entry.port, NO_RIGHTS) | port_rule.rights
    return Meaning(paths, ports, policy.handled_fs, policy.handled_net, policy.scoped, policy.abi, variables)


def variables_of(policy: Policy) -> dict[str, frozenset[str]]:
    """Return the literals of each variable, combining tables of the same name."""
    gathered: dict[str, set[str]] = {}
    for variable in policy.variables:
        gathered.setdefault(variable.name, set()).update(variable.literals)
    return {name: frozenset(literals) for name, literals in gathered.items()}


def intended(before: Meaning, edit: Edit) -> Meaning:
    """Return the meaning that ``edit`` should turn ``before`` into; nothing else may change.

    In particular, handled rights stay handled when their last grant is removed, and granted rights become handled.
    """
    if isinstance(edit, SetPathRights | GrantPath):
        key = path_key(edit.path)
        rights = edit.rights | before.paths.get(key, NO_RIGHTS) if isinstance(edit, GrantPath) else edit.rights
        return before._replace(
            paths={
                **{path: own for path, own in before.paths.items() if path != key},
                **({key: rights} if rights else {}),
            },
            handled_fs=before.handled_fs | rights,
        )
    if isinstance(edit, SetPortRights | GrantPort):
        rights = edit.rights | before.ports.get(edit.port, NO_RIGHTS) if isinstance(edit, GrantPort) else edit.rights
        others = {port: own for port, own in before.ports.items() if port != edit.port}
        return before._replace(
            ports={**others, **({edit.port: rights} if rights else {})}, handled_net=before.handled_net | rights
        )
    if isinstance(edit, AddPathRule):
        added = {key: before.paths.get(key, NO_RIGHTS) | edit.rights for key in map(path_key, edit.paths)}
        return before._replace(paths={**before.paths, **added}, handled_fs=before.handled_fs | edit.rights)
    if isinstance(edit, AddPortRule):
        opened = {port: before.ports.get(port, NO_RIGHTS) | edit.rights for port in edit.ports}
        return before._replace(ports={**before.ports, **opened}, handled_net=before.handled_net | edit.rights)
    if isinstance(edit, SetHandled):
        if kind_of(edit) == "fs":
            return before._replace(handled_fs=_switched(before.handled_fs, edit.right, edit.on))
        return before._replace(handled_net=_switched(before.handled_net, edit.right, edit.on))
    if isinstance(edit, SetScope):
        return before._replace(scoped=_switched(before.scoped, edit.scope, edit.on))
    if isinstance(edit, RenameVariable):
        renamed = {edit.new if name == edit.old else name: values for name, values in before.variables.items()}
        return before._replace(variables=renamed)
    if isinstance(edit, InlineVariable | RemoveVariable):
        left = {name: values for name, values in before.variables.items() if name != edit.name}
        return before._replace(variables=left)
    if isinstance(edit, ExpandEntry):
        return before
    raise TypeError(f"{type(edit).__name__} is about a rule, see intended_of")


def intended_of(policy: Policy, edit: Edit, within: Container[str] | None = None) -> Meaning:
    """Like ``intended``, for any edit of ``policy``, including those of one rule by its number."""
    before = meaning_of(policy, within)
    if isinstance(edit, SetRulePaths):
        rules = list(policy.path_rules)
        parents = tuple(ParentPath(quote(path), rules[edit.number].location) for path in edit.paths)
        rules[edit.number] = rules[edit.number]._replace(parents=parents)
        return meaning_of(policy._replace(path_rules=tuple(rules)), within)
    if not isinstance(edit, RuleEdit | EditTogether):
        return intended(before, edit)
    edits = edit.edits if isinstance(edit, EditTogether) else (edit,)
    of_rules = [each for each in edits if isinstance(each, RuleEdit)]
    on_paths = [each for each in of_rules if each.section == "path_beneath"]
    on_ports = [each for each in of_rules if each.section == "net_port"]
    after = policy._replace(
        path_rules=tuple(_edited_rules(policy.path_rules, on_paths)),
        port_rules=tuple(_edited_rules(policy.port_rules, on_ports)),
    )
    removed = {each.name for each in edits if isinstance(each, RemoveVariable)}
    return meaning_of(after, within)._replace(
        handled_fs=before.handled_fs | _granted_by(on_paths),
        handled_net=before.handled_net | _granted_by(on_ports),
        variables={name: values for name, values in before.variables.items() if name not in removed},
    )


def _granted_by(edits: Sequence[RuleEdit]) -> RightSet:
    return NO_RIGHTS.union(*(each.rights for each in edits if isinstance(each, SetRuleRights)))


def has_intended_effect(before: Policy, edit: Edit, after: Policy) -> bool:
    """Whether ``after`` has the meaning that ``edit`` should turn ``before`` into.

    A rule that is in both grants the same in both. So paths that are named neither by another rule nor by the edit
    cannot differ and are not compared.
    """
    within = _touched(before, edit, after)
    return meaning_of(after, within) == intended_of(before, edit, within)


# With more changed rules than this, comparing all paths is as fast.
_MANY = 500


def _touched(before: Policy, edit: Edit, after: Policy) -> set[str] | None:
    """Return the keys of paths named by ``edit`` or by a rule that is in only one of the two; None for all paths."""
    if before.variables != after.variables or isinstance(edit, VariableEdit):
        return None
    pairs = zip_longest(before.path_rules, after.path_rules)
    others = [rule for pair in pairs if pair[0] is not pair[1] for rule in pair if rule is not None]
    if len(others) > _MANY:
        return None
    edits = edit.edits if isinstance(edit, EditTogether) else (edit,)
    of_rules = [each for each in edits if isinstance(each, RuleEdit) and each.section == "path_beneath"]
    others += [before.path_rules[number] for number in {each.number for each in of_rules}]
    if isinstance(edit, SetRulePaths):
        others.append(before.path_rules[edit.number])
    variables = variables_of(before)
    keys = {path_key(path) for rule in others for parent in rule.parents for path in expand(parent.template, variables)}
    if isinstance(edit, SetPathRights | GrantPath):
        keys.add(path_key(edit.path))
    elif isinstance(edit, AddPathRule | SetRulePaths):
        keys.update(map(path_key, edit.paths))
    return keys


_Rule = TypeVar("_Rule", PathRule, PortRule)


def _edited_rules(rules: tuple[_Rule, ...], edits: Sequence[RuleEdit]) -> Iterator[_Rule]:
    rights = {edit.number: edit.rights for edit in edits if isinstance(edit, SetRuleRights)}
    removed: dict[int, set[int]] = {}
    for edit in edits:
        if isinstance(edit, RemoveEntry):
            removed.setdefault(edit.number, set()).add(edit.entry)
    for rule in rules:
        edited = rule._replace(rights=rights.get(rule.number, rule.rights))
        gone = removed.get(rule.number, set[int]())
        if isinstance(edited, PathRule):
            yield edited._replace(parents=_without(edited.parents, gone)) if gone else edited
        else:
            yield edited._replace(ports=_without(edited.ports, gone)) if gone else edited


def _without(entries: tuple[_Entry, ...], gone: Container[int]) -> tuple[_Entry, ...]:
    return tuple(entry for at, entry in enumerate(entries) if at not in gone)


def newly_handled(before: Policy, after: Policy) -> RightSet:
    """Return the rights and scopes that ``after`` restricts and ``before`` did not.

    Granting a right that was not handled makes it handled, so such a grant also denies the right everywhere else:
    callers should notify the user.
    """
    return (
        (after.handled_fs - before.handled_fs)
        | (after.handled_net - before.handled_net)
        | (after.scoped - before.scoped)
    )


def _switched(names: RightSet, name: str, on: bool) -> RightSet:
    return names | {name} if on else names - {name}
