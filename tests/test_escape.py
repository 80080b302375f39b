"""``printable`` lets nothing unsafe through to a terminal."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.escape import printable


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain name.txt", "plain name.txt"),
        (b"two\nlines", "two\\x0alines"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"\x9b31m", "\\x9b31m"),
        (b"latin1 \xe9", "latin1 \\xe9"),
        ("übung 日本".encode(), "übung 日本"),
        ("right\u202eleft".encode(), "right\\u202eleft"),
        ("zero\u200bwidth".encode(), "zero\\u200bwidth"),
        ("line\u2028break".encode(), "line\\u2028break"),
        (b"[red]markup[/]", "[red]markup[/]"),
        (b"back\\slash", "back\\slash"),
    ],
)
def test_escaped_names(raw: bytes, shown: str) -> None:
    assert printable(os.fsdecode(raw)) == shown


@given(st.binary())
def test_no_bytes_get_through_unsafe(raw: bytes) -> None:
    shown = printable(os.fsdecode(raw))
    shown.encode("utf-8")
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.text())
def test_safe_text_is_unchanged_and_escapes_only_add(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert len(shown) >= len(text)
