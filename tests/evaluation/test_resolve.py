"""Resolving a policy on this machine: combined spellings, identities, the canonical form."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.analysis.lint.engine import lint
from editor.evaluation.diff import compare
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.policy.parse import parse_policy


def resolved(text: str, base: str | None = None) -> ResolvedPolicy:
    """Parse and resolve ``text`` (TOML)."""
    return resolve(parse_policy(text, "policy.toml", "toml"), base=base)


def test_two_leading_slashes_are_one(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    text = f'[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["/{tmp_path}/there", "//gone/x", "///y"]\n'
    resolved = resolve(parse_policy(text, "p.toml", "toml"))
    there = f"{tmp_path}/there"
    assert [resolved.absolute(each.path) for each in resolved.paths] == [there, "/gone/x", "/y"]
    assert resolved.paths[0].target == there
    # What looks at the directories above ends at the root.
    other = resolve(parse_policy(text.replace("/gone", "/lost"), "p.toml", "toml"))
    assert [each.subject for each in compare(resolved, other).only_a] == ["/gone/x"]
    assert not [each for each in lint(parse_policy(text, "p.toml", "toml"), resolved) if each.id == "symlink"]


def test_spellings_of_one_path_are_combined_and_the_first_is_shown() -> None:
    result = resolved(
        """
        [[path_beneath]]
        allowed_access = ["execute"]
        parent = [".", "./", ".", "a/./b"]
        [[path_beneath]]
        allowed_access = ["read_file"]
        parent = [".//", "a/////b", "c/../c", "./a/b"]
        """
    )
    assert [(each.path, sorted(each.rights)) for each in result.paths] == [
        (".", ["execute", "read_file"]),
        ("a/./b", ["execute", "read_file"]),
        ("c/../c", ["read_file"]),
        ("./a/b", ["read_file"]),
    ]
    assert [ref.ref.line for ref in result.paths[1].refs] == [4, 7]


def test_identity_target_and_kind(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").touch()
    (tmp_path / "link").symlink_to("real")
    text = """
        [[path_beneath]]
        allowed_access = ["read_file"]
        parent = ["link", "link/file", "missing", "link/file/x", "bad\\u0000name"]
        """
    directory, file, *gone = resolved(text, base=str(tmp_path)).paths
    status = (tmp_path / "real").stat()
    assert (directory.identity, directory.is_dir) == ((status.st_dev, status.st_ino), True)
    assert directory.target == os.path.realpath(tmp_path / "real")
    assert (file.is_dir, file.target) == (False, os.path.realpath(tmp_path / "real/file"))
    assert [(each.target, each.identity, each.is_dir) for each in gone] == [(None, None, None)] * 3


def test_ruleset_names_absolute_paths_and_drops_nothing(tmp_path: Path) -> None:
    text = """
        [[path_beneath]]
        allowed_access = ["read_file", "make_reg", "resolve_unix"]
        parent = ["x", "/etc/hostname"]
        [[net_port]]
        allowed_access = ["bind_udp"]
        port = [53, 53]
        [[ruleset]]
        scoped = ["signal"]
        """
    spec = resolved(text, base=str(tmp_path)).ruleset()
    assert [grant.path for grant in spec.paths] == [str(tmp_path / "x"), "/etc/hostname"]
    assert all(grant.rights == {"read_file", "make_reg", "resolve_unix"} for grant in spec.paths)
    assert [(grant.port, sorted(grant.rights)) for grant in spec.ports] == [(53, ["bind_udp"])]
    assert (sorted(spec.handled_net), sorted(spec.scoped)) == (["bind_udp"], ["signal"])


def test_empty_literal_names_no_path(tmp_path: Path) -> None:
    text = """
        [[variable]]
        name = "v"
        literal = [""]
        [[path_beneath]]
        allowed_access = ["read_file"]
        parent = ["${v}", ""]
        """
    result = resolved(text, base=str(tmp_path))
    assert [(each.path, each.identity) for each in result.paths] == [("", None)]
    assert result.ruleset().paths[0].path == ""


def test_canonical_form() -> None:
    text = """
        abi = 3
        [[variable]]
        name = "home"
        literal = ["/home/b", "/home/a"]
        [[ruleset]]
        handled_access_fs = ["abi.read_execute"]
        handled_access_net = ["abi.all"]
        scoped = ["abstract_unix_socket"]
        [[path_beneath]]
        allowed_access = ["write_file", "read_file"]
        parent = ["${home}/", "/nowhere"]
        [[net_port]]
        allowed_access = ["connect_tcp"]
        port = [443, 80]
        [[net_port]]
        allowed_access = ["abi.all"]
        port = [1]
        """
    assert resolved(text).canonical() == {
        "handled_access_fs": ["execute", "read_dir", "read_file", "refer", "write_file"],
        "handled_access_net": ["connect_tcp"],  # abi.all is empty at ABI 3, and so is the rule for port 1
        "scoped": ["abstract_unix_socket"],
        "path_beneath": {
            "/home/a/": ["read_file", "write_file"],
            "/home/b/": ["read_file", "write_file"],
            "/nowhere": ["read_file", "write_file"],
        },
        "net_port": {"80": ["connect_tcp"], "443": ["connect_tcp"]},
    }


_NAMES = ["a", "b", "file", "to_a", "up", "loop", "absolute", "to_file", "nowhere", ".", "..", ""]


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tree with symbolic links of every kind, in which ``_NAMES`` can follow each other in any order."""
    top = tmp_path_factory.mktemp("linked")
    for directory in (top, top / "a", top / "a" / "b", top / "b"):
        directory.mkdir(exist_ok=True)
        (directory / "file").touch()
        for name, target in (("to_a", top / "a"), ("up", ".."), ("loop", "loop"), ("nowhere", "gone")):
            (directory / name).symlink_to(target)
        (directory / "absolute").symlink_to(top / "b")
        (directory / "to_file").symlink_to("up/file")
    return str(top)


@given(paths=st.lists(st.lists(st.sampled_from(_NAMES), max_size=5), min_size=1, max_size=6))
def test_targets_are_real_paths_through_any_links(linked: str, paths: list[list[str]]) -> None:
    texts = ["/".join([linked, *names]) for names in paths]
    rules = "".join(f'[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["{text}"]\n' for text in texts)
    for each in resolved(rules).paths:
        assert each.target == (os.path.realpath(each.path) if os.path.exists(each.path) else None)
