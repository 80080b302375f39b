"""Edits of one of several paths that one string expands to, with both scopes, on whole files."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, GrantPath, GrantPort, SetPathRights
from editor.editing.meaning import meaning_of
from editor.editing.shared_paths import EditScope, SharedPath, edits_of, shared_entries
from editor.policy.locate import Format
from editor.policy.model import path_key
from tests.policy.texts import FS, policy_texts

TEXT = """\
abi = 6
# Who lives here.
[[variable]]
name = "home"
literal = ["/home/a", "/home/b"]

[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["read_file", "read_dir"]   # mail and news
parent = ["${home}/mail", "/srv", "${home}/news"]

[[path_beneath]]
allowed_access = ["write_file"]
parent = ["${home}/mail"]
"""
READ = frozenset({"read_file", "read_dir"})
WRITE = frozenset({"write_file"})
MAIL = ("/home/a/mail", "/home/b/mail")


def edited(text: str, edit: Edit, scope: EditScope | None) -> PolicyDocument:
    """Return the document of ``text`` after ``edit``."""
    document = PolicyDocument.parse(text, "test.toml", "toml")
    for each in edits_of(document.policy, edit, scope):
        document = document.apply(each)
    return document


def test_strings_that_name_a_path_among_others() -> None:
    policy = PolicyDocument.parse(TEXT, "test.toml", "toml").policy
    first, second = shared_entries(policy, "/home/a//mail/")
    assert first[:4] == (0, 0, "${home}/mail", 12)
    assert first.paths == (*MAIL, "/srv", "/home/a/news", "/home/b/news")
    assert second[:4] == (1, 0, "${home}/mail", 16)
    assert (first.rights, second.rights) == (READ, WRITE)
    assert shared_entries(policy, "/srv") == ()
    assert shared_entries(policy, "/home/c/mail") == ()


@pytest.mark.parametrize("edit", [SetPathRights(MAIL[0], READ), GrantPath(MAIL[1], frozenset({"execute"}))])
def test_missing_scope_is_an_error(edit: SetPathRights) -> None:
    with pytest.raises(SharedPath) as error:
        edited(TEXT, edit, None)
    assert error.value.path == edit.path
    assert len(error.value.entries) == 2


def test_path_without_variable_needs_no_scope() -> None:
    for edit in (SetPathRights("/srv", READ), GrantPath("/etc", READ), GrantPort(443, frozenset({"connect_tcp"}))):
        policy = PolicyDocument.parse(TEXT, "test.toml", "toml").policy
        assert edits_of(policy, edit, None) == (edit,)
    one_home = TEXT.replace('"/home/a", ', "")
    after = edited(one_home, SetPathRights(MAIL[1], READ), None)
    assert meaning_of(after.policy).paths[MAIL[1]] == READ
    assert "${home}/mail" in after.text, "a variable of one value stays as well"


def test_removing_from_all() -> None:
    after = edited(TEXT, SetPathRights(MAIL[0], frozenset({"read_file"})), "all")
    paths = meaning_of(after.policy).paths
    assert {path: rights for path, rights in paths.items() if path != "/srv"} == {
        path: frozenset({"read_file"}) for path in (*MAIL, "/home/a/news", "/home/b/news")
    }
    assert 'allowed_access = ["read_file"]   # mail and news' in after.text
    assert after.text.count("${home}") == 2, "the rule of which nothing is left has gone"


def test_removing_from_one() -> None:
    after = edited(TEXT, SetPathRights(MAIL[0], READ), "split")
    paths = meaning_of(after.policy).paths
    assert paths[MAIL[0]] == READ
    assert paths[MAIL[1]] == READ | WRITE
    assert paths["/home/a/news"] == paths["/srv"] == READ
    assert 'parent = ["${home}/mail", "/srv", "${home}/news"]' in after.text, "that rule gives nothing too much"


def test_removing_everything() -> None:
    before = meaning_of(PolicyDocument.parse(TEXT, "test.toml", "toml").policy).paths
    nothing = SetPathRights(MAIL[0], frozenset())
    one = meaning_of(edited(TEXT, nothing, "split").policy).paths
    assert dict(one) == {path: rights for path, rights in before.items() if path != MAIL[0]}
    assert meaning_of(edited(TEXT, nothing, "all").policy).paths == {}


@pytest.mark.parametrize(
    "edit", [SetPathRights(MAIL[0], READ | WRITE | {"execute"}), GrantPath(MAIL[0], frozenset({"execute"}))]
)
def test_adding_keeps_the_variable(edit: SetPathRights | GrantPath) -> None:
    all_, one = edited(TEXT, edit, "all"), edited(TEXT, edit, "split")
    assert meaning_of(all_.policy).paths["/srv"] == READ | {"execute"}
    assert all(meaning_of(all_.policy).paths[path] == READ | WRITE | {"execute"} for path in MAIL)
    assert meaning_of(one.policy).paths[MAIL[0]] == READ | WRITE | {"execute"}
    assert meaning_of(one.policy).paths[MAIL[1]] == READ | WRITE
    assert all_.text.count("${home}") == one.text.count("${home}") == 3
    assert one.text.startswith(TEXT)


@settings(max_examples=150, deadline=None)
@given(policy_texts(), st.data())
def test_both_scopes_do_what_they_say_for_any_policy(written: tuple[str, Format], data: st.DataObject) -> None:
    text, format = written
    document = PolicyDocument.parse(text, "f", format)
    before = meaning_of(document.policy)
    shared = sorted(path for path in before.paths if path and shared_entries(document.policy, path))
    assume(shared)
    path = data.draw(st.sampled_from(shared))
    rights = data.draw(st.frozensets(st.sampled_from(FS), max_size=4))
    edit = SetPathRights(path, rights) if data.draw(st.booleans()) else GrantPath(path, rights)
    wanted = rights if isinstance(edit, SetPathRights) else rights | before.paths[path]
    named = {path_key(each) for entry in shared_entries(document.policy, path) for each in entry.paths}
    scopes: tuple[EditScope, ...] = ("all", "split")
    for scope in scopes:
        after = document
        for each in edits_of(document.policy, edit, scope):
            after = after.apply(each)
        paths = meaning_of(after.policy).paths
        assert paths.get(path, frozenset()) == wanted
        changed = {each for each in paths.keys() | before.paths.keys() if paths.get(each) != before.paths.get(each)}
        assert changed <= (named if scope == "all" else {path})
        assert meaning_of(after.policy).handled_fs == before.handled_fs | wanted
        assert meaning_of(after.policy).variables == before.variables
