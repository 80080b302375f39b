"""The tree that is carried over from before an edit is the one that reading the text anew gives, or there is none."""

from hypothesis import event, given, settings
from hypothesis import strategies as st

from editor.policy.errors import PolicyError
from editor.policy.locate import Node, locate
from editor.policy.relocate import relocated
from editor.policy.splice import Splice, spliced
from tests.policy.texts import Draw, policy_texts, toml_texts

TEXT = """\
abi = 6

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr"]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [80]

[[path_beneath]]  # mixed
allowed_access = ["execute"]
parent = [
    "/bin",  # programs
]
"""
# What could join with what follows, open something, or look like another table.
PIECES = [
    "", "x", '"', "'", '"""', "'''", "[", "]", "[[net_port]]\n", "\n[[path_beneath]]\n", "\n[path_beneath.x]\n", "#",
    "\n", "\r\n", ",", '"/a", ', "= 1", "\nport = [1]\n", "abi = 1\n", "{", "}", ".", "\\", " ",
]  # fmt: skip


def replaced(old: str, new: str) -> tuple[Node | None, Node]:
    at = TEXT.index(old)
    after = TEXT.replace(old, new, 1)
    return relocated(locate(TEXT, "toml", "f"), TEXT, [Splice(at, old, new)], after), locate(after, "toml", "f")


def test_one_list_of_one_table() -> None:
    for old, new in (('"/usr"', '"/usr", "/lib"'), ("80", "8080, 443"), ('"/bin",', ""), ('"execute"', '"refer"')):
        carried, read = replaced(old, new)
        assert carried is not None
        assert carried == read


def test_what_reaches_beyond_one_table_is_read_anew() -> None:
    for old, new in (
        ("abi = 6", "abi = 7"),
        ("[80]", "[80]\n[[net_port]]\nport = [1]"),
        ("[[net_port]]\nall", "[[net_port]]\n# ports\nall"),
    ):
        assert replaced(old, new)[0] is None


@st.composite
def changes(draw: Draw) -> tuple[str, Splice]:
    """A text, and any replacement of a part of it, whether the outcome is valid or not."""
    text, format = draw(policy_texts())
    if format == "json":
        text = draw(toml_texts())
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 12)))
    return text, Splice(start, text[start:end], draw(st.sampled_from(PIECES)))


@settings(max_examples=500, deadline=None)
@given(changes())
def test_any_change_is_carried_over_as_it_would_be_read_or_not_at_all(change: tuple[str, Splice]) -> None:
    text, splice = change
    after = spliced(text, [splice])
    try:
        before = locate(text, "toml", "f")
    except PolicyError:  # nested too deep
        return
    carried = relocated(before, text, [splice], after)
    event("carried over" if carried is not None else "to be read")
    if carried is not None:
        assert carried == locate(after, "toml", "f")
