"""From an edit to the lists and tables of a policy file that must change. No text here, only values."""

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

from editor.editing.edits import (
    Edit,
    EditError,
    ExpandEntry,
    GrantPath,
    GrantPort,
    RemoveVariable,
    RenameVariable,
    RuleEdit,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRuleRights,
    SetScope,
    VariableEdit,
    check,
    kind_of,
)
from editor.editing.meaning import variables_of
from editor.escape import printable
from editor.landlock.rights import NO_RIGHTS, Kind, RightSet, in_order, mask_of, stands_for
from editor.policy.compose import GIVEN
from editor.policy.model import PathRule, Policy, PortRule, RulesetTable, path_key
from editor.policy.variables import MAX_PATHS, Reference, expand, parse_template, quote

Section = Literal["variable", "ruleset", "path_beneath", "net_port"]
Key = Literal["name", "handled_access_fs", "handled_access_net", "scoped", "allowed_access", "parent", "port"]
Value = str | int


class Bits(int):
    """The number of a right that has no name; a port is any other number."""


HANDLED_KEYS: dict[Kind, Key] = {"fs": "handled_access_fs", "net": "handled_access_net", "scope": "scoped"}


class ChangeList(NamedTuple):
    """Remove elements of a list by their number; insert values before an element (its length: at the end)."""

    section: Section
    number: int
    key: Key
    remove: frozenset[int]
    insert: tuple[tuple[int, Value], ...]


class RemoveTable(NamedTuple):
    """Remove a whole table of a section."""

    section: Section
    number: int


class AddTable(NamedTuple):
    """Add a table behind the last one of its section."""

    section: Section
    members: tuple[tuple[Key, tuple[Value, ...]], ...]


class RemoveMember(NamedTuple):
    """Remove one key of a table."""

    section: Section
    number: int
    key: Key


class AddMember(NamedTuple):
    """Add a key that the table does not have yet."""

    section: Section
    number: int
    key: Key
    values: tuple[Value, ...]


class ReplaceValue(NamedTuple):
    """Put another string in the place of one: the value of a key, or the ``entry``th element of its list."""

    section: Section
    number: int
    key: Key
    entry: int | None
    value: str


Step = ChangeList | RemoveTable | AddTable | RemoveMember | AddMember | ReplaceValue


def plan(policy: Policy, edit: Edit) -> tuple[Step, ...]:
    """The changes to the lists and tables of ``policy`` that carry out ``edit``; none where it holds already.

    Raises EditError with a sentence where the edit is impossible or would change more than it says.
    """
    check(edit)
    if isinstance(edit, SetHandled):
        return tuple(_set_handled(policy, edit))
    if isinstance(edit, SetScope):
        return tuple(_set_list(policy, "scope", edit.scope, policy.scoped, edit.on))
    if isinstance(edit, RuleEdit):
        return tuple(_edit_rule(policy, edit))
    if isinstance(edit, VariableEdit):
        return tuple(_edit_variable(policy, edit))
    planner = _RulePlanner(policy, kind_of(edit), _Subject.of(policy, edit))
    if isinstance(edit, GrantPath | GrantPort):
        planner.grant(edit.rights)
    else:
        planner.set(edit.rights)
    return (*planner.steps, *planner.keep_handled())


class _Subject(NamedTuple):
    """What an edit grants on: a path or a port, and how a new entry for it is written."""

    shown: str
    entry: Value
    # By rule: the places in its list that mean the subject alone, and whether others mean it among other paths.
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
        # A path that a variable leads to keeps the variable when it moves to another rule.
        return _Subject(f"'{printable(edit.path)}'", template or quote(key), places)


class _RulePlanner:
    """Plans what happens to the rules of one kind for one subject."""

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
        # What each rule will give, to see which rights would stop being handled.
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
        """Add what is missing and touch nothing else."""
        missing = rights - self.fixed - self.united(self.own)
        if not missing:
            return
        alone = [number for number in self.own if self.is_alone(number)]
        if alone:
            self.give(alone[0], self.rights(alone[0]) | missing)
        else:
            self.add(missing)

    def set(self, rights: RightSet) -> None:
        """Make the rules that name the subject give exactly ``rights``."""
        if not self.fixed <= rights:
            self.refuse_variable(rights)
        present = self.united(self.own)
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
            remaining = (self.rights(home) & wanted) | (wanted - self.united(kept))
            if remaining:
                self.give(home, remaining)
            else:
                self.drop(home)
        elif self.united(kept) == wanted:
            for number in self.own:
                if number not in kept:
                    self.drop(number)
        else:  # shared with other paths everywhere: gets a rule of its own, or joins one that gives just this
            for number in self.own:
                self.drop(number)
            self.add(wanted)

    def united(self, numbers: list[int]) -> RightSet:
        return NO_RIGHTS.union(*(self.rights(number) for number in numbers))

    def refuse_variable(self, rights: RightSet) -> None:
        """Raise the EditError for rights that come through a template that means several paths."""
        kept = ", ".join(in_order(self.fixed - rights))
        for number, (_, among) in self.subject.places.items():
            rule = self.rules[number]
            if among and not rule.rights <= rights:
                raise EditError(
                    f"The rule on line {rule.location.line} gives {self.subject.shown} {kept} through a variable that "
                    "stands for several paths; change the rule or the variable in the text instead."
                )

    def give(self, number: int, rights: RightSet) -> None:
        """Change the rights of a rule."""
        rule = self.rules[number]
        if rights != rule.rights:
            self.steps.append(
                _rewritten(
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
        """Take the subject out of a rule, and the rule away where nothing is left of it."""
        if self.is_alone(number):
            self.steps.append(RemoveTable(self.section, number))
            self.given[number] = NO_RIGHTS
        else:
            self.steps.append(ChangeList(self.section, number, self.list_key, self.subject.places[number][0], ()))

    def add(self, rights: RightSet) -> None:
        """Name the subject in the rule that gives just ``rights``, or in a new one."""
        for number in self.given:
            if self.rights(number) == rights and self.given[number] == rights:
                entry = (self.size(number), self.subject.entry)
                self.steps.append(ChangeList(self.section, number, self.list_key, frozenset(), (entry,)))
                return
        members: tuple[tuple[Key, tuple[Value, ...]], ...] = (
            ("allowed_access", _written(rights)),
            (self.list_key, (self.subject.entry,)),
        )
        self.steps.append(AddTable(self.section, members))
        self.given[len(self.rules)] = rights

    def keep_handled(self) -> Iterator[Step]:
        """Steps that keep denied what is no longer handled through a rule: an edit never widens the policy."""
        before = self.policy.handled_fs if self.kind == "fs" else self.policy.handled_net
        listed = NO_RIGHTS.union(*(_handled(table, self.kind) for table in self.policy.rulesets))
        lost = before - listed - NO_RIGHTS.union(*self.given.values())
        if lost:
            yield _add_handled(self.policy, self.kind, lost)


def _set_handled(policy: Policy, edit: SetHandled) -> Iterator[Step]:
    kind = kind_of(edit)
    rules: tuple[PathRule, ...] | tuple[PortRule, ...] = policy.path_rules if kind == "fs" else policy.port_rules
    if not edit.on:
        for rule in rules:
            if edit.right in rule.rights:
                raise EditError(
                    f"'{edit.right}' stays handled: the rule on line {rule.location.line} grants it, "
                    "and what a rule grants is handled."
                )
    yield from _set_list(policy, kind, edit.right, policy.handled_fs if kind == "fs" else policy.handled_net, edit.on)


def _set_list(policy: Policy, kind: Kind, name: str, present: RightSet, on: bool) -> Iterator[Step]:
    """Add ``name`` to the ruleset tables' lists of ``kind``, or take it out of all of them."""
    if on:
        if name not in present:
            yield _add_handled(policy, kind, frozenset({name}))
        return
    left = len(policy.variables) + len(policy.rulesets) + len(policy.path_rules) + len(policy.port_rules)
    for table in policy.rulesets:
        if name not in _handled(table, kind):
            continue
        key = HANDLED_KEYS[kind]
        names, wanted = _names(table, kind), _handled(table, kind) - {name}
        step = _rewritten("ruleset", table.number, key, names, kind=kind, abi=policy.abi, wanted=wanted)
        if step.insert or len(step.remove) < len(names):
            yield step
        elif any(_names(table, other) for other in HANDLED_KEYS if other != kind):
            yield RemoveMember("ruleset", table.number, key)
        else:
            left -= 1
            yield RemoveTable("ruleset", table.number)
    if not left:
        raise EditError(f"'{name}' is all that this policy restricts, and an empty policy is not valid.")


def _add_handled(policy: Policy, kind: Kind, rights: RightSet) -> Step:
    """The step that adds ``rights`` to what the ruleset tables handle."""
    key = HANDLED_KEYS[kind]
    for table in policy.rulesets:
        names = _names(table, kind)
        if names:
            wanted = _handled(table, kind) | rights
            return _rewritten("ruleset", table.number, key, names, kind=kind, abi=policy.abi, wanted=wanted)
    if policy.rulesets:
        return AddMember("ruleset", 0, key, _written(rights))
    return AddTable("ruleset", ((key, _written(rights)),))


def _written(rights: RightSet) -> tuple[Value, ...]:
    """``rights`` as elements of a list: names, and numbers where there is none."""
    return tuple(map(_value, in_order(rights)))


def _value(right: str) -> Value:
    mask = mask_of(right)
    return right if mask is None else Bits(mask)


def _names(table: RulesetTable, kind: Kind) -> tuple[str, ...]:
    return {"fs": table.handled_access_fs, "net": table.handled_access_net, "scope": table.scoped}[kind]


def _handled(table: RulesetTable, kind: Kind) -> RightSet:
    return {"fs": table.handled_fs, "net": table.handled_net, "scope": table.scopes}[kind]


def _rewritten(
    section: Section,
    number: int,
    key: Key,
    names: tuple[str, ...],
    *,
    kind: Kind,
    abi: int | None,
    wanted: RightSet,
) -> ChangeList:
    """The change of a list of ``names`` that makes it stand for ``wanted``.

    A group that still holds stays; one that holds no longer is replaced by names. New names go in kernel order before
    the first name that comes later in it.
    """
    kept: dict[int, RightSet] = {}
    for at, name in enumerate(names):
        rights = stands_for(name, kind, abi)
        if rights <= wanted:
            kept[at] = rights
    order = in_order(wanted)
    rank = {name: position for position, name in enumerate(order)}
    insert = []
    for name in order:
        if not any(name in rights for rights in kept.values()):
            later = (at for at in kept if rank.get(names[at], -1) > rank[name])  # a group has no rank
            insert.append((next(later, len(names)), _value(name)))
    return ChangeList(section, number, key, frozenset(range(len(names))) - frozenset(kept), tuple(insert))


def _edit_rule(policy: Policy, edit: RuleEdit) -> Iterator[Step]:
    """The change of one rule, and what keeps handled what it no longer grants."""
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
            yield _rewritten(
                edit.section, rule.number, "allowed_access", names, kind=kind, abi=policy.abi, wanted=given
            )
        else:
            yield RemoveTable(edit.section, rule.number)
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
    listed = NO_RIGHTS.union(*(_handled(table, kind) for table in policy.rulesets))
    granted = NO_RIGHTS.union(given, *(other.rights for other in rules if other.number != rule.number))
    if lost := handled - listed - granted:
        yield _add_handled(policy, kind, lost)


def _edit_variable(policy: Policy, edit: VariableEdit) -> Iterator[Step]:
    variables = variables_of(policy)
    if isinstance(edit, ExpandEntry):
        if not 0 <= edit.number < len(policy.path_rules):
            raise EditError(f"There is no rule {edit.number} in path_beneath.")
        rule = policy.path_rules[edit.number]
        if not 0 <= edit.entry < len(rule.parents):
            raise EditError(f"The rule on line {rule.location.line} has no entry {edit.entry}.")
        template = rule.parents[edit.entry].template
        if not any(isinstance(token, Reference) for token in parse_template(template)):
            return
        written = tuple(quote(path) for path in expand(template, variables))
        _refuse_nothing(written, template)
        insert = tuple((edit.entry, path) for path in written)
        yield ChangeList("path_beneath", rule.number, "parent", frozenset({edit.entry}), insert)
        return
    name = edit.old if isinstance(edit, RenameVariable) else edit.name
    if name not in variables:
        raise EditError(f"This policy defines no variable '{printable(name)}'.")
    tables = [number for number, variable in enumerate(policy.variables) if variable.name == name]
    for number in tables:
        place = policy.variables[number].location
        if place.file != policy.file:
            where = f"given by {GIVEN}" if place.file == GIVEN else f"defined in {printable(place.file)}:{place.line}"
            raise EditError(f"'{name}' is {where}: change it there.")
    if isinstance(edit, RenameVariable):
        if edit.new == edit.old:
            return
        if edit.new in variables:
            raise EditError(f"There is a variable '{edit.new}' already; the two would become one.")
        yield from (ReplaceValue("variable", number, "name", None, edit.new) for number in tables)
    for rule in policy.path_rules:
        remove: dict[int, tuple[str, ...]] = {}
        for at, parent in enumerate(rule.parents):
            if name not in {token.name for token in parse_template(parent.template) if isinstance(token, Reference)}:
                continue
            if isinstance(edit, RemoveVariable):
                raise EditError(f"The path on line {parent.location.line} uses the variable '{name}'.")
            if isinstance(edit, RenameVariable):
                (renamed,) = _substituted(parent.template, name, [f"${{{edit.new}}}"])
                yield ReplaceValue("path_beneath", rule.number, "parent", at, renamed)
                continue
            remove[at] = tuple(_substituted(parent.template, name, sorted(map(quote, variables[name]))))
            _refuse_nothing(remove[at], parent.template)
        if remove:
            insert = tuple((at, text) for at, texts in remove.items() for text in texts)
            yield ChangeList("path_beneath", rule.number, "parent", frozenset(remove), insert)
    if not isinstance(edit, RenameVariable):
        yield from (RemoveTable("variable", number) for number in tables)


def _refuse_nothing(written: tuple[str, ...], template: str) -> None:
    if not written:
        raise EditError(f"'{printable(template)}' stands for no path at all; remove it instead.")


def _substituted(template: str, name: str, values: list[str]) -> Iterator[str]:
    """``template`` with each reference to ``name`` replaced by each of ``values``, which are templates themselves."""
    choices: list[list[str]] = []
    position = 0
    for token in parse_template(template):
        if isinstance(token, Reference) and token.name == name:
            choices += [[template[position : token.position]], values]
            position = token.position + len(f"${{{name}}}")
    choices.append([template[position:]])
    if len(values) ** (len(choices) // 2) > MAX_PATHS:
        raise EditError(f"'{printable(template)}' would become more than {MAX_PATHS} paths.")
    return ("".join(parts) for parts in product(*choices))
