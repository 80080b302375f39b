"""One path out of several that a variable makes of one string: what an edit of it alone, or of all of them, would be.

``parent = ["${home}/mail"]`` with two homes names two paths. A rule gives both the same rights, so that an edit of one
has two readings: change the rule, for all that it names, or take the one path out of it.
"""

from typing import Literal, NamedTuple

from editor.editing.edits import Edit, EditError, ExpandEntry, GrantPath, SetPathRights, SetRuleRights
from editor.editing.meaning import variables_of
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import Policy, path_key
from editor.policy.variables import expand

EditScope = Literal["all", "split"]
"""Change all that the rule names, or split the one path off."""


class SharedEntry(NamedTuple):
    """A string of a rule that names one path among others.

    ``number`` is the rule's, from 0, ``entry`` the string's place in its list, ``line`` where it stands. ``paths`` are
    all that the whole rule names, ``rights`` what it gives.
    """

    number: int
    entry: int
    template: str
    line: int
    paths: tuple[str, ...]
    rights: RightSet


class SharedPath(EditError):
    """An edit of a path that a rule names among others, through a variable: it has two readings."""

    def __init__(self, path: str, entries: tuple[SharedEntry, ...]) -> None:
        super().__init__(
            "A variable leads to this path and to others: say whether to change all of them, or only this."
        )
        self.path = path
        self.entries = entries


def shared_entries(policy: Policy, path: str) -> tuple[SharedEntry, ...]:
    """The strings of ``policy`` that stand for ``path`` and for other paths beside it."""
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
    """The edits of ``policy`` that carry out ``edit`` in the way of ``scope``.

    All: the rules that name the path among others change, and the variable stays. Split: a rule that gives too much
    gets its paths written out, and then they part; where it gives too little, a rule of its own adds what is missing,
    and the variable stays. Raises SharedPath where a scope is needed and there is none.
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
        # From the last to the first: what is written out moves only what stands behind it.
        expanded = (ExpandEntry(each.number, each.entry) for each in reversed(entries) if not each.rights <= wanted)
        return (*expanded, edit)
    rules = {entry.number: entry.rights & wanted for entry in entries}
    rules[min(rules)] |= wanted - shared
    # A rule that goes changes the numbers of those behind it, too.
    changed = (SetRuleRights("path_beneath", number, rules[number]) for number in sorted(rules, reverse=True))
    return (*changed, edit)
