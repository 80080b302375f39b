"""Read the tables and lists of a parsed text, checking their shape and collecting errors with locations."""

from collections.abc import Sequence

from editor.policy.errors import PolicyError
from editor.policy.keys import KEYS
from editor.policy.model import Location
from editor.policy.suggestions import did_you_mean, nearest
from editor.policy.tree import Field, Format, LineIndex, Node

NODE_NAMES = {
    "table": "a table",
    "array": "an array",
    "string": "a string",
    "integer": "an integer",
    "float": "a float",
    "boolean": "a boolean",
    "datetime": "a date",
    "null": "null",
}


class TableReader:
    """Reads the tables of ``text``, whose tree is ``root``, and collects their problems."""

    def __init__(self, text: str, file: str, format: Format, root: Node) -> None:
        self.text = text
        self.file = file
        self.format: Format = format
        self.keys = KEYS[format]
        self.root = root
        self.index = LineIndex(text)
        self.problems: list[PolicyError] = []

    # Places and problems

    def place(self, node: Node) -> Location:
        return Location(self.file, *self.index.line_column(node.span.start))

    def problem(self, offset: int, message: str, *, key: str = "", hint: str = "") -> None:
        line, column = self.index.line_column(offset)
        self.problems.append(PolicyError(message, file=self.file, line=line, column=column, key=key, hint=hint))

    def wrong_kind(self, node: Node, key: str, wanted: str, hint: str = "") -> None:
        self.problem(node.span.start, f"'{key}' must be {wanted}, not {NODE_NAMES[node.kind]}", key=key, hint=hint)

    # Shapes

    def table(self, node: Node, known: tuple[str, ...], required: tuple[str, ...], where: str) -> dict[str, Node]:
        """Return the known members of a table. JSON's null counts as absent, as in serde's Option."""
        members: dict[str, Node] = {}
        meant = set[str]()
        for field in node.fields:
            if field.key not in known:
                meant.add(self.unknown_key(field, known, where))
            elif field.node.kind != "null" or field.key in required:
                members[field.key] = field.node
        for key in required:
            if key not in members and key not in meant:  # report each mistake once
                self.problem(node.span.start, f"{where} needs the key '{key}'", key=key)
        return members

    def unknown_key(self, field: Field, known: tuple[str, ...], where: str) -> str:
        """Report an unknown key; return the one that was probably meant, or an empty string."""
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
        """Return the elements of an array, which must not be empty."""
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
        """Return the strings of a list with their nodes."""
        if node is None:
            return []
        found = []
        for item in self.items(node, key, "strings"):
            if isinstance(item.value, str) and item.kind == "string":
                found.append((item, item.value))
            else:
                self.wrong_kind(item, key, "an array of strings")
        return found

    def shown(self, node: Node) -> str:
        """Return the value as written, shortened."""
        return self.text[node.span.start : min(node.span.end, node.span.start + 40)]
