"""Several files composed into one policy, directories, and variables from the command line."""

import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.editing.meaning import meaning_of
from editor.evaluation.resolve import resolve
from editor.exchange import landlock_toml
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, SCOPES, Right
from editor.policy.compose import VariableError, compose, files_of, load, parse_variables, with_variables
from editor.policy.errors import PolicyError
from editor.policy.model import Policy
from editor.policy.parse import parse_policy

BASE = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all"]
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "${home}/bin"]
"""
HOME = """\
abi = 4
[[variable]]
name = "home"
literal = ["/home/a", "/home/b"]
[[ruleset]]
handled_access_fs = ["abi.all"]
[[path_beneath]]
allowed_access = ["read_file", "ioctl_dev"]
parent = ["${home}"]
[[net_port]]
allowed_access = ["bind_tcp"]
port = [80]
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "20-base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "10-home.toml").write_text(HOME, encoding="utf-8")
    (tmp_path / ".hidden.toml").write_text("broken", encoding="utf-8")
    (tmp_path / "read.me").write_text("no policy", encoding="utf-8")
    (tmp_path / "folder.toml").mkdir()
    return tmp_path


def test_directory_yields_its_policies_in_order(directory: Path) -> None:
    assert files_of(str(directory)) == (f"{directory}/10-home.toml", f"{directory}/20-base.toml")
    policy = load([str(directory)])
    assert (policy.file, policy.abi) == (str(directory), 4)
    resolved = resolve(policy)
    assert [path.path for path in resolved.paths] == ["/home/a", "/home/b", "/usr", "/home/a/bin", "/home/b/bin"]
    # What only one file handles is not handled any more, and no rule grants it.
    assert resolved.handled_net == frozenset() and resolved.ports == ()
    assert resolved.paths[0].rights == {"read_file", "ioctl_dev"}
    refs = {ref.ref for path in resolved.paths for ref in path.refs} | {ref.ref for ref in resolved.rulesets}
    assert {(os.path.basename(ref.file), ref.line) for ref in refs} == {
        ("10-home.toml", 9), ("20-base.toml", 6), ("10-home.toml", 5), ("20-base.toml", 2)
    }  # fmt: skip


def test_errors_name_their_file(directory: Path) -> None:
    (directory / "20-base.toml").write_text(BASE.replace("${home}", "${hom}"), encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load([str(directory)])
    assert str(caught.value) == (
        f"{directory}/20-base.toml:6:19: the variable 'hom' is not defined (did you mean 'home'?)"
    )
    with pytest.raises(PolicyError, match="no policy in this directory"):
        load([str(directory / "folder.toml")])
    with pytest.raises(PolicyError, match="No such file"):
        load([str(directory), str(directory / "gone.toml")])


def test_command_line_variables(directory: Path) -> None:
    base = str(directory / "20-base.toml")
    with pytest.raises(PolicyError, match="'home' is not defined"):
        load([base])
    policy = load([base], parse_variables(["home=/x", "home=/y"]))
    assert set(meaning_of(policy).paths) == {"/usr", "/x/bin", "/y/bin"}
    # They replace the file's own values instead of adding to them.
    policy = load([str(directory)], {"home": ("/x",)})
    assert set(meaning_of(policy).paths) == {"/usr", "/x", "/x/bin"}
    with pytest.raises(PolicyError, match="multiply to more than"):
        load([str(directory)], {"home": tuple(map(str, range(70_000)))})


@pytest.mark.parametrize("word", ["home", "=x", "1=x", "a-b=x", "a=\udcff"])
def test_invalid_variables(word: str) -> None:
    with pytest.raises(VariableError):
        parse_variables([word])


def rights(kind: tuple[Right, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([each.name for each in kind]), min_size=1, max_size=4)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    lines = [f"abi = {draw(st.integers(1, 11))}"]
    groups = st.lists(st.sampled_from(["abi.all", "abi.read_execute", "abi.read_write"]), min_size=1, max_size=2)
    for _ in range(draw(st.integers(0, 2))):
        lines += ["[[ruleset]]", f"handled_access_fs = {draw(rights(FS_RIGHTS) | groups)}"]
        lines += [f"handled_access_net = {draw(rights(NET_RIGHTS) | st.just(['abi.all']))}"]
        lines += [f"scoped = {draw(rights(SCOPES) | st.just(['abi.all']))}"]
    for _ in range(draw(st.integers(0, 3))):
        paths = draw(st.lists(st.sampled_from(["/a", "/b", "/${v}", "/a/"]), min_size=1, max_size=2))
        lines += ["[[path_beneath]]", f"allowed_access = {draw(rights(FS_RIGHTS) | groups)}", f"parent = {paths}"]
    for _ in range(draw(st.integers(0, 2))):
        numbers = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
        lines += ["[[net_port]]", f"allowed_access = {draw(rights(NET_RIGHTS) | st.just(['abi.all']))}"]
        lines += [f"port = {numbers}"]
    values = draw(st.lists(st.sampled_from(["x", "y"]), min_size=1, max_size=2))
    return parse_policy("\n".join([*lines, "[[variable]]", "name = 'v'", f"literal = {values}"]), "f", "toml")


@given(st.lists(policies(), min_size=2, max_size=3), st.randoms(use_true_random=False))
def test_order_and_repetition_are_irrelevant(several: list[Policy], random: Random) -> None:
    whole = meaning_of(compose(several))
    random.shuffle(several)
    assert meaning_of(compose(several)) == whole
    assert meaning_of(compose([*several, several[0]])) == whole
    united = compose(several)
    assert meaning_of(compose([united, united])) == whole
    # Written out, it parses to the same policy, including groups.
    assert meaning_of(parse_policy(landlock_toml.export(united).text, "f", "toml")) == whole
    assert meaning_of(with_variables(united, {"v": ("x",)})).variables == {"v": frozenset("x")}
