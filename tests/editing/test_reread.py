"""Parsing only part of an edited text gives the same as parsing all of it, or nothing."""

from hypothesis import event, given, settings
from hypothesis import strategies as st

from editor.editing.document import PolicyDocument
from editor.editing.splice import Splice, apply_splices, sort_splices
from editor.policy.errors import PolicyError
from editor.policy.locate import locate
from editor.policy.model import Location, Variable
from editor.policy.tree import Format
from tests.policy.texts import Draw, policy_texts, whole

HEADED = """\
abi = 6

[[variable]]
name = "home"
literal = ["/home/me"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr"]

  [[net_port]]
allowed_access = ["bind_tcp"]
port = [80]

[[path_beneath]]  # mixed
allowed_access = ["execute", "abi.read_write"]
parent = [
    "${home}/bin",  # programs
]

[[ path_beneath ]]
parent = ["/last"]
allowed_access = ["execute"]
"""
INLINE = """\
abi = 6
ruleset = [{ handled_access_fs = ["abi.all"] }]
path_beneath = [ # all
    { allowed_access = ["read_file"], parent = ["/usr"] },
    { allowed_access = ["abi.all"], parent = ["/tmp"] }, { parent = ["/a"], allowed_access = ["execute"] }, # two
    { allowed_access = ["read_file"], parent = ["/last"] } # no comma
]

[[net_port]]
allowed_access = ["bind_tcp"]
port = [80]
"""
JSON = """\
{"abi": 6, "netPort": [{"allowedAccess": ["bind_tcp"], "port": [80]}],
  "pathBeneath": [
    {"allowedAccess": ["read_file"], "parent": ["/usr"]},
    {"allowedAccess": ["abi.all"], "parent": ["/tmp"]}, {"parent": ["/a"], "allowedAccess": ["execute"]},
    {
      "allowedAccess": ["read_file"],
      "parent": ["/last"]
    }
  ], "ruleset": [{"scoped": ["signal"]}], "variable": null
}
"""
TEXTS: list[tuple[str, Format]] = [(HEADED, "toml"), (INLINE, "toml"), (JSON, "json")]
# What could join with what follows, open something, or look like another table.
PIECES = [
    "", "x", '"', "'", '"""', "'''", "[", "]", "[[net_port]]\n", "\n[[path_beneath]]\n", "\n[path_beneath.x]\n", "#",
    "\n", "\r\n", ",", '"/a", ', "= 1", "\nport = [1]\n", "abi = 1\n", "{", "}", ".", "\\", " ", "}, {", "${home}", "$",
    '\n[[path_beneath]]\nallowed_access = ["refer"]\nparent = ["/new", "/newer"]\n', "execute", "abi.all", "]\n[[x]]\n",
    '{ allowed_access = ["refer"], parent = ["/new"] }, ', '{"allowedAccess": ["refer"], "parent": ["/new"]}, ',
    '[[ruleset]]\nscoped = ["signal"]\n', '[[variable]]\nname = "home"\n', '], "pathBeneath": [', "null", "\ufeff", "é",
]  # fmt: skip


def replaced(text: str, format: Format, *changes: tuple[str, str]) -> tuple[PolicyDocument | None, PolicyDocument]:
    document = PolicyDocument.parse(text, "f", format)
    splices = sort_splices(Splice(text.index(old), old, new) for old, new in changes)
    return document.reread(splices), PolicyDocument.parse(apply_splices(text, splices), "f", format)


def test_one_table_is_parsed_again_in_every_notation() -> None:
    for text, format in TEXTS:
        for old, new in (
            ('"/usr"', '"/usr", "/lib"'),
            ("80", "8080,\n 443"),
            ('"execute"', '"execute",\n\n"refer"'),
            ('"/last"', '"/end"'),
            ('"/tmp"', '"/tmp/x"'),
        ):
            if old in text:
                again, read = replaced(text, format, (old, new))
                assert again == read, (old, new)


def test_tables_are_added_and_removed() -> None:
    table = '[[path_beneath]]\nallowed_access = ["refer"]\nparent = ["/new"]\n\n'
    element = '{ allowed_access = ["refer"], parent = ["/new"] }'
    member = '{"allowedAccess": ["refer"], "parent": ["/new"]}'
    cases: list[tuple[str, Format, str, str]] = [
        (HEADED, "toml", '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr"]\n\n', ""),
        (HEADED, "toml", "[[ path_beneath ]]", table + "[[ path_beneath ]]"),
        (HEADED, "toml", 'access = ["execute"]\n', 'access = ["execute"]\n\n' + table),
        (INLINE, "toml", "} # no comma", "}, " + element + "\n"),
        (INLINE, "toml", ' { parent = ["/a"], allowed_access = ["execute"] },', ""),
        (JSON, "json", '    {"allowedAccess": ["abi.all"], "parent": ["/tmp"]},', ""),
        (JSON, "json", '["/tmp"]}', '["/tmp"]},\n' + member),
    ]
    for text, format, old, new in cases:
        again, read = replaced(text, format, (old, new))
        assert again == read, (old, new)


def test_distant_changes_are_parsed_separately() -> None:
    again, read = replaced(HEADED, "toml", ('"/usr"', '"/usr",\n"/lib"'), ("80", "8080"), ('"/last"', '\n"/end"'))
    assert again == read


def test_changes_beyond_whole_tables_need_the_whole_text() -> None:
    cases: list[tuple[str, Format, str, str]] = [
        (HEADED, "toml", "abi = 6", "abi = 7"),
        (HEADED, "toml", '"/home/me"]\n\n', '"/home/me"] # '),
        (HEADED, "toml", 'name = "home"', 'name = "house"'),
        (INLINE, "toml", "[80]\n", '[80]\n[[ruleset]]\nscoped = ["signal"]\n'),
        (INLINE, "toml", '"/usr"] },', '"/usr"] }'),
        (INLINE, "toml", '"/usr"] },', '"/usr"] }, 7,'),
        (JSON, "json", '"/usr"]},', '"/usr"]}'),
        (JSON, "json", '"/usr"]},', '"/usr"]}], "scoped": [{}, '),
    ]
    for text, format, old, new in cases:
        document = PolicyDocument.parse(text, "f", format)
        at = text.index(old)
        assert document.reread([Splice(at, old, new)]) is None, (old, new)


def test_given_variables_are_used() -> None:
    other = Variable("other", ("/opt", "/srv"), Location("g", 1, 1))
    text = HEADED.replace('"/usr"', '"${other}/x"')
    document = PolicyDocument.parse(text, "f", "toml", given=(other,))
    for old, new, right in (
        ('"/last"', '"${other}"', True),
        ('"${other}/x"', '"${home}"', True),
        ('"/last"', '"${no}"', False),
    ):
        splice = Splice(text.index(old), old, new)
        again = document.reread([splice])
        assert (again is not None) == right
        if again is not None:
            assert again == PolicyDocument.parse(apply_splices(text, [splice]), "f", "toml", given=(other,))


@st.composite
def changes(draw: Draw) -> tuple[str, Format, list[Splice]]:
    """Return a text and replacements of parts of it, whose outcome may be invalid."""
    text, format = draw(st.one_of(policy_texts(), st.sampled_from(TEXTS)))
    splices = []
    end = 0
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(end, len(text)))
        end = min(len(text), start + draw(st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 80))))
        splices.append(Splice(start, text[start:end], draw(st.sampled_from(PIECES))))
        end += 1
        if end > len(text):
            break
    return text, format, splices


@settings(max_examples=1000, deadline=None)
@given(changes())
def test_any_change_is_parsed_like_the_whole_text_or_not_at_all(change: tuple[str, Format, list[Splice]]) -> None:
    text, format, splices = change
    before = PolicyDocument.parse(text, "f", format)
    again = before.reread(splices)
    event("in part" if again is not None else "all of it")
    if again is not None:
        assert again == PolicyDocument.parse(apply_splices(text, splices), "f", format)


@settings(max_examples=300, deadline=None)
@given(policy_texts(), st.data())
def test_similar_text_is_parsed_like_the_whole_text(source: tuple[str, Format], data: st.DataObject) -> None:
    """Anything that an editor may leave on disk: lines removed, duplicated, reordered, or another policy."""
    text, format = source
    before = PolicyDocument.parse(text, "f", format)
    lines = text.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(lines)))
        end = data.draw(st.integers(start, min(len(lines), start + 6)))
        to = data.draw(st.integers(0, len(lines)))
        part = lines[start:end]
        if data.draw(st.booleans()):
            del lines[start:end]
        lines[to:to] = part
    after = "".join(lines)
    try:
        alone = PolicyDocument.parse(after, "f", format)
    except PolicyError as error:
        try:
            PolicyDocument.parse(after, "f", format, near=before)
        except PolicyError as again:
            assert str(again) == str(error)
        else:
            raise AssertionError(f"read although {error}") from error
    else:
        near = PolicyDocument.parse(after, "f", format, near=before)
        assert near == alone
        assert whole(near.root) == locate(after, format, "f")
