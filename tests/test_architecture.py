"""ARCHITECTURE.md and CONTRIBUTING.md name files that exist."""

import os
import re

import pytest

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FILE = re.compile(r"[\w./-]+\.(?:py|sh|md|toml)\b")
# What a walk's line names after its first file is in the same directory.
_LIST = re.compile(rf"({_FILE.pattern})((?:, \w+\.py)+)")


def named_files(text: str) -> set[str]:
    """Return the files that ``text`` names, as paths."""
    for first, others in _LIST.findall(text):
        text += "".join(f" {os.path.dirname(first)}/{name}" for name in others.split(", ")[1:])
    listed = {name for _, others in _LIST.findall(text) for name in others.split(", ")}
    return set(_FILE.findall(text)) - listed


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_a_document_names_exist(document: str) -> None:
    with open(os.path.join(TREE, document), encoding="utf-8") as file:
        names = named_files(file.read())
    assert len(names) > 5
    places = ("", "editor", "docs")
    missing = {name for name in names if not any(os.path.exists(os.path.join(TREE, place, name)) for place in places)}
    assert missing == set()
