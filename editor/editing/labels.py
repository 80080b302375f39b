"""What an edit is called in the history and in notifications."""

from editor.editing.edits import (
    AddPathRule,
    AddPortRule,
    Edit,
    EditTogether,
    ExpandEntry,
    GrantPath,
    GrantPort,
    InlineVariable,
    RemoveEntry,
    RemoveVariable,
    RenameVariable,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRulePaths,
    SetRuleRights,
    SetScope,
)
from editor.escape import printable
from editor.landlock.rights import RightSet, in_order


def describe(edit: Edit) -> str:
    """Return a short label of ``edit``, in the imperative, for the history and for notifications."""
    match edit:
        case SetPathRights(path=path, rights=rights) if not rights:
            return f"remove {printable(path)}"
        case SetPathRights(path=path, rights=rights):
            return f"set {_summary(rights)} on {printable(path)}"
        case GrantPath(path=path, rights=rights):
            return f"grant {_summary(rights)} on {printable(path)}"
        case SetPortRights(port=port, rights=rights) if not rights:
            return f"remove port {port}"
        case SetPortRights(port=port, rights=rights):
            return f"set {_summary(rights)} on port {port}"
        case GrantPort(port=port, rights=rights):
            return f"grant {_summary(rights)} on port {port}"
        case SetHandled(right=name, on=on):
            return f"{'handle' if on else 'no longer handle'} {name}"
        case SetScope(scope=name, on=on):
            return f"{'add' if on else 'remove'} scope {name}"
        case SetRuleRights(number=number, rights=rights):
            return f"set {_summary(rights)} in rule {number + 1}" if rights else f"remove rule {number + 1}"
        case AddPathRule(paths=paths, rights=rights):
            return f"grant {_summary(rights)} on {_counted([printable(path) for path in paths], 'paths')}"
        case AddPortRule(ports=ports, rights=rights):
            return f"grant {_summary(rights)} on {_counted([f'port {port}' for port in ports], 'ports')}"
        case SetRulePaths(number=number, paths=paths):
            return f"make rule {number + 1} about {_counted([printable(path) for path in paths], 'paths')}"
        case RemoveEntry(number=number):
            return f"remove an entry of rule {number + 1}"
        case ExpandEntry(number=number):
            return f"write out the variables of an entry of rule {number + 1}"
        case RenameVariable(old=old, new=new):
            return f"rename variable {printable(old)} to {new}"
        case InlineVariable(name=name):
            return f"write out variable {printable(name)}"
        case RemoveVariable(name=name):
            return f"remove variable {printable(name)}"
        case EditTogether(edits=edits):
            return f"make {len(edits)} edits"
    raise AssertionError(edit)


def _summary(rights: RightSet) -> str:
    """Name up to three rights; of more, the first and how many follow."""
    names = in_order(rights)
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _counted(names: list[str], noun: str) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} {noun}"
