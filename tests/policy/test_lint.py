"""Findings of `paddock check`: each where it belongs, and none where nothing is wrong."""

from pathlib import Path

import pytest

from editor.policy.lint import Finding, lint
from editor.policy.parse import parse_policy
from editor.policy.resolve import resolve


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "device").symlink_to("/dev/null")
    return tmp_path


def findings(tree: Path, text: str, target_abi: int | None = None) -> tuple[Finding, ...]:
    """What lint says about ``text``, relative paths starting at ``tree``."""
    policy = parse_policy(text, "policy.toml", "toml")
    return lint(policy, resolve(policy, base=str(tree)), target_abi=target_abi)


def brief(found: tuple[Finding, ...]) -> list[tuple[str, int]]:
    return [(each.id, each.location.line) for each in found]


def test_a_sound_policy_has_no_findings(tree: Path) -> None:
    text = """\
abi = 6
[[variable]]
name = "where"
literal = ["directory", "file"]
[[ruleset]]
handled_access_fs = ["abi.all"]
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["${where}"]
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["file"]
[[path_beneath]]
allowed_access = ["read_file", "write_file"]
parent = ["device"]
"""
    assert findings(tree, text) == ()


def test_missing_path(tree: Path) -> None:
    text = """\
[[path_beneath]]
allowed_access = ["read_file"]
parent = [
    "directory",
    "gone\\u001b",
]
"""
    (found,) = findings(tree, text)
    assert (found.id, found.location.line, found.location.column) == ("missing-path", 5, 5)
    assert found.message == "gone\\x1b does not exist: its rule grants nothing."


def test_rights_that_a_file_cannot_hold(tree: Path) -> None:
    rule = '[[path_beneath]]\nallowed_access = ["read_file", "make_reg"]\nparent = '
    assert brief(findings(tree, rule + '["file"]')) == [("file-right", 3)]
    assert brief(findings(tree, rule + '["file", "directory"]')) == []


def test_rights_newer_than_the_intended_abi(tree: Path) -> None:
    text = """\
abi = 2
[[ruleset]]
handled_access_fs = ["abi.all", "truncate"]
[[path_beneath]]
allowed_access = ["truncate", "ioctl_dev"]
parent = ["directory"]
"""
    assert brief(findings(tree, text)) == [("newer-right", 2), ("newer-right", 4)]
    assert brief(findings(tree, text, target_abi=4)) == [("newer-right", 4)]
    assert brief(findings(tree, text, target_abi=5)) == []


def test_write_without_truncate(tree: Path) -> None:
    text = """\
[[ruleset]]
handled_access_fs = ["truncate"]
[[path_beneath]]
allowed_access = ["write_file"]
parent = ["file", "directory", "device"]
"""
    assert brief(findings(tree, text)) == [("write-without-truncate", 5)]
    # Another rule may give it, and where it is not handled nothing is missing.
    more = text + f'[[path_beneath]]\nallowed_access = ["truncate"]\nparent = ["{tree}"]\n'
    assert brief(findings(tree, more)) == []
    assert brief(findings(tree, text.replace('"truncate"', '"execute"'))) == []


def test_execute_without_read(tree: Path) -> None:
    text = """\
[[path_beneath]]
allowed_access = ["execute"]
parent = ["directory"]
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["file"]
"""
    assert brief(findings(tree, text)) == [("execute-without-read_file", 3)]


def test_writable_root(tree: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["write_file", "truncate"]\nparent = ["/"]\n'
    assert brief(findings(tree, text)) == [("root-writable", 3)]


def test_unused_variable_once(tree: Path) -> None:
    text = """\
[[variable]]
name = "a"
[[variable]]
name = "a"
literal = ["x"]
[[ruleset]]
scoped = ["signal"]
"""
    assert brief(findings(tree, text)) == [("unused-variable", 1)]


def test_nothing_restricted(tree: Path) -> None:
    found = findings(tree, 'variable = [{ name = "a" }]')
    assert brief(found) == [("nothing-restricted", 1), ("unused-variable", 1)]
    assert found[0].severity == "error"
