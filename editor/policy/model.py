"""The immutable model of one policy file; every part knows its location.

Values here are named tuples, not dataclasses: ``paddock run`` is part of every start of a service, and importing
dataclasses takes longer than starting the interpreter.
"""

from functools import lru_cache
from typing import NamedTuple

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.variables import MAX_PATHS

MAX_PORT = 65535


class Location(NamedTuple):
    """A location in a policy file; ``line`` and ``column`` count from 1, ``column`` in characters."""

    file: str
    line: int
    column: int


class Variable(NamedTuple):
    """One ``[[variable]]`` table. The literals of tables with the same name are combined."""

    name: str
    literals: tuple[str, ...]
    location: Location


class RulesetTable(NamedTuple):
    """One ``[[ruleset]]`` table, the ``number``th from 0: names as written, including groups, and what they mean.

    Here and in the rules below, a number is represented by its `rights.mask_name`.
    """

    number: int
    handled_access_fs: tuple[str, ...]
    handled_access_net: tuple[str, ...]
    scoped: tuple[str, ...]
    handled_fs: RightSet
    handled_net: RightSet
    scopes: RightSet
    location: Location


class ParentPath(NamedTuple):
    """One string of a rule's ``parent`` list, variables not expanded, and its location."""

    template: str
    location: Location


class PathRule(NamedTuple):
    """One ``[[path_beneath]]`` table, the ``number``th from 0.

    ``allowed_access`` is as written, ``rights`` what it means. ``grouped`` are rights of groups in the file that
    composing several files may have spelled out in ``allowed_access``.
    """

    number: int
    allowed_access: tuple[str, ...]
    rights: RightSet
    parents: tuple[ParentPath, ...]
    location: Location
    grouped: RightSet = NO_RIGHTS


class PortEntry(NamedTuple):
    """One number of a rule's ``port`` list, and its location."""

    port: int
    location: Location


class PortRule(NamedTuple):
    """One ``[[net_port]]`` table, the ``number``th from 0.

    ``allowed_access`` is as written, ``rights`` what it means.
    """

    number: int
    allowed_access: tuple[str, ...]
    rights: RightSet
    ports: tuple[PortEntry, ...]
    location: Location


class Policy(NamedTuple):
    """One policy file, parsed and checked, but not resolved on this machine.

    ``handled_fs``, ``handled_net`` and ``scoped`` include what rules add: a right that a rule grants is handled. A
    composed policy has no file of its own: ``files`` are the files and directories that it was composed from.
    """

    file: str
    abi: int | None
    variables: tuple[Variable, ...]
    rulesets: tuple[RulesetTable, ...]
    path_rules: tuple[PathRule, ...]
    port_rules: tuple[PortRule, ...]
    handled_fs: RightSet
    handled_net: RightSet
    scoped: RightSet
    files: tuple[str, ...] = ()


def policy_of(
    file: str,
    abi: int | None,
    *,
    variables: tuple[Variable, ...],
    rulesets: tuple[RulesetTable, ...],
    path_rules: tuple[PathRule, ...],
    port_rules: tuple[PortRule, ...],
) -> Policy:
    """Return the policy made of these tables; a right that a rule grants is handled."""
    return Policy(
        file=file,
        abi=abi,
        variables=variables,
        rulesets=rulesets,
        path_rules=path_rules,
        port_rules=port_rules,
        # Thousands of rules share a few dozen sets of rights.
        handled_fs=NO_RIGHTS.union(*(table.handled_fs for table in rulesets), *{rule.rights for rule in path_rules}),
        handled_net=NO_RIGHTS.union(*(table.handled_net for table in rulesets), *{rule.rights for rule in port_rules}),
        scoped=NO_RIGHTS.union(*(table.scopes for table in rulesets)),
    )


class RuleRef(NamedTuple):
    """The rule that a verdict points to: ``rule`` describes it, such as ``path_beneath "/usr"``."""

    file: str
    line: int
    rule: str


@lru_cache(maxsize=MAX_PATHS)  # called several times per edit for each path of a policy
def path_key(path: str) -> str:
    """Return the key that all spellings of one path share, compared as Rust's ``Path`` compares them.

    Repeated and trailing slashes and inner ``.`` are ignored; a leading ``.`` and every ``..`` are not.
    """
    if "//" not in path and "/." not in path and not path.endswith("/"):
        return path
    names = path.split("/")
    kept = [name for index, name in enumerate(names) if name and (name != "." or index == 0)]
    return ("/" if path.startswith("/") else "") + "/".join(kept)
