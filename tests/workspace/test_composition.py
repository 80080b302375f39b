"""Several files open at once: each is edited individually, and all of them make one policy."""

import threading
from pathlib import Path

import pytest

from editor.editing.edits import EditError, GrantPath, RemoveVariable, RenameVariable, SetHandled, SetPathRights
from editor.editing.meaning import meaning_of
from editor.policy.compose import load
from editor.policy.errors import PolicyError
from editor.workspace.composition import Composition
from editor.workspace.workspace import Workspace

SYSTEM = """\
abi = 6
[[variable]]
name = "home"
literal = ["/home/a"]

[[ruleset]]
handled_access_fs = ["read_file", "read_dir", "execute"]

# The system.
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/usr"]
"""
WORK = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all"]

[[path_beneath]]
allowed_access = ["read_file", "write_file"]
parent = ["${home}/work"]
"""
READ = frozenset({"read_file"})


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two files; the second uses a variable of the first."""
    for name, text in (("system.toml", SYSTEM), ("work.toml", WORK)):
        (tmp_path / name).write_text(text)
    return str(tmp_path / "system.toml"), str(tmp_path / "work.toml")


@pytest.fixture
def both(files: tuple[str, str]) -> tuple[Workspace, Workspace]:
    """The workspaces of the two files."""
    system, work = Composition.open(files).workspaces
    return system, work


def test_both_files_show_the_composed_policy(files: tuple[str, str], both: tuple[Workspace, ...]) -> None:
    wanted = meaning_of(load(files))
    assert wanted.paths == {"/usr": READ, "/home/a/work": READ}
    for each in both:
        assert meaning_of(each.whole) == wanted
        assert each.resolved.handled_fs == {"read_file", "read_dir", "execute"}
        assert each.whole.files == files
        assert each.is_composed and not each.is_dirty
    assert [each.ref.file for path in both[0].resolved.paths for each in path.refs] == list(files)


def test_directory_opens_all_of_its_files(files: tuple[str, str], tmp_path: Path) -> None:
    composition = Composition.open((str(tmp_path),))
    assert tuple(each.path for each in composition.workspaces) == files
    assert composition.workspace_of(files[1]) is composition.workspaces[1]
    assert composition.workspace_of("/other.toml") is None
    twice = Composition.open((str(tmp_path), files[0]))
    assert len(twice.workspaces) == 2, "one file is one draft"


def test_edit_of_one_file_updates_the_other(both: tuple[Workspace, Workspace]) -> None:
    system, work = both
    system.apply(GrantPath("/usr", frozenset({"execute"})))
    assert work.document.text == WORK and not work.has_edits
    for each in both:
        rule = each.rule_at("/usr")
        assert rule is not None and rule.rights == {"read_file", "execute"}
    assert system.own_rule_at("/usr") is not None
    assert work.own_rule_at("/usr") is None
    work.apply(SetPathRights("/home/a/work", READ))
    assert 'parent = ["${home}/work"]' in work.document.text
    work.undo()
    assert work.document.text == WORK
    system.apply(SetHandled("write_file", True))
    assert "write_file" in work.resolved.handled_fs
    rule = work.rule_at("/home/a/work")
    assert rule is not None and rule.rights == {"read_file", "write_file"}, "no longer cut down"


def test_variable_of_one_file_is_used_by_the_other(both: tuple[Workspace, Workspace], files: tuple[str, str]) -> None:
    system, work = both
    Path(files[0]).write_text(SYSTEM.replace('"/home/a"', '"/home/b"'))
    system.reload()
    assert work.rule_at("/home/b/work") is not None
    assert work.rule_at("/home/a/work") is None
    for edit in (RenameVariable("home", "house"), RemoveVariable("home")):
        with pytest.raises(EditError, match="could not be composed"):
            system.apply(edit)
        with pytest.raises(EditError, match="change it there"):
            work.apply(edit)
    assert not system.has_edits


def test_variable_removed_on_disk_is_a_problem_until_restored(
    both: tuple[Workspace, Workspace], files: tuple[str, str]
) -> None:
    system, work = both
    Path(files[0]).write_text(SYSTEM.replace('"home"', '"house"'))
    system.reload()
    for each in both:
        assert each.problem is not None and each.problem.file == files[1] and each.problem.line == 7
        assert each.rule_at("/home/a/work") is not None, "the last valid policy is shown"
    Path(files[0]).write_text(SYSTEM)
    system.reload()
    assert [each.problem for each in both] == [None, None]
    work.apply(GrantPath("/home/a/work", frozenset({"execute"})))
    assert work.document.text.count("${home}/work") == 1


def test_variables_from_the_command_line(files: tuple[str, str]) -> None:
    system, work = Composition.open(files, variables={"home": ("/mine",)}).workspaces
    assert system.rule_at("/mine/work") is not None
    assert system.rule_at("/home/a/work") is None
    work.apply(SetPathRights("/mine/work", READ))
    assert work.document.text == WORK.replace('["read_file", "write_file"]', '["read_file"]')
    alone = Composition.open((files[1],), variables={"home": ("/mine",)}).workspaces[0]
    assert not alone.is_composed
    assert alone.rule_at("/mine/work") is not None


def test_files_that_cannot_be_opened(files: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="'home' is not defined"):
        Composition.open(files[1:])
    Path(files[1]).write_text(WORK.replace("abi = 6", "abi = 6\nabo = 1"))
    with pytest.raises(PolicyError) as error:
        Composition.open(files)
    assert error.value.file == files[1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(PolicyError, match="no policy in this directory"):
        Composition.open((files[0], str(tmp_path / "empty")))


def test_each_file_is_saved_individually(both: tuple[Workspace, Workspace], files: tuple[str, str]) -> None:
    system, work = both
    work.apply(GrantPath("/srv", READ))
    work.save()
    assert Path(files[0]).read_text() == SYSTEM
    assert Path(files[1]).read_text() == work.document.text != WORK
    exported = system.export("landlock-toml").text
    assert "/home/a/work" in exported or "${home}/work" in exported
    assert "/srv" in exported


def test_edits_from_several_threads_update_every_file(tmp_path: Path) -> None:
    files = tuple(str(tmp_path / f"{number}.toml") for number in range(3))
    for file in files:
        Path(file).write_text(WORK.replace("${home}", "/home"))
    composition = Composition.open(files)
    drafts = composition.workspaces

    def edit(number: int) -> None:
        for turn in range(12):
            if turn % 4 == 3:
                drafts[number].undo()
            else:
                drafts[number].step(f"/srv/{number}/{turn}", 1)

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for draft in drafts:
        draft.save()
    wanted = meaning_of(load(files))
    assert len(wanted.paths) == 1 + 3 * 6
    for draft in drafts:
        assert meaning_of(draft.whole) == wanted
        assert draft.resolved.canonical() == drafts[0].resolved.canonical()
