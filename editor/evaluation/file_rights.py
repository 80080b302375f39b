"""Rules that name rights for directories, although every path that they name is something else.

A rule on a file takes some rights only (``FILE_RIGHTS``), and the others are left out of it. A group like
``abi.read_write`` is meant for both, so only rights that are named count.
"""

from collections.abc import Iterator
from typing import NamedTuple

from editor.escape import printable
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy
from editor.landlock.rights import DIRECTORY_RIGHTS, in_order
from editor.policy.model import ParentPath, PathRule, Policy, path_key
from editor.policy.variables import expand


class FileRule(NamedTuple):
    """A rule with ``rights`` that it names and cannot grant, and the first of its paths that exist.

    If ``all_exist``, no path of the rule is missing today and may be a directory tomorrow.
    """

    rule: PathRule
    parent: ParentPath
    path: ResolvedPath
    rights: tuple[str, ...]
    all_exist: bool

    @property
    def message(self) -> str:
        """A sentence that says what is not granted."""
        return f"{printable(self.path.path)} is not a directory: {', '.join(self.rights)} cannot be granted on it."


def file_rules(policy: Policy, resolved: ResolvedPolicy) -> Iterator[FileRule]:
    """Yield these rules in the order of the policy; ``resolved`` must be the same policy on this machine."""
    named = [
        (rule, rights)
        for rule in policy.path_rules
        if (rights := DIRECTORY_RIGHTS & {*rule.allowed_access} - rule.grouped)
    ]
    if not named:
        return
    by_key = {path_key(path.path): path for path in resolved.paths}
    variables: dict[str, set[str]] = {}
    for variable in policy.variables:
        variables.setdefault(variable.name, set()).update(variable.literals)
    for rule, rights in named:
        pairs = [
            (parent, by_key[path_key(path)]) for parent in rule.parents for path in expand(parent.template, variables)
        ]
        existing = [pair for pair in pairs if pair[1].identity is not None]
        if existing and not any(path.is_dir for _, path in existing):
            parent, path = existing[0]
            yield FileRule(rule, parent, path, tuple(in_order(rights)), len(existing) == len(pairs))
