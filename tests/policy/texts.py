"""Hypothesis strategies for TOML texts in every layout the language allows, and for policies in many of them."""

import datetime
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Characters that a layout or an escape could trip over come more often than by chance.
STRINGS = st.text(
    st.one_of(
        st.sampled_from("\"'\\#,[]{}=.\n\t\r \x00\x7f\u0085\u2028é🐎$"),
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("abc/"),
    ),
    max_size=8,
)
BARE = "abcXYZ019-_"
SCALARS = st.one_of(
    STRINGS,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(
    STRINGS,
    st.one_of(
        VALUES,
        st.dictionaries(STRINGS, VALUES, max_size=3),
        st.lists(st.dictionaries(STRINGS, VALUES, max_size=3), min_size=1, max_size=3),
    ),
    max_size=5,
)


def _basic(text: str, *, multiline: bool = False) -> str:
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007F")
    return escaped.replace("\\n", "\n") if multiline and "\\\\n" not in escaped else escaped


def _string(draw: Draw, text: str) -> str:
    forms = [f'"{_basic(text)}"']
    controls = {char for char in text if char < " " or char == "\x7f"} - {"\t"}
    if "'" not in text and not controls:
        forms.append(f"'{text}'")
    if "''" not in text and not text.endswith("'") and not controls - {"\n"}:
        forms.append(f"'''\n{text}'''")
    forms.append(f'"""\n{_basic(text, multiline=True)}"""')
    forms.append(f'"""\\\n   \n  {_basic(text)}"""' if text[:1].strip() else f'"{_basic(text)}"')
    return str(draw(st.sampled_from(forms)))


def _number(draw: Draw, number: int) -> str:
    forms = [str(number), f"{number:_}"]
    if number >= 0:
        forms += [hex(number), f"0o{number:o}", f"0b{number:b}", f"+{number}"]
    return str(draw(st.sampled_from(forms)))


def _key(draw: Draw, key: str) -> str:
    forms = [f'"{_basic(key)}"']
    if key and set(key) <= set(BARE):
        forms = [key, key, *forms]
    if "'" not in key and not any(char < " " or char == "\x7f" for char in key):
        forms.append(f"'{key}'")
    return str(draw(st.sampled_from(forms)))


def _blank(draw: Draw) -> str:
    return str(draw(st.sampled_from(["", " ", "  ", "\t"])))


def _gap(draw: Draw) -> str:
    """What may stand between the elements of an array."""
    return str(draw(st.sampled_from(["", "", " ", "\n", "\n    ", ' # it\'s a "comment", ]\n', "\n\n# [x]\n\t"])))


def render(draw: Draw, value: Any) -> str:
    """``value`` as TOML in a layout that ``draw`` chooses."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(draw, value)
    if isinstance(value, int):
        return _number(draw, value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(draw(st.sampled_from("T ")))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        parts = [f"{_key(draw, key)}{_blank(draw)}={_blank(draw)}{render(draw, own)}" for key, own in value.items()]
        return "{" + _blank(draw) + f"{_blank(draw)},{_blank(draw)}".join(parts) + _blank(draw) + "}"
    parts = [_gap(draw) + render(draw, own) + _gap(draw) for own in value]
    trailing = "," + _gap(draw) if parts and draw(st.booleans()) else ""
    return "[" + ",".join(parts) + trailing + ("" if parts else _gap(draw)) + "]"


def _pairs(draw: Draw, table: dict[str, Any], prefix: str) -> list[str]:
    lines = []
    for key, value in table.items():
        name = f"{prefix}{_key(draw, key)}"
        if isinstance(value, dict) and value and draw(st.booleans()):
            dot = draw(st.sampled_from([".", " . "]))
            lines += _pairs(draw, value, f"{name}{dot}")
        else:
            comment = draw(st.sampled_from(["", "", " # why", "#"]))
            lines.append(f"{_blank(draw)}{name}{_blank(draw)}={_blank(draw)}{render(draw, value)}{comment}")
        if draw(st.integers(0, 4)) == 0:
            lines.append(draw(st.sampled_from(["", "# [table] a = 1", "   "])))
    return lines


@st.composite
def toml_texts(draw: Draw) -> str:
    """Valid TOML texts: every form of key, value and table, comments, blank lines, either line break."""
    document = draw(DOCUMENTS)
    top: dict[str, Any] = {}
    tables: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict) and draw(st.booleans()):
            tables += [f"[{_blank(draw)}{_key(draw, key)} ]", *_pairs(draw, value, "")]
        elif isinstance(value, list) and value and all(isinstance(own, dict) for own in value) and draw(st.booleans()):
            for own in value:
                nested = {name: inner for name, inner in own.items() if isinstance(inner, dict)}
                sub = draw(st.sampled_from(sorted(nested))) if nested and draw(st.booleans()) else None
                tables += [f"[[{_key(draw, key)}]] # table"]
                tables += _pairs(draw, {name: inner for name, inner in own.items() if name != sub}, "")
                if sub is not None:
                    tables += [f"[{_key(draw, key)}.{_key(draw, sub)}]", *_pairs(draw, nested[sub], "")]
        else:
            top[key] = value
    text: str = "\n".join([*_pairs(draw, top, ""), *tables]) + draw(st.sampled_from(["\n", "", "\n\n# end"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def json_texts() -> st.SearchStrategy[str]:
    """Valid JSON texts of an object, in one line or many."""
    scalars = st.one_of(
        STRINGS, st.booleans(), st.none(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
    )
    values = st.recursive(
        scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(STRINGS, inner)), max_leaves=12
    )
    return st.builds(
        lambda value, indent, ascii_only, around: (
            around + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + around
        ),
        st.dictionaries(STRINGS, values, max_size=5),
        st.sampled_from([None, 0, 2, 4, "\t"]),
        st.booleans(),
        st.sampled_from(["", "\n", " \t\r\n"]),
    )
