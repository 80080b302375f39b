"""Reading Landlock Config, strictly: a policy that says something unexpected is refused, never guessed at.

The rules are those of landlockconfig's parser, with four differences that help the person who writes the file: every
right of ABI 1 to 11 is known, rights of later kernels can be given as the kernel's bits (which landlockconfig's README
plans), a port above 65535 is refused here and not when the ruleset is built, and so is a variable that is not defined.
"""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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
from editor.policy.errors import PolicyError
from editor.policy.model import (
    Location,
    ParentPath,
    PathRule,
    Policy,
    PortEntry,
    PortRule,
    RulesetTable,
    Variable,
)
from editor.policy.tree import Field, Format, LineIndex, Node, unplaced
from editor.policy.variables import MAX_PATHS, TemplateError, Token, count_paths, name_problem, parse_template

# Far above any policy (5,000 rules are half a megabyte); keeps /dev/zero from filling the memory.
MAX_BYTES = 16 << 20

MAX_ABI = 2**31 - 1
MAX_PORT = 65535

_KIND_NAMES: dict[Kind, str] = {"fs": "filesystem right", "net": "network right", "scope": "scope"}
_NODE_NAMES = {
    "table": "a table",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "float": "a float",
    "boolean": "a boolean",
    "datetime": "a date",
    "null": "null",
}


class Keys(NamedTuple):
    """The names of the format's keys in one of its two spellings."""

    abi: str
    variable: str
    ruleset: str
    path_beneath: str
    net_port: str
    name: str
    literal: str
    handled_access_fs: str
    handled_access_net: str
    scoped: str
    allowed_access: str
    parent: str
    port: str


KEYS: dict[Format, Keys] = {
    "toml": Keys(
        "abi", "variable", "ruleset", "path_beneath", "net_port", "name", "literal",
        "handled_access_fs", "handled_access_net", "scoped", "allowed_access", "parent", "port",
    ),
    "json": Keys(
        "abi", "variable", "ruleset", "pathBeneath", "netPort", "name", "literal",
        "handledAccessFs", "handledAccessNet", "scoped", "allowedAccess", "parent", "port",
    ),
}  # fmt: skip


def format_of(path: str, text: str = "") -> Format:
    """The format of the file ``path``: by its suffix, and where that is neither by the first character of ``text``.

    A TOML text cannot start with a brace, a JSON configuration starts with nothing else.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "json"
    return "json" if suffix != ".toml" and text.lstrip()[:1] == "{" else "toml"


def read_text(path: str) -> str:
    """The text of the policy file ``path``.

    Raises PolicyError where it cannot be opened or read, is larger than MAX_BYTES, or is not UTF-8.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
    return decode(data, path)


def decode(data: bytes, path: str) -> str:
    """The text of a policy file's content. Raises PolicyError where it is larger than MAX_BYTES or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise PolicyError(f"larger than {MAX_BYTES >> 20} MiB: not a policy", file=path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        message = f"not valid UTF-8: byte 0x{data[error.start]:02x}"
        raise PolicyError(message, file=path, line=line, column=column) from error


def read_policy(path: str) -> Policy:
    """The policy in the file ``path``: JSON where its name ends in ``.json``, else TOML.

    Raises PolicyError for everything that keeps it from being read.
    """
    text = read_text(path)
    return parse_policy(text, path, format_of(path, text))


def read_unplaced(path: str) -> Policy:
    """As ``read_policy``, for who starts a program and shows no places: all of them are the first line.

    Not finding and not scanning for places halves the time. Raises PolicyError, with its place, as ``read_policy``.
    """
    text = read_text(path)
    if format_of(path, text) == "toml":
        import tomllib  # noqa: PLC0415 not needed for JSON

        try:
            return parse_policy(text, path, "toml", unplaced(tomllib.loads(text)))
        except (ValueError, RecursionError):
            pass  # something is wrong: said below, with its place
    return parse_policy(text, path, format_of(path, text))


def policy_of(
    file: str,
    abi: int | None,
    *,
    variables: tuple[Variable, ...],
    rulesets: tuple[RulesetTable, ...],
    path_rules: tuple[PathRule, ...],
    port_rules: tuple[PortRule, ...],
) -> Policy:
    """The policy that these tables make: what a rule allows is handled."""
    return Policy(
        file=file,
        abi=abi,
        variables=variables,
        rulesets=rulesets,
        path_rules=path_rules,
        port_rules=port_rules,
        # Thousands of rules have some dozens of different rights.
        handled_fs=NO_RIGHTS.union(*(table.handled_fs for table in rulesets), *{rule.rights for rule in path_rules}),
        handled_net=NO_RIGHTS.union(*(table.handled_net for table in rulesets), *{rule.rights for rule in port_rules}),
        scoped=NO_RIGHTS.union(*(table.scopes for table in rulesets)),
    )


def parse_policy(text: str, file: str, format: Format, root: Node | None = None) -> Policy:
    """The policy that ``text`` says. ``file`` is only for places and messages, ``root`` is the text located already.

    Raises PolicyError, the first one by its place, for a text that is not a valid configuration.
    """
    policy, problems = parse_leniently(text, file, format, root)
    if problems:
        raise problems[0]
    return policy


def parse_leniently(
    text: str,
    file: str,
    format: Format,
    root: Node | None = None,
    *,
    references: bool = True,
    abi: int | None = None,
) -> tuple[Policy, tuple[PolicyError, ...]]:
    """What can be understood of ``text``, and everything that is wrong with it in the order of its places.

    Without ``references``, the variables that paths use need not be defined: another file may define them.
    ``abi`` holds where the text names none: it is a part of one that does.
    Raises PolicyError only where the text is not TOML or JSON at all.
    """
    if root is None:
        from editor.policy.locate import locate  # noqa: PLC0415 not loaded by read_unplaced

        root = locate(text, format, file)
    reader = _Reader(text, file, format, root)
    reader.references = references
    reader.abi = abi
    policy = reader.policy()
    return policy, tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))


class _Reader:
    """One pass over a located text that gathers the policy and its problems."""

    def __init__(self, text: str, file: str, format: Format, root: Node) -> None:
        self.text = text
        self.file = file
        self.format: Format = format
        self.keys = KEYS[format]
        self.root = root
        self.index = LineIndex(text)
        self.problems: list[PolicyError] = []
        self.references = True
        self.abi: int | None = None
        self.templates: list[tuple[Node, tuple[Token, ...]]] = []
        self.groups: dict[tuple[str, Kind], RightSet] = {}

    # Places and problems

    def place(self, node: Node) -> Location:
        return Location(self.file, *self.index.line_column(node.span.start))

    def problem(self, offset: int, message: str, *, key: str = "", hint: str = "") -> None:
        line, column = self.index.line_column(offset)
        self.problems.append(PolicyError(message, file=self.file, line=line, column=column, key=key, hint=hint))

    def wrong_kind(self, node: Node, key: str, wanted: str, hint: str = "") -> None:
        self.problem(node.span.start, f"'{key}' must be {wanted}, not {_NODE_NAMES[node.kind]}", key=key, hint=hint)

    # Shapes

    def table(self, node: Node, known: tuple[str, ...], required: tuple[str, ...], where: str) -> dict[str, Node]:
        """The members of a table that are allowed there. JSON's null is absence, as serde's Option reads it."""
        members: dict[str, Node] = {}
        meant = set[str]()
        for field in node.fields:
            if field.key not in known:
                meant.add(self.unknown_key(field, known, where))
            elif field.node.kind != "null" or field.key in required:
                members[field.key] = field.node
        for key in required:
            if key not in members and key not in meant:  # one cause is told once
                self.problem(node.span.start, f"{where} needs the key '{key}'", key=key)
        return members

    def unknown_key(self, field: Field, known: tuple[str, ...], where: str) -> str:
        """Refuse a key; gives the one that was probably meant, or nothing."""
        meant = ""
        foreign: Format = "json" if self.format == "toml" else "toml"
        if field.key in KEYS[foreign]:
            native = self.keys[KEYS[foreign].index(field.key)]
            if native in known:
                meant = native
                hint = f"this is the {foreign.upper()} spelling; in {self.format.upper()} it is '{native}'"
            else:
                hint = self.elsewhere(native)
        elif field.key in self.keys:
            hint = self.elsewhere(field.key)
        else:
            meant = nearest(field.key, known)
            hint = did_you_mean(field.key, known)
        self.problem(field.key_span.start, f"unknown key '{field.key}' in {where}", key=field.key, hint=hint)
        return meant

    def elsewhere(self, key: str) -> str:
        keys = self.keys
        homes = {
            keys.name: keys.variable,
            keys.literal: keys.variable,
            keys.handled_access_fs: keys.ruleset,
            keys.handled_access_net: keys.ruleset,
            keys.scoped: keys.ruleset,
            keys.allowed_access: f"{keys.path_beneath}' or '{keys.net_port}",
            keys.parent: keys.path_beneath,
            keys.port: keys.net_port,
        }
        home = homes.get(key)
        return f"it belongs in '{home}'" if home else "it belongs at the top level"

    def items(self, node: Node, key: str, of: str) -> Sequence[Node]:
        """The elements of a non-empty array."""
        if node.kind != "array":
            hint = ""
            if node.kind == "table":
                hint = f"write [[{key}]]" if self.format == "toml" else "put it in brackets"
            elif node.kind in ("string", "integer"):
                hint = f"put it in brackets: [{self.shown(node)}]"
            self.wrong_kind(node, key, f"an array of {of}", hint)
        elif not node.items:
            self.problem(node.span.start, f"'{key}' must have at least one element", key=key)
        return node.items

    def tables(self, node: Node | None, key: str) -> tuple[Node, ...]:
        if node is None:
            return ()
        found = []
        for item in self.items(node, key, "tables"):
            if item.kind == "table":
                found.append(item)
            else:
                self.wrong_kind(item, key, "an array of tables")
        return tuple(found)

    def strings(self, node: Node | None, key: str) -> list[tuple[Node, str]]:
        """The strings of a list and where they stand."""
        if node is None:
            return []
        found = []
        for item in self.items(node, key, "strings"):
            if isinstance(item.value, str) and item.kind == "string":
                found.append((item, item.value))
            else:
                self.wrong_kind(item, key, "an array of strings")
        return found

    # Meaning

    def policy(self) -> Policy:
        keys = self.keys
        if self.root.kind != "table":
            self.problem(self.root.span.start, f"the configuration must be a table, not {_NODE_NAMES[self.root.kind]}")
        sections = (keys.abi, keys.variable, keys.ruleset, keys.path_beneath, keys.net_port)
        members = self.table(self.root, sections, (), "the configuration")
        if (abi := members.pop(keys.abi, None)) is not None:
            self.abi = self.read_abi(abi)
        if not members and not self.problems:
            message = "empty configuration: nothing is restricted and nothing allowed"
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
        """The names in an array of rights of ``kind``, as written (numbers by `mask_name`), and what they stand for."""
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
            hint = _bits_problem(mask, kind)[1] or f"as the kernel's bits it is written as a number: {number}"
        else:
            message = f"unknown {_KIND_NAMES[kind]} '{name}'"
            known = [each.name for each in RIGHTS.values() if each.kind == kind]
            known += [group for group, kinds in GROUPS.items() if kind in kinds]
            hint = did_you_mean(name, known)
        self.problem(item.span.start, message, key=name, hint=hint)

    # Variables

    def template_problem(self, item: Node, error: TemplateError, hint: str = "") -> None:
        # In a plain one-line string the position within the value is a place in the file too.
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

    def shown(self, node: Node) -> str:
        """The value as written, cut short."""
        return self.text[node.span.start : min(node.span.end, node.span.start + 40)]


def _bits_problem(bits: int, kind: Kind) -> tuple[str, str]:
    """What is wrong with the number ``bits`` among rights of ``kind``, and what to write instead; nothing: both empty.

    landlockconfig's README plans for the kernel's bits beside names, to be ahead of the launcher. So numbers are for
    rights that have no name yet, and a right has one spelling.
    """
    if not 0 < bits < 1 << 64:
        return f"as the kernel's bits, {bits} is no {_KIND_NAMES[kind]}", "a right is written by its name"
    named = named_bits(kind, bits)
    if not named:
        return "", ""
    unnamed = bits & ~to_mask(named)
    instead = ", ".join([f"'{name}'" for name in named] + ([f"{unnamed:#x}"] if unnamed else []))
    return f"a {_KIND_NAMES[kind]} that has a name is written by it, not as the kernel's bits", f"write {instead}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of ``known``, or an empty string."""
    meant = nearest(name, known)
    return f"did you mean '{meant}'?" if meant else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of ``known`` that was probably meant by ``name``, or an empty string."""
    import difflib  # noqa: PLC0415 needed only when something is wrong
    import re  # noqa: PLC0415

    candidates = sorted(known)
    # LANDLOCK_ACCESS_FS_READ_FILE, fs.read_file, readFile and READ-FILE all mean read_file.
    plain = re.sub(r"^(landlock_(access_(fs|net)|scope)_|(fs|net|scope)\.)", "", name, flags=re.IGNORECASE)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).replace("-", "_").lower()
    for candidate in candidates:
        if candidate.lower() in (name.lower(), snake):
            return candidate
    near = difflib.get_close_matches(snake, candidates, n=1, cutoff=0.7)
    return near[0] if near else ""
