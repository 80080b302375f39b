"""What a valid policy most likely does not mean: the findings of ``paddock check`` beyond errors.

Few and certain rather than many: each finding names one cause, with a sentence that says what will happen.
"""

import os
import stat
from collections.abc import Iterator
from typing import Literal, NamedTuple

from editor.escape import printable
from editor.landlock.rights import FILE_RIGHTS, LATEST_ABI, RIGHTS, RightSet, in_order
from editor.policy.decide import Decider
from editor.policy.model import Location, PathRule, Policy, RuleRef
from editor.policy.resolve import ResolvedPath, ResolvedPolicy, path_ref
from editor.policy.variables import Reference, parse_template

Severity = Literal["error", "warning"]


class Finding(NamedTuple):
    """One finding: a stable id for people who filter, how bad it is, where, and one sentence."""

    id: str
    severity: Severity
    location: Location
    message: str


def lint(policy: Policy, resolved: ResolvedPolicy, *, target_abi: int | None = None) -> tuple[Finding, ...]:
    """The findings about ``policy`` in the order of their places; ``resolved`` must be the same policy on this machine.

    ``target_abi`` is the Landlock version the policy is meant for, by default the file's own ``abi``.
    """
    findings = [
        *_nothing_restricted(policy),
        *_newer_rights(policy, target_abi),
        *_unused_variables(policy),
        *_rules(policy, resolved),
    ]
    return tuple(sorted(findings, key=lambda finding: (finding.location.line, finding.location.column, finding.id)))


def _nothing_restricted(policy: Policy) -> Iterator[Finding]:
    if not (policy.handled_fs or policy.handled_net or policy.scoped):
        where = Location(policy.file, 1, 1)
        yield Finding("nothing-restricted", "error", where, "The policy restricts nothing: it handles no right.")


def _newer_rights(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """The first use of each right that the intended kernel does not know: it is not restricted there."""
    abi = target_abi if target_abi is not None else policy.abi
    if abi is None or abi >= LATEST_ABI:
        return
    aim = f"ABI {abi}" if target_abi is not None else f"this file's abi = {abi}"
    places: list[tuple[tuple[str, ...], Location]] = []
    for table in policy.rulesets:
        names = (*table.handled_access_fs, *table.handled_access_net, *table.scoped)
        places.append((names, table.location))
    places += [(rule.allowed_access, rule.location) for rule in policy.path_rules]
    places += [(port_rule.allowed_access, port_rule.location) for port_rule in policy.port_rules]
    told = set[str]()
    for names, location in places:
        for name in names:
            right = RIGHTS.get(name)
            if right is not None and right.abi > abi and name not in told:
                told.add(name)
                message = f"{name} came with ABI {right.abi}, but the policy is meant for {aim}."
                yield Finding("newer-right", "warning", location, message)


def _unused_variables(policy: Policy) -> Iterator[Finding]:
    used = {
        token.name
        for rule in policy.path_rules
        for parent in rule.parents
        for token in parse_template(parent.template)
        if isinstance(token, Reference)
    }
    for variable in policy.variables:
        if variable.name not in used:
            used.add(variable.name)  # several tables may share a name: one cause
            message = f"The variable '{variable.name}' is not used by any path."
            yield Finding("unused-variable", "warning", variable.location, message)


def _rules(policy: Policy, resolved: ResolvedPolicy) -> Iterator[Finding]:
    places: dict[RuleRef, list[ResolvedPath]] = {}
    for path in resolved.paths:
        for each in path.refs:
            places.setdefault(each.ref, []).append(path)
    decider = Decider(resolved, LATEST_ABI)
    for rule in policy.path_rules:
        existing: list[tuple[Location, ResolvedPath]] = []
        for parent in rule.parents:
            for path in places.get(path_ref(parent), ()):
                if path.identity is None:
                    message = f"{printable(path.path) or 'The empty path'} does not exist: its rule grants nothing."
                    yield Finding("missing-path", "warning", parent.location, message)
                else:
                    existing.append((parent.location, path))
        yield from _file_rights(rule, existing)
        yield from _incomplete(rule, existing, policy.handled_fs, decider)
        yield from _root_writable(rule, existing)


def _file_rights(rule: PathRule, existing: list[tuple[Location, ResolvedPath]]) -> Iterator[Finding]:
    """Rights that a rule names but cannot grant, as all its paths are files; groups do not count, they are for both."""
    if not existing or any(path.is_dir for _, path in existing):
        return
    lost = [name for name in in_order(rule.allowed_access) if name not in FILE_RIGHTS]
    if lost:
        location, path = existing[0]
        names = ", ".join(lost)
        message = f"{printable(path.path)} is not a directory: {names} cannot be granted on it."
        yield Finding("file-right", "warning", location, message)


def _incomplete(
    rule: PathRule, existing: list[tuple[Location, ResolvedPath]], handled: RightSet, decider: Decider
) -> Iterator[Finding]:
    """Rights that are of little use alone: the companion is handled, but no rule grants it there."""
    for given, companion, effect in (
        ("write_file", "truncate", "overwriting a file (O_TRUNC, a shell's >) is denied"),
        ("execute", "read_file", "nothing can be executed: that needs both"),
    ):
        if given not in rule.rights or companion in rule.rights or companion not in handled:
            continue
        for location, path in existing:
            if path.target is None or (given == "write_file" and not _can_be_truncated(path.target)):
                continue
            if companion not in decider.rights_on(path.target):
                message = f"{printable(path.path)} is granted {given} but not {companion}: {effect}."
                yield Finding(f"{given.partition('_')[0]}-without-{companion}", "warning", location, message)
                break


def _can_be_truncated(path: str) -> bool:
    """Whether O_TRUNC means anything on ``path`` or below: opening a device or a pipe with it truncates nothing."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) or stat.S_ISREG(mode)


def _root_writable(rule: PathRule, existing: list[tuple[Location, ResolvedPath]]) -> Iterator[Finding]:
    if "write_file" not in rule.rights:
        return
    for location, path in existing:
        if path.target == "/":
            message = "Writing is granted on /, so on every file there is."
            yield Finding("root-writable", "warning", location, message)
            return
