"""Parsing Landlock Config: what is accepted, and the errors for everything else, with their positions."""

import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.evaluation.resolve import resolve
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, SCOPES, group_rights, rights_of
from editor.policy.errors import PolicyError
from editor.policy.files import MAX_BYTES, format_of
from editor.policy.model import Policy
from editor.policy.parse import parse_collecting_errors, parse_policy, read_policy

RULESET = '[[ruleset]]\nhandled_access_fs = ["execute"]\n'


def toml(text: str) -> Policy:
    """Parse ``text`` as TOML."""
    return parse_policy(text, "policy.toml", "toml")


def refusal(text: str, format: Literal["toml", "json"] = "toml") -> PolicyError:
    """Return the error that parsing ``text`` raises."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, f"policy.{format}", format)
    return caught.value


FULL_TOML = """\
abi = 6
[[variable]]
name = "home"
literal = ["/home/a", "/home/b"]
[[ruleset]]
handled_access_fs = ["abi.read_write", "execute"]
handled_access_net = ["abi.all"]
scoped = ["signal"]
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = [
    "/usr",
    "${home}/bin", # here
]
[[net_port]]
allowed_access = ["bind_tcp", "bind_tcp"]
port = [0, 65535]
"""
FULL_JSON = {
    "abi": 6,
    "variable": [{"name": "home", "literal": ["/home/a", "/home/b"]}],
    "ruleset": [
        {
            "handledAccessFs": ["abi.read_write", "execute"],
            "handledAccessNet": ["abi.all"],
            "scoped": ["signal"],
        }
    ],
    "pathBeneath": [{"allowedAccess": ["abi.read_execute"], "parent": ["/usr", "${home}/bin"]}],
    "netPort": [{"allowedAccess": ["bind_tcp", "bind_tcp"], "port": [0, 65535]}],
}


def test_every_part_has_its_location() -> None:
    policy = toml(FULL_TOML)
    assert (policy.file, policy.abi) == ("policy.toml", 6)
    assert policy.variables[0].literals == ("/home/a", "/home/b")
    (rule,) = policy.path_rules
    assert rule.allowed_access == ("abi.read_execute",)
    assert rule.rights == group_rights("abi.read_execute", "fs", 6)
    assert rule.location.line == 9
    assert [(each.template, each.location.line, each.location.column) for each in rule.parents] == [
        ("/usr", 12, 5),
        ("${home}/bin", 13, 5),
    ]
    (port_rule,) = policy.port_rules
    assert [(each.port, each.location.column) for each in port_rule.ports] == [(0, 9), (65535, 12)]
    assert policy.handled_fs == rights_of("fs", 6)
    assert policy.handled_net == {"bind_tcp", "connect_tcp"}
    assert policy.scoped == {"signal"}


def test_both_formats_mean_the_same() -> None:
    from_toml = toml(FULL_TOML)
    from_json = parse_policy(json.dumps(FULL_JSON), "policy.toml", "json")

    def meaning(policy: Policy) -> object:
        return (
            policy.abi,
            [(each.name, each.literals) for each in policy.variables],
            [(each.rights, [parent.template for parent in each.parents]) for each in policy.path_rules],
            [(each.rights, [entry.port for entry in each.ports]) for each in policy.port_rules],
            (policy.handled_fs, policy.handled_net, policy.scoped),
        )

    assert meaning(from_toml) == meaning(from_json)


def test_all_rights_of_every_abi_are_known_by_name() -> None:
    policy = toml(
        f"""
        [[ruleset]]
        handled_access_fs = {json.dumps([right.name for right in FS_RIGHTS])}
        handled_access_net = {json.dumps([right.name for right in NET_RIGHTS])}
        scoped = {json.dumps([right.name for right in SCOPES])}
        """
    )
    assert policy.handled_fs == rights_of("fs")
    assert policy.handled_net == rights_of("net")
    assert policy.scoped == rights_of("scope")


def test_granted_rights_are_handled() -> None:
    policy = toml('[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["."]\n' + RULESET)
    assert policy.handled_fs == {"execute", "write_file"}
    assert toml('[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [443]').handled_net == {"bind_tcp"}


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 2**31 - 1])
def test_groups_at_every_abi(abi: int) -> None:
    policy = toml(
        f"""
        abi = {abi}
        [[ruleset]]
        handled_access_fs = ["abi.all"]
        handled_access_net = ["abi.all"]
        scoped = ["abi.all"]
        [[path_beneath]]
        allowed_access = ["abi.read_write"]
        parent = ["."]
        """
    )
    assert policy.handled_fs == rights_of("fs", abi)
    assert policy.handled_net == rights_of("net", abi)
    assert policy.scoped == rights_of("scope", abi)
    assert policy.path_rules[0].rights == rights_of("fs", abi) - {"execute"}


def test_variables_may_follow_their_use_and_share_a_name() -> None:
    policy = toml(
        """
        path_beneath = [{ allowed_access = ["execute"], parent = ["${v}"] }]
        variable = [{ name = "v", literal = ["a"] }, { name = "v" }]
        """
    )
    assert [each.literals for each in policy.variables] == [("a",), ()]


@pytest.mark.parametrize(
    "text",
    [
        '{"ruleset": null, "pathBeneath": [{"allowedAccess": ["execute"], "parent": ["."]}]}',
        '{"abi": null, "ruleset": [{"handledAccessFs": ["execute"], "scoped": null}]}',
        '{"variable": [{"name": "v", "literal": null}]}',
    ],
)
def test_null_means_absent_for_optional_keys(text: str) -> None:
    parse_policy(text, "policy.json", "json")


# What landlockconfig refuses, and a few things that it notices only later. The places count from 1.
REFUSED_TOML = [
    ("", 1, 1, "empty configuration"),
    ("abi = 1", 1, 1, "empty configuration"),
    ("abi = 0\n" + RULESET, 1, 7, "between 1 and"),
    ("abi = -1\n" + RULESET, 1, 7, "between 1 and"),
    ("abi = 2147483648\n" + RULESET, 1, 7, "between 1 and"),
    ("abi = true\n" + RULESET, 1, 7, "must be an integer, not a boolean"),
    ("abi = 1.0\n" + RULESET, 1, 7, "must be an integer, not a float"),
    ('abi = "1"\n' + RULESET, 1, 7, "must be an integer, not a string"),
    ("abi = 1\nabi = 1\n" + RULESET, 2, 0, ""),
    ("[[ruleset]]", 1, 1, "empty 'ruleset' table"),
    ("ruleset = []", 1, 11, "at least one element"),
    ("ruleset = 0", 1, 11, "must be an array of tables, not an integer"),
    ("[ruleset]\nhandled_access_fs = ['execute']", 1, 1, "must be an array of tables, not a table"),
    ("ruleset = [1]", 1, 12, "must be an array of tables, not an integer"),
    ("[[ruleset]]\nhandled_access_fs = []", 2, 21, "at least one element"),
    ("[[ruleset]]\nhandled_access_net = []", 2, 22, "at least one element"),
    ("[[ruleset]]\nscoped = []", 2, 10, "at least one element"),
    ("[[ruleset]]\nhandled_access_fs = 'execute'", 2, 21, "must be an array of strings, not a string"),
    ("[[ruleset]]\nhandled_access_fs = [1]", 2, 22, "this filesystem right has a name"),
    ("[[ruleset]]\nhandled_access_fs = ['foo']", 2, 22, "unknown filesystem right 'foo'"),
    ("[[ruleset]]\nhandled_access_fs = ['bind_tcp']", 2, 22, "is a network right, not a filesystem right"),
    ("[[ruleset]]\nhandled_access_net = ['execute']", 2, 23, "is a filesystem right, not a network right"),
    ("[[ruleset]]\nscoped = ['execute']", 2, 11, "is a filesystem right, not a scope"),
    ("[[ruleset]]\nhandled_access_fs = ['abi.all']", 2, 22, "needs abi"),
    ("abi = 1\n[[ruleset]]\nhandled_access_net = ['abi.read_write']", 3, 23, "group of filesystem rights"),
    ("[[ruleset]]\nfoo = 1", 2, 1, "unknown key 'foo'"),
    ("[[path_beneath]]\nparent = ['/']", 1, 1, "needs the key 'allowed_access'"),
    ("[[path_beneath]]\nallowed_access = ['execute']", 1, 1, "needs the key 'parent'"),
    ("[[path_beneath]]\nallowed_access = []\nparent = ['/']", 2, 18, "at least one element"),
    ("[[path_beneath]]\nallowed_access = ['execute']\nparent = []", 3, 10, "at least one element"),
    ("[[path_beneath]]\nallowed_access = ['execute']\nparent = [2]", 3, 11, "must be an array of strings"),
    ("[[path_beneath]]\nallowed_access = ['execute']\nparent = ['/${a']", 3, 13, "never closed"),
    ("[[path_beneath]]\nallowed_access = ['execute']\nparent = ['/', '/x/${1}']", 3, 20, "ASCII letter"),
    ("[[path_beneath]]\nallowed_access = ['execute']\nparent = ['/${a}']", 3, 13, "'a' is not defined"),
    ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = []", 3, 8, "at least one element"),
    ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = [65536]", 3, 9, "between 0 and 65535"),
    ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = [80, -1]", 3, 13, "between 0 and 65535"),
    ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = [true]", 3, 9, "not a boolean"),
    ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = ['https']", 3, 9, "not a string"),
    ("[[net_port]]\nallowed_access = ['read_file']\nport = [1]", 2, 19, "not a network right"),
    ("variable = []", 1, 12, "at least one element"),
    ("[[variable]]", 1, 1, "needs the key 'name'"),
    ("[[variable]]\nliteral = ['a']", 1, 1, "needs the key 'name'"),
    ("[[variable]]\nname = 'a'\nliteral = []", 3, 11, "at least one element"),
    ("[[variable]]\nname = 'foo-bar'", 2, 8, "only ASCII letters"),
    ("[[variable]]\nname = 1", 2, 8, "must be a string"),
    ("foo = []\n" + RULESET, 1, 1, "unknown key 'foo' in the configuration"),
    ("[[ruleset]\n", 1, 0, "not valid TOML"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), REFUSED_TOML)
def test_errors_have_a_location(text: str, line: int, column: int, message: str) -> None:
    error = refusal(text)
    assert (error.file, error.line) == ("policy.toml", line)
    if column:
        assert error.column == column
    assert message in error.message
    assert str(error).startswith(f"policy.toml:{line}:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "empty configuration"),
        ('{"ruleset": null}', "empty configuration"),
        ('{"abi": 1}', "empty configuration"),
        ("[]", "must be a table, not an array"),
        ("null", "must be a table, not null"),
        ('{"ruleset": []}', "at least one element"),
        ('{"ruleset": [{}]}', "empty 'ruleset' table"),
        ('{"ruleset": [{"scoped": null}]}', "empty 'ruleset' table"),
        ('{"ruleset": [null]}', "not null"),
        ('{"pathBeneath": [{"allowedAccess": ["execute"], "parent": null}]}', "'parent' must be an array"),
        ('{"pathBeneath": [{"allowedAccess": [null], "parent": ["/"]}]}', "not null"),
        ('{"variable": [{"name": null}]}', "'name' must be a string, not null"),
        ('{"abi": 1, "abi": 1, "ruleset": [{"scoped": ["signal"]}]}', "duplicate key"),
        ('{"abi": 1e0, "ruleset": [{"scoped": ["signal"]}]}', "not a float"),
        ('{"abi": NaN, "ruleset": [{"scoped": ["signal"]}]}', "not a JSON value"),
        ('{"ruleset": [{"scoped": ["signal"]}]} x', "not valid JSON"),
        ('{"ruleset": [{"scoped": ["signal"]},]}', "not valid JSON"),
        ("[" * 100_000, "nested deeper"),
        ('{"abi": ' + "9" * 5000 + ', "ruleset": [{"scoped": ["signal"]}]}', ""),
    ],
)
def test_refused_in_json(text: str, message: str) -> None:
    error = refusal(text, "json")
    assert error.line >= 1
    assert message in error.message


@pytest.mark.parametrize(
    ("text", "format", "hint"),
    [
        ("[[ruleset]]\nhandled_access_fs = ['read_fiel']", "toml", "did you mean 'read_file'?"),
        ("[[ruleset]]\nhandled_access_fs = ['LANDLOCK_ACCESS_FS_READ_DIR']", "toml", "did you mean 'read_dir'?"),
        ("[[ruleset]]\nhandled_access_fs = ['fs.write_file']", "toml", "did you mean 'write_file'?"),
        ("[[ruleset]]\nhandled_access_net = ['bindTcp']", "toml", "did you mean 'bind_tcp'?"),
        ("[[ruleset]]\nhandled_access_fs = ['abi.read_exec']", "toml", "did you mean 'abi.read_execute'?"),
        ("[[ruleset]]\nhandled_acces_fs = ['execute']", "toml", "did you mean 'handled_access_fs'?"),
        ("[[ruleset]]\nhandled_access_fs = ['bind_tcp']", "toml", "it belongs in 'handled_access_net' or 'net_port'"),
        ('{"ruleset": [{"handledAccessNet": ["signal"]}]}', "json", "it belongs in 'scoped'"),
        ("pathBeneath = []", "toml", "this is the JSON spelling; in TOML it is 'path_beneath'"),
        ('{"path_beneath": []}', "json", "this is the TOML spelling; in JSON it is 'pathBeneath'"),
        ("parent = []", "toml", "it belongs in 'path_beneath'"),
        ("[[ruleset]]\nabi = 1", "toml", "it belongs at the top level"),
        ("[path_beneath]\nparent = ['/']", "toml", "write [[path_beneath]]"),
        ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = ['https']", "toml", "port numbers only"),
        ("variable = [{name = 'home'}]\n[[path_beneath]]\nallowed_access = ['execute']\nparent = ['${hoem}']", "toml",
         "did you mean 'home'?"),
        ("[[ruleset]]\nhandled_access_fs = ['abi.all']", "toml", "add abi = N"),
        ("[[ruleset]]\nhandled_access_fs = ['zzzzzz']", "toml", ""),
    ],
)  # fmt: skip
def test_hints(text: str, format: Literal["toml", "json"], hint: str) -> None:
    error = refusal(text, format)
    assert error.hint.startswith(hint) if hint else error.hint == ""


def test_all_errors_in_order() -> None:
    _, problems = parse_collecting_errors(
        """\
[[path_beneath]]
allowed_access = ["read_fiel", "bind_tcp"]
parent = ["${nowhere}", 7]
[[net_port]]
allowed_access = ["bind_tcp"]
port = [99999]
colour = "red"
""",
        "policy.toml",
        "toml",
    )
    assert [(each.line, each.key) for each in problems] == [
        (2, "read_fiel"),
        (2, "bind_tcp"),
        (3, "nowhere"),
        (3, "parent"),
        (6, "99999"),
        (7, "colour"),
    ]


def test_too_many_expanded_paths_are_refused() -> None:
    literals = json.dumps([str(number) for number in range(100)])
    variables = "".join(f'[[variable]]\nname = "v{index}"\nliteral = {literals}\n' for index in range(9))
    path = "".join(f"${{v{index}}}" for index in range(9))
    error = refusal(f'{variables}[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["{path}"]\n')
    assert "multiply to more than" in error.message


def test_files(tmp_path: Path) -> None:
    good = tmp_path / "policy.toml"
    good.write_text(RULESET)
    assert read_policy(str(good)).file == str(good)
    as_json = tmp_path / "policy.JSON"
    as_json.write_text('{"ruleset": [{"scoped": ["signal"]}]}')
    assert read_policy(str(as_json)).scoped == {"signal"}

    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"# fine\nabi = \xff\n")
    with pytest.raises(PolicyError, match="not valid UTF-8: byte 0xff") as caught:
        read_policy(str(bad))
    assert (caught.value.line, caught.value.column) == (2, 7)
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(PolicyError, match="cannot be read"):
            read_policy(str(path))
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy("a\0b")
    with pytest.raises(PolicyError, match="not a policy"):
        read_policy("/dev/zero")
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(PolicyError, match="larger than"):
        read_policy(str(huge))


def test_format_from_suffix_or_content() -> None:
    assert format_of("x.json", "abi = 1") == "json"
    assert format_of("x.toml", "{}") == "toml"
    assert format_of("/dev/fd/63", ' \n{"abi": 1}') == "json"
    assert format_of("/dev/fd/63", "abi = 1") == "toml"


PIECES = st.sampled_from(
    ["[[", "]]", "[", "]", "{", "}", '"', "'", ",", "=", ":", ".", "$", "${", "null", "true", "1", "-1", "1e9", "99999",
     "#", "\n", "\\", "\\u0000", "\0", "\ud800", "abi", "ruleset", "parent", "port", "abi.all", "execute", "bind_tcp",
     " ", "\t", "é"]
)  # fmt: skip


@given(st.booleans(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=4))
def test_damaged_text_is_parsed_or_refused_with_a_location(is_toml: bool, damage: list[tuple[float, int, str]]) -> None:
    text = FULL_TOML if is_toml else json.dumps(FULL_JSON, indent=1)
    for where, removed, put in damage:
        at = int(where * len(text))
        text = text[:at] + put + text[at + removed :]
    try:
        policy = parse_policy(text, "damaged", "toml" if is_toml else "json")
    except PolicyError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
        assert error.message
    else:
        assert all(rule.rights <= policy.handled_fs for rule in policy.path_rules)
        resolve(policy)


@pytest.mark.parametrize(
    ("text", "format", "message", "hint"),
    [
        ("[[path_beneath]]\nallowed_acess = ['execute']\nparent = ['/']", "toml", "unknown key 'allowed_acess'",
         "did you mean 'allowed_access'?"),
        ('{"netPort": [{"allowed_access": ["bind_tcp"], "port": [1]}]}', "json", "unknown key 'allowed_access'",
         "this is the TOML spelling; in JSON it is 'allowedAccess'"),
        ("abi = 1\nabi = 2", "toml", "duplicate key 'abi'", ""),
        ("[[path_beneath]]\nallowed_access = 'execute'\nparent = ['/']", "toml", "must be an array of strings",
         "put it in brackets: ['execute']"),
        ("[[net_port]]\nallowed_access = ['bind_tcp']\nport = 80", "toml", "must be an array of integers",
         "put it in brackets: [80]"),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_once_with_a_fix(
    text: str, format: Literal["toml", "json"], message: str, hint: str
) -> None:
    try:
        (error,) = parse_collecting_errors(text, "f", format)[1]
    except PolicyError as refused:
        error = refused
    assert message in error.message
    assert error.hint == hint


@pytest.mark.parametrize(
    ("key", "number", "message", "hint"),
    [
        ("handled_access_fs", "4", "this filesystem right has a name", "write 'read_file'"),
        (
            "handled_access_fs",
            "5",
            "this filesystem right has a name",
            "write 'execute', 'read_file'",
        ),
        ("handled_access_fs", "0x20001", "this filesystem right has a name", "write 'execute', 0x20000"),
        ("handled_access_net", "2", "this network right has a name", "write 'connect_tcp'"),
        ("scoped", "2", "this scope has a name", "write 'signal'"),
        ("scoped", "0", "0 is not a scope", "write the name of a right"),
        (
            "handled_access_fs",
            "-1",
            "-1 is not a filesystem right",
            "write the name of a right",
        ),
        ("handled_access_fs", str(1 << 64), "18446744073709551616 is not a", "write the name of a right"),
        ("handled_access_fs", "131072.0", "must be an array of strings, not a float", ""),
        ("handled_access_fs", "true", "must be an array of strings, not a boolean", ""),
        ("handled_access_fs", '"fs.0x4"', "unknown filesystem right 'fs.0x4'", "write 'read_file'"),
        ("handled_access_fs", '"fs.0x20000"', "unknown filesystem right 'fs.0x20000'", "as a number: 0x20000"),
    ],
)
def test_number_is_refused_for_a_right_with_a_name(key: str, number: str, message: str, hint: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(f"[[ruleset]]\n{key} = [{number}]\n", "p.toml", "toml")
    error = caught.value
    assert message in error.message
    assert (error.line, error.column) == (2, len(key) + 5)
    assert error.hint.endswith(hint)


@pytest.mark.parametrize(("number", "rights"), [("0x20000", {17}), ("6_29145_6", {21, 22}), ("0b1" + "0" * 63, {63})])
def test_rights_of_later_kernels_are_bits(number: str, rights: set[int]) -> None:
    bits = {f"fs.{1 << bit:#x}" for bit in rights}
    text = f'[[path_beneath]]\nallowed_access = ["read_file", {number}]\nparent = ["/"]\n'
    policy = parse_policy(text, "p.toml", "toml")
    assert policy.path_rules[0].rights == policy.handled_fs == {"read_file", *bits}
    mask = sum(1 << bit for bit in rights)
    assert policy.path_rules[0].allowed_access == ("read_file", f"fs.{mask:#x}")
    value = {"pathBeneath": [{"allowedAccess": ["read_file", mask], "parent": ["/"]}]}
    assert parse_policy(json.dumps(value), "p.json", "json").path_rules[0][1:3] == policy.path_rules[0][1:3]
