"""Positions of keys and values, checked by parsing the text and each of its parts with the standard library."""

import contextlib
import json
import sys
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import editor.policy.locate
from editor.policy.errors import PolicyError
from editor.policy.locate import MAX_DEPTH, Format, LineIndex, Node, line_column, locate
from tests.growth import grows_linearly
from tests.policy.texts import json_texts, toml_texts


def plain(node: Node) -> Any:
    """Return the tree as the standard library represents it."""
    if node.kind == "array":
        return [plain(item) for item in node.items]
    if node.kind == "table":
        return {field.key: plain(field.node) for field in node.fields}
    return node.value


def nodes(node: Node) -> list[Node]:
    children = [*node.items, *(field.node for field in node.fields)]
    return [node, *(each for child in children for each in nodes(child))]


@settings(max_examples=200, deadline=None)
@given(toml_texts())
def test_toml_tree_equals_tomllib_and_every_span_covers_its_part(text: str) -> None:
    root = locate(text, "toml", "f")
    assert plain(root) == tomllib.loads(text)
    for node in nodes(root):
        part = text[node.span.start : node.span.end]
        if node.kind != "table" and not part.startswith("[["):
            assert tomllib.loads(f"v={part}")["v"] == plain(node)
        for field in node.fields:
            key = text[field.key_span.start : field.key_span.end]
            assert list(tomllib.loads(f"{key}=1")) == [field.key]


@settings(max_examples=200, deadline=None)
@given(json_texts())
def test_json_tree_equals_json_and_every_span_covers_its_part(text: str) -> None:
    root = locate(text, "json", "f")
    assert plain(root) == json.loads(text)
    for node in nodes(root):
        assert json.loads(text[node.span.start : node.span.end]) == plain(node)
        for field in node.fields:
            assert json.loads(text[field.key_span.start : field.key_span.end]) == field.key


@settings(max_examples=200, deadline=None)
@given(st.one_of(toml_texts(), json_texts()), st.data())
def test_damaged_text_is_refused_with_a_position_or_parsed_like_the_standard_library(
    text: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(text)))
    new = data.draw(st.sampled_from(['"', "'", "[", "]", "{", "}", "=", ",", "\n", "\0", "\ud800", "a.b", "NaN", "\\"]))
    damaged = text[:at] + new + text[at + data.draw(st.integers(0, 3)) :]
    loads = {"toml": tomllib.loads, "json": json.loads}
    formats: tuple[Format, ...] = ("toml", "json")
    for format in formats:
        try:
            root = locate(damaged, format, "f")
        except PolicyError as error:
            lines = damaged.split("\n")
            assert 1 <= error.line <= len(lines)
            assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        else:
            assert plain(root) == loads[format](damaged)


@pytest.mark.parametrize(
    ("text", "format", "place"),
    [
        ("a = 1\nb = [1,\n  2\n", "toml", (4, 1)),
        ("a = 1\nb = @\n", "toml", (2, 5)),
        ("a = 1\n'a' = 2\n", "toml", (2, 1)),
        ("t = {a = 1, a = 2}", "toml", (1, 13)),
        ("\ufeffa = 1", "toml", (1, 1)),
        ("\ufeff{}", "json", (1, 1)),
        ('a = "\0"', "toml", (1, 6)),
        ('a = "\udcff"', "toml", (1, 6)),
        ('{"a": 1,\n "a": 2}', "json", (2, 2)),
        ('{"a": NaN}', "json", (1, 7)),
        ("[-Infinity]", "json", (1, 2)),
        (r'{"a": "\ud800"}', "json", (1, 7)),
        ("", "json", (1, 1)),
        ("a = " + "9" * 5000, "toml", (1, 5)),
        ("[" + "9" * 5000 + "]", "json", (1, 2)),
        ("a = " + "[" * 100_000, "toml", (1, 5 + MAX_DEPTH - 1)),
        ("[" * 100_000, "json", (1, MAX_DEPTH + 1)),
        ('{"a":' * 100_000, "json", (1, 5 * MAX_DEPTH + 1)),
        ("x = 1\n" + "a." * 20_000 + "a = 1", "toml", (2, 1)),
    ],
)
def test_errors_have_a_position(text: str, format: Format, place: tuple[int, int]) -> None:
    with pytest.raises(PolicyError) as caught:
        locate(text, format, "f")
    assert (caught.value.line, caught.value.column) == place
    assert caught.value.file == "f"


@pytest.mark.parametrize(
    ("around", "format"),
    [
        ("a = %s", "toml"),
        ("a = [%s]", "toml"),
        ("a = '''%s", "toml"),
        ("%sa = 1", "toml"),
        ("[%s]", "toml"),
        ("[%s]", "json"),
        ("%s", "json"),
    ],
)
@pytest.mark.parametrize(
    "part", ["9", "[", "{", '{"a":', "a.", "'", '"', '""', '"",', "#", " ", "\\u0041", "a=1\n", "[[a]]\n", "[a.a]\n"]
)
def test_hostile_text_takes_linear_time(around: str, format: Format, part: str) -> None:
    def refuse(size: int) -> None:
        with contextlib.suppress(PolicyError):
            locate(around % (part * size), format, "f")

    assert grows_linearly(refuse, 200)


def test_long_dotted_key_is_refused_before_tomllib_parses_it() -> None:
    """tomllib copies all parts of the key for each part, which takes quadratic time."""
    files = set[str]()
    before = sys.getprofile()
    sys.setprofile(lambda frame, _event, _argument: files.add(frame.f_code.co_filename))
    try:
        with pytest.raises(PolicyError, match="nested deeper than"):
            locate("a." * 1000 + "a = 1", "toml", "f")
    finally:
        sys.setprofile(before)
    assert editor.policy.locate.__file__ in files
    assert not [file for file in files if "tomllib" in file]


def test_spans_of_tables_under_headers() -> None:
    text = "abi = 5\n\n[[rule]] # one\na = [1,\n 2] # two\n# after\n\n[x]\n[[rule]]\nb.c = 'd'\n"
    abi, rule, x = locate(text, "toml", "f").fields
    assert text[abi.key_span.start : abi.node.span.end] == "abi = 5"
    first, second = rule.node.items
    assert text[first.span.start : first.span.end] == "[[rule]] # one\na = [1,\n 2]"
    assert text[second.span.start : second.span.end] == "[[rule]]\nb.c = 'd'"
    assert rule.node.span == (first.span.start, second.span.end)
    assert text[x.node.span.start : x.node.span.end] == "[x]"


@given(st.text(st.sampled_from("ab\r\n\u2028é"), max_size=30))
def test_only_line_feeds_end_lines(text: str) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        before = text[:offset].split("\n")
        assert index.line_column(offset) == line_column(text, offset) == (len(before), len(before[-1]) + 1)


def test_five_thousand_rules_are_located() -> None:
    rule = (
        '[[path_beneath]]\nallowed_access = ["abi.read_execute", "write_file"]\nparent = ["/usr/{}", "/srv", "/x"]\n\n'
    )
    text = "".join(rule.replace("{}", str(number)) for number in range(5000))
    assert len(locate(text, "toml", "f").fields[0].node.items) == 5000
