"""The values of a policy: the key that spellings of one path share."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.policy.model import path_key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/", "/"), ("//", "/"), ("/.", "/"), ("//a//b/", "/a/b"), ("a/.", "a"), ("./a", "./a"), (".", "."),
        ("./", "."), ("..", ".."), ("/../a", "/../a"), ("a/..", "a/.."), ("", ""), ("/a/...", "/a/..."), ("/.a", "/.a"),
    ],
)  # fmt: skip
def test_path_key(path: str, key: str) -> None:
    assert path_key(path) == key


@given(st.text(st.sampled_from("/.a"), max_size=8))
def test_path_key_never_equates_different_posix_paths(path: str) -> None:
    # pathlib drops a leading "." too, and keeps two leading slashes: apart from these it compares the same.
    assert PurePosixPath("x/" + path_key("x/" + path)) == PurePosixPath("x/x/" + path)
    assert path_key(path_key(path)) == path_key(path)
