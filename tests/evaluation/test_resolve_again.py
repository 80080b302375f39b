"""Resolving again after an edit gives the same as from scratch, on a filesystem with links of every kind."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPolicy, resolution_of, resolve, resolve_again
from editor.policy.model import Policy
from editor.policy.parse import parse_policy
from tests.editing.test_edits_properties import edits
from tests.policy.texts import policy_texts

RIGHTS = frozenset({"read_file", "write_file", "make_reg"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A directory in which several relative paths of the policies lead to the same objects."""
    base = tmp_path_factory.mktemp("base")
    for name in ("x", "one", "two"):
        (base / name).mkdir()
    (base / "file").touch()
    os.link(base / "file", base / "hard")
    (base / "link").symlink_to("one")
    (base / "loop").symlink_to("loop")
    yield str(base)


# Names of the fixture's objects, so that several rules are on one of them.
NAMES = ["x", "./x", "x/", "link", "one", "one/../one", "two", "file", "hard", "loop", "gone", "gone/below", "."]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rules = draw(
        st.lists(
            st.tuples(
                st.lists(st.sampled_from(sorted(RIGHTS)), min_size=1, unique=True),
                st.lists(st.sampled_from([*NAMES, "${v}", "${v}/x", ""]), min_size=1, max_size=3),
            ),
            max_size=6,
        )
    )
    literals = draw(st.lists(st.sampled_from(["one", "gone", "two"]), unique=True))
    port = draw(st.integers(1, 3))
    parts = [f'[[variable]]\nname = "v"\nliteral = {literals}\n' if literals else '[[variable]]\nname = "v"\n']
    parts += [f"[[path_beneath]]\nallowed_access = {rights}\nparent = {parents}\n" for rights, parents in rules]
    parts += [f'[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [{port}, 80]\n']
    return parse_policy("\n".join(parts), "f", "toml")


def told(decider: Decider, place: str) -> list[object]:
    """Return everything that the decider reports about the objects there."""
    paths = [os.path.normpath(os.path.join(place, name)) for name in [*NAMES, "two/new"]]
    return [
        decider.handled,
        decider.inodes,
        decider.targets,
        *((decider.rights_on(path), decider.inherited(path), decider.file(path, RIGHTS)) for path in paths),
        *(decider.port(port, "bind_tcp") for port in (1, 2, 3, 80)),
    ]


def check(before: ResolvedPolicy, after: ResolvedPolicy, near: Decider, place: str) -> Decider:
    assert near.resolved is before
    again = Decider(after, 7, near=near)
    assert told(again, place) == told(Decider(after, 7), place)
    return again


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(policies(), min_size=2, max_size=4))
def test_one_policy_after_another(place: str, steps: list[Policy]) -> None:
    """They may have little in common."""
    resolution = resolution_of(steps[0], base=place)
    decider = Decider(resolution.resolved, 7)
    for policy in steps[1:]:
        after = resolve_again(resolution, policy)
        assert after == resolution_of(policy, base=place)
        assert after.resolved == resolve(policy, base=place)
        decider = check(resolution.resolved, after.resolved, decider, place)
        resolution = after


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy_texts(), st.data())
def test_one_edit_after_another(place: str, source: tuple[str, str], data: st.DataObject) -> None:
    text, format = source
    document = PolicyDocument.parse(text, "f", "toml" if format == "toml" else "json")
    resolution = resolution_of(document.policy, base=place)
    decider = Decider(resolution.resolved, 7)
    for _ in range(4):
        try:
            document = document.apply(data.draw(edits(document)))
        except EditError:
            continue
        after = resolve_again(resolution, document.policy)
        assert after == resolution_of(parse_policy(document.text, "f", document.format), base=place)
        decider = check(resolution.resolved, after.resolved, decider, place)
        resolution = after


def test_only_changed_paths_are_examined(tmp_path: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["a", "b"]\n'
    more = '\n[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["b", "c"]\n'
    before = resolution_of(parse_policy(text, "f", "toml"), base=str(tmp_path))
    for name in "abc":
        (tmp_path / name).touch()
    after = resolve_again(before, parse_policy(text + more, "f", "toml"))
    assert [each.identity is not None for each in after.resolved.paths] == [False, True, True]
    assert resolve_again(after, parse_policy("\n\n" + text + more, "f", "toml")).resolved.paths[0].identity is None


def test_policy_for_another_abi_shares_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    text = '[[path_beneath]]\nallowed_access = ["read_file", "refer"]\nparent = ["a"]\n'
    resolved = resolve(parse_policy(text, "f", "toml"), base=str(tmp_path))
    near = Decider(resolved, 7)
    assert Decider(resolved, 1, near=near).rights_on(str(tmp_path / "a")) == {"read_file"}
    assert near.rights_on(str(tmp_path / "a")) == {"read_file", "refer"}
