"""What a valid policy most likely does not mean: the findings of ``paddock check`` beyond errors.

Few and certain rather than many: each finding names one cause, with a sentence that says what will happen. What is
often meant just so is a note, which is no reason to fail.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from editor.editing.edits import Edit, RemoveEntry, RemoveVariable, SetRuleRights
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import (
    GROUPS,
    LATEST_ABI,
    NO_RIGHTS,
    RIGHTS,
    Kind,
    RightSet,
    bits_of,
    in_order,
    rights_of,
    unnamed,
)
from editor.policy.model import Location, Policy
from editor.policy.reference import REFERENCE_ABI
from editor.policy.variables import Reference, parse_template

Severity = Literal["error", "warning", "note"]


class Lint(NamedTuple):
    """One kind of finding: how bad it is, in a few words what it is, and why it matters. ``fixable``: at times."""

    severity: Severity
    title: str
    why: str
    fixable: bool = False


LINTS: Mapping[str, Lint] = MappingProxyType(
    {
        "nothing-restricted": Lint(
            "error", "The policy restricts nothing", "No right is handled, so a program under it may do everything."
        ),
        "unhandled-right": Lint(
            "warning",
            "Rights that nothing restricts",
            "Only handled rights are denied by default. Where a policy handles some rights of a kind, the others stay "
            "free for everything, which is easily overlooked.",
        ),
        "never-granted": Lint(
            "note", "Handled rights that no rule grants", "They are denied everywhere. That is often what is meant."
        ),
        "newer-right": Lint(
            "warning",
            "A right newer than the intended ABI",
            "A kernel that does not know a right does not restrict it: there, the policy permits more than it says.",
        ),
        "unknown-to-reference": Lint(
            "note",
            "A right that landlockconfig does not know yet",
            "The reference implementation, and with it llconfig and Island, refuses a file that names it.",
        ),
        "unnamed-right": Lint(
            "warning",
            "A right given as a number",
            "It belongs to a kernel later than any that Paddock knows: other kernels do not restrict it, and other "
            "readers of the format take names only.",
        ),
        "empty-group": Lint(
            "warning",
            "A group that stands for nothing",
            "At the file's abi the group has no right, so the table has no effect: what it lists is not restricted.",
        ),
        "unused-variable": Lint(
            "warning", "A variable that no path uses", "It has no effect; its name may be misspelt.", fixable=True
        ),
        "missing-path": Lint(
            "warning",
            "A path that does not exist",
            "A rule belongs to a file or directory that exists when the policy is enforced; a missing one is skipped.",
        ),
        "file-right": Lint(
            "warning",
            "Rights that a file cannot hold",
            "Rights on directories have no meaning on a file, and are left out there.",
            fixable=True,
        ),
        "covered-rule": Lint(
            "warning",
            "A path whose rights other rules give already",
            "Rules apply to everything beneath their path and add up, so the entry has no effect: taking a right out "
            "of it will not deny anything.",
            fixable=True,
        ),
        "write-without-truncate": Lint(
            "warning",
            "Writing without truncate",
            "Programs that overwrite a file open it with O_TRUNC, which needs truncate beside write_file.",
        ),
        "execute-without-read_file": Lint(
            "warning", "Executing without reading", "The kernel reads what it executes: both rights are needed."
        ),
        "make-without-write": Lint(
            "warning",
            "Making files without writing them",
            "A file made with open(2) is opened for writing as well: the call fails and leaves an empty file behind.",
        ),
        "write-and-execute": Lint(
            "note",
            "Writing and executing on one hierarchy",
            "A program under the policy can execute what it wrote there itself.",
        ),
        "root-writable": Lint("warning", "Everything can be written", "A rule on / reaches every file there is."),
        "root-readable": Lint("warning", "Everything can be read", "A rule on / reaches every file there is."),
        "home-writable": Lint(
            "warning",
            "A whole home directory can be written",
            "That holds what runs at the next login (~/.profile, ~/.ssh/authorized_keys): a way out of the sandbox.",
        ),
        "home-readable": Lint(
            "warning", "A whole home directory can be read", "That holds keys, tokens, mail and histories."
        ),
        "credentials": Lint(
            "warning",
            "Credentials can be read",
            "Of what stands there, only file permissions still keep the program out.",
        ),
        "system-writable": Lint(
            "warning",
            "/proc, /sys or /dev can be written as a whole",
            "Writing there changes the kernel, other processes or devices.",
        ),
        "system-readable": Lint(
            "note",
            "/proc, /sys or /dev can be read as a whole",
            "That tells of other processes and devices, for root also their content.",
        ),
        "policy-writable": Lint(
            "warning",
            "The policy can be changed from inside",
            "A program under the policy can rewrite it, and is free at its next start.",
        ),
        "refer-denied": Lint(
            "warning",
            "Files cannot be moved between directories",
            "refer is denied by every policy that restricts any filesystem right, even where it does not handle refer: "
            "rename(2) and link(2) between directories fail with EXDEV.",
        ),
        "refer-alone": Lint(
            "warning",
            "refer without anything to move",
            "Moving a file needs remove and make rights on the directories beside refer.",
        ),
        "symlink": Lint(
            "note",
            "A rule through a symbolic link",
            "The rule belongs to what the link leads to when the policy is enforced.",
        ),
        "bind-mount": Lint(
            "note", "A rule on a bind mount", "The rule belongs to the directory itself, wherever else it is reached."
        ),
        "overlay-layer": Lint(
            "warning",
            "A rule on a layer of an overlay filesystem",
            "Layers and the merged tree are separate hierarchies for Landlock: a rule on one does not reach the other.",
        ),
    }
)


class Finding(NamedTuple):
    """One finding: a key of LINTS, how bad it is, where, one sentence, and edits that mend it without side effects."""

    id: str
    severity: Severity
    location: Location
    message: str
    fix: tuple[Edit, ...] = ()


def finding(
    id: str, location: Location, message: str, *, severity: Severity | None = None, fix: tuple[Edit, ...] = ()
) -> Finding:
    """A finding with the severity of its kind, unless another is given."""
    return Finding(id, severity or LINTS[id].severity, location, message, fix)


def lint(policy: Policy, resolved: ResolvedPolicy, *, target_abi: int | None = None) -> tuple[Finding, ...]:
    """The findings about ``policy`` in the order of their places; ``resolved`` must be the same policy on this machine.

    ``target_abi`` is the Landlock version the policy is meant for, by default the file's own ``abi``.
    """
    from editor.analysis.lint.rules import lint_rules  # noqa: PLC0415 it needs this module

    findings = [
        *_nothing_restricted(policy),
        *_unhandled(policy, target_abi),
        *_never_granted(policy),
        *_newer_rights(policy, target_abi),
        *_unknown_elsewhere(policy),
        *_unnamed(policy),
        *_empty_groups(policy),
        *_unused_variables(policy),
        *lint_rules(policy, resolved),
    ]
    return tuple(sorted(findings, key=lambda each: (each.location, each.id)))


def fixes(findings: Iterable[Finding]) -> tuple[Edit, ...]:
    """The edits that mend ``findings``, which must be of one policy, in an order in which they can be applied.

    From the last rule to the first: taking one away then does not move those that are still to be changed.
    """

    def place(edit: Edit) -> tuple[int, int]:
        if isinstance(edit, RemoveEntry):
            return -edit.number, -edit.entry
        return (-edit.number, -sys.maxsize) if isinstance(edit, SetRuleRights) else (1, 0)

    return tuple(sorted((edit for each in findings for edit in each.fix), key=place))


def _start(policy: Policy) -> Location:
    """The start of the policy; of several files together, that of the first."""
    places = [table.location for table in policy.rulesets] + [rule.location for rule in policy.path_rules]
    places += [rule.location for rule in policy.port_rules] + [variable.location for variable in policy.variables]
    return Location(places[0].file if places else policy.file, 1, 1)


def _nothing_restricted(policy: Policy) -> Iterator[Finding]:
    if not (policy.handled_fs or policy.handled_net or policy.scoped):
        message = "The policy restricts nothing: it handles no right."
        yield finding("nothing-restricted", _start(policy), message)


def _unhandled(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """Rights beside handled ones that nothing restricts; a note where somebody listed what to handle."""
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
        listed = "handled neither by a ruleset nor through a rule" if not tables else "not handled"
        message = f"{_listed(free)}: {listed}, so not restricted {where}."
        yield finding("unhandled-right", location, message, severity="note" if tables else None)


def _never_granted(policy: Policy) -> Iterator[Finding]:
    granted = NO_RIGHTS.union(
        *(rule.rights for rule in policy.path_rules), *(rule.rights for rule in policy.port_rules)
    )
    denied = (policy.handled_fs | policy.handled_net) - granted
    if denied:
        location = policy.rulesets[0].location if policy.rulesets else _start(policy)
        yield finding("never-granted", location, f"{_listed(denied)}: no rule grants it, so it is always denied.")


def _named(policy: Policy) -> Iterator[tuple[str, Location]]:
    """Every name of a right or scope as written, groups included, with its table's place."""
    for table in policy.rulesets:
        for name in (*table.handled_access_fs, *table.handled_access_net, *table.scoped):
            yield name, table.location
    for rule in policy.path_rules:
        yield from ((name, rule.location) for name in rule.allowed_access)
    for port_rule in policy.port_rules:
        yield from ((name, port_rule.location) for name in port_rule.allowed_access)


def _newer_rights(policy: Policy, target_abi: int | None) -> Iterator[Finding]:
    """The first use of each right that the intended kernel does not know: it is not restricted there."""
    abi = target_abi if target_abi is not None else policy.abi
    if abi is None or abi >= LATEST_ABI:
        return
    aim = f"ABI {abi}" if target_abi is not None else f"this file's abi = {abi}"
    told = set[str]()
    for name, location in _named(policy):
        right = RIGHTS.get(name)
        if right is not None and right.abi > abi and name not in told:
            told.add(name)
            message = f"{name} came with ABI {right.abi}, but the policy is meant for {aim}."
            yield finding("newer-right", location, message)
    if target_abi is not None and policy.abi is not None and policy.abi > target_abi:
        everything = policy.handled_fs | policy.handled_net | policy.scoped
        lost = [name for name in in_order(everything - told - unnamed(everything)) if RIGHTS[name].abi > abi]
        if lost:
            message = f"{', '.join(lost)}: part of a group at abi = {policy.abi}, not restricted at ABI {abi}."
            yield finding("newer-right", _start(policy), message)


def _unknown_elsewhere(policy: Policy) -> Iterator[Finding]:
    told = set[str]()
    for name, location in _named(policy):
        right = RIGHTS.get(name)
        if right is not None and right.abi > REFERENCE_ABI and name not in told:
            told.add(name)
            message = f"landlockconfig does not know {name} yet: llconfig and Island refuse this file."
            yield finding("unknown-to-reference", location, message)


def _unnamed(policy: Policy) -> Iterator[Finding]:
    """Rights given as numbers, where each is first used."""
    found: dict[Location, RightSet] = {}
    left = unnamed(policy.handled_fs | policy.handled_net | policy.scoped)
    for name, location in _named(policy):
        if new := bits_of(name) & left:
            found[location] = found.get(location, NO_RIGHTS) | new
            left -= new
    for location, bits in found.items():
        message = (
            f"{_listed(bits)}: no Landlock ABI up to {LATEST_ABI} has it, and a kernel that does not know it does not "
            "restrict it. landlockconfig takes names only: llconfig and Island refuse this file."
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
                message = f"{', '.join(names)} stands for nothing in {key} at abi = {policy.abi}."
                yield finding("empty-group", table.location, message)
    for rule in policy.port_rules:
        if not rule.rights and set(rule.allowed_access) <= set(GROUPS):
            ports = ", ".join(str(entry.port) for entry in rule.ports)
            unrestricted = "" if policy.handled_net else ", and no port is restricted"
            names_ = ", ".join(rule.allowed_access)
            message = f"{names_} stands for nothing at abi = {policy.abi}: the rule for port {ports} has no effect"
            yield finding("empty-group", rule.location, f"{message}{unrestricted}.")


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
            yield finding("unused-variable", variable.location, message, fix=(RemoveVariable(variable.name),))


def _listed(rights: RightSet) -> str:
    return ", ".join(in_order(rights))
