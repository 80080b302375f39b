"""What a person can change in a policy, as values; `editor.editing.document` carries them out."""

import re
from typing import Literal, NamedTuple

from editor.escape import printable
from editor.landlock.rights import Kind, Right, RightSet, right_of
from editor.policy.variables import name_problem

MAX_PORT = 65535


class EditError(ValueError):
    """An edit that cannot be done; nothing has changed. The message is a sentence for the person who asked for it."""


class SetPathRights(NamedTuple):
    """From now on the rules that name exactly ``path`` give exactly ``rights``; no rights: no rule names it.

    ``path`` is a path as a person sees it: variables expanded, ``$`` being a dollar.
    """

    path: str
    rights: RightSet


class GrantPath(NamedTuple):
    """Give ``rights`` on ``path``, beside whatever rules give there already."""

    path: str
    rights: RightSet


class SetPortRights(NamedTuple):
    """From now on the rules for ``port`` (0 to 65535) give exactly ``rights``; no rights: no rule names it."""

    port: int
    rights: RightSet


class GrantPort(NamedTuple):
    """Give ``rights`` on ``port`` (0 to 65535), beside whatever rules give there already."""

    port: int
    rights: RightSet


class SetHandled(NamedTuple):
    """Deny the filesystem or network right ``right`` unless a rule grants it, or stop restricting it."""

    right: str
    on: bool


class SetScope(NamedTuple):
    """Keep the domain's processes within the scope ``scope``, or no longer."""

    scope: str
    on: bool


class SetRuleRights(NamedTuple):
    """From now on the rule ``number`` (from 0, of its section) gives exactly ``rights`` on all that it names.

    No rights: the rule goes.
    """

    section: Literal["path_beneath", "net_port"]
    number: int
    rights: RightSet


class RemoveEntry(NamedTuple):
    """Take the ``entry``th string or port (from 0) out of the rule ``number``; the rule goes with its last one."""

    section: Literal["path_beneath", "net_port"]
    number: int
    entry: int


class ExpandEntry(NamedTuple):
    """Write the paths that the ``entry``th parent of the rule ``number`` stands for instead of its variables."""

    number: int
    entry: int


class RenameVariable(NamedTuple):
    """Give the variable ``old`` the name ``new``, wherever it is defined or used."""

    old: str
    new: str


class InlineVariable(NamedTuple):
    """Write the values of the variable ``name`` wherever it is used, and take its definition away."""

    name: str


class RemoveVariable(NamedTuple):
    """Take away the definition of the variable ``name``, which no path uses."""

    name: str


RuleEdit = SetRuleRights | RemoveEntry
VariableEdit = ExpandEntry | RenameVariable | InlineVariable | RemoveVariable
Edit = SetPathRights | GrantPath | SetPortRights | GrantPort | SetHandled | SetScope | RuleEdit | VariableEdit

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOUNS: dict[Kind, str] = {"fs": "filesystem right", "net": "network right", "scope": "scope"}


def kind_of(edit: Edit) -> Kind:
    """Which kind of rights ``edit`` is about. Raises EditError where its right does not exist."""
    if isinstance(edit, SetPathRights | GrantPath):
        return "fs"
    if isinstance(edit, SetPortRights | GrantPort):
        return "net"
    if isinstance(edit, SetScope):
        return "scope"
    if isinstance(edit, RuleEdit):
        return "fs" if edit.section == "path_beneath" else "net"
    if isinstance(edit, VariableEdit):
        return "fs"
    return "net" if _known(edit.right).kind == "net" else "fs"


def check(edit: Edit) -> None:
    """Raise EditError where ``edit`` names something that no policy can hold."""
    if isinstance(edit, SetHandled):
        if _known(edit.right).kind == "scope":
            raise EditError(f"'{edit.right}' is a scope, not a right that a ruleset handles.")
        return
    if isinstance(edit, SetScope):
        _check_rights(frozenset({edit.scope}), "scope")
    elif isinstance(edit, SetPathRights | GrantPath):
        _check_rights(edit.rights, "fs")
        _check_path(edit.path)
    elif isinstance(edit, SetRuleRights):
        _check_rights(edit.rights, kind_of(edit))
    elif isinstance(edit, RenameVariable):
        if problem := name_problem(edit.new):
            raise EditError(f"'{printable(edit.new)}': {problem}.")
    elif isinstance(edit, RemoveEntry | VariableEdit):
        return
    else:
        _check_rights(edit.rights, "net")
        if not 0 <= edit.port <= MAX_PORT:
            raise EditError(f"{edit.port} is no port: ports are 0 to {MAX_PORT}.")


def _known(name: str) -> Right:
    try:
        return right_of(name)
    except KeyError:
        raise EditError(f"Landlock has no right '{printable(name)}'.") from None


def _check_rights(names: RightSet, kind: Kind) -> None:
    for name in sorted(names):
        if _known(name).kind != kind:
            raise EditError(f"'{name}' is a {_NOUNS[_known(name).kind]}, not a {_NOUNS[kind]}.")


def _check_path(path: str) -> None:
    if not path:
        raise EditError("An empty path names nothing.")
    if "\0" in path:
        raise EditError(f"No file can be named '{printable(path)}': a path holds no NUL.")
    if _SURROGATE.search(path):
        raise EditError(
            f"'{printable(path)}' is not valid UTF-8, and a policy file can hold nothing else. "
            "Grant a directory above it instead."
        )
