"""Each edit has a label that is safe to show."""

import pytest

from editor.editing.edits import (
    AddPathRule,
    AddPortRule,
    Edit,
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
from editor.editing.labels import describe

READ = frozenset({"read_file"})
MANY = frozenset({"execute", "write_file", "read_file", "read_dir"})


@pytest.mark.parametrize(
    ("edit", "label"),
    [
        (SetPathRights("/etc", READ), "set read_file on /etc"),
        (SetPathRights("/etc", frozenset()), "remove /etc"),
        (GrantPath("/etc", MANY), "grant execute and 3 more on /etc"),
        (GrantPath("/a\x1b[2J", READ), r"grant read_file on /a\x1b[2J"),
        (SetPortRights(443, frozenset({"connect_tcp"})), "set connect_tcp on port 443"),
        (SetPortRights(443, frozenset()), "remove port 443"),
        (GrantPort(53, frozenset({"bind_tcp", "connect_tcp"})), "grant bind_tcp, connect_tcp on port 53"),
        (SetHandled("execute", True), "handle execute"),
        (SetHandled("execute", False), "no longer handle execute"),
        (SetScope("signal", True), "add scope signal"),
        (SetScope("signal", False), "remove scope signal"),
        (SetRuleRights("path_beneath", 1, READ), "set read_file in rule 2"),
        (SetRuleRights("path_beneath", 1, frozenset()), "remove rule 2"),
        (AddPathRule(("/etc",), READ), "grant read_file on /etc"),
        (AddPathRule(("/etc", "/usr"), READ, "why"), "grant read_file on 2 paths"),
        (AddPortRule((53, 443), frozenset({"connect_tcp"})), "grant connect_tcp on 2 ports"),
        (SetRulePaths(1, ("/etc",)), "make rule 2 about /etc"),
        (RemoveEntry("net_port", 0, 0), "remove an entry of rule 1"),
        (ExpandEntry(0, 0), "write out the variables of an entry of rule 1"),
        (RenameVariable("home", "house"), "rename variable home to house"),
        (InlineVariable("home"), "write out variable home"),
        (RemoveVariable("home"), "remove variable home"),
    ],
)
def test_each_edit_has_a_label(edit: Edit, label: str) -> None:
    assert describe(edit) == label
