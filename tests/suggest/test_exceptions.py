"""All of a directory except some of it: on random trees, the kernel allows exactly the rest."""

import os
import random
from pathlib import Path

import pytest

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument, new_policy_text
from editor.editing.edits import Edit, EditError
from editor.evaluation.resolve import resolve
from editor.landlock.ruleset import build, enforce
from editor.policy.parse import parse_policy
from editor.suggest.exceptions import CannotExcept, Enumeration, edits_except, enumerate_except, enumerated

READ = frozenset({"read_file", "read_dir"})


def document(text: str | None = None) -> PolicyDocument:
    return PolicyDocument.parse(new_policy_text() if text is None else text, "p.toml", "toml")


def applied(before: PolicyDocument, edits: tuple[Edit, ...]) -> PolicyDocument:
    for edit in edits:
        before = before.apply(edit)
    return before


def granted(found: Enumeration, rights: frozenset[str] = READ) -> PolicyDocument:
    return applied(document(), edits_except(document(), found, rights))


def rules_of(policy: PolicyDocument) -> list[tuple[list[str], frozenset[str]]]:
    return [([each.template for each in rule.parents], rule.rights) for rule in policy.policy.path_rules]


def readable(text: str, paths: list[str]) -> set[str]:
    """Return those of ``paths`` that a process under the policy ``text`` can open for reading."""
    spec = resolve(parse_policy(text, "p.toml", "toml")).ruleset()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enforce(build(spec))
            for number, path in enumerate(paths):
                try:
                    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                except OSError:
                    continue
                os.write(writing, f"{number}\n".encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="ascii") as stream:
        numbers = stream.read().split()
    assert os.waitpid(child, 0)[1] == 0
    return {paths[int(number)] for number in numbers}


def make_tree(rng: random.Random, top: str, outside: str) -> list[str]:
    """Make a random tree beneath ``top`` and return its paths; links may lead to ``outside``."""
    directories = [top]
    files: list[str] = []
    links: list[str] = []
    for number in range(rng.randint(4, 30)):
        path = os.path.join(rng.choice(directories), f"{rng.choice('ab c,$')}{number}")
        kind = rng.random()
        if kind < 0.4:
            os.mkdir(path)
            directories.append(path)
        elif kind < 0.75 or not files:
            Path(path).write_text("text", encoding="ascii")
            files.append(path)
        elif kind < 0.85:
            os.link(rng.choice(files), path)
            files.append(path)
        else:
            os.symlink(rng.choice([outside, top, *directories, *files]), path)
            links.append(path)
    return [*directories[1:], *files, *links]


def is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


@pytest.mark.parametrize("seed", range(60))
def test_kernel_allows_all_but_what_is_excepted(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 reproducible
    top, outside = str(tmp_path / "top"), str(tmp_path / "outside")
    os.mkdir(top)
    os.mkdir(outside)
    Path(outside, "file").write_text("text", encoding="ascii")
    paths = make_tree(rng, top, outside)
    excepted = [
        each for each in rng.sample(paths, min(len(paths), rng.randint(1, 3))) if is_in(os.path.realpath(each), top)
    ]
    excepted = [each for each in excepted if os.path.realpath(each) != top] or [f"{top}/not-there/yet"]
    found = enumerate_except(top, excepted)
    policy = granted(found)
    hidden = {os.path.realpath(each) for each in excepted}
    open_now = readable(policy.text, [top, *paths, f"{outside}/file"])
    for path in [top, *paths, f"{outside}/file"]:
        real = os.path.realpath(path)
        denied = (
            any(is_in(real, each) or (os.path.isdir(real) and is_in(each, real)) for each in hidden)
            or not is_in(real, top)
            or any(is_in(real, each) for each in found.names)
        )
        assert (path in open_now) is not denied, (path, excepted)
    # A name is left out only for its file's other name in an excepted place.
    inside = {os.stat(each).st_ino for each in paths if any(is_in(os.path.realpath(each), one) for one in hidden)}
    assert all(os.stat(each).st_ino in inside for each in found.names)


def test_comment_and_rules(tmp_path: Path) -> None:
    os.makedirs(tmp_path / ".git" / "hooks")
    os.mkdir(tmp_path / "src")
    for name in ("README", ".git/config"):
        (tmp_path / name).write_text("", encoding="ascii")
    os.symlink(".git/hooks", tmp_path / "hooks")
    found = enumerate_except(str(tmp_path), [".git/hooks"])
    assert found.limits(READ) == (
        f"New entries of {tmp_path}, {tmp_path}/.git are denied until the list is refreshed: "
        "paddock grant FILE --refresh.",
        f"On {tmp_path}, {tmp_path}/.git itself nothing is granted (read_dir), only on what is in there.",
        f"Symbolic links get no rule, only what they lead to if it is in there: {tmp_path}/hooks.",
    )
    after = granted(found)
    assert comments_above(after, "path_beneath") == {
        0: f"all of {tmp_path} except .git/hooks (paddock refreshes this list)",
        1: f"files of {tmp_path} except .git/hooks (paddock refreshes this list)",
    }
    assert rules_of(after) == [
        ([f"{tmp_path}/src"], READ),
        ([f"{tmp_path}/.git/config", f"{tmp_path}/README"], {"read_file"}),
    ]


def test_refresh_follows_the_tree(tmp_path: Path) -> None:
    for name in ("kept", "gone", "secret"):
        os.mkdir(tmp_path / name)
    (tmp_path / "file").write_text("", encoding="ascii")
    before = granted(enumerate_except(str(tmp_path), ["secret"]))
    (known,) = enumerated(before)
    assert known[:2] == (str(tmp_path), ("secret",))
    assert applied(before, edits_except(before, enumerate_except(*known[:2]), frozenset())).text == before.text
    os.rmdir(tmp_path / "gone")
    os.unlink(tmp_path / "file")
    os.mkdir(tmp_path / "new")
    after = applied(before, edits_except(before, enumerate_except(*known[:2]), frozenset()))
    assert rules_of(after) == [
        ([f"{tmp_path}/kept", f"{tmp_path}/new"], READ),
        ([f"{tmp_path}/file"], {"read_file"}),
    ]


def test_more_rights_later_extend_the_same_rules(tmp_path: Path) -> None:
    for name in ("a", "b"):
        os.mkdir(tmp_path / name)
    (tmp_path / "file").write_text("", encoding="ascii")
    found = enumerate_except(str(tmp_path), ["b"])
    before = granted(found, frozenset({"read_file"}))
    assert len(before.policy.path_rules) == 1
    after = applied(before, edits_except(before, found, frozenset({"read_dir"})))
    assert rules_of(after) == [
        ([f"{tmp_path}/a"], READ),
        ([f"{tmp_path}/file"], {"read_file"}),
    ]


@pytest.mark.parametrize(
    "name", ["with space", "a,b", 'quo"te', "back\\slash", "new\nline", "ü", "$dollar", "(x)", "#"]
)
def test_any_name_is_read_back_from_its_comment(tmp_path: Path, name: str) -> None:
    top = tmp_path / name
    os.makedirs(top / "in" / name)
    os.mkdir(top / name)
    os.mkdir(top / "other")
    found = enumerate_except(str(top), [f"in/{name}", name])
    (known,) = enumerated(granted(found))
    assert (known.top, known.excepted) == (str(top), (f"in/{name}", name))


def test_a_rule_that_took_the_comment_over_is_left_alone(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "a")
    text = granted(enumerate_except(str(tmp_path), ["b"])).text
    assert len(enumerated(document(text))) == 1
    assert enumerated(document(text.replace(f'"{tmp_path}/a"', '"/usr"'))) == ()
    assert enumerated(document(text.replace(f'"{tmp_path}/a"', f'"{tmp_path}/a", "/usr"'))) == ()


@pytest.mark.parametrize(
    ("excepted", "said"),
    [
        ("/etc", "/etc is not in "),
        ("..", ".. is not in "),
        (".", ". is not in "),
        ("out", "out leads to /etc, which is not in "),
    ],
)
def test_what_cannot_be_excepted(tmp_path: Path, excepted: str, said: str) -> None:
    os.symlink("/etc", tmp_path / "out")
    with pytest.raises(CannotExcept, match=f"^{said}"):
        enumerate_except(str(tmp_path), [excepted])


def test_a_file_has_nothing_to_except(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(CannotExcept, match="is not a directory"):
        enumerate_except(str(tmp_path / "file"), ["x"])


def test_names_that_are_not_text_are_left_out(tmp_path: Path) -> None:
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"\xff"))
    found = enumerate_except(str(tmp_path), ["x"])
    assert (found.directories, found.unnamed) == ((), (f"{tmp_path}/\udcff",))
    assert found.limits(READ)[-1] == f"Left out because their names are not UTF-8: {tmp_path}/\\xff."
    with pytest.raises(EditError):
        granted(found._replace(directories=found.unnamed))


def test_top_through_a_symbolic_link(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "real" / "secret")
    os.mkdir(tmp_path / "real" / "open")
    os.symlink("real", tmp_path / "link")
    found = enumerate_except(str(tmp_path / "link"), [str(tmp_path / "real" / "secret")])
    assert (found.excepted, found.directories) == (("secret",), (f"{tmp_path}/link/open",))
    paths = [f"{tmp_path}/{each}" for each in ("link/open", "real/open", "real/secret")]
    assert readable(granted(found).text, paths) == set(paths[:2])


def test_a_list_that_lost_its_last_entry_waits_for_the_next(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "one")
    before = granted(enumerate_except(str(tmp_path), ["x"]))
    os.rmdir(tmp_path / "one")
    assert edits_except(before, enumerate_except(str(tmp_path), ["x"]), frozenset()) == ()
    os.symlink("x", tmp_path / "one")
    emptied = applied(before, edits_except(before, enumerate_except(str(tmp_path), ["x"]), frozenset()))
    assert rules_of(emptied) == []
    assert emptied.policy.handled_fs == before.policy.handled_fs


def test_excepted_places_start_in_the_directory_or_else_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(tmp_path / "top" / "both")
    os.makedirs(tmp_path / "top" / "top" / "both")
    monkeypatch.chdir(tmp_path)
    assert enumerate_except("top", ["both"]).excepted == ("both",)
    assert enumerate_except("top", ["top/both"]).excepted == ("top/both",)
    os.rmdir(tmp_path / "top" / "top" / "both")
    assert enumerate_except("top", ["top/both"]).excepted == ("both",)
    assert enumerate_except("top", ["neither"]).excepted == ("neither",)
