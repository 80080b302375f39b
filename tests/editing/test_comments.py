"""The comment directly above a rule."""

import pytest

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, AddPortRule
from editor.policy.tree import Format

TEXT = """\
# The policy.
abi = 6

# Not above a rule.

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/a"]

  ## Two lines,
  #of one comment
  [[path_beneath]]  # not this
  allowed_access = ["read_file"]
  parent = ["/b"]
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/c"]  # nor this
# Tight.
[[net_port]]
allowed_access = ["bind_tcp"]
port = [80]
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_directly_above(newline: str) -> None:
    document = PolicyDocument.parse(TEXT.replace("\n", newline), "p.toml", "toml")
    assert comments_above(document, "path_beneath") == {1: "Two lines,\nof one comment"}
    assert comments_above(document, "net_port") == {0: "Tight."}
    assert comments_above(document, "variable") == {}


def test_at_the_very_start() -> None:
    text = '# First.\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/a"]\n'
    assert comments_above(PolicyDocument.parse(text, "p.toml", "toml"), "path_beneath") == {0: "First."}


def test_comments_that_edits_write() -> None:
    document = PolicyDocument.parse(TEXT, "p.toml", "toml")
    document = document.apply(AddPathRule(("/d",), frozenset({"read_file"}), "new: a rule\nof two lines"))
    document = document.apply(AddPortRule((443,), frozenset({"connect_tcp"}), "web"))
    assert comments_above(document, "path_beneath")[3] == "new: a rule\nof two lines"
    assert comments_above(document, "net_port")[1] == "web"


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ('# A list.\npath_beneath = [\n  # One.\n  { allowed_access = ["read_file"], parent = ["/a"] }\n]\n', "toml"),
        ('{"abi": 1, "pathBeneath": [\n{"allowedAccess": ["read_file"], "parent": ["/a"]}\n]}', "json"),
    ],
)
def test_tables_in_brackets_have_none(text: str, format: Format) -> None:
    assert comments_above(PolicyDocument.parse(text, "p", format), "path_beneath") == {}
