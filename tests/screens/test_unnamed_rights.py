"""Rights without a name in the panels."""

from pathlib import Path

from editor.screens.filesystem import Filesystem
from editor.screens.panel_rows import handled_rows, right_states
from editor.workspace.workspace import Workspace

POLICY = """\
[[ruleset]]
scoped = [4]
[[path_beneath]]
allowed_access = ["read_file", "read_dir", 0x20000]
parent = ["."]
[[net_port]]
allowed_access = [0x10]
port = [1]
"""


def test_unnamed_rights_come_last_of_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY.replace('"."', f'"{tmp_path}"'))
    (tmp_path / "file").touch()
    workspace = Workspace.open(str(path))
    for place in (tmp_path, tmp_path / "file"):
        state = right_states(workspace, str(place))[-1]
        assert (state.name, state.abi, state.enforced, state.applicable) == ("fs.0x20000", None, False, True)
        assert state.state == ("here" if place == tmp_path else "inherited")
    rows = handled_rows(workspace)
    kinds = [row.kind for row in rows]
    assert kinds == sorted(kinds)
    assert [(row.name, row.abi, row.locked) for row in rows if "0x" in row.name] == [
        ("fs.0x20000", None, True),
        ("net.0x10", None, True),
        ("scope.0x4", None, False),
    ]
    tree = Filesystem(workspace)
    assert tree.row(str(tmp_path)).given == ("read_file", "read_dir", "fs.0x20000")
    (row, _) = tree.children(str(tmp_path))
    assert row.label == "file" and row.inherited == ("read_file", "fs.0x20000")
