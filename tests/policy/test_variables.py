"""Templates and their expansion: landlockconfig's grammar, and properties that hold for any text."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.policy.variables import (
    MAX_PATHS,
    Reference,
    TemplateError,
    Token,
    count_paths,
    expand,
    name_problem,
    parse_template,
    quote,
)

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,4}", fullmatch=True)
TEXTS = st.text(st.sampled_from("ab/${}_é\n"), max_size=12)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ()),
        ("bar", ("bar",)),
        ("${foo}", (Reference("foo", 0),)),
        ("${foo} bar", (Reference("foo", 0), " bar")),
        ("${foo} bar ${baz}", (Reference("foo", 0), " bar ", Reference("baz", 11))),
        ("${a}${b}", (Reference("a", 0), Reference("b", 4))),
        ("$${escaped}", ("${escaped}",)),
        ("$$foo", ("$foo",)),
        ("foo $${escaped} baz", ("foo ${escaped} baz",)),
        ("$$", ("$",)),
        ("$", ("$",)),
        ("a$b", ("a$b",)),
        ("a$", ("a$",)),
        ("$$$", ("$$",)),
        ("$$$$", ("$$",)),
        ("$a$$b$", ("$a$b$",)),
        ("$${${foo}", ("${", Reference("foo", 3))),
        ("{${foo}", ("{", Reference("foo", 1))),
        ("}${foo}}", ("}", Reference("foo", 1), "}")),
    ],
)
def test_template_grammar(text: str, tokens: tuple[Token, ...]) -> None:
    assert parse_template(text) == tokens


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("${unclosed", 0, "never closed"),
        (" ${unclosed", 1, "never closed"),
        (" ${0}", 1, "start with an ASCII letter"),
        ("${invalid-name}", 0, "only ASCII letters"),
        ("  ${}", 2, "cannot be empty"),
        ("${a ${b}", 0, "only ASCII letters"),
        ("$$${a", 2, "never closed"),
    ],
)
def test_template_errors_have_a_position(text: str, position: int, message: str) -> None:
    with pytest.raises(TemplateError, match=message) as caught:
        parse_template(text)
    assert caught.value.position == position


@pytest.mark.parametrize("name", ["1foo", "_foo", "À", "e€", " foo", "foo bar", "foo ", "foo-bar", "foo_çë", "", "a\n"])
def test_bad_names(name: str) -> None:
    assert name_problem(name)
    with pytest.raises(TemplateError):
        parse_template(f"${{{name}}}")


@pytest.mark.parametrize("name", ["F", "FOO", "Foo", "f", "fOo", "foo_", "foo__bar", "f00"])
def test_good_names(name: str) -> None:
    assert not name_problem(name)


def test_product_is_sorted_with_the_last_variable_fastest() -> None:
    variables = {"foo": ["b", "a"], "bar": ["Z", "X", "Y", "X"]}
    assert expand("before/${foo}/${bar}/after", variables) == tuple(
        f"before/{foo}/{bar}/after" for foo in "ab" for bar in "XYZ"
    )


def test_literals_are_not_templates() -> None:
    assert expand("${a}", {"a": ["${a}", "$$", "$"]}) == ("$", "$$", "${a}")


def test_nothing_expands_to_nothing() -> None:
    assert expand("", {}) == ()
    assert expand("/x/${a}/${b}", {"a": [], "b": ["1"]}) == ()
    assert expand("${a}", {"a": [""]}) == ("",)


def test_undefined_variable() -> None:
    with pytest.raises(TemplateError, match="'bar' is not defined") as caught:
        expand("${foo}/${bar}", {"foo": ["a"]})
    assert (caught.value.position, caught.value.name) == (7, "bar")


def test_too_many_paths_are_refused_before_expanding() -> None:
    variables = {f"v{index}": [str(number) for number in range(50)] for index in range(20)}
    with pytest.raises(TemplateError, match=str(MAX_PATHS)):
        expand("".join(f"${{{name}}}" for name in variables), variables)


@given(TEXTS)
def test_quoted_text_means_itself(text: str) -> None:
    assert expand(quote(text), {}) == ((text,) if text else ())


@given(
    st.lists(st.one_of(TEXTS, NAMES.map(lambda name: Reference(name, 0))), max_size=5),
    st.dictionaries(NAMES, st.lists(TEXTS, max_size=3), max_size=4),
)
def test_expansion_is_the_product(parts: list[str | Reference], variables: dict[str, list[str]]) -> None:
    text = "".join(quote(part) if isinstance(part, str) else f"${{{part.name}}}" for part in parts)
    choices = [[part] if isinstance(part, str) else sorted(set(variables.get(part.name, []))) for part in parts]
    if all(isinstance(part, str) or part.name in variables for part in parts):
        expected = list(dict.fromkeys("".join(each) for each in product(*choices))) if text else []
        assert list(expand(text, variables)) == expected
        assert count_paths(parse_template(text), variables) >= len(expected)
    else:
        with pytest.raises(TemplateError, match="not defined"):
            expand(text, variables)
