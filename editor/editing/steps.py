"""The steps of an edit: changes to lists and tables of a policy file, as values without text."""

from typing import Literal, NamedTuple

Section = Literal["variable", "ruleset", "path_beneath", "net_port"]
Key = Literal["name", "handled_access_fs", "handled_access_net", "scoped", "allowed_access", "parent", "port"]
Value = str | int


class Bits(int):
    """The number of a right without a name, as opposed to a port."""


class ChangeList(NamedTuple):
    """Remove elements of a list by index; insert values before an index (the length: at the end)."""

    section: Section
    number: int
    key: Key
    remove: frozenset[int]
    insert: tuple[tuple[int, Value], ...]


class RemoveTable(NamedTuple):
    """Remove a whole table of a section, and ``with_comment`` also the comment lines directly above it."""

    section: Section
    number: int
    with_comment: bool = False


class AddTable(NamedTuple):
    """Add a table after the last one of its section, below ``comment`` where the format has comments."""

    section: Section
    members: tuple[tuple[Key, tuple[Value, ...]], ...]
    comment: str = ""


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
    """Replace a string: the value of a key, or the ``entry``th element of its list."""

    section: Section
    number: int
    key: Key
    entry: int | None
    value: str


TableStep = ChangeList | RemoveMember | AddMember | ReplaceValue
Step = TableStep | RemoveTable | AddTable
