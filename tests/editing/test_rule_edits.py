"""Edits of one rule and of variables: everything else stays the same to the byte; impossible edits are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.edits import (
    AddPathRule,
    AddPortRule,
    Edit,
    EditError,
    EditTogether,
    ExpandEntry,
    InlineVariable,
    RemoveEntry,
    RemoveVariable,
    RenameVariable,
    SetRulePaths,
    SetRuleRights,
    TidyingEdit,
)
from editor.editing.meaning import meaning_of
from editor.exchange.spelling import quoted
from editor.policy.tree import Format
from editor.policy.variables import quote
from tests.growth import grows_linearly

TEXT = """\
# A policy.
abi = 6

[[variable]]  # where people live
name = 'home'
literal = ["/home/b", "/home/a$"]

[[variable]]
name = "home"
literal = ["/root"]

[[variable]]
name = "idle"

[[ruleset]]
handled_access_fs = ["read_file"]

# The rule.
[[path_beneath]]
allowed_access = ["execute", "read_file"]  # both
parent = [
    "/usr",           # programs
    "${home}/.bin",   # one's own
    '$$x/${home}',
]

[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/opt"]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [80, 443]
"""


def edited(text: str, edit: Edit, format: Format = "toml") -> str:
    document = PolicyDocument.parse(text, "p", format)
    change = document.change(edit)
    assert change.inverted().after.text == text
    return change.after.text


def test_rename_variable_everywhere() -> None:
    after = edited(TEXT, RenameVariable("home", "people"))
    assert after == (
        TEXT.replace("name = 'home'", "name = 'people'")
        .replace('name = "home"', 'name = "people"')
        .replace("${home}", "${people}")
    )
    assert edited(TEXT, RenameVariable("home", "home")) == TEXT


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (RenameVariable("home", "idle"), "There already is a variable 'idle'"),
        (RenameVariable("home", "1st"), "must start with an ASCII letter"),
        (RenameVariable("nobody", "x"), "has no variable 'nobody'"),
        (InlineVariable("nobody"), "has no variable 'nobody'"),
        (RemoveVariable("home"), "Cannot remove the variable 'home': the path on line 23 uses it"),
        (RemoveEntry("path_beneath", 5, 0), "There is no rule 5"),
        (RemoveEntry("path_beneath", 1, 1), "has no entry 1"),
        (ExpandEntry(0, 7), "has no entry 7"),
        (SetRuleRights("net_port", 0, frozenset({"execute"})), "not a network right"),
        (AddPathRule((), frozenset({"execute"})), "A rule needs a path"),
        (AddPathRule(("/x",), frozenset()), "A rule needs a right"),
        (AddPortRule((70000,), frozenset({"bind_tcp"})), "70000 is not a port"),
        (SetRulePaths(9, ("/x",)), "There is no rule 9"),
    ],
)
def test_impossible_edits(edit: Edit, said: str) -> None:
    document = PolicyDocument.parse(TEXT, "p", "toml")
    with pytest.raises(EditError) as caught:
        document.apply(edit)
    assert said in str(caught.value)


def test_inline_variable() -> None:
    after = edited(TEXT, InlineVariable("home"))
    assert "${home}" not in after and "variable]]  # where" not in after and 'name = "idle"' in after
    assert "# A policy.\nabi = 6\n" in after and "# programs" in after and "# both" in after
    before, later = (meaning_of(PolicyDocument.parse(text, "p", "toml").policy) for text in (TEXT, after))
    assert later.paths == before.paths
    assert set(later.paths) == {"/usr", "/home/a$/.bin", "/home/b/.bin", "/root/.bin", "$x//home/a$".replace("//", "/"),
                                "$x/home/b", "$x/root", "/opt"}  # fmt: skip
    assert set(later.variables) == {"idle"}


def test_variable_twice_in_one_path_multiplies() -> None:
    text = (
        'variable = [{name = "v", literal = ["a", "b"]}]\n'
        'path_beneath = [{allowed_access = ["execute"], parent = ["/${v}/${v}"]}]\n'
    )
    after = edited(text, InlineVariable("v"))
    assert after.splitlines()[-1] == (
        'path_beneath = [{allowed_access = ["execute"], parent = ["/a/a", "/a/b", "/b/a", "/b/b"]}]'
    )


def test_variable_without_values_cannot_be_inlined() -> None:
    text = '[[variable]]\nname = "v"\n[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["/${v}", "/usr"]\n'
    with pytest.raises(EditError, match="expands to no path"):
        edited(text, InlineVariable("v"))


def test_expand_one_entry() -> None:
    after = edited(TEXT, ExpandEntry(0, 1))
    assert "'$$x/${home}'" in after and "${home}/.bin" not in after
    assert PolicyDocument.parse(after, "p", "toml").policy.path_rules[0].parents[1].template == "/home/a$$/.bin"
    assert edited(TEXT, ExpandEntry(0, 0)) == TEXT


def test_remove_unused_variable() -> None:
    assert edited(TEXT, RemoveVariable("idle")) == TEXT.replace('[[variable]]\nname = "idle"\n\n', "")


def test_variable_of_many_tables_is_changed_in_linear_time() -> None:
    def document(size: int) -> PolicyDocument:
        tables = "".join(f'[[variable]]\nname = "v"\nliteral = ["/{number}"]\n' for number in range(size))
        rule = '[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["${v}"]\n'
        return PolicyDocument.parse(tables + rule, "p.toml", "toml")

    made = {size: document(size) for size in (1, 120, 480)}
    assert grows_linearly(lambda size: made[size].apply(RenameVariable("v", "w")), 120)
    assert grows_linearly(lambda size: made[size].apply(InlineVariable("v")), 120)


TOGETHER: tuple[TidyingEdit, ...] = (
    SetRuleRights("net_port", 0, frozenset({"connect_tcp"})),
    RemoveEntry("net_port", 0, 1),
    SetRuleRights("path_beneath", 1, frozenset({"execute"})),
    RemoveEntry("path_beneath", 0, 2),
    RemoveEntry("path_beneath", 0, 0),
    RemoveVariable("idle"),
)


@pytest.mark.parametrize("left_out", range(len(TOGETHER) + 1))
def test_edits_together_do_what_they_do_one_after_the_other(left_out: int) -> None:
    edits = TOGETHER[:left_out] + TOGETHER[left_out + 1 :]
    one_by_one = PolicyDocument.parse(TEXT, "p", "toml")
    for edit in edits:
        one_by_one = one_by_one.apply(edit)
    assert edited(TEXT, EditTogether(edits)) == one_by_one.text


def test_all_entries_of_a_rule_together() -> None:
    entries = tuple(RemoveEntry("path_beneath", 0, at) for at in range(3))
    after = PolicyDocument.parse(edited(TEXT, EditTogether(entries)), "p", "toml").policy
    assert [rule.parents[0].template for rule in after.path_rules] == ["/opt"]
    assert after.handled_fs == PolicyDocument.parse(TEXT, "p", "toml").policy.handled_fs


def test_one_impossible_edit_refuses_all() -> None:
    with pytest.raises(EditError, match="Cannot remove the variable 'home'"):
        edited(TEXT, EditTogether((*TOGETHER, RemoveVariable("home"))))


def test_rights_of_one_rule() -> None:
    assert edited(TEXT, SetRuleRights("path_beneath", 0, frozenset({"execute"}))) == TEXT.replace(
        '["execute", "read_file"]', '["execute"]'
    )
    # What only this rule made handled stays handled: removing a grant permits nothing.
    text = '[[path_beneath]]\nallowed_access = ["execute", "make_reg"]\nparent = ["/a", "/b"]\n'
    after = edited(text, SetRuleRights("path_beneath", 0, frozenset({"execute"})))
    assert PolicyDocument.parse(after, "p", "toml").policy.handled_fs == {"execute", "make_reg"}
    gone = edited(TEXT, SetRuleRights("net_port", 0, frozenset()))
    assert PolicyDocument.parse(gone, "p", "toml").policy.handled_net == {"bind_tcp"}


def test_remove_one_entry() -> None:
    assert edited(TEXT, RemoveEntry("net_port", 0, 0)) == TEXT.replace("[80, 443]", "[443]")
    after = edited(TEXT, RemoveEntry("path_beneath", 1, 0))
    assert "/opt" not in after
    assert PolicyDocument.parse(after, "p", "toml").policy.handled_fs == {"execute", "read_file", "read_dir", "refer"}


JSON = """\
{
  "variable": [{ "name": "v", "literal": ["b", "a"] }],
  "pathBeneath": [
    { "allowedAccess": ["execute"], "parent": ["/x", "/${v}"] }
  ]
}
"""


def test_json_keeps_its_layout() -> None:
    assert edited(JSON, RenameVariable("v", "w"), "json") == JSON.replace('"v"', '"w"').replace("${v}", "${w}")
    assert edited(JSON, InlineVariable("v"), "json") == JSON.replace('"/${v}"', '"/a", "/b"').replace(
        '  "variable": [{ "name": "v", "literal": ["b", "a"] }],\n', ""
    )
    assert edited(JSON, RemoveEntry("path_beneath", 0, 0), "json") == JSON.replace('"/x", ', "")


VALUES = st.text(st.sampled_from("ab/${}'\"\\é"), min_size=1, max_size=6)


@given(st.lists(VALUES, min_size=1, max_size=3), VALUES, st.booleans())
def test_any_variable_inlines_to_the_same_paths(values: list[str], tail: str, twice: bool) -> None:
    template = "/${v}" + quote(tail) + ("${v}" if twice else "")
    literals = ", ".join(quoted(value, wide=True) for value in values)
    text = (
        f'[[variable]]\nname = "v"\nliteral = [{literals}]\n'
        f'[[path_beneath]]\nallowed_access = ["execute"]\nparent = [{quoted(template, wide=True)}]\n'
    )
    before = PolicyDocument.parse(text, "p", "toml")
    after = before.apply(InlineVariable("v"))
    assert meaning_of(after.policy).paths == meaning_of(before.policy).paths
    renamed = before.apply(RenameVariable("v", "w"))
    assert renamed.apply(RenameVariable("w", "v")).text == text


def test_add_a_rule_below_its_comment() -> None:
    text = '[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["/a"]\n'
    added = AddPathRule(("/b$", "/c/"), frozenset({"read_file"}), "Libraries\nof \x1b[2Jpython")
    comment = "\n# Libraries\n# of \\x1b[2Jpython\n"
    rule = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/b$$", "/c"]\n'
    assert edited(text, added) == text + comment + rule
    assert '"net_port"' not in edited(JSON, AddPortRule((80,), frozenset({"bind_tcp"}), "lost"), "json")


def test_change_the_paths_of_a_rule_and_keep_what_stays() -> None:
    text = '[[path_beneath]]\nallowed_access = ["execute"]\nparent = [\n  "/a",\n  "/b", # why\n]\n'
    after = edited(text, SetRulePaths(0, ("/b", "/c")))
    assert after == text.replace('  "/a",\n', "").replace(" # why\n", ' # why\n  "/c",\n')
    assert edited(after, SetRulePaths(0, ("/b", "/c"))) == after


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_list_of_paths_that_gets_too_long_gets_one_line_for_each(newline: str) -> None:
    text = newline.join(
        ["abi = 6", "", "[[path_beneath]]", "  parent = ['/a', \"/b\"]  # why", '  allowed_access = ["execute"]', ""]
    )
    names = tuple(f"/a/name/of/some/length/{number}" for number in range(4))
    few = edited(text, SetRulePaths(0, ("/b", *names[:2])))
    assert few == text.replace("['/a', \"/b\"]", f'["/b", "{names[0]}", "{names[1]}"]')
    lines = "".join(f'{newline}    "{name}",' for name in names)
    many = edited(text, SetRulePaths(0, ("/b", *names)))
    assert many == text.replace("['/a', \"/b\"]", f'[{newline}      "/b",{lines.replace("    ", "      ")}{newline}  ]')


def test_a_rule_is_removed_with_the_comment_directly_above_it() -> None:
    text = (
        "abi = 6\n\n# of the file\n\n# of the first\n# rule\n[[path_beneath]]\n"
        'allowed_access = ["execute"]\nparent = ["/a"]\n\n# of the second\n[[path_beneath]]\n'
        'allowed_access = ["execute"]\nparent = ["/b"]\n'
    )
    first = "# of the first\n# rule\n" + '[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["/a"]\n\n'
    removal = SetRuleRights("path_beneath", 0, frozenset(), with_comment=True)
    assert edited(text, removal) == text.replace(first, "")
    assert edited(text, removal._replace(with_comment=False)).count("# of the first\n# rule\n") == 1
    last = SetRuleRights("path_beneath", 1, frozenset(), with_comment=True)
    assert edited(text, last) == text[: text.index("\n# of the second")]
    comments = [line for line in edited(text, EditTogether((removal, last))).splitlines() if line.startswith("#")]
    assert comments == ["# of the file"]
