"""Build the model of a policy from the tree of its text."""

from collections.abc import Iterable

from editor.landlock.rights import (
    GROUPS,
    NO_RIGHTS,
    RIGHTS,
    Kind,
    RightSet,
    bits_of,
    group_rights,
    mask_name,
    mask_of,
    named_bits,
    to_mask,
)
from editor.policy.model import (
    MAX_PORT,
    ParentPath,
    PathRule,
    Policy,
    PortEntry,
    PortRule,
    RulesetTable,
    Variable,
    policy_of,
)
from editor.policy.suggestions import did_you_mean
from editor.policy.tables import NODE_NAMES, TableReader
from editor.policy.tree import Format, Node
from editor.policy.variables import MAX_PATHS, TemplateError, Token, count_paths, name_problem, parse_template

MAX_ABI = 2**31 - 1

_KIND_NAMES: dict[Kind, str] = {"fs": "filesystem right", "net": "network right", "scope": "scope"}


class PolicyReader(TableReader):
    """One pass over the tree of a text that collects the policy and its problems.

    Without ``references``, the variables that paths use need not be defined. ``abi`` applies if the text sets none.
    """

    def __init__(
        self, text: str, file: str, format: Format, root: Node, *, references: bool = True, abi: int | None = None
    ) -> None:
        super().__init__(text, file, format, root)
        self.references = references
        self.abi = abi
        self.templates: list[tuple[Node, tuple[Token, ...]]] = []
        self.groups: dict[tuple[str, Kind], RightSet] = {}

    def policy(self) -> Policy:
        keys = self.keys
        if self.root.kind != "table":
            self.problem(self.root.span.start, f"the configuration must be a table, not {NODE_NAMES[self.root.kind]}")
        sections = (keys.abi, keys.variable, keys.ruleset, keys.path_beneath, keys.net_port)
        members = self.table(self.root, sections, (), "the configuration")
        if (abi := members.pop(keys.abi, None)) is not None:
            self.abi = self.read_abi(abi)
        if not members and not self.problems:
            message = "empty configuration: it restricts nothing"
            self.problem(0, message, hint=f"add a {keys.ruleset}, {keys.path_beneath} or {keys.net_port} table")

        variables = [self.variable(node) for node in self.tables(members.get(keys.variable), keys.variable)]
        rulesets = [
            self.ruleset(index, node) for index, node in enumerate(self.tables(members.get(keys.ruleset), keys.ruleset))
        ]
        path_rules = [
            self.path_rule(index, node)
            for index, node in enumerate(self.tables(members.get(keys.path_beneath), keys.path_beneath))
        ]
        port_rules = [
            self.port_rule(index, node)
            for index, node in enumerate(self.tables(members.get(keys.net_port), keys.net_port))
        ]
        self.check_references(variables)
        return policy_of(
            self.file,
            self.abi,
            variables=tuple(variables),
            rulesets=tuple(rulesets),
            path_rules=tuple(path_rules),
            port_rules=tuple(port_rules),
        )

    def read_abi(self, node: Node) -> int | None:
        if node.kind != "integer" or not isinstance(node.value, int):
            self.wrong_kind(node, self.keys.abi, "an integer")
            return None
        if not 1 <= node.value <= MAX_ABI:
            self.problem(node.span.start, f"'abi' must be between 1 and {MAX_ABI}", key=self.shown(node))
            return None
        return node.value

    def variable(self, node: Node) -> Variable:
        keys = self.keys
        members = self.table(node, (keys.name, keys.literal), (keys.name,), f"a '{keys.variable}' table")
        name = ""
        if (name_node := members.get(keys.name)) is not None:
            if isinstance(name_node.value, str) and name_node.kind == "string":
                name = name_node.value
                if problem := name_problem(name):
                    self.problem(name_node.span.start, problem, key=name)
            else:
                self.wrong_kind(name_node, keys.name, "a string")
        literals = self.strings(members.get(keys.literal), keys.literal)
        return Variable(name, tuple(text for _, text in literals), self.place(node))

    def ruleset(self, index: int, node: Node) -> RulesetTable:
        keys = self.keys
        known = (keys.handled_access_fs, keys.handled_access_net, keys.scoped)
        troubles = len(self.problems)
        members = self.table(node, known, (), f"a '{keys.ruleset}' table")
        if not members and len(self.problems) == troubles:
            message = f"empty '{keys.ruleset}' table: it handles nothing"
            self.problem(node.span.start, message, key=keys.ruleset, hint=f"add {keys.handled_access_fs}, for example")
        fs_names, fs_rights = self.rights(members.get(keys.handled_access_fs), keys.handled_access_fs, "fs")
        net_names, net_rights = self.rights(members.get(keys.handled_access_net), keys.handled_access_net, "net")
        scope_names, scopes = self.rights(members.get(keys.scoped), keys.scoped, "scope")
        return RulesetTable(index, fs_names, net_names, scope_names, fs_rights, net_rights, scopes, self.place(node))

    def path_rule(self, index: int, node: Node) -> PathRule:
        keys = self.keys
        known = (keys.allowed_access, keys.parent)
        members = self.table(node, known, known, f"a '{keys.path_beneath}' table")
        names, rights = self.rights(members.get(keys.allowed_access), keys.allowed_access, "fs")
        parents = []
        for item, template in self.strings(members.get(keys.parent), keys.parent):
            parents.append(ParentPath(template, self.place(item)))
            if "$" in template:
                try:
                    self.templates.append((item, parse_template(template)))
                except TemplateError as error:
                    self.template_problem(item, error)
        return PathRule(index, names, rights, tuple(parents), self.place(node))

    def port_rule(self, index: int, node: Node) -> PortRule:
        keys = self.keys
        known = (keys.allowed_access, keys.port)
        members = self.table(node, known, known, f"a '{keys.net_port}' table")
        names, rights = self.rights(members.get(keys.allowed_access), keys.allowed_access, "net")
        ports = []
        port_node = members.get(keys.port)
        for item in self.items(port_node, keys.port, "integers") if port_node is not None else ():
            if item.kind != "integer" or not isinstance(item.value, int):
                hint = "port numbers only, no names" if item.kind == "string" else ""
                self.wrong_kind(item, keys.port, "an array of integers", hint)
            elif not 0 <= item.value <= MAX_PORT:
                self.problem(item.span.start, f"a port must be between 0 and {MAX_PORT}", key=self.shown(item))
            else:
                ports.append(PortEntry(item.value, self.place(item)))
        return PortRule(index, names, rights, tuple(ports), self.place(node))

    def rights(self, node: Node | None, key: str, kind: Kind) -> tuple[tuple[str, ...], RightSet]:
        """Return the names in an array of rights of ``kind`` as written (numbers by `mask_name`) and their meaning."""
        if node is None:
            return (), NO_RIGHTS
        names = []
        granted: set[str] = set()
        for item in self.items(node, key, "strings"):
            name = item.value
            if item.kind == "integer" and isinstance(name, int):
                message, hint = _bits_problem(name, kind)
                if message:
                    self.problem(item.span.start, message, key=self.shown(item), hint=hint)
                else:
                    names.append(mask_name(kind, name))
                    granted |= bits_of(names[-1])
                continue
            if item.kind != "string" or not isinstance(name, str):
                self.wrong_kind(item, key, "an array of strings")
                continue
            names.append(name)
            right = RIGHTS.get(name)
            if right is not None and right.kind == kind:
                granted.add(name)
            elif kind in GROUPS.get(name, ()):
                granted |= self.group(item, name, kind)
            else:
                self.unknown_right(item, name, kind)
        return tuple(names), frozenset(granted)

    def group(self, item: Node, name: str, kind: Kind) -> RightSet:
        if self.abi is None:
            if not any(field.key == self.keys.abi and field.node.kind != "null" for field in self.root.fields):
                self.problem(
                    item.span.start, f"'{name}' needs abi", key=name, hint="add abi = N at the top of the file"
                )
            return NO_RIGHTS
        found = self.groups.get((name, kind))
        if found is None:
            found = self.groups[name, kind] = group_rights(name, kind, self.abi)
        return found

    def unknown_right(self, item: Node, name: str, kind: Kind) -> None:
        keys = self.keys
        homes: dict[Kind, str] = {
            "fs": f"it belongs in '{keys.handled_access_fs}' or '{keys.path_beneath}'",
            "net": f"it belongs in '{keys.handled_access_net}' or '{keys.net_port}'",
            "scope": f"it belongs in '{keys.scoped}'",
        }
        if (right := RIGHTS.get(name)) is not None:
            message = f"'{name}' is a {_KIND_NAMES[right.kind]}, not a {_KIND_NAMES[kind]}"
            hint = homes[right.kind]
        elif name in GROUPS:
            message = f"'{name}' is a group of filesystem rights, not of {_KIND_NAMES[kind]}s"
            hint = "'abi.all' is the only group here"
        elif (mask := mask_of(name)) is not None:
            message = f"unknown {_KIND_NAMES[kind]} '{name}'"
            number = mask if self.format == "json" else hex(mask)
            hint = _bits_problem(mask, kind)[1] or f"write kernel bits as a number: {number}"
        else:
            message = f"unknown {_KIND_NAMES[kind]} '{name}'"
            known = [each.name for each in RIGHTS.values() if each.kind == kind]
            known += [group for group, kinds in GROUPS.items() if kind in kinds]
            hint = did_you_mean(name, known)
        self.problem(item.span.start, message, key=name, hint=hint)

    # Variables

    def template_problem(self, item: Node, error: TemplateError, hint: str = "") -> None:
        # In a plain one-line string, the position in the value is also a position in the file.
        plain = self.text[item.span.start + 1 : item.span.end - 1] == item.value
        offset = item.span.start + 1 + error.position if plain else item.span.start
        self.problem(offset, error.message, key=error.name or str(item.value), hint=hint)

    def check_references(self, variables: Iterable[Variable]) -> None:
        if not (self.templates and self.references):
            return
        defined: dict[str, set[str]] = {}
        for variable in variables:
            defined.setdefault(variable.name, set()).update(variable.literals)
        total = 0
        for item, tokens in self.templates:
            try:
                total += count_paths(tokens, defined)
                if total > MAX_PATHS:
                    raise TemplateError(f"the variables of this policy multiply to more than {MAX_PATHS} paths")
            except TemplateError as error:
                hint = ""
                if error.name and error.name not in defined:
                    hint = did_you_mean(error.name, defined) or f"define it in a '{self.keys.variable}' table"
                self.template_problem(item, error, hint)
                if total > MAX_PATHS:
                    return


def _bits_problem(bits: int, kind: Kind) -> tuple[str, str]:
    """Return what is wrong with the number ``bits`` among rights of ``kind``, and a hint; both empty if it is valid.

    landlockconfig's README plans to accept the kernel's bits next to names, for rights that the launcher does not know
    yet. So numbers are for rights without a name, and each right has one spelling.
    """
    if not 0 < bits < 1 << 64:
        return f"{bits} is not a {_KIND_NAMES[kind]}", "write the name of a right"
    named = named_bits(kind, bits)
    if not named:
        return "", ""
    unnamed = bits & ~to_mask(named)
    instead = ", ".join([f"'{name}'" for name in named] + ([f"{unnamed:#x}"] if unnamed else []))
    return f"this {_KIND_NAMES[kind]} has a name: kernel bits are only for rights without one", f"write {instead}"
