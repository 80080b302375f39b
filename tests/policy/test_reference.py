"""landlockconfig's own tests and examples as cases of ours: same verdict, same rules.

Facts from its src/tests_*.rs, tests/composition and examples. A sample is a JSON value; each is tried as JSON and as
TOML. Two differences are intended: what the reference finds when it resolves (an undefined variable) or builds the
ruleset (a port above 65535) is refused here when the file is read. Where Paddock is kinder, `paddock check` says once
what the reference does.
"""

import itertools
import json
import re
from typing import Any

import pytest

from editor.analysis.lint.engine import lint
from editor.evaluation.resolve import resolve
from editor.landlock.rights import LATEST_ABI, group_rights, rights_of
from editor.landlock.ruleset import build
from editor.policy.compose import compose, with_variables
from editor.policy.errors import PolicyError
from editor.policy.keys import KEYS
from editor.policy.model import Policy
from editor.policy.parse import parse_collecting_errors, parse_policy
from editor.policy.tree import Format

FS_6 = [
    "execute", "write_file", "read_file", "read_dir", "remove_dir", "remove_file", "make_char", "make_dir", "make_reg",
    "make_sock", "make_fifo", "make_block", "make_sym", "refer", "truncate", "ioctl_dev",
]  # fmt: skip
GROUPS = ["abi.all", "abi.read_execute", "abi.read_write"]
BOTH: tuple[Format, ...] = ("json", "toml")


def text_of(value: Any, format: Format) -> str:
    """Return the sample in one of the two formats; TOML has no null and spells keys in snake case."""
    if format == "json":
        return json.dumps(value)
    spelled = dict(zip(KEYS["json"], KEYS["toml"], strict=True))
    lines = [f"{spelled.get(key, key)} = {_toml(each, spelled)}" for key, each in value.items() if each is not None]
    return "\n".join(lines)


def _toml(value: Any, spelled: dict[str, str]) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{spelled.get(key, key)} = {_toml(each, spelled)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each, spelled) for each in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def fs(*names: str) -> dict[str, Any]:
    return {"handledAccessFs": list(names)}


def net(*names: str) -> dict[str, Any]:
    return {"handledAccessNet": list(names)}


def beneath(names: list[str], *parents: Any) -> dict[str, Any]:
    return {"allowedAccess": names, "parent": list(parents)}


def ports(names: list[str], *numbers: Any) -> dict[str, Any]:
    return {"allowedAccess": names, "port": list(numbers)}


def variable(name: str, *literals: str) -> dict[str, Any]:
    return {"name": name, "literal": list(literals)}


X = beneath(["execute"], ".")

REFUSED: list[Any] = [
    {},
    {"ruleset": None},
    {"ruleset": 0},
    {"ruleset": []},
    {"ruleset": [{}]},
    {"ruleset": [fs()]},
    {"ruleset": [fs(), fs("execute"), fs()]},
    {"ruleset": [net()]},
    {"ruleset": [{"scoped": []}]},
    {"pathBeneath": []},
    {"pathBeneath": [beneath([], ".")]},
    {"pathBeneath": [beneath(["execute"])]},
    {"pathBeneath": [beneath(["execute"], 2)]},
    {"netPort": []},
    {"netPort": [ports([], 443)]},
    {"netPort": [ports(["bind_tcp"])]},
    {"ruleset": [fs("execute")], "foo": []},
    {"ruleset": [fs("foo")]},
    {"ruleset": [fs("bind_tcp")]},
    {"ruleset": [net("foo")]},
    {"ruleset": [net("execute")]},
    {"ruleset": [{"scoped": ["foo"]}]},
    {"ruleset": [{"scoped": ["execute"]}]},
    {"variable": []},
    {"variable": [variable("foo")]},
    {"variable": [{}]},
    {"variable": [{"literal": ["foo"]}]},
    {"variable": [variable("foo", "a", "b")], "pathBeneath": [beneath(["execute"], "${a")]},
    {"variable": [variable("foo", "a", "b")], "pathBeneath": [beneath(["execute"], "${foo}/${bar}")]},
    {"ruleset": [fs("abi.all")]},
    {"abi": 1},
    *({"abi": number, "ruleset": [fs("execute")]} for number in (0, -1, 2**31, 2**32 - 1, 2**64, 2**128)),
    # Names of variables.
    *(
        {"variable": [variable(name, "value")], "pathBeneath": [beneath(["execute"], "/")]}
        for name in ("1foo", "_foo", "À", "e€", " foo", "foo bar", "foo ", "foo-bar", "foo_çë", "")
    ),
    *(
        {"variable": [variable("a", "b")], "pathBeneath": [beneath(["execute"], f"${{{name}}}")]}
        for name in ("1foo", "_foo", "À", "e€", " foo", "foo bar", "foo ", "foo-bar", "foo_çë", "", "0", "invalid-name")
    ),
    # Of the reference's schema: a right is a string, a port an unsigned number.
    {"ruleset": [{"handledAccessFs": [1]}]},
    {"pathBeneath": [{"allowedAccess": [4], "parent": ["/"]}]},
    {"netPort": [ports(["bind_tcp"], -1)]},
    {"netPort": [ports(["bind_tcp"], 65536)]},
]


@pytest.mark.parametrize("format", BOTH)
@pytest.mark.parametrize("value", REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_refused(value: Any, format: Format) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text_of(value, format), "f", format)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("", "toml"),
        ("", "json"),
        ("[[ruleset]]", "toml"),
        ('abi = 1\nabi = 1\n[[ruleset]]\nhandled_access_fs = ["execute"]', "toml"),
        ('{"abi": 1, "abi": 1, "ruleset": [{"handledAccessFs": ["execute"]}]}', "json"),
    ],
)
def test_refused_texts(text: str, format: Format) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text, "f", format)


def canonical(policy: Policy) -> dict[str, Any]:
    """Return what the policy means, with paths spelled as Rust's PathBuf does."""
    found = resolve(policy, base="/").canonical()
    found["path_beneath"] = {
        _plain(path): rights for path, rights in found["path_beneath"].items()
    }  # resolved paths are already combined
    return found


def _plain(path: str) -> str:
    path = re.sub(r"/+", "/", path)
    path = re.sub(r"(?<=/)\./", "", path)
    return path.rstrip("/") if len(path) > 1 else path


def meaning(fs: Any = (), net: Any = (), scoped: Any = (), paths: Any = None, ports: Any = None) -> dict[str, Any]:
    return {
        "handled_access_fs": sorted(fs),
        "handled_access_net": sorted(net),
        "scoped": sorted(scoped),
        "path_beneath": {path: sorted(rights) for path, rights in (paths or {}).items()},
        "net_port": {str(port): sorted(rights) for port, rights in (ports or {}).items()},
    }


EXECUTE = ["execute"]
TCP = ["bind_tcp", "connect_tcp"]
SCOPES = ["abstract_unix_socket", "signal"]
FOO = variable("foo", "a", "b")

ACCEPTED: list[tuple[Any, dict[str, Any]]] = [
    (
        {"ruleset": [{**fs("execute"), **net("bind_tcp"), "scoped": ["abstract_unix_socket"]}]},
        meaning(EXECUTE, ["bind_tcp"], ["abstract_unix_socket"]),
    ),
    ({"ruleset": [fs("execute")]}, meaning(EXECUTE)),
    ({"abi": 6, "ruleset": [fs(*GROUPS, *FS_6)]}, meaning(FS_6)),
    ({"ruleset": [fs("execute", "write_file", "execute")]}, meaning(["execute", "write_file"])),
    ({"ruleset": [fs("write_file"), fs("execute"), fs("write_file")]}, meaning(["execute", "write_file"])),
    ({"ruleset": [fs("execute")], "pathBeneath": [X]}, meaning(EXECUTE, paths={".": EXECUTE})),
    ({"pathBeneath": [beneath(["execute"], ".", ".")]}, meaning(EXECUTE, paths={".": EXECUTE})),
    ({"pathBeneath": [X, X]}, meaning(EXECUTE, paths={".": EXECUTE})),
    (
        {
            "ruleset": [fs("execute"), fs("read_file", "write_file")],
            "pathBeneath": [X, beneath(["write_file"], "."), beneath(["execute", "read_file"], "."), X],
        },
        meaning(["execute", "read_file", "write_file"], paths={".": ["execute", "read_file", "write_file"]}),
    ),
    (
        {
            "pathBeneath": [
                beneath(["execute"], ".", "./", ".", "a/./b"),
                beneath(["execute"], ".//", "a/////b", "c/../c"),
            ]
        },
        meaning(EXECUTE, paths={".": EXECUTE, "a/b": EXECUTE, "c/../c": EXECUTE}),
    ),
    ({"ruleset": [net("bind_tcp")]}, meaning(net=["bind_tcp"])),
    ({"abi": 6, "ruleset": [net("bind_tcp", "connect_tcp", "abi.all")]}, meaning(net=TCP)),
    ({"ruleset": [net("bind_tcp", "connect_tcp", "bind_tcp")]}, meaning(net=TCP)),
    ({"ruleset": [net("connect_tcp"), net("bind_tcp"), net("connect_tcp")]}, meaning(net=TCP)),
    (
        {"ruleset": [net("bind_tcp")], "netPort": [ports(["bind_tcp"], 443)]},
        meaning(net=["bind_tcp"], ports={443: ["bind_tcp"]}),
    ),
    (
        {"netPort": [ports(["connect_tcp"], 443), ports(["bind_tcp"], 443), ports(["connect_tcp"], 443)]},
        meaning(net=TCP, ports={443: TCP}),
    ),
    ({"ruleset": [{**fs("execute"), **net("bind_tcp")}]}, meaning(EXECUTE, ["bind_tcp"])),
    ({"ruleset": [{**fs("execute"), **net("bind_tcp")}, net("connect_tcp")]}, meaning(EXECUTE, TCP)),
    ({"ruleset": [{"scoped": ["abstract_unix_socket"]}]}, meaning(scoped=["abstract_unix_socket"])),
    ({"abi": 6, "ruleset": [{"scoped": [*SCOPES, "abi.all"]}]}, meaning(scoped=SCOPES)),
    ({"ruleset": [{"scoped": [*SCOPES, SCOPES[0]]}]}, meaning(scoped=SCOPES)),
    ({"ruleset": [{"scoped": [name]} for name in ("signal", SCOPES[0], "signal")]}, meaning(scoped=SCOPES)),
    (
        {"ruleset": [fs("execute")], "netPort": [ports(["bind_tcp"], 443)]},
        meaning(EXECUTE, ["bind_tcp"], ports={443: ["bind_tcp"]}),
    ),
    (
        {"ruleset": [fs("execute")], "pathBeneath": [beneath(["write_file"], "."), beneath(["read_file"], ".")]},
        meaning(["execute", "read_file", "write_file"], paths={".": ["read_file", "write_file"]}),
    ),
    (
        {"ruleset": [net("bind_tcp")], "netPort": [ports(["connect_tcp"], 443)]},
        meaning(net=TCP, ports={443: ["connect_tcp"]}),
    ),
    ({"netPort": [ports(["bind_tcp"], 443)]}, meaning(net=["bind_tcp"], ports={443: ["bind_tcp"]})),
    ({"abi": 1, "ruleset": [fs("execute")]}, meaning(EXECUTE)),
    ({"variable": [{"name": "bar"}]}, meaning()),
    ({"variable": [variable("bar", "foo")]}, meaning()),
    # Without a literal a variable is defined, and a path that uses it vanishes. Its rights are handled all the same.
    ({"variable": [{"name": "foo"}], "pathBeneath": [beneath(EXECUTE, "${foo}/x", "y")]},
     meaning(EXECUTE, paths={"y": EXECUTE})),
    ({"variable": [{"name": "foo"}], "pathBeneath": [beneath(EXECUTE, "${foo}")]}, meaning(EXECUTE)),
    ({"variable": [{"name": "foo"}, FOO], "pathBeneath": [beneath(EXECUTE, "${foo}")]},
     meaning(EXECUTE, paths={"a": EXECUTE, "b": EXECUTE})),
    # Paths are compared by their components: a leading "." and every ".." is one.
    ({"pathBeneath": [beneath(EXECUTE, "./a", "a", "/a/../b", "/b", "/c//d/", "/c/./d")]},
     meaning(EXECUTE, paths=dict.fromkeys(("./a", "a", "/a/../b", "/b", "/c/d"), EXECUTE))),
    # A group that is empty at the file's abi makes nothing handled, and its rule vanishes.
    ({"abi": 1, "ruleset": [fs("execute")], "netPort": [ports(["abi.all"], 1)]}, meaning(EXECUTE)),
    # A rule on a file keeps all its rights until the ruleset is built.
    ({"pathBeneath": [beneath(["make_reg"], "/dev/null")]}, meaning(["make_reg"], paths={"/dev/null": ["make_reg"]})),
    *(
        ({"variable": [variable(name, "v")], "pathBeneath": [beneath(EXECUTE, f"${{{name}}}")]},
         meaning(EXECUTE, paths={"v": EXECUTE}))
        for name in ("F", "FOO", "Foo", "f", "fOo", "foo", "foo_", "foo__bar", "foo_bar", "a")
    ),
    (
        {"variable": [FOO], "pathBeneath": [beneath(EXECUTE, "${foo}")]},
        meaning(EXECUTE, paths={"a": EXECUTE, "b": EXECUTE}),
    ),
    (
        {"pathBeneath": [beneath(EXECUTE, "${foo}")], "variable": [variable("foo", "b", "a")]},
        meaning(EXECUTE, paths={"a": EXECUTE, "b": EXECUTE}),
    ),
    (
        {
            "variable": [FOO, variable("bar", "X", "Y", "Z")],
            "pathBeneath": [beneath(EXECUTE, "before/${foo}/${bar}/after")],
        },
        meaning(EXECUTE, paths={f"before/{a}/{b}/after": EXECUTE for a, b in itertools.product("ab", "XYZ")}),
    ),
    (
        {
            "variable": [variable("foo", "bar")],
            "pathBeneath": [beneath(EXECUTE, "$$", "$${foo}", "$${${foo}", "{${foo}")],
        },
        meaning(EXECUTE, paths=dict.fromkeys(("$", "${foo}", "${bar", "{bar"), EXECUTE)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("format", BOTH)
@pytest.mark.parametrize(("value", "expected"), ACCEPTED, ids=lambda value: json.dumps(value)[:60])
def test_accepted(value: Any, expected: dict[str, Any], format: Format) -> None:
    assert canonical(parse_policy(text_of(value, format), "f", format)) == expected


# rust-landlock's from_all, from_read and refer, by version.
@pytest.mark.parametrize("abi", range(1, 7))
def test_groups_at_every_abi_of_the_reference(abi: int) -> None:
    sizes = {1: (13, 0, 0), 2: (14, 0, 0), 3: (15, 0, 0), 4: (15, 2, 0), 5: (16, 2, 0), 6: (16, 2, 2)}[abi]
    everything = [rights_of(kind, abi) for kind in ("fs", "net", "scope")]
    assert tuple(map(len, everything)) == sizes
    value = {
        "abi": abi,
        "ruleset": [{**fs("abi.all"), **net("abi.all"), "scoped": ["abi.all"]}],
        "pathBeneath": [beneath(["abi.all"], ".")],
        "netPort": [ports(["abi.all"], 1)],
    }
    rules = {1: everything[1]} if abi >= 4 else {}
    fs_all, net_all, scope_all = everything
    expected = meaning(fs_all, net_all, scope_all, paths={".": fs_all}, ports=rules)
    read = {"execute", "read_file", "read_dir"} | ({"refer"} if abi >= 2 else set())
    for format in BOTH:
        assert canonical(parse_policy(text_of(value, format), "f", format)) == expected
        for group, rights in (("read_execute", read), ("read_write", everything[0] - {"execute"})):
            one = {"abi": abi, "ruleset": [fs(f"abi.{group}")], "pathBeneath": [beneath([f"abi.{group}"], ".")]}
            policy = parse_policy(text_of(one, format), "f", format)
            assert canonical(policy) == meaning(rights, paths={".": rights})
            assert group_rights(f"abi.{group}", "fs", abi) == rights


def test_greatest_abi() -> None:
    for format in BOTH:
        policy = parse_policy(text_of({"abi": 2**31 - 1, "ruleset": [fs("abi.all")]}, format), "f", format)
        assert policy.handled_fs == rights_of("fs", LATEST_ABI) >= frozenset(FS_6)


# Examples

SYSTEM = ["/bin", "/lib", "/usr", "/dev", "/proc", "/etc"]
READ_5 = ["execute", "read_file", "read_dir", "refer"]
WRITE_5 = [name for name in FS_6 if name != "execute"]
READ_TABLE = beneath(["abi.read_execute"], ".", *SYSTEM)
EXAMPLES: list[tuple[Any, dict[str, Any]]] = [
    (
        {
            "abi": 5,
            "variable": [
                variable("tmp", "/tmp", "/var/tmp"), variable("home", "/root", "/home"), variable("config", "/etc"),
            ],
            "pathBeneath": [
                beneath(["abi.read_execute"], ".", *SYSTEM[:5], "${config}"),
                beneath(["abi.read_write"], "${tmp}", "${home}"),
            ],
        },
        meaning(FS_6, paths={
            **dict.fromkeys([".", *SYSTEM], READ_5),
            **dict.fromkeys(["/tmp", "/var/tmp", "/root", "/home"], WRITE_5),
        }),
    ),
    (
        {"abi": 5, "pathBeneath": [READ_TABLE, beneath(["abi.read_write"], "/tmp")]},
        meaning(FS_6, paths={**dict.fromkeys([".", *SYSTEM], READ_5), "/tmp": WRITE_5}),
    ),
    ({"abi": 6, "ruleset": [{**net("abi.all"), "scoped": ["abi.all"]}]}, meaning(net=TCP, scoped=SCOPES)),
    (
        {
            "abi": 5,
            "ruleset": [{**fs("abi.all"), **net("bind_tcp")}],
            "pathBeneath": [READ_TABLE, beneath(["abi.read_write"], "/tmp")],
            "netPort": [ports(["bind_tcp"], 80, 443)],
        },
        meaning(FS_6, ["bind_tcp"], paths={**dict.fromkeys([".", *SYSTEM], READ_5), "/tmp": WRITE_5},
                ports={80: ["bind_tcp"], 443: ["bind_tcp"]}),
    ),
    (
        {
            "ruleset": [fs(*FS_6)],
            "pathBeneath": [
                beneath(READ_5, ".", *SYSTEM),
                beneath([name for name in WRITE_5 if name not in ("make_char", "make_block", "ioctl_dev")], "/tmp"),
            ],
        },
        meaning(FS_6, paths={
            **dict.fromkeys([".", *SYSTEM], READ_5),
            "/tmp": [name for name in WRITE_5 if name not in ("make_char", "make_block", "ioctl_dev")],
        }),
    ),
]  # fmt: skip


@pytest.mark.parametrize("format", BOTH)
@pytest.mark.parametrize(("value", "expected"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples(value: Any, expected: dict[str, Any], format: Format) -> None:
    assert canonical(parse_policy(text_of(value, format), "f", format)) == expected


# Composition

ALL = {"handledAccessFs": ["abi.all"], "handledAccessNet": ["abi.all"]}
ALL_1 = {"abi": 1, "ruleset": [ALL], "pathBeneath": [beneath(["abi.read_execute"], ".")],
         "netPort": [ports(["abi.all"], 1)]}  # fmt: skip
WRITE_BOUND = {"ruleset": [{**fs("abi.read_write"), **net("bind_tcp")}],
               "pathBeneath": [beneath(["abi.read_write"], ".")], "netPort": [ports(["abi.all"], 1)]}  # fmt: skip
READ_AB = [beneath(["read_file"], "a"), beneath(["read_file"], "b")]
FS_1, FS_4 = rights_of("fs", 1), rights_of("fs", 4)
S1 = {
    "abi": 5,
    "variable": [variable("rw", "/tmp", "/var/tmp")],
    "pathBeneath": [beneath(["abi.read_execute"], *SYSTEM), beneath(["abi.read_write"], "${rw}")],
}
S2 = {
    "abi": 4,
    "variable": [variable("rw", "/home/user/tmp")],
    "ruleset": [fs("abi.all")],
    "pathBeneath": [beneath(["abi.read_execute"], "/home/user/bin")],
}

COMPOSED: list[tuple[Any, Any, dict[str, Any]]] = [
    (
        {"abi": 4, "ruleset": [{**ALL, "scoped": ["abi.all"]}]},
        {"abi": 6, "pathBeneath": [beneath(["abi.all"], "a")], "netPort": [ports(["abi.all"], 1)]},
        meaning(FS_4, TCP, paths={"a": FS_4}, ports={1: TCP}),
    ),
    (
        {"ruleset": [{"scoped": ["abstract_unix_socket"]}]},
        {"abi": 6, "ruleset": [{"scoped": ["abi.all"]}]},
        meaning(scoped=["abstract_unix_socket"]),
    ),
    ({"ruleset": [fs("execute")]}, {"ruleset": [fs("execute")]}, meaning(EXECUTE)),
    ({"ruleset": [fs("execute")]}, {"ruleset": [net("bind_tcp")]}, meaning()),
    ({"pathBeneath": [beneath(EXECUTE, "a")]}, {"pathBeneath": READ_AB}, meaning()),
    (
        {"ruleset": [fs("read_file")], "pathBeneath": [beneath(EXECUTE, "a")]},
        {"pathBeneath": READ_AB},
        meaning(["read_file"], paths={"a": ["read_file"], "b": ["read_file"]}),
    ),
    (
        {"pathBeneath": [beneath(EXECUTE, "a")]},
        {"ruleset": [fs("execute")], "pathBeneath": READ_AB},
        meaning(EXECUTE, paths={"a": EXECUTE}),
    ),
    (
        {"variable": [FOO], "pathBeneath": [beneath(EXECUTE, "${foo}")]},
        {"ruleset": [fs("execute")], "pathBeneath": READ_AB},
        meaning(EXECUTE, paths={"a": EXECUTE, "b": EXECUTE}),
    ),
    (
        {"ruleset": [fs("read_file")], "variable": [FOO], "pathBeneath": [beneath(EXECUTE, "${foo}")]},
        {
            "ruleset": [fs("execute")],
            "variable": [{"name": "foo"}],
            "pathBeneath": [beneath(["read_file"], "${foo}"), beneath(["read_file"], "x/${foo}")],
        },
        meaning(
            ["execute", "read_file"],
            paths={
                "a": ["execute", "read_file"],
                "b": ["execute", "read_file"],
                "x/a": ["read_file"],
                "x/b": ["read_file"],
            },
        ),
    ),
    (
        {
            "ruleset": [fs("read_file")],
            "variable": [variable("foo", "a")],
            "pathBeneath": [beneath(EXECUTE, "${foo}")],
        },
        {
            "ruleset": [fs("execute")],
            "variable": [variable("bar", "a")],
            "pathBeneath": [beneath(["read_file"], "${bar}")],
        },
        meaning(["execute", "read_file"], paths={"a": ["execute", "read_file"]}),
    ),
    (
        ALL_1,
        {**ALL_1, "abi": 2, "pathBeneath": [beneath(["abi.read_write"], ".")]},
        meaning(FS_1, paths={".": FS_1}),
    ),
    (ALL_1, {**WRITE_BOUND, "abi": 2}, meaning(FS_1 - {"execute"}, paths={".": FS_1 - {"execute"}})),
    (
        {**ALL_1, "abi": 4},
        {**WRITE_BOUND, "abi": 6},
        meaning(FS_4 - {"execute"}, TCP, paths={".": FS_4 - {"execute"}}, ports={1: TCP}),
    ),
    (
        S1,
        S2,
        meaning(
            rights_of("fs", 3),
            paths={
                **dict.fromkeys([*SYSTEM, "/home/user/bin"], READ_5),
                **dict.fromkeys(["/tmp", "/var/tmp", "/home/user/tmp"], rights_of("fs", 3) - {"execute"}),
            },
        ),
    ),
]


def unchecked(value: Any, format: Format) -> Policy:
    """Parse a file whose variables another file may define."""
    policy, problems = parse_collecting_errors(text_of(value, format), "f", format, references=False)
    assert problems == ()
    return policy


@pytest.mark.parametrize(("one", "other", "expected"), COMPOSED, ids=range(len(COMPOSED)))
def test_composition(one: Any, other: Any, expected: dict[str, Any]) -> None:
    """Order is irrelevant, and composing a file with itself changes nothing."""
    for first, second in itertools.permutations((unchecked(one, "json"), unchecked(other, "toml"))):
        whole = compose((first, second))
        assert canonical(with_variables(whole, {})) == expected
        assert canonical(compose((whole, whole))) == expected
        known = [each.abi for each in (first, second) if each.abi is not None]
        assert whole.abi == (min(known) if known else None)


@pytest.mark.parametrize("abi", [12, 99, 2**31 - 1])
def test_abi_beyond_every_known_one(abi: int) -> None:
    """It means the highest that is known: to the reference's build ABI 7 to 9, here the newest of the table."""
    for format in BOTH:
        policy = parse_policy(text_of({"abi": abi, "ruleset": [fs("abi.all")]}, format), "f", format)
        assert policy.handled_fs == rights_of("fs", LATEST_ABI)


# Policies that work here and not there, each with the finding that says so.
KINDER: list[tuple[str, Any]] = [
    # PathBeneath of the landlock crate drops the rights that a file cannot have; an empty set fails the whole build.
    ("empty-on-file", {"pathBeneath": [beneath(["make_reg", "read_dir"], "/dev/null")]}),
    ("abi-beyond-reference", {"abi": 10, "ruleset": [fs("abi.all"), net("abi.all")]}),
    ("unknown-to-reference", {"ruleset": [fs("resolve_unix")]}),
    ("unknown-to-reference", {"ruleset": [net("bind_udp")]}),
    ("unknown-to-reference", {"netPort": [ports(["connect_send_udp"], 53)]}),
    ("empty-variable", {"variable": [{"name": "foo"}], "pathBeneath": [beneath(EXECUTE, "${foo}/x")]}),
]


@pytest.mark.parametrize("format", BOTH)
@pytest.mark.parametrize(("id_", "value"), KINDER, ids=lambda value: value if isinstance(value, str) else "")
def test_check_says_where_paddock_is_kinder(id_: str, value: Any, format: Format) -> None:
    policy = parse_policy(text_of(value, format), "f", format)
    found = [each.message for each in lint(policy, resolve(policy, base="/")) if each.id == id_]
    assert len(found) == 1
    assert "llconfig" in found[0]


def test_check_is_silent_where_both_agree() -> None:
    """Neither a right that is left on a file nor an abi with the same groups is worth a finding."""
    value = {"abi": 8, "ruleset": [fs("abi.all")], "pathBeneath": [beneath(["abi.read_write"], "/dev/null")]}
    policy = parse_policy(text_of(value, "toml"), "f", "toml")
    assert not {each.id for each in lint(policy, resolve(policy))} & {id_ for id_, _ in KINDER}


def test_files_without_common_rights_restrict_nothing() -> None:
    """The reference fails to create such a ruleset; here no ruleset is built, so that nothing starts under it."""
    whole = compose(
        (unchecked({"ruleset": [fs("execute")]}, "json"), unchecked({"ruleset": [net("bind_tcp")]}, "toml"))
    )
    assert canonical(whole) == meaning()
    assert build(resolve(whole).ruleset()).fd is None
