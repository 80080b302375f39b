"""Explanations of decisions: which rule decided, why not, what is uncontrolled. The kernel tests check correctness."""

import os
import stat
from pathlib import Path

import pytest

from editor.evaluation.decider import Decider
from editor.evaluation.decision import Entry
from editor.evaluation.refer import RENAME_EXCHANGE, WHITEOUTS_ARE_FILES, make_right, refer_rights, remove_right
from editor.evaluation.resolve import resolve
from editor.landlock.rights import rights_of
from editor.policy.model import RuleRef
from editor.policy.parse import parse_policy


def decider(text: str, base: Path, abi: int = 11) -> Decider:
    """Return a decider for ``text`` (TOML), with relative paths starting at ``base``."""
    return Decider(resolve(parse_policy(text, "/somewhere/policy.toml", "toml"), base=str(base)), abi)


def right(*names: str) -> frozenset[str]:
    return frozenset(names)


def ref(line: int, path: str) -> RuleRef:
    return RuleRef("/somewhere/policy.toml", line, f'path_beneath "{path}"')


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of a/b/file, a/link -> b, c and file, at a path without symbolic links."""
    root = Path(os.path.realpath(tmp_path))
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/file").touch()
    (root / "a/link").symlink_to("b")
    (root / "c").mkdir()
    (root / "file").touch()
    return root


NESTED = """\
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["a"]
[[path_beneath]]
allowed_access = ["write_file", "read_file"]
parent = ["a/b"]
[[path_beneath]]
allowed_access = ["execute", "make_reg"]
parent = ["a/b/file"]
"""


def test_allowance_names_the_nearest_rule_of_each_right(tree: Path) -> None:
    decision = decider(NESTED, tree).file("a/link/file", right("read_file", "execute"))
    assert decision.allowed
    assert decision.decided_by == (ref(9, "a/b/file"), ref(6, "a/b"))
    assert (decision.reason, decision.errno) == ("", None)
    assert decision.object == f"{tree}/a/b/file"


def test_denial_names_the_nearest_rule_and_what_it_grants(tree: Path) -> None:
    decision = decider(NESTED, tree).file("a/b", right("make_reg", "read_file"))
    assert (decision.allowed, decision.errno, sorted(decision.missing)) == (False, "EACCES", ["make_reg"])
    assert decision.decided_by == (ref(6, "a/b"),)
    assert decision.reason == "a/b (policy.toml:6) grants write_file, read_file but not make_reg"
    assert decision.lacking == ((f"{tree}/a/b", right("make_reg")),)


def test_denial_without_a_rule(tree: Path) -> None:
    decision = decider(NESTED, tree).file("c/new\n", right("make_reg"))
    assert decision.decided_by == ()
    assert (decision.reason, decision.object) == (f"no rule covers {tree}/c", f"{tree}/c")


def test_rule_on_a_file_cannot_grant_every_right(tree: Path) -> None:
    decision = decider(NESTED, tree).file("a/b/file", right("make_reg"))
    assert decision.reason == "a/b/file (policy.toml:9) is not a directory, so its rule cannot grant make_reg"


def test_missing_rule_path_is_the_reason(tree: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["gone", "c"]\n'
    decision = decider(text, tree).file("gone/x", right("read_file"))
    assert decision.reason == "the rule's path gone (policy.toml:3) does not exist"


def test_rule_stays_on_the_inode(tree: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["c"]\n'
    policy = decider(text, tree)
    assert policy.file("c/x", right("read_file")).allowed
    (tree / "c").rename(tree / "d")
    (tree / "c").mkdir()
    policy.forget()
    assert policy.file("d/x", right("read_file")).allowed
    decision = policy.file("c/x", right("read_file"))
    assert not decision.allowed
    assert "belongs to a file that has been replaced" in decision.reason


def test_hard_links_share_a_rule(tree: Path) -> None:
    os.link(tree / "a/b/file", tree / "c/twin")
    assert decider(NESTED, tree).file("c/twin", right("execute")).allowed


def test_uncontrolled_rights(tree: Path) -> None:
    policy = decider(NESTED.replace('"make_reg"', '"make_reg", "truncate"'), tree, abi=2)
    decision = policy.file("a/b/file", right("truncate", "remove_file", "read_file"))
    assert decision.allowed
    assert sorted(decision.uncontrolled) == ["remove_file", "truncate"]
    assert decision.reason == "the policy does not restrict remove_file, and Landlock ABI 2 does not know truncate"


def test_refer_is_denied_even_if_not_handled(tree: Path) -> None:
    policy = decider('[[ruleset]]\nhandled_access_fs = ["execute"]\n', tree)
    decision = policy.rename("file", "c/file")
    assert (decision.allowed, decision.errno, sorted(decision.missing)) == (False, "EXDEV", ["refer"])
    assert (
        decision.reason == f"refer is not granted on the source directory {tree} nor on the target directory {tree}/c"
    )
    assert policy.rename("file", "other").allowed
    assert decider('[[ruleset]]\nscoped = ["signal"]\n', tree).rename("file", "c/file").allowed


REFER = """\
[[ruleset]]
handled_access_fs = ["refer", "make_reg", "remove_file", "write_file", "execute"]
[[path_beneath]]
allowed_access = ["refer", "make_reg", "remove_file", "write_file"]
parent = ["a"]
[[path_beneath]]
allowed_access = ["refer", "make_reg", "write_file", "execute"]
parent = ["c"]
"""


def test_move_may_not_gain_rights(tree: Path) -> None:
    decision = decider(REFER, tree).rename("a/b/file", "c/file")
    assert (decision.allowed, decision.errno, sorted(decision.missing)) == (False, "EXDEV", ["execute"])
    assert decision.lacking == ((f"{tree}/a/b", right("execute")),)
    assert decision.reason == (f"the move would give the file execute, which {tree}/c grants and {tree}/a/b does not")
    # What is lacking is enough: granted there, the move is allowed.
    granted = REFER + '[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["a/b"]\n'
    assert decider(granted, tree).rename("a/b/file", "c/file").allowed


def test_missing_make_or_remove_right_takes_precedence_over_refer(tree: Path) -> None:
    decision = decider(REFER, tree).rename("c/file", "a/file")
    assert decision.errno == "EACCES"
    assert decision.reason.startswith(f"source directory {tree}/c: c (policy.toml:8) grants")
    assert decision.lacking == ((f"{tree}/c", right("remove_file")),)
    assert decider(REFER, tree).link("c/file", "a/file").errno is None


def test_rights_of_renames() -> None:
    file, directory = Entry(stat.S_IFREG, (0, 1)), Entry(stat.S_IFDIR, (0, 2))
    assert refer_rights(file, None, removes=False, flags=0, same_directory=True)[1] == {"make_reg"}
    assert refer_rights(directory, None, removes=True, flags=0, same_directory=True)[0] == {
        "make_dir",
        "remove_dir",
    }
    assert refer_rights(file, directory, removes=True, flags=RENAME_EXCHANGE, same_directory=False) == (
        right("make_dir", "remove_file", "refer"),
        right("make_reg", "remove_dir", "refer"),
    )
    modes = {"make_sym": stat.S_IFLNK, "make_sock": stat.S_IFSOCK, "make_fifo": stat.S_IFIFO, "make_reg": 0}
    assert all(make_right(mode | 0o644) == name for name, mode in modes.items())
    assert (remove_right(stat.S_IFDIR), remove_right(stat.S_IFLNK)) == ("remove_dir", "remove_file")


def test_rights_of_whiteouts() -> None:
    """Overlayfs marks a removed name with the character device 0:0, a regular file if erratum 4 is fixed."""
    assert make_right(stat.S_IFCHR | 0o600, 0x103, WHITEOUTS_ARE_FILES) == "make_char"
    assert make_right(stat.S_IFCHR | 0o600, 0, WHITEOUTS_ARE_FILES) == "make_reg"
    assert make_right(stat.S_IFCHR | 0o600, 0, 0b0111) == "make_char"
    assert make_right(stat.S_IFBLK | 0o600, 0, WHITEOUTS_ARE_FILES) == "make_block"
    moved, whiteout = Entry(stat.S_IFDIR, (0, 1)), 4
    for errata, left_behind in ((WHITEOUTS_ARE_FILES, ["make_reg"]), (0, [])):
        source, target = refer_rights(moved, None, removes=True, flags=whiteout, same_directory=False, errata=errata)
        assert (source, target) == (right("remove_dir", "refer", *left_behind), right("make_dir", "refer"))


def test_pipes_are_unchecked_but_removed_files_are_checked(tree: Path) -> None:
    policy = decider(NESTED, tree)
    reading, writing = os.pipe()
    try:
        decision = policy.file(f"/proc/self/fd/{reading}", right("read_file"))
        assert decision.allowed
        assert decision.uncontrolled == {"read_file"}
    finally:
        os.close(reading)
        os.close(writing)
    with open(tree / "a/b/file") as file:
        os.unlink(file.name)
        through = f"/proc/self/fd/{file.fileno()}"
        assert policy.file(through, right("execute", "write_file")).allowed
        assert not policy.file(through, right("make_fifo", "make_reg")).allowed
    with open(tree / "file") as file:
        os.unlink(file.name)
        assert not policy.file(f"/proc/self/fd/{file.fileno()}", right("read_file")).allowed


def test_symbolic_links_loops_and_odd_spellings(tree: Path) -> None:
    policy = decider(NESTED, tree)
    (tree / "a/b/loop").symlink_to("loop")
    (tree / "a/b/away").symlink_to(tree / "file")
    assert not policy.file("a/b/away", right("read_file")).allowed
    assert policy.file("a/b/away", right("read_file"), follow=False).allowed
    assert policy.file("a/b/loop", right("read_file")).object == f"{tree}/a/b"
    assert policy.file("a/link/../b/./file//", right("write_file")).allowed
    assert policy.file(f"{tree}/c/../../../../../../../../../..{tree}/a/b/file", right("write_file")).allowed
    assert policy.file("bad\0name", right("read_file")).object == str(tree)
    deep = "a/b/" + "x/" * 3000
    assert policy.file(deep, right("write_file")).object == f"{tree}/a/b"


def test_inherited_rules_nearest_first(tree: Path) -> None:
    policy = decider(NESTED, tree)
    grants = policy.inherited("a/b/file")
    assert [(each.path, sorted(each.rights), each.here) for each in grants] == [
        ("a/b/file", ["execute"], True),
        ("a/b", ["read_file", "write_file"], False),
        ("a", ["read_dir", "read_file"], False),
    ]
    assert policy.rights_on("a/b/file") == {"execute", "read_file", "write_file", "read_dir"}
    assert [each.here for each in policy.inherited("a/b/nothing")] == [False, False]
    assert policy.inherited("c") == ()


def test_ports(tree: Path) -> None:
    text = """\
[[ruleset]]
handled_access_net = ["bind_tcp", "bind_udp"]
[[net_port]]
allowed_access = ["connect_tcp"]
port = [443, 80]
"""
    policy = decider(text, tree, abi=4)
    allowed = policy.port(443, "connect_tcp")
    assert (allowed.allowed, allowed.decided_by) == (True, (RuleRef("/somewhere/policy.toml", 5, "net_port 443"),))
    lacking = policy.port(443, "bind_tcp")
    assert (lacking.errno, lacking.reason) == ("EACCES", "port 443 (policy.toml:5) grants connect_tcp but not bind_tcp")
    assert policy.port(22, "connect_tcp").reason == "no rule covers port 22"
    assert policy.port(53, "bind_udp").reason == "Landlock ABI 4 does not know bind_udp"
    assert policy.port(53, "connect_send_udp").uncontrolled == {"connect_send_udp"}


def test_scopes(tree: Path) -> None:
    text = '[[ruleset]]\nscoped = ["signal"]\n'
    decision = decider(text, tree).scope("signal")
    assert (decision.allowed, decision.errno, decision.decided_by[0].line) == (False, "EPERM", 1)
    assert decider(text, tree).scope("abstract_unix_socket").allowed
    assert decider(text, tree, abi=5).scope("signal").reason == "Landlock ABI 5 does not know signal"


def test_rights_of_the_wrong_kind(tree: Path) -> None:
    policy = decider(NESTED, tree)
    with pytest.raises(ValueError, match="not filesystem rights: bind_tcp"):
        policy.file("/", right("bind_tcp"))
    with pytest.raises(ValueError, match="not a network right"):
        policy.port(1, "execute")
    with pytest.raises(ValueError, match="not a scope"):
        policy.scope("execute")


def test_findings_are_cached_until_forgotten(tree: Path) -> None:
    policy = decider(NESTED, tree)
    assert policy.file("a/link", right("write_file")).allowed
    (tree / "a/link").unlink()
    (tree / "a/link").symlink_to(tree / "c")
    policy.forget(f"{tree}/a/link")
    policy.forget(f"{tree}/a")
    assert not policy.file("a/link", right("write_file")).allowed


def test_decisions_on_a_thousand_rules_are_cached(tmp_path: Path) -> None:
    names = [f"d{index}" for index in range(1000)]
    for name in names:
        (tmp_path / name).mkdir()
    parents = ", ".join(f'"{name}"' for name in names)
    text = f'[[path_beneath]]\nallowed_access = ["read_file", "read_dir"]\nparent = [{parents}]\n'
    policy = decider(text, tmp_path)
    wanted = right("read_file")
    paths = [f"{tmp_path}/{name}/file" for name in names]
    assert all(policy.file(path, wanted).allowed for path in paths)
    assert all(policy.file(path, wanted) is policy.file(path, wanted) for path in paths)


def test_every_right_is_decided_at_every_abi(tree: Path) -> None:
    for abi in range(1, 12):
        policy = decider('[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["a"]\n', tree, abi)
        for name in rights_of("fs"):
            decision = policy.file("c", right(name))
            assert decision.allowed == (name not in ("read_file", "refer")), (abi, name)


def test_forgetting_costs_only_what_is_below(tmp_path: Path) -> None:
    root = Path(os.path.realpath(tmp_path))
    policy = decider(NESTED, root)
    paths = [f"{root}/d{index}/e" for index in range(2000)]
    for path in paths:
        os.makedirs(path)
        policy.file(path, right("read_file"))
    for path in paths:
        policy.forget(path)
        policy.forget(os.path.dirname(path))
    os.rename(paths[0], f"{root}/moved")
    assert policy.file(paths[0], right("read_file")).object == os.path.dirname(paths[0])
