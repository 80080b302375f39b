"""The edits that a person can make in a policy, as values; `editor.editing.document` applies them."""

import re
from typing import Literal, NamedTuple

from editor.escape import printable
from editor.landlock.rights import Kind, Right, RightSet, right_of
from editor.policy.model import MAX_PORT
from editor.policy.variables import name_problem


class EditError(ValueError):
    """An impossible edit; nothing has changed. The message is a sentence for the user."""


class SetPathRights(NamedTuple):
    """Make the rules for exactly ``path`` grant exactly ``rights``; with no rights, remove the path from all rules.

    ``path`` is a path, not a template: variables are expanded and ``$`` is a dollar sign.
    """

    path: str
    rights: RightSet


class GrantPath(NamedTuple):
    """Grant ``rights`` on ``path``, in addition to what rules grant there already."""

    path: str
    rights: RightSet


class SetPortRights(NamedTuple):
    """Make the rules for ``port`` (0 to 65535) grant exactly ``rights``; with no rights, remove it from all rules."""

    port: int
    rights: RightSet


class GrantPort(NamedTuple):
    """Grant ``rights`` on ``port`` (0 to 65535), in addition to what rules grant there already."""

    port: int
    rights: RightSet


class AddPathRule(NamedTuple):
    """Add a rule that grants ``rights`` on each of ``paths``, under ``comment`` where the format has comments.

    Paths are as in ``SetPathRights``. Each line of ``comment`` becomes a line of its own.
    """

    paths: tuple[str, ...]
    rights: RightSet
    comment: str = ""


class AddPortRule(NamedTuple):
    """Add a rule that grants ``rights`` on each of ``ports`` (0 to 65535), under ``comment`` as in ``AddPathRule``."""

    ports: tuple[int, ...]
    rights: RightSet
    comment: str = ""


class SetHandled(NamedTuple):
    """Handle the filesystem or network right ``right`` (deny it unless a rule grants it), or stop handling it."""

    right: str
    on: bool


class SetScope(NamedTuple):
    """Restrict the domain's processes by the scope ``scope``, or stop restricting them."""

    scope: str
    on: bool


class SetRuleRights(NamedTuple):
    """Make the rule ``number`` (from 0, in its section) grant exactly ``rights`` on all that it names.

    With no rights, remove the rule, and ``with_comment`` also what stands directly above it.
    """

    section: Literal["path_beneath", "net_port"]
    number: int
    rights: RightSet
    with_comment: bool = False


class RemoveEntry(NamedTuple):
    """Remove the ``entry``th string or port (from 0) of the rule ``number``, and the rule with its last one."""

    section: Literal["path_beneath", "net_port"]
    number: int
    entry: int


class SetRulePaths(NamedTuple):
    """Make the rule ``number`` (from 0, of the rules on paths) be about exactly ``paths``, at least one."""

    number: int
    paths: tuple[str, ...]


class ExpandEntry(NamedTuple):
    """Replace the ``entry``th parent of the rule ``number`` with the paths that its variables expand to."""

    number: int
    entry: int


class RenameVariable(NamedTuple):
    """Rename the variable ``old`` to ``new`` wherever it is defined or used."""

    old: str
    new: str


class InlineVariable(NamedTuple):
    """Replace the variable ``name`` with its values wherever it is used, and remove its definition."""

    name: str


class RemoveVariable(NamedTuple):
    """Remove the definition of the variable ``name``, which no path may use."""

    name: str


RuleEdit = SetRuleRights | RemoveEntry
NewRule = AddPathRule | AddPortRule
VariableEdit = ExpandEntry | RenameVariable | InlineVariable | RemoveVariable


TidyingEdit = RuleEdit | RemoveVariable


class EditTogether(NamedTuple):
    """Several edits at once: the numbers in them are those before all of them."""

    edits: tuple[TidyingEdit, ...]


Edit = (
    SetPathRights | GrantPath | SetPortRights | GrantPort | SetHandled | SetScope | RuleEdit | VariableEdit
    | EditTogether | NewRule | SetRulePaths
)  # fmt: skip

_SURROGATE = re.compile("[\ud800-\udfff]")
_NOUNS: dict[Kind, str] = {"fs": "filesystem right", "net": "network right", "scope": "scope"}


def kind_of(edit: Edit) -> Kind:
    """Return the kind of rights that ``edit`` is about. Raises EditError if its right does not exist."""
    if isinstance(edit, SetPathRights | GrantPath | AddPathRule | SetRulePaths):
        return "fs"
    if isinstance(edit, SetPortRights | GrantPort | AddPortRule):
        return "net"
    if isinstance(edit, SetScope):
        return "scope"
    if isinstance(edit, RuleEdit):
        return "fs" if edit.section == "path_beneath" else "net"
    if isinstance(edit, VariableEdit | EditTogether):
        return "fs"
    return "net" if _known(edit.right).kind == "net" else "fs"


def check(edit: Edit) -> None:
    """Raise EditError if ``edit`` names something that no policy can contain."""
    if isinstance(edit, SetHandled):
        if _known(edit.right).kind == "scope":
            raise EditError(f"'{edit.right}' is a scope, not a right that a ruleset handles.")
        return
    if isinstance(edit, SetScope):
        _check_rights(frozenset({edit.scope}), "scope")
    elif isinstance(edit, SetPathRights | GrantPath):
        _check_rights(edit.rights, "fs")
        _check_path(edit.path)
    elif isinstance(edit, AddPathRule | SetRulePaths):
        if not edit.paths:
            raise EditError("A rule needs a path.")
        if isinstance(edit, AddPathRule):
            _check_given_rights(edit.rights, "fs")
        for path in edit.paths:
            _check_path(path)
    elif isinstance(edit, AddPortRule):
        if not edit.ports:
            raise EditError("A rule needs a port.")
        _check_given_rights(edit.rights, "net")
        for port in edit.ports:
            _check_port(port)
    elif isinstance(edit, SetRuleRights):
        _check_rights(edit.rights, kind_of(edit))
    elif isinstance(edit, RenameVariable):
        if problem := name_problem(edit.new):
            raise EditError(f"'{printable(edit.new)}': {problem}.")
    elif isinstance(edit, EditTogether):
        for each in edit.edits:
            check(each)
    elif isinstance(edit, RemoveEntry | VariableEdit):
        return
    else:
        _check_rights(edit.rights, "net")
        _check_port(edit.port)


def _known(name: str) -> Right:
    try:
        return right_of(name)
    except KeyError:
        raise EditError(f"Landlock has no right '{printable(name)}'.") from None


def _check_rights(names: RightSet, kind: Kind) -> None:
    for name in sorted(names):
        if _known(name).kind != kind:
            raise EditError(f"'{name}' is a {_NOUNS[_known(name).kind]}, not a {_NOUNS[kind]}.")


def _check_given_rights(names: RightSet, kind: Kind) -> None:
    if not names:
        raise EditError("A rule needs a right.")
    _check_rights(names, kind)


def _check_port(port: int) -> None:
    if not 0 <= port <= MAX_PORT:
        raise EditError(f"{port} is not a port: ports are 0 to {MAX_PORT}.")


def _check_path(path: str) -> None:
    if not path:
        raise EditError("An empty path names nothing.")
    if "\0" in path:
        raise EditError(f"'{printable(path)}' is not a path: it contains a NUL.")
    if _SURROGATE.search(path):
        raise EditError(
            f"'{printable(path)}' is not valid UTF-8, which a policy file must be. "
            "Grant the rights on a directory above it instead."
        )
