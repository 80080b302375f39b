"""A workspace on a policy file, and the texts that the file is changed to."""

from pathlib import Path

from editor.landlock.rights import RightSet
from editor.workspace.notifying import Changes
from editor.workspace.workspace import Workspace

OLD = """\
# A policy with a comment that must survive.
abi = 6

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]  # look only
parent = ["/usr"]
"""
THEIRS = OLD.replace("/usr", "/etc")
BROKEN = OLD.replace('"/usr"]', '"/usr"')


class Opened:
    """A workspace, and the changes of which it has notified."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notified: list[Changes] = []
        self.workspace = Workspace.open(str(path))
        self.workspace.subscribe(self.notified.append)

    def granted(self, path: str) -> RightSet:
        rule = self.workspace.rule_at(path)
        return frozenset() if rule is None else rule.rights


def is_dirty(workspace: Workspace) -> bool:
    """Read the property in a call: mypy would assume that it cannot have changed."""
    return workspace.is_dirty


def is_none(value: object) -> bool:
    """As ``is_dirty``."""
    return value is None
