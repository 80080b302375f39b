"""Findings about what a policy handles and defines: rights, groups and variables. They are the same on any machine."""

from collections.abc import Iterator

from editor.analysis.lint.catalogue import Finding, finding
from editor.analysis.lint.reference import named_rights
from editor.editing.edits import RemoveVariable
from editor.landlock.rights import (
    GROUPS,
    LATEST_ABI,
    NO_RIGHTS,
    RIGHTS,
    Kind,
    RightSet,
    bits_of,
    in_order,
    listed,
    rights_of,
    unnamed,
)
from editor.policy.model import Location, Policy
from editor.policy.variables import Reference, parse_template


def lint_handled(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """Yield the findings in no particular order; ``target_abi`` is the ABI that the policy is written for."""
    yield from _nothing_restricted(policy)
    yield from _unhandled(policy, target_abi)
    yield from _never_granted(policy)
    yield from _newer_rights(policy, target_abi)
    yield from _unnamed(policy)
    yield from _empty_groups(policy)
    yield from _unused_variables(policy)
    yield from _empty_variables(policy)


def start_of(policy: Policy) -> Location:
    """Return the start of the policy, which is that of the first of several files."""
    places = [table.location for table in policy.rulesets] + [rule.location for rule in policy.path_rules]
    places += [rule.location for rule in policy.port_rules] + [variable.location for variable in policy.variables]
    return Location(places[0].file if places else policy.file, 1, 1)


def _nothing_restricted(policy: Policy) -> Iterator[Finding]:
    if not (policy.handled_fs or policy.handled_net or policy.scoped):
        message = "The policy restricts nothing: it handles no right."
        if policy.files:
            message = "Together these files restrict nothing: they handle no right in common. llconfig refuses them."
        yield finding("nothing-restricted", start_of(policy), message)


def _unhandled(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """Find unhandled rights of a kind of which others are handled; a note if a ruleset lists what to handle."""
    sections: tuple[tuple[Kind, RightSet, str], ...] = (
        ("fs", policy.handled_fs, "on any file"),
        ("net", policy.handled_net, "for any port"),
    )
    for kind, handled, where in sections:
        if not handled:
            continue
        named = handled - unnamed(handled)
        abi = target_abi or policy.abi or max((RIGHTS[name].abi for name in named), default=LATEST_ABI)
        free = rights_of(kind, abi) - handled - {"refer"}
        if not free:
            continue
        tables = [table for table in policy.rulesets if (table.handled_fs if kind == "fs" else table.handled_net)]
        rules = policy.path_rules if kind == "fs" else policy.port_rules
        location = tables[0].location if tables else rules[0].location
        how = "no ruleset or rule handles it" if not tables else "not handled"
        message = f"{listed(free)}: {how}, so not restricted {where}."
        yield finding("unhandled-right", location, message, severity="note" if tables else None)


def _never_granted(policy: Policy) -> Iterator[Finding]:
    granted = NO_RIGHTS.union(
        *(rule.rights for rule in policy.path_rules), *(rule.rights for rule in policy.port_rules)
    )
    denied = (policy.handled_fs | policy.handled_net) - granted
    if denied:
        location = policy.rulesets[0].location if policy.rulesets else start_of(policy)
        yield finding("never-granted", location, f"{listed(denied)}: no rule grants it, so it is always denied.")


def _newer_rights(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """Find the first use of each right that the target ABI lacks: it is not restricted there."""
    abi = target_abi if target_abi is not None else policy.abi
    if abi is None or abi >= LATEST_ABI:
        return
    target = f"ABI {abi}" if target_abi is not None else f"this file's abi = {abi}"
    reported = set[str]()
    for name, location in named_rights(policy):
        right = RIGHTS.get(name)
        if right is not None and right.abi > abi and name not in reported:
            reported.add(name)
            message = f"{name} is new in ABI {right.abi}, but the policy is written for {target}."
            yield finding("newer-right", location, message)
    if target_abi is not None and policy.abi is not None and policy.abi > target_abi:
        everything = policy.handled_fs | policy.handled_net | policy.scoped
        lost = [name for name in in_order(everything - reported - unnamed(everything)) if RIGHTS[name].abi > abi]
        if lost:
            message = f"{', '.join(lost)}: part of a group at abi = {policy.abi}, not restricted at ABI {abi}."
            yield finding("newer-right", start_of(policy), message)


def _unnamed(policy: Policy) -> Iterator[Finding]:
    """Find rights given as numbers, each where it is first used."""
    found: dict[Location, RightSet] = {}
    left = unnamed(policy.handled_fs | policy.handled_net | policy.scoped)
    for name, location in named_rights(policy):
        if new := bits_of(name) & left:
            found[location] = found.get(location, NO_RIGHTS) | new
            left -= new
    for location, bits in found.items():
        message = (
            f"{listed(bits)}: not in any Landlock ABI up to {LATEST_ABI}, and not restricted by kernels that do not "
            "know it. landlockconfig accepts names only: llconfig and Island reject this file."
        )
        yield finding("unnamed-right", location, message)


def _empty_groups(policy: Policy) -> Iterator[Finding]:
    for table in policy.rulesets:
        lists = (
            ("handled_access_net", table.handled_access_net, table.handled_net),
            ("scoped", table.scoped, table.scopes),
        )
        for key, names, rights in lists:
            if names and not rights and set(names) <= set(GROUPS):
                message = f"{', '.join(names)} has no rights for {key} at abi = {policy.abi}."
                yield finding("empty-group", table.location, message)
    for rule in policy.port_rules:
        if not rule.rights and set(rule.allowed_access) <= set(GROUPS):
            ports = ", ".join(str(entry.port) for entry in rule.ports)
            unrestricted = "" if policy.handled_net else ", and no port is restricted"
            names_ = ", ".join(rule.allowed_access)
            message = f"{names_} has no rights at abi = {policy.abi}: the rule for port {ports} has no effect"
            yield finding("empty-group", rule.location, f"{message}{unrestricted}.")


def _used_variables(policy: Policy) -> set[str]:
    return {
        token.name
        for rule in policy.path_rules
        for parent in rule.parents
        for token in parse_template(parent.template)
        if isinstance(token, Reference)
    }


def _unused_variables(policy: Policy) -> Iterator[Finding]:
    used = _used_variables(policy)
    for variable in policy.variables:
        if variable.name not in used:
            used.add(variable.name)  # report several tables of one name once
            message = f"No path uses the variable '{variable.name}'."
            yield finding("unused-variable", variable.location, message, fix=(RemoveVariable(variable.name),))


def _empty_variables(policy: Policy) -> Iterator[Finding]:
    """Find variables without a value that a path uses, each at its first table."""
    valued = {variable.name for variable in policy.variables if variable.literals}
    used = _used_variables(policy) - valued
    for variable in policy.variables:
        if variable.name in used:
            used.remove(variable.name)
            message = (
                f"The variable '{variable.name}' has no literal: paths that use it grant nothing, here and in llconfig."
            )
            yield finding("empty-variable", variable.location, message)
