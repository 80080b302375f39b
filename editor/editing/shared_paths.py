"""Edit one of several paths that one string of a rule expands to.

``parent = ["${home}/mail"]`` with two homes names two paths, and the rule grants both the same rights. So an edit of
one path has two possible scopes: change the rule for all its paths, or split off the one path.
"""

from typing import Literal, NamedTuple

from editor.editing.edits import Edit, EditError, ExpandEntry, GrantPath, SetPathRights, SetRuleRights
from editor.editing.meaning import variables_of
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import Policy, path_key
from editor.policy.variables import expand

EditScope = Literal["all", "split"]
"""Change all paths that the rule names, or split off the one path."""


class SharedEntry(NamedTuple):
    """A string of a rule that names one path among others.

    ``number`` is that of the rule, from 0, ``entry`` the index of the string in its list, on line ``line``. ``paths``
    are all that the rule names, ``rights`` those it grants.
    """

    number: int
    entry: int
    template: str
    line: int
    paths: tuple[str, ...]
    rights: RightSet


class SharedPath(EditError):
    """An edit of a path that a rule names among others, through a variable: its scope must be chosen."""

    def __init__(self, path: str, entries: tuple[SharedEntry, ...]) -> None:
        super().__init__(
            "A variable expands to this path and others: choose whether to change all of them or only this one."
        )
        self.path = path
        self.entries = entries


def shared_entries(policy: Policy, path: str) -> tuple[SharedEntry, ...]:
    """Return the strings of ``policy`` that mean ``path`` and other paths."""
    if not policy.variables:
        return ()
    key = path_key(path)
    variables = variables_of(policy)
    found = []
    for rule in policy.path_rules:
        for at, parent in enumerate(rule.parents):
            if "${" not in parent.template:
                continue
            keys = {path_key(each) for each in expand(parent.template, variables)}
            if key in keys and len(keys) > 1:
                named = (each for every in rule.parents for each in expand(every.template, variables))
                paths = tuple(dict.fromkeys(named))
                found.append(SharedEntry(rule.number, at, parent.template, parent.location.line, paths, rule.rights))
    return tuple(found)


def edits_of(policy: Policy, edit: Edit, scope: EditScope | None) -> tuple[Edit, ...]:
    """Return the edits of ``policy`` that apply ``edit`` with ``scope``.

    "all" changes the rules that name the path among others and keeps the variable. "split" writes out the paths of a
    rule that grants too much and then changes the one; if a rule grants too little, a separate rule adds what is
    missing and the variable stays. Raises SharedPath if a scope is needed but not given.
    """
    if not isinstance(edit, SetPathRights | GrantPath):
        return (edit,)
    entries = shared_entries(policy, edit.path)
    if not entries:
        return (edit,)
    if scope is None:
        raise SharedPath(edit.path, entries)
    shared = NO_RIGHTS.union(*(entry.rights for entry in entries))
    wanted = edit.rights | shared if isinstance(edit, GrantPath) else edit.rights
    if scope == "split":
        # From the last to the first: expanding an entry moves only what follows it.
        expanded = (ExpandEntry(each.number, each.entry) for each in reversed(entries) if not each.rights <= wanted)
        return (*expanded, edit)
    rules = {entry.number: entry.rights & wanted for entry in entries}
    rules[min(rules)] |= wanted - shared
    # Removing a rule changes the numbers of those after it.
    changed = (SetRuleRights("path_beneath", number, rules[number]) for number in sorted(rules, reverse=True))
    return (*changed, edit)
