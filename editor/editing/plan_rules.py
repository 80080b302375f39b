"""Plan edits of rules: of the rights on a path or port, and of one rule by its number."""

from collections.abc import Iterator
from typing import NamedTuple

from editor.editing.edits import (
    EditError,
    GrantPath,
    GrantPort,
    RuleEdit,
    SetPathRights,
    SetPortRights,
    SetRuleRights,
    kind_of,
)
from editor.editing.meaning import variables_of
from editor.editing.plan_handled import add_handled, handled_by
from editor.editing.rights_list import change_rights, written
from editor.editing.steps import AddTable, ChangeList, Key, RemoveTable, Section, Step, Value
from editor.escape import printable
from editor.landlock.rights import NO_RIGHTS, Kind, RightSet, in_order
from editor.policy.model import PathRule, Policy, PortRule, path_key
from editor.policy.variables import expand, quote


def edit_rights(policy: Policy, edit: SetPathRights | GrantPath | SetPortRights | GrantPort) -> tuple[Step, ...]:
    """Return steps that grant or set rights on a path or port. Raises EditError if a variable prevents it."""
    planner = _RulePlanner(policy, kind_of(edit), _Subject.of(policy, edit))
    if isinstance(edit, GrantPath | GrantPort):
        planner.grant(edit.rights)
    else:
        planner.set(edit.rights)
    return (*planner.steps, *planner.keep_handled())


class _Subject(NamedTuple):
    """What an edit is about: a path or a port, and how a new entry for it is written."""

    shown: str
    entry: Value
    # By rule: the entries that mean only the subject, and whether others mean it among other paths.
    places: dict[int, tuple[frozenset[int], bool]]

    @staticmethod
    def of(policy: Policy, edit: SetPathRights | GrantPath | SetPortRights | GrantPort) -> "_Subject":
        if isinstance(edit, SetPortRights | GrantPort):
            ports = {
                rule.number: (frozenset(at for at, entry in enumerate(rule.ports) if entry.port == edit.port), False)
                for rule in policy.port_rules
            }
            return _Subject(
                f"port {edit.port}", edit.port, {number: found for number, found in ports.items() if found[0]}
            )
        key = path_key(edit.path)
        variables = variables_of(policy)
        places: dict[int, tuple[frozenset[int], bool]] = {}
        template = None
        for rule in policy.path_rules:
            alone: set[int] = set()
            among = False
            for at, parent in enumerate(rule.parents):
                if "$" not in parent.template:
                    if path_key(parent.template) == key and parent.template:
                        alone.add(at)
                    continue
                keys = {path_key(path) for path in expand(parent.template, variables)}
                if keys == {key}:
                    alone.add(at)
                    template = template or parent.template
                elif key in keys:
                    among = True
            if alone or among:
                places[rule.number] = (frozenset(alone), among)
        # A path written with a variable keeps it when it moves to another rule.
        return _Subject(f"'{printable(edit.path)}'", template or quote(key), places)


class _RulePlanner:
    """Plans the changes to the rules of one kind for one subject."""

    def __init__(self, policy: Policy, kind: Kind, subject: _Subject) -> None:
        self.policy = policy
        self.kind: Kind = kind
        self.subject = subject
        self.section: Section = "path_beneath" if kind == "fs" else "net_port"
        self.list_key: Key = "parent" if kind == "fs" else "port"
        self.rules: tuple[PathRule, ...] | tuple[PortRule, ...] = (
            policy.path_rules if kind == "fs" else policy.port_rules
        )
        self.steps: list[Step] = []
        # The rights that each rule will grant, to find those that would no longer be handled.
        self.given: dict[int, RightSet] = {rule.number: rule.rights for rule in self.rules}
        self.fixed = NO_RIGHTS.union(
            *(self.rules[number].rights for number, (_, among) in subject.places.items() if among)
        )
        self.own = [number for number, (alone, _) in subject.places.items() if alone]

    def size(self, number: int) -> int:
        rule = self.rules[number]
        return len(rule.parents if isinstance(rule, PathRule) else rule.ports)

    def is_alone(self, number: int) -> bool:
        return len(self.subject.places[number][0]) == self.size(number)

    def rights(self, number: int) -> RightSet:
        return self.rules[number].rights

    def grant(self, rights: RightSet) -> None:
        """Add what is missing and change nothing else."""
        missing = rights - self.fixed - self.granted_by(self.own)
        if not missing:
            return
        alone = [number for number in self.own if self.is_alone(number)]
        if alone:
            self.change(alone[0], self.rights(alone[0]) | missing)
        else:
            self.add(missing)

    def set(self, rights: RightSet) -> None:
        """Make the rules that name the subject grant exactly ``rights``."""
        if not self.fixed <= rights:
            self.refuse_variable(rights)
        present = self.granted_by(self.own)
        wanted = (present & rights) | (rights - self.fixed)
        if wanted == present:
            return
        alone = [number for number in self.own if self.is_alone(number)]
        kept = [number for number in self.own if self.rights(number) <= wanted and number not in alone[:1]]
        if alone:
            home = alone[0]
            for number in self.own:
                if number != home and number not in kept:
                    self.drop(number)
            remaining = (self.rights(home) & wanted) | (wanted - self.granted_by(kept))
            if remaining:
                self.change(home, remaining)
            else:
                self.drop(home)
        elif self.granted_by(kept) == wanted:
            for number in self.own:
                if number not in kept:
                    self.drop(number)
        else:  # every rule has other paths too: use a separate rule, or one that grants exactly this
            for number in self.own:
                self.drop(number)
            self.add(wanted)

    def granted_by(self, numbers: list[int]) -> RightSet:
        return NO_RIGHTS.union(*(self.rights(number) for number in numbers))

    def refuse_variable(self, rights: RightSet) -> None:
        """Raise the EditError for rights granted through a template that means several paths."""
        kept = ", ".join(in_order(self.fixed - rights))
        for number, (_, among) in self.subject.places.items():
            rule = self.rules[number]
            if among and not rule.rights <= rights:
                raise EditError(
                    f"The rule on line {rule.location.line} grants {kept} on {self.subject.shown} through a variable "
                    "with several values; change the rule or the variable in the text instead."
                )

    def change(self, number: int, rights: RightSet) -> None:
        """Change the rights of a rule."""
        rule = self.rules[number]
        if rights != rule.rights:
            self.steps.append(
                change_rights(
                    self.section,
                    number,
                    "allowed_access",
                    rule.allowed_access,
                    kind=self.kind,
                    abi=self.policy.abi,
                    wanted=rights,
                )
            )
            self.given[number] = rights

    def drop(self, number: int) -> None:
        """Remove the subject from a rule, and the rule if nothing is left of it."""
        if self.is_alone(number):
            self.steps.append(RemoveTable(self.section, number))
            self.given[number] = NO_RIGHTS
        else:
            self.steps.append(ChangeList(self.section, number, self.list_key, self.subject.places[number][0], ()))

    def add(self, rights: RightSet) -> None:
        """Add the subject to a rule that grants exactly ``rights``, or to a new one."""
        for number in self.given:
            if self.rights(number) == rights and self.given[number] == rights:
                entry = (self.size(number), self.subject.entry)
                self.steps.append(ChangeList(self.section, number, self.list_key, frozenset(), (entry,)))
                return
        members: tuple[tuple[Key, tuple[Value, ...]], ...] = (
            ("allowed_access", written(rights)),
            (self.list_key, (self.subject.entry,)),
        )
        self.steps.append(AddTable(self.section, members))
        self.given[len(self.rules)] = rights

    def keep_handled(self) -> Iterator[Step]:
        """Yield steps that keep handled what rules no longer grant, so that an edit never widens the policy."""
        before = self.policy.handled_fs if self.kind == "fs" else self.policy.handled_net
        listed = NO_RIGHTS.union(*(handled_by(table, self.kind) for table in self.policy.rulesets))
        lost = before - listed - NO_RIGHTS.union(*self.given.values())
        if lost:
            yield add_handled(self.policy, self.kind, lost)


def edit_rule(policy: Policy, edit: RuleEdit) -> Iterator[Step]:
    """Yield steps that change one rule and keep handled what it no longer grants."""
    kind = kind_of(edit)
    rules: tuple[PathRule, ...] | tuple[PortRule, ...] = policy.path_rules if kind == "fs" else policy.port_rules
    if not 0 <= edit.number < len(rules):
        raise EditError(f"There is no rule {edit.number} in {edit.section}.")
    rule = rules[edit.number]
    given = rule.rights
    if isinstance(edit, SetRuleRights):
        if edit.rights == rule.rights:
            return
        given = edit.rights
        names = rule.allowed_access
        if given:
            yield change_rights(
                edit.section, rule.number, "allowed_access", names, kind=kind, abi=policy.abi, wanted=given
            )
        else:
            yield RemoveTable(edit.section, rule.number, edit.with_comment)
    else:
        size = len(rule.parents if isinstance(rule, PathRule) else rule.ports)
        if not 0 <= edit.entry < size:
            raise EditError(f"The rule on line {rule.location.line} has no entry {edit.entry}.")
        if size > 1:
            key: Key = "parent" if kind == "fs" else "port"
            yield ChangeList(edit.section, rule.number, key, frozenset({edit.entry}), ())
            return
        given = NO_RIGHTS
        yield RemoveTable(edit.section, rule.number)
    handled = policy.handled_fs if kind == "fs" else policy.handled_net
    listed = NO_RIGHTS.union(*(handled_by(table, kind) for table in policy.rulesets))
    granted = NO_RIGHTS.union(given, *(other.rights for other in rules if other.number != rule.number))
    if lost := handled - listed - granted:
        yield add_handled(policy, kind, lost)
