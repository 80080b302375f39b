"""What else a grant would allow, counted on real directories."""

import os
import time
from pathlib import Path

import pytest

from editor.editing.edits import AddPathRule, Edit, GrantPath, GrantPort
from editor.sandbox.verdicts.report import Access
from editor.suggest.extent import MOST_ENTRIES, beyond, with_extents
from editor.suggest.plan import Plan, Proposal

READ = frozenset({"read_file"})
LIST = frozenset({"read_dir"})


def access(path: Path | str) -> Access:
    return Access("denied", READ, READ, str(path), str(path), None, "openat", "EACCES", "cat", 1, 1)


def proposal(edit: Edit, *used: Path | str) -> Proposal:
    return Proposal((edit,), tuple(map(access, used)), "directory", "sentence")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for directory in ("one", "one/deep", "two"):
        (tmp_path / directory).mkdir()
    for name in ("a", "one/b", "one/deep/c", "two/d"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "out").symlink_to("/usr")
    return tmp_path


def test_files_that_nobody_asked_for_are_counted(place: Path) -> None:
    grant = GrantPath(str(place), READ)
    assert beyond(proposal(grant)) == f"4 more files under {place}"
    used = (place / "a", place / "one/b", place / "gone", place / "link", "/etc/passwd")
    assert beyond(proposal(grant, *used)) == f"2 more files under {place}"
    assert beyond(proposal(grant, place / "a", place / "one/b", place / "one/deep/c")) == f"1 more file under {place}"
    assert beyond(proposal(grant, *(place / name for name in ("a", "one/b", "one/deep/c", "two/d")))) == ""


def test_directories_are_counted_where_only_those_matter(place: Path) -> None:
    assert beyond(proposal(GrantPath(str(place), LIST), place)) == f"3 more directories under {place}"
    assert beyond(proposal(GrantPath(str(place / "one"), LIST))) == f"1 more directory under {place}/one"


def test_each_path_of_a_rule_counts(place: Path) -> None:
    rule = AddPathRule((str(place / "one"), str(place / "a"), str(place / "two")), READ)
    assert beyond(proposal(rule, place / "two/d")) == f"2 more files under {place}/one"
    assert beyond(proposal(rule)) == f"2 more files under {place}/one, 1 more file under {place}/two"


def test_a_link_is_counted_where_it_leads(place: Path) -> None:
    (place / "alias").symlink_to("one")
    assert beyond(proposal(GrantPath(f"{place}/alias", READ), place / "one/b")) == f"1 more file under {place}/alias"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (GrantPort(80, frozenset({"connect_tcp"})), ""),
        (GrantPath("/etc/passwd", READ), ""),
        (GrantPath("/no/such/place", READ), ""),
        (GrantPath("/proc", READ), "what /proc shows of every process"),
        (GrantPath("/proc/self", READ), "what /proc shows of the command's own process"),
        (GrantPath("/proc/sys", READ), "everything else under /proc/sys"),
        (GrantPath("/sys", READ), "everything else under /sys"),
    ],
)
def test_where_nothing_is_counted(edit: Edit, said: str) -> None:
    assert beyond(proposal(edit)) == said


def test_counting_ends_with_a_lower_bound(tmp_path: Path) -> None:
    for number in range(MOST_ENTRIES + 10):
        (tmp_path / str(number)).touch()
    began = time.monotonic()
    said = beyond(proposal(GrantPath(str(tmp_path), READ)))
    assert time.monotonic() - began < 5
    assert said.startswith("over ")
    assert said.endswith(f" more files under {tmp_path}")


def test_the_whole_filesystem_is_not_walked() -> None:
    began = time.monotonic()
    plan = with_extents(Plan(tuple(proposal(GrantPath("/", rights)) for rights in (READ, LIST) * 50)))
    assert time.monotonic() - began < 5
    said = {each.beyond for each in plan.proposals}
    assert len(said) == 2
    assert all(text.startswith("over ") and text.endswith(" under /") for text in said)


def test_names_are_escaped(tmp_path: Path) -> None:
    directory = tmp_path / "a\n\x1b[31m"
    directory.mkdir()
    (directory / "file").touch()
    assert beyond(proposal(GrantPath(os.fspath(directory), READ))) == f"1 more file under {tmp_path}/a\\x0a\\x1b[31m"
