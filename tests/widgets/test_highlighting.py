"""Highlighting one line of TOML or JSON at a time."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.highlighting import Language, highlight, long_strings


def kinds(line: str, language: Language = "toml") -> list[tuple[str, str]]:
    """Return the pieces of a line that have a kind."""
    return [(text, kind) for text, kind in highlight(line, language, "") if kind]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("# all of it = comment", [("# all of it = comment", "comment")]),
        ("abi = 7", [("abi", "key"), ("=", "mark"), ("7", "number")]),
        ("[[path_beneath]] # x", [("[[path_beneath]]", "header"), ("# x", "comment")]),
        ('a = "b # c" # d', [("a", "key"), ("=", "mark"), ('"b # c"', "string"), ("# d", "comment")]),
        ("'quoted key' = true", [("'quoted key'", "key"), ("=", "mark"), ("true", "constant")]),
        ('x = "esc \\" aped"', [("x", "key"), ("=", "mark"), ('"esc \\" aped"', "string")]),
        ('x = "never closed', [("x", "key"), ("=", "mark"), ('"never closed', "string")]),
        ('  "/usr", "/bin",', [('"/usr"', "string"), (",", "mark"), ('"/bin"', "string"), (",", "mark")]),
        ("a.b = -1.5", [("a", "key"), ("b", "key"), ("=", "mark"), ("-1.5", "number")]),
    ],
)
def test_toml_pieces(line: str, wanted: list[tuple[str, str]]) -> None:
    assert kinds(line) == wanted


def test_json_pieces() -> None:
    assert kinds('"abi": 7, "x": [null, "s"]', "json") == [
        ('"abi"', "key"),
        (":", "mark"),
        ("7", "number"),
        (",", "mark"),
        ('"x"', "key"),
        (":", "mark"),
        ("[", "mark"),
        ("null", "constant"),
        (",", "mark"),
        ('"s"', "string"),
        ("]", "mark"),
    ]


@given(st.text(), st.sampled_from(["toml", "json"]), st.sampled_from(["", '"""', "'''"]))
def test_pieces_are_the_line(line: str, language: Language, inside: str) -> None:
    assert "".join(text for text, _ in highlight(line, language, inside)) == line


@given(st.dictionaries(st.text(min_size=1), st.one_of(st.text(), st.integers(), st.booleans()), max_size=5))
def test_json_values_are_found(value: dict[str, object]) -> None:
    pieces = kinds(json.dumps(value), "json")
    assert [json.loads(text) for text, kind in pieces if kind == "key"] == list(value)
    wanted = [each for each in value.values() if isinstance(each, str)]
    assert [json.loads(text) for text, kind in pieces if kind == "string"] == wanted


def test_multi_line_strings() -> None:
    text = 'a = """one\n# two = 2\nthree""" # c\nb = \'\'\'x\ny\'\'\'\n# """ not a string\nc = 1\n'
    tomllib.loads(text)
    assert long_strings(text) == {1: '"""', 2: '"""', 4: "'''"}
    lines = text.split("\n")
    assert list(highlight(lines[1], "toml", '"""')) == [("# two = 2", "string")]
    assert list(highlight(lines[2], "toml", '"""')) == [('three"""', "string"), (" ", ""), ("# c", "comment")]
