"""Exports: every format keeps the meaning of any policy, and reports what it cannot express."""

import json
import os
import tomllib
import unicodedata
from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from editor.editing.meaning import meaning_of
from editor.evaluation.resolve import resolve
from editor.exchange import FORMAT_INFO, FORMATS, Source, export_as
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, SCOPES
from editor.policy.model import Policy
from editor.policy.parse import parse_policy
from editor.policy.tree import Format
from editor.policy.variables import quote

with open(os.path.join(os.path.dirname(__file__), "landlock_config.schema.json"), encoding="utf-8") as _file:
    SCHEMA = json.load(_file)
NEWER = {"resolve_unix", "bind_udp", "connect_send_udp"}
TARGETS: Mapping[str, Format] = {"landlock-toml": "toml", "landlock-json": "json"}

# Characters that are hard on quoting, escaping and terminals, more often than by chance.
_TEXT = st.text(
    st.one_of(
        st.sampled_from("\"'\\/ \n\t\r\b\f\x00\x1b\x7f\u0085\u2028\u202e\ufeff\U000e0001\U0010ffff€𝄞"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=12,
)
_PLAIN = st.from_regex(r"/[a-z]{1,120}", fullmatch=True)
_NAMES = st.sampled_from(["a", "b", "home_1"])


def _listed(values: st.SearchStrategy[Any], size: int = 6) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=size)


_FS = _listed(
    st.sampled_from(
        [right.name for right in FS_RIGHTS] + ["abi.all", "abi.read_execute", "abi.read_write", 1 << 17, 3 << 62]
    )
)
_NET = _listed(st.sampled_from([right.name for right in NET_RIGHTS] + ["abi.all", 1 << 4]))
_SCOPED = _listed(st.sampled_from([right.name for right in SCOPES] + ["abi.all"]))
_PATH = st.one_of(_PLAIN, _TEXT.map(quote), st.builds("{}${{{}}}/x".format, _PLAIN, _NAMES))
_SECTIONS = st.fixed_dictionaries(
    {"abi": st.integers(1, 12)},
    optional={
        "ruleset": _listed(
            st.fixed_dictionaries(
                {}, optional={"handledAccessFs": _FS, "handledAccessNet": _NET, "scoped": _SCOPED}
            ).filter(bool),
            2,
        ),
        "pathBeneath": _listed(st.fixed_dictionaries({"allowedAccess": _FS, "parent": _listed(_PATH)}), 3),
        "netPort": _listed(st.fixed_dictionaries({"allowedAccess": _NET, "port": _listed(st.integers(0, 65535))}), 2),
    },
)
_VARIABLES = [{"name": name, "literal": ["/x", f"é{name}"]} for name in ("a", "b", "home_1")]
CONFIGURATIONS = _SECTIONS.map(lambda sections: {**sections, "variable": _VARIABLES})


def policy_of(configuration: dict[str, Any]) -> Policy:
    return parse_policy(json.dumps(configuration), "f.json", "json")


def written(policy: Policy) -> tuple[Any, ...]:
    """Return the content of a policy file, without the places in it."""
    return (
        policy.abi,
        [(each.name, each.literals) for each in policy.variables],
        [(each.handled_access_fs, each.handled_access_net, each.scoped) for each in policy.rulesets],
        [(each.allowed_access, [parent.template for parent in each.parents]) for each in policy.path_rules],
        [(each.allowed_access, [entry.port for entry in each.ports]) for each in policy.port_rules],
    )


@given(CONFIGURATIONS)
@settings(max_examples=150, deadline=None)
def test_export_parses_as_the_same_policy(configuration: dict[str, Any]) -> None:
    policy = policy_of(configuration)
    for name, format in TARGETS.items():
        again = parse_policy(export_as(name, policy).text, f"f.{format}", format)
        assert written(again) == written(policy)  # variables and groups as written
        assert meaning_of(again) == meaning_of(policy)
        assert resolve(again).canonical() == resolve(policy).canonical()


@given(CONFIGURATIONS)
@settings(max_examples=100, deadline=None)
def test_export_is_standard_and_safe_to_show(configuration: dict[str, Any]) -> None:
    policy = policy_of(configuration)
    texts = {name: export_as(name, policy).text for name in TARGETS}
    assert json.loads(texts["landlock-json"]) == configuration
    assert tomllib.loads(texts["landlock-toml"])["abi"] == configuration["abi"]
    for text in texts.values():
        assert all(unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029" for char in text if char != "\n")


@given(CONFIGURATIONS)
@settings(max_examples=100, deadline=None)
def test_json_matches_the_schema_except_for_newer_rights(configuration: dict[str, Any]) -> None:
    exported = export_as("landlock-json", policy_of(configuration))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    unknown = {error.instance for error in validator.iter_errors(json.loads(exported.text))}
    numbers = {each for each in unknown if isinstance(each, int)}
    assert unknown - numbers <= NEWER
    # Each of them is reported, and no known right is.
    named = {
        name
        for loss in exported.lost
        if "yet and rejects the file" in loss.message
        for name in NEWER
        if name in loss.message
    }
    assert named == unknown - numbers
    assert any("written as a number" in loss.message for loss in exported.lost) == bool(numbers)
    assert not any(loss.widens for loss in exported.lost)


def test_schema_rejects_invalid_policies() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    wrongs: tuple[dict[str, Any], ...] = (
        {},
        {"abi": 0, "ruleset": [{"scoped": ["signal"]}]},
        {"ruleset": []},
        {"ruleset": [{}]},
        {"path_beneath": [{"allowedAccess": ["execute"], "parent": ["/"]}]},
        {"pathBeneath": [{"allowedAccess": ["bind_tcp"], "parent": ["/"]}]},
        {"netPort": [{"allowedAccess": ["bind_tcp"], "port": ["80"]}]},
    )
    for wrong in wrongs:
        assert not validator.is_valid(wrong), wrong


TOML = """# Head, with a "string".
abi = 7 # seven

[[path_beneath]]
allowed_access = ["abi.read_execute"] # reading
parent = [
    "/usr", # "# inside"
    '/#literal', "/a#b \\" # c",
]

[["net_port"]]
"allowed_access" = ["bind_tcp"]
port = [80]
# last"""


def test_text_is_unchanged_in_its_own_format() -> None:
    policy = parse_policy(TOML, "f.toml", "toml")
    exported = export_as("landlock-toml", policy, Source(TOML, "toml"))
    assert (exported.text, exported.lost) == (TOML, ())
    text = json.dumps({"ruleset": [{"scoped": ["signal"]}]}, indent=7)
    exported = export_as("landlock-json", parse_policy(text, "f", "json"), Source(text, "json"))
    assert (exported.text, exported.lost) == (text, ())


def test_comments_are_reported_as_lost_in_json() -> None:
    policy = parse_policy(TOML, "f.toml", "toml")
    exported = export_as("landlock-json", policy, Source(TOML, "toml"))
    assert [loss.message for loss in exported.lost] == ["5 comments are lost: JSON has no comments."]
    assert export_as("landlock-json", policy).lost == ()
    assert meaning_of(parse_policy(exported.text, "f", "json")) == meaning_of(policy)


def test_group_with_rights_unknown_to_the_reference() -> None:
    for abi, lost in ((8, []), (9, ["resolve_unix"]), (10, ["resolve_unix, bind_udp, connect_send_udp"])):
        tables = [{"handledAccessFs": ["abi.all"], "handledAccessNet": ["abi.all"]}]
        exported = export_as("landlock-json", policy_of({"abi": abi, "ruleset": tables}))
        assert [loss.message.partition(":")[0] for loss in exported.lost] == lost


def test_variable_without_literals() -> None:
    policy = policy_of({"variable": [{"name": "x"}]})
    for name, format in TARGETS.items():
        assert written(parse_policy(export_as(name, policy).text, "f", format)) == written(policy)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_is_described(name: str) -> None:
    assert FORMAT_INFO[name].title and FORMAT_INFO[name].suffix.startswith(".")
    assert FORMATS[name](parse_policy(TOML, "f.toml", "toml"), None).text.endswith("\n")


@given(CONFIGURATIONS)
@settings(max_examples=30, deadline=None)
def test_resolved_is_the_canonical_form(configuration: dict[str, Any]) -> None:
    policy = policy_of(configuration)
    exported = export_as("resolved", policy)
    assert exported.text.isascii()
    assert json.loads(exported.text) == resolve(policy).canonical()
    assert exported.lost == ()
