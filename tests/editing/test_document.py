"""Single edits of a policy file, each shown as the lines that it removes and adds."""

import difflib
import subprocess
import sys
import tomllib

import pytest

from editor.editing.document import NEW_POLICY_ABI, PolicyDocument, new_policy_text
from editor.editing.edits import (
    Edit,
    EditError,
    ExpandEntry,
    GrantPath,
    GrantPort,
    InlineVariable,
    RemoveVariable,
    RenameVariable,
    SetHandled,
    SetPathRights,
    SetPortRights,
    SetRuleRights,
    SetScope,
)
from editor.editing.meaning import meaning_of
from editor.landlock.rights import LATEST_ABI, RIGHTS, rights_of
from editor.policy.compose import VAR_OPTION
from editor.policy.errors import PolicyError
from editor.policy.locate import Format
from editor.policy.model import Location, Variable

READ = frozenset({"read_file"})
READ_WRITE = frozenset({"read_file", "write_file"})
NOTHING: frozenset[str] = frozenset()

TOML = """\
# A shell.
abi = 5

[[variable]]
name = "home"
literal = ["/home/me"]

[[variable]]
name = "tmp"
literal = ["/tmp", "/var/tmp"]

[[ruleset]]
handled_access_fs = ["abi.all"]   # everything

# Programs
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = [
    "/usr",  # most of it
    # old systems
    "/lib",
    "${home}/bin",
]

# Scratch
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["${tmp}"]
# parent = ["/scratch"]

# Web
[[net_port]]
allowed_access = ["bind_tcp"]
port = [80, 443]
"""


def document(text: str, format: Format = "toml") -> PolicyDocument:
    return PolicyDocument.parse(text, "policy." + format, format)


def diff(text: str, *edits: Edit, format: Format = "toml") -> list[str]:
    """Return the lines that ``edits`` remove and add."""
    after = document(text, format)
    for edit in edits:
        after = after.apply(edit)
    lines = difflib.unified_diff(text.split("\n"), after.text.split("\n"), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def refusal(text: str, edit: Edit, format: Format = "toml") -> str:
    with pytest.raises(EditError) as caught:
        document(text, format).apply(edit)
    return str(caught.value)


def test_shared_path_gets_its_own_rule() -> None:
    assert diff(TOML, SetPathRights("/lib", READ)) == [
        '-    "/lib",',
        "+[[path_beneath]]",
        '+allowed_access = ["read_file"]',
        '+parent = ["/lib"]',
        "+",
    ]


def test_new_rule_follows_the_last_one_and_its_comments() -> None:
    text = document(TOML).apply(GrantPath("/opt", READ)).text
    assert (
        '# parent = ["/scratch"]\n\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/opt"]\n\n# Web'
        in text
    )


def test_path_joins_a_rule_with_the_same_rights() -> None:
    execute = frozenset({"execute", "read_file", "read_dir", "refer"})
    assert diff(TOML, SetPathRights("/opt/", execute)) == ['+    "/opt",']
    assert diff(TOML, GrantPort(22, frozenset({"bind_tcp"}))) == ["-port = [80, 443]", "+port = [80, 443, 22]"]


def test_variable_with_one_value_is_kept() -> None:
    added = diff(TOML, SetPathRights("/home/me/bin", READ))
    assert added[0] == '-    "${home}/bin",'
    assert '+parent = ["${home}/bin"]' in added


def test_variable_with_several_values_is_not_split() -> None:
    assert "line 26" in refusal(TOML, SetPathRights("/tmp", READ))
    assert "several values" in refusal(TOML, SetPathRights("/var/tmp", NOTHING))
    # More rights need no change of that rule.
    write = rights_of("fs", 5) - {"execute"}
    assert '+allowed_access = ["execute"]' in diff(TOML, SetPathRights("/tmp", write | {"execute"}))
    assert '+parent = ["/tmp"]' in diff(TOML, GrantPath("/tmp", frozenset({"execute"})))
    assert diff(TOML, GrantPath("/tmp", READ_WRITE)) == []


def test_group_is_kept_while_fully_granted() -> None:
    text = 'abi = 1\n[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/a"]\n'
    group = frozenset({"execute", "read_file", "read_dir"})
    assert diff(text, SetPathRights("/a", group | {"make_dir", "write_file"}))[1] == (
        '+allowed_access = ["abi.read_execute", "write_file", "make_dir"]'
    )
    assert '+allowed_access = ["execute", "read_dir"]' in diff(text, SetPathRights("/a", group - READ))


def test_names_are_in_kernel_order() -> None:
    text = '[[path_beneath]]\nallowed_access = ["write_file", "make_reg"]\nparent = ["/a"]\n'
    names = {"execute", "write_file", "read_file", "make_reg", "truncate"}
    assert diff(text, SetPathRights("/a", frozenset(names)))[1] == (
        '+allowed_access = ["execute", "write_file", "read_file", "make_reg", "truncate"]'
    )


def test_number_is_kept_and_written_as_a_number() -> None:
    text = """\
[[path_beneath]]
allowed_access = ['read_file', 0x6_0000] # bits
parent = ["/a", "/b"]
"""
    document = PolicyDocument.parse(text, "p.toml", "toml")
    assert document.apply(GrantPath("/a", frozenset({"fs.0x20000"}))).text == text
    both = frozenset({"fs.0x20000", "fs.0x40000"})
    after = document.apply(SetPathRights("/b", both))
    assert after.text == text.replace(', "/b"', "") + (
        '\n[[path_beneath]]\nallowed_access = [0x20000, 0x40000]\nparent = ["/b"]\n'
    )
    after = after.apply(SetPathRights("/a", frozenset({"read_file", "execute", "fs.0x40000"})))
    assert "allowed_access = ['execute', 'read_file', 0x40000] # bits" in after.text
    as_json = PolicyDocument.parse(
        '{"pathBeneath": [{"allowedAccess": [131072], "parent": ["/"]}]}', "p.json", "json"
    ).apply(GrantPath("/", frozenset({"fs.0x40000"})))
    assert '"allowedAccess": [131072, 262144]' in as_json.text


def test_removing_the_last_grant_of_a_right_keeps_it_denied() -> None:
    text = 'abi = 5\n\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/a"]\n\n# note\n'
    assert document(text).apply(SetPathRights("/a", NOTHING)).text == (
        'abi = 5\n\n[[ruleset]]\nhandled_access_fs = ["read_file"]\n\n# note\n'
    )
    listed = '[[ruleset]]\nhandled_access_fs = ["execute"]\n\n' + text.removeprefix("abi = 5\n\n")
    assert '+handled_access_fs = ["execute", "read_file"]' in diff(listed, SetPathRights("/a", NOTHING))
    scoped = '[[ruleset]]\nscoped = ["signal"]\n\n' + text.removeprefix("abi = 5\n\n")
    assert '+handled_access_fs = ["read_file"]' in diff(scoped, SetPathRights("/a", NOTHING))
    # Also where a rule only loses a right.
    more = text.replace('"read_file"', '"read_file", "write_file"')
    assert '+handled_access_fs = ["write_file"]' in diff(more, SetPathRights("/a", READ))


def test_only_rule_is_replaced_by_a_ruleset_that_keeps_its_rights_denied() -> None:
    assert document("[[net_port]]\nport=[1]\nallowed_access=['bind_tcp']").apply(SetPortRights(1, NOTHING)).text == (
        '[[ruleset]]\nhandled_access_net = ["bind_tcp"]'
    )
    compact = '{"pathBeneath":[{"allowedAccess":["read_file"],"parent":["/a"]}]}'
    assert document(compact, "json").apply(SetPathRights("/a", NOTHING)).text == (
        '{"ruleset":[{"handledAccessFs":["read_file"]}]}'
    )


def test_long_list_gets_one_line_per_name() -> None:
    added = diff('[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [1]\n', GrantPath("/a", rights_of("fs")))
    assert "+allowed_access = [" in added
    assert '+    "execute",' in added
    assert max(map(len, added)) < 100


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["/a", "/b"]', '["/a", "/b", "/new"]'),
        ('["/a", "/b",]', '["/a", "/b", "/new",]'),
        ('[ "/a", "/b" ]', '[ "/a", "/b", "/new" ]'),
        ("['/a', '/b']", "['/a', '/b', '/new']"),
        ('[\n  "/a",\n  "/b"\n]', '[\n  "/a",\n  "/b",\n  "/new"\n]'),
        ('[\n  "/a", # why\n  # and\n  "/b", # so\n]', '[\n  "/a", # why\n  # and\n  "/b", # so\n  "/new",\n]'),
        ('[\n\t"/a" # why\n]', '[\n\t"/a", # why\n\t"/new"\n]'),
        ('[\r\n  "/a",\r\n]', '[\r\n  "/a",\r\n  "/new",\r\n]'),
        ("['''/a''', \"\"\"/b\"\"\"]", '[\'\'\'/a\'\'\', """/b""", "/new"]'),
    ],
)
def test_list_keeps_its_layout(before: str, after: str) -> None:
    """When an element is added and removed again."""
    newline = "\r\n" if "\r" in before else "\n"
    lines = ["[[path_beneath]] # here", "allowed_access = ['read_file'] # what", "  parent  =  {} # where", "# end"]
    text = newline.join(lines).replace("{}", before)
    changed = document(text).apply(GrantPath("/new", READ))
    assert changed.text == text.replace(before, after)
    assert changed.apply(SetPathRights("/new", NOTHING)).text == text


def test_list_that_tomlkit_breaks_is_edited_correctly() -> None:
    text = "[[path_beneath]]\nallowed_access = ['read_file']\nparent = ['/a' # it's, \n, '/b' # ]\n, ]\n"
    assert diff(text, GrantPath("/new", READ))[-1] == "+, '/b', '/new' # ]"
    for path, other in (("/a", "/b"), ("/b", "/a")):
        (rule,) = document(text).apply(SetPathRights(path, NOTHING)).policy.path_rules
        assert [parent.template for parent in rule.parents] == [other]


def test_new_table_among_inline_tables_is_inline() -> None:
    text = 'path_beneath = [\n  { allowed_access = ["read_file"], parent = ["/a", "/b"] }, # first\n]\n'
    assert document(text).apply(SetPathRights("/a", READ_WRITE)).text == (
        'path_beneath = [\n  { allowed_access = ["read_file"], parent = ["/b"] }, # first\n'
        '  { allowed_access = ["write_file", "read_file"], parent = ["/a"] },\n]\n'
    )


def test_nested_changes_are_applied_together() -> None:
    """A table is removed while a list in the same array loses an element; with and without comments."""
    rule = '{ port = [0], allowed_access = ["bind_tcp"] }'
    other = '{ port = [0, 22], allowed_access = ["bind_tcp"] }'
    for gap in (" ", "\n", " # one\n", " # one\r\n"):
        newline = "\r\n" if "\r" in gap else "\n"
        text = f"abi = 4{newline}net_port = [{rule},{gap}{rule},{gap}{other},{gap}{rule}{gap}]"
        after = document(text).apply(SetPortRights(0, NOTHING))
        assert [[entry.port for entry in rule.ports] for rule in after.policy.port_rules] == [[22]]
        assert "port = [22], allowed_access" in after.text
        if "\r" in gap:
            assert "\n" not in after.text.replace("\r\n", "")


def test_new_table_is_written_like_its_neighbour() -> None:
    text = "[[net_port]]\r\n  port=[1]\r\n  allowed_access=['bind_tcp']"
    assert document(text).apply(GrantPort(2, frozenset({"connect_tcp"}))).text == (
        text + '\r\n\r\n[[net_port]]\r\n  port=[2]\r\n  allowed_access=["connect_tcp"]'
    )


def test_json_keeps_its_indentation() -> None:
    text = '{\n    "pathBeneath": [\n        {"allowedAccess": ["read_file"], "parent": ["/a", "/b"]}\n    ]\n}\n'
    assert diff(text, SetPathRights("/b", READ_WRITE), format="json") == [
        '-        {"allowedAccess": ["read_file"], "parent": ["/a", "/b"]}',
        '+        {"allowedAccess": ["read_file"], "parent": ["/a"]},',
        '+        {"allowedAccess": ["write_file", "read_file"], "parent": ["/b"]}',
    ]
    rule = """
        {
            "allowedAccess": [
                "bind_tcp"
            ],
            "port": [
                1
            ]
        }"""
    after = document(text, "json").apply(GrantPort(1, frozenset({"bind_tcp"}))).text
    assert after == text.replace("\n}", f',\n    "netPort": [{rule}\n    ]\n}}')


def test_handled_rights_and_scopes() -> None:
    text = '[[ruleset]]\nhandled_access_net = ["bind_tcp"]\nscoped = ["signal"] # s\n'
    assert diff(text, SetHandled("connect_tcp", on=True))[-1] == '+handled_access_net = ["bind_tcp", "connect_tcp"]'
    assert diff(text, SetHandled("execute", on=True)) == ['+handled_access_fs = ["execute"]']
    assert diff(text, SetHandled("bind_tcp", on=False)) == ['-handled_access_net = ["bind_tcp"]']
    assert diff(text, SetScope("signal", on=False)) == ['-scoped = ["signal"] # s']
    assert diff(text, SetScope("signal", on=True)) == []
    assert "nothing else is restricted" in refusal('[[ruleset]]\nscoped = ["signal"]', SetScope("signal", on=False))
    group = 'abi = 4\n[[ruleset]]\nhandled_access_net = ["abi.all"]\n'
    assert diff(group, SetHandled("bind_tcp", on=False))[-1] == '+handled_access_net = ["connect_tcp"]'
    assert "the rule on line 16 grants it" in refusal(TOML, SetHandled("execute", on=False))


def test_grant_reports_what_it_newly_handles() -> None:
    change = document(TOML).change(GrantPort(443, frozenset({"connect_tcp"})))
    assert change.newly_handled == {"connect_tcp"}
    assert document(TOML).change(GrantPath("/opt", READ)).newly_handled == frozenset()


@pytest.mark.parametrize(
    "path",
    [
        "/with space", "/quo\"te'", "/back\\slash", "/new\nline", "/tab\t", "/bell\x07", "/del\x7f", "/é🐎", "/$",
        "/$$", "/${home}", "/$HOME", "/#", "/]", "/\u2028", "/\x85", "relative", "./x", "../x", ".",
    ],
)  # fmt: skip
@pytest.mark.parametrize("format", ["toml", "json"])
def test_unusual_paths_mean_themselves(path: str, format: Format) -> None:
    text = {"toml": TOML, "json": '{"variable": [{"name": "home", "literal": ["/h"]}]}'}[format]
    granted = document(text, format).apply(GrantPath(path, READ))
    assert granted.apply(SetPathRights(path, READ)) == granted
    (rule,) = [rule for rule in granted.policy.path_rules if rule.rights == READ]
    assert rule.parents[0].template.replace("$$", "$") == path
    assert granted.apply(SetPathRights(path, NOTHING)).text.startswith(text[:40])


def test_spellings_of_one_path_are_one_path() -> None:
    text = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr/", "//etc", "/a/../b"]\n'
    assert '+parent = ["//etc", "/a/../b"]' in diff(text, SetPathRights("/usr", NOTHING))
    assert '+parent = ["/usr/", "/a/../b"]' in diff(text, SetPathRights("/etc/.", NOTHING))
    # "/a" may be a symbolic link: "/a/../b" need not be "/b".
    assert diff(text, SetPathRights("/b", NOTHING)) == []


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (GrantPath("/a\udcff", READ), "UTF-8"),
        (GrantPath("/a\0", READ), "NUL"),
        (GrantPath("", READ), "empty"),
        (GrantPath("/a", frozenset({"fly"})), "fly"),
        (GrantPath("/a", frozenset({"bind_tcp"})), "network right"),
        (SetPortRights(80, READ), "filesystem right"),
        (GrantPort(65536, frozenset({"bind_tcp"})), "65535"),
        (GrantPort(-1, frozenset({"bind_tcp"})), "65535"),
        (SetHandled("signal", on=True), "scope"),
        (SetHandled("\x1b[31m", on=True), "\\x1b"),
        (SetScope("execute", on=True), "filesystem right"),
    ],
)
def test_invalid_edits_are_refused(edit: Edit, part: str) -> None:
    assert part in refusal(TOML, edit)
    assert "\x1b" not in refusal(TOML, edit)


def test_change_can_be_undone_and_redone() -> None:
    before = document(TOML.replace("\n", "\r\n"))
    change = before.change(SetPathRights("/lib", READ))
    back = change.inverted()
    assert (back.before, back.after) == (change.after, before)
    assert back.inverted() == change
    assert [splice.removed for splice in back.splices] == [splice.inserted for splice in change.splices]


@pytest.mark.parametrize("abi", range(1, LATEST_ABI + 1))
@pytest.mark.parametrize("format", ["toml", "json"])
def test_new_policy_denies_everything(abi: int, format: Format) -> None:
    policy = document(new_policy_text(abi, format), format).policy
    assert policy.abi == abi
    assert policy.handled_fs | policy.handled_net | policy.scoped == {
        right.name for right in RIGHTS.values() if right.abi <= abi
    }
    assert not policy.path_rules


def test_text_of_a_new_policy() -> None:
    text = new_policy_text()
    assert tomllib.loads(text)["abi"] == NEW_POLICY_ABI
    assert text.startswith("# ")


def test_invalid_policy_is_refused_with_its_location() -> None:
    with pytest.raises(PolicyError) as caught:
        document("abi = 5\n[[ruleset]]\nhandeld = []\n")
    assert (caught.value.line, caught.value.column) == (3, 1)


def test_tomlkit_is_not_imported_before_the_first_edit() -> None:
    code = "import sys, editor.editing.document; sys.exit('tomlkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_edit_among_five_thousand_rules_changes_little() -> None:
    rule = '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["/usr/{}", "/srv/{}"]\n\n'
    big = document("abi = 5\n\n" + "".join(rule.replace("{}", str(number)) for number in range(5000)))
    change = big.change(SetPathRights("/srv/2500", READ))
    assert sum(len(splice.removed) + len(splice.inserted) for splice in change.splices) < 200


HOMES = (Variable("home", ("/home/a", "/home/b"), Location("homes.toml", 3, 1)),)
USES = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all"]

# Of everybody.
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["${home}/mail"]
"""
DEFINES = USES.replace("[[ruleset]]", '[[variable]]\nname = "home"\nliteral = ["/h"]\n\n[[ruleset]]')


def test_paths_may_use_the_variables_of_other_files() -> None:
    document = PolicyDocument.parse(USES, "uses.toml", "toml", given=HOMES)
    assert document.policy.variables == ()
    rule = SetRuleRights("path_beneath", 0, frozenset({"read_file", "execute"}))
    after = document.apply(rule)
    assert 'parent = ["${home}/mail"]' in after.text
    assert meaning_of(after.bound).paths == dict.fromkeys(
        ("/home/a/mail", "/home/b/mail"), frozenset({"read_file", "execute"})
    )
    after = document.apply(ExpandEntry(0, 0)).apply(SetPathRights("/home/a/mail", frozenset()))
    assert 'parent = ["/home/b/mail"]' in after.text
    assert "# Of everybody." in after.text


def test_undefined_variables_are_still_an_error() -> None:
    with pytest.raises(PolicyError) as error:
        PolicyDocument.parse(USES.replace("home}", "hoem}"), "uses.toml", "toml", given=HOMES)
    assert (error.value.line, error.value.hint) == (8, "did you mean 'home'?")
    with pytest.raises(PolicyError):
        PolicyDocument.parse(USES, "uses.toml", "toml")


@pytest.mark.parametrize("edit", [RenameVariable("home", "place"), InlineVariable("home"), RemoveVariable("home")])
def test_variable_of_another_file_cannot_be_changed(edit: Edit) -> None:
    for text in (USES, DEFINES):
        with pytest.raises(EditError, match=r"defined in homes\.toml:3"):
            PolicyDocument.parse(text, "uses.toml", "toml", given=HOMES).apply(edit)


def test_command_line_variable_replaces_that_of_the_file() -> None:
    given = (Variable("home", ("/mine",), Location(VAR_OPTION, 1, 1)),)
    document = PolicyDocument.parse(DEFINES, "uses.toml", "toml", given=given)
    assert set(meaning_of(document.bound).paths) == {"/mine/mail"}
    after = document.apply(SetPathRights("/mine/mail", READ_WRITE))
    assert after.text == DEFINES.replace('["read_file"]', '["write_file", "read_file"]')
    assert document.apply(SetPathRights("/h/mail", READ_WRITE)).text.startswith(DEFINES)
    for edit in (RenameVariable("home", "place"), InlineVariable("home")):
        with pytest.raises(EditError, match="given by --var"):
            document.apply(edit)
