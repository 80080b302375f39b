"""Findings about what landlockconfig, the format's reference implementation, does otherwise than Paddock on purpose.

llconfig is its launcher. What it does is from src/config.rs and src/parser.rs, and src/fs.rs of the landlock crate.
"""

from collections.abc import Iterator

from editor.analysis.lint.catalogue import Finding, finding
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import FILE_RIGHTS, GROUPS, NO_RIGHTS, RIGHTS, Kind, RightSet, expand_element, listed
from editor.policy.model import Location, Policy
from editor.policy.reference import REFERENCE_ABI, REFERENCE_MAX_ABI, REFERENCE_MIN_ABI


def lint_reference(policy: Policy, resolved: ResolvedPolicy, start: Location) -> Iterator[Finding]:
    """Yield the findings; ``start`` is the place of those about the policy as a whole."""
    yield from _unknown_names(policy)
    yield from _lower_abi(policy, start)
    yield from _nothing_left(resolved)


def named_rights(policy: Policy) -> Iterator[tuple[str, Location]]:
    """Yield every name of a right or scope as written, groups included, with the place of its table."""
    for table in policy.rulesets:
        for name in (*table.handled_access_fs, *table.handled_access_net, *table.scoped):
            yield name, table.location
    for rule in policy.path_rules:
        yield from ((name, rule.location) for name in rule.allowed_access)
    for port_rule in policy.port_rules:
        yield from ((name, port_rule.location) for name in port_rule.allowed_access)


def _unknown_names(policy: Policy) -> Iterator[Finding]:
    reported = set[str]()
    for name, location in named_rights(policy):
        right = RIGHTS.get(name)
        if right is not None and right.abi > REFERENCE_ABI and name not in reported:
            reported.add(name)
            message = f"landlockconfig does not know {name} yet: llconfig and Island reject this file."
            yield finding("unknown-to-reference", location, message)


def _lower_abi(policy: Policy, start: Location) -> Iterator[Finding]:
    """Find a file whose groups stand for fewer rights there: a high abi counts as the highest that a build knows."""
    if policy.abi is None or policy.abi <= REFERENCE_MIN_ABI:
        return
    lost: RightSet = NO_RIGHTS
    for table in policy.rulesets:
        written: tuple[tuple[tuple[str, ...], Kind], ...] = (
            (table.handled_access_fs, "fs"), (table.handled_access_net, "net")
        )  # fmt: skip
        for names, kind in written:
            for name in GROUPS.keys() & {*names}:
                lost |= expand_element(name, kind, policy.abi) - expand_element(name, kind, REFERENCE_MIN_ABI)
    if lost:
        message = (
            f"landlockconfig takes abi = {policy.abi} as the highest ABI of its build, {REFERENCE_MIN_ABI} to "
            f"{REFERENCE_MAX_ABI}: llconfig may not restrict {listed(lost)}."
        )
        yield finding("abi-beyond-reference", start, message)


def _nothing_left(resolved: ResolvedPolicy) -> Iterator[Finding]:
    """Find files of which no right is left, since their rules grant rights for directories only."""
    for path in resolved.paths:
        if path.is_dir is False and path.rights and not path.rights & FILE_RIGHTS:
            ref = path.refs[0].ref
            message = (
                f"{printable(path.path)} is not a directory and no right is left for it, so its rule is skipped: "
                "llconfig does not start the command at all."
            )
            yield finding("empty-on-file", Location(ref.file, ref.line, 1), message)
