"""Folding needs into rules: by tree, by siblings, by purpose; never beyond what was used, or into a protected place."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.verdicts.report import Access
from editor.suggest.folding import Group, Need, fold
from editor.suggest.plan import Fold
from editor.suggest.protected import ProtectedPlaces
from editor.suggest.purposes import READ as READING

READ, LIST, RUN = frozenset({"read_file"}), frozenset({"read_dir"}), frozenset({"execute", "read_file"})
WRITE, MAKE = frozenset({"write_file"}), frozenset({"make_reg", "write_file"})
LEVELS: tuple[Fold, ...] = ("exact", "balanced", "broad")


def on(groups: tuple[Group, ...]) -> dict[str, RightSet]:
    """Return what ``groups`` allow on each path that they name."""
    allowed: dict[str, RightSet] = {}
    for group in groups:
        for path in group.paths:
            allowed[path] = allowed.get(path, NO_RIGHTS) | group.rights
    return allowed


def denied(path: str) -> Access:
    return Access("denied", READ, READ, path, path, None, "openat", "EACCES", "cat", 1, 1)


def files(directory: str, count: int, rights: RightSet = READ) -> list[Need]:
    return [Need(f"{directory}/{number}", rights) for number in range(count)]


def test_exact_folding_gives_each_path_one_rule_with_what_was_used_on_it() -> None:
    needs = (Need("/a/one", READ), Need("/a/two", READ), Need("/a/one", RUN))
    assert fold(needs, "exact") == (
        Group(("/a/one",), READ | RUN, (needs[0], needs[2]), "exact", "programs"),
        Group(("/a/two",), READ, (needs[1],), "exact", "files read"),
    )


def test_the_directory_of_a_passing_name_is_a_temporary_rule() -> None:
    assert [group.kind for group in fold((Need("/a", MAKE, temporary=True),), "exact")] == ["temporary"]


@pytest.mark.parametrize(("level", "count"), [("balanced", 8), ("broad", 3)])
def test_siblings_with_the_same_rights_fold_at_the_threshold(level: Fold, count: int) -> None:
    (group,) = fold(files("/a/b", count), level)
    assert (group.paths, group.rights, group.kind, len(group.needs)) == (("/a/b",), READ, "directory", count)
    (group,) = fold(files("/a/b", count - 1), level)
    assert (len(group.paths), group.kind) == (count - 1, "exact")


def test_broad_folding_goes_one_level_further() -> None:
    needs = [need for name in ("x", "y", "z") for need in files(f"/a/b/{name}", 3)]
    assert on(fold(needs, "broad")) == {"/a/b": READ}
    assert len(on(fold(needs, "balanced"))) == 9


def test_writes_do_not_fold_with_reads() -> None:
    needs = files("/a/b", 7) + files("/a/b/w", 7, WRITE)
    assert on(fold(needs, "balanced")) == {need.path: need.rights for need in needs}
    groups = fold(files("/a/b", 8) + files("/a/b/w", 8, WRITE), "balanced")
    assert on(groups) == {"/a/b": READ, "/a/b/w": WRITE}


def test_siblings_that_need_other_rights_keep_their_own_rules() -> None:
    needs = [*files("/a/b", 8), Need("/a/b/run", RUN)]
    assert on(fold(needs, "balanced")) == {"/a/b": READ, "/a/b/run": RUN}


def test_programs_stay_single_until_folding_is_broad() -> None:
    needs = files("/a/bin", 20, RUN)
    assert on(fold(needs, "balanced")) == {need.path: RUN for need in needs}
    assert on(fold(needs, "broad")) == {"/a/bin": RUN}


def test_a_top_level_directory_is_never_folded_into() -> None:
    needs = files("/opt", 20)
    assert "/opt" not in on(fold(needs, "broad"))


def test_what_a_rule_above_allows_becomes_one_of_its_needs() -> None:
    needs = (Need("/a/b/c", READ), Need("/a", READ | LIST), Need("/a/b", LIST))
    (group,) = fold(needs, "balanced")
    assert (group.paths, group.rights, set(group.needs)) == (("/a",), READ | LIST, set(needs))


def test_a_rule_on_the_root_covers_everything() -> None:
    needs = (Need("/a/b", READ), Need("/", READ))
    (group,) = fold(needs, "balanced")
    assert group.paths == ("/",)
    assert group.confirm.startswith("/ (the whole filesystem)")


def test_what_a_rule_above_allows_only_in_part_keeps_its_own() -> None:
    needs = (Need("/a", READ), Need("/a/b", READ | WRITE))
    assert on(fold(needs, "balanced")) == {"/a": READ, "/a/b": READ | WRITE}


def test_a_tree_becomes_one_rule_with_what_was_used_in_it(tmp_path: Path) -> None:
    root = f"{tmp_path}/node_modules"
    os.makedirs(f"{root}/package/lib")
    Path(f"{root}/package/package.json").touch()
    needs = (
        Need(f"{root}/package/package.json", READ),
        Need(f"{root}/package/lib/index.js", READ),
        Need(f"{root}/package/lib", LIST),
        Need(f"{root}/package/run", RUN),
        Need(f"{root}/package/cache", WRITE),
    )
    groups = fold(needs, "balanced")
    assert on(groups) == {root: READ | LIST, f"{root}/package/run": RUN, f"{root}/package/cache": WRITE}
    assert [group.purpose for group in groups] == ["Node's modules", "programs", "written: Node's modules"]
    assert groups[0].kind == "directory"
    assert set(groups[0].needs) == set(needs[:3])


@pytest.mark.parametrize(
    ("path", "rights", "purpose"),
    [
        ("/dev/null", WRITE, "devices"),
        ("/dev/shm/x", WRITE, "shared memory"),
        ("/proc/meminfo", READ, "what it reads in /proc"),
        ("/proc/self", READ | WRITE, "what it changes in /proc"),
        ("/sys/kernel/mm", LIST, "what it reads in /sys"),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", READ, "shared libraries"),
        ("/etc/ld.so.cache", READ, "shared libraries"),
        ("/usr/lib/x86_64-linux-gnu/crt1.o", READ, "libraries to link with"),
        ("/etc/hosts", READ, "configuration read"),
        ("/srv/x/.config/tool/settings", READ, "configuration read"),
        ("/srv/x", LIST, "directories listed"),
        ("/srv/x/data", READ, "files read"),
        ("/srv/x/data", MAKE, "written: output"),
        ("/srv/x/logs", MAKE, "written: logs"),
        ("/srv/x/.cache/tool", MAKE, "written: caches"),
        ("/srv/x/target/debug", MAKE, "written: build output"),
        ("/srv/x/tool", RUN, "programs"),
    ],
)
def test_a_rule_says_what_it_is_for(path: str, rights: RightSet, purpose: str) -> None:
    (group,) = fold((Need(path, rights),), "balanced")
    assert group.purpose == purpose


def test_paths_of_equal_rights_and_purpose_are_one_rule() -> None:
    needs = [Need("/usr/lib/x/libone.so.1", READ), Need("/usr/lib/y/libtwo.so", READ), Need("/usr/bin/ls", RUN)]
    groups = fold([*needs, Need("/etc/hosts", READ)], "balanced")
    assert [(group.purpose, len(group.paths)) for group in groups] == [
        ("shared libraries", 2),
        ("programs", 1),
        ("configuration read", 1),
    ]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / "project").mkdir()
    monkeypatch.setenv("HOME", os.fspath(home))
    return os.fspath(home)


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_folds_into_a_protected_place(home: str, level: Fold) -> None:
    needs = files(home, 20) + files("/etc", 20) + files("/proc", 20) + files(f"{home}/.ssh", 20)
    assert on(fold(needs, level)) == {need.path: READ for need in needs}


def test_what_needs_a_protected_place_has_to_be_confirmed(home: str) -> None:
    groups = fold((Need(f"{home}/.ssh/id", READ), Need(home, MAKE, temporary=True), Need("/usr/x", READ)), "balanced")
    assert [group.confirm for group in groups] == [
        f"{home}/.ssh (SSH keys)",
        f"{home} (a home directory): {home}/.ssh (SSH keys)",
        "",
    ]


def test_all_of_a_top_level_directory_has_to_be_confirmed_for_a_passing_name() -> None:
    (group,) = fold((Need("/srv", READ, temporary=True),), "balanced")
    assert group.confirm == "/srv (all of it)"
    (group,) = fold((Need(os.path.realpath("/tmp"), MAKE, temporary=True),), "balanced")
    assert (group.confirm, group.purpose) == ("", "temporary files")


def test_what_has_to_be_confirmed_is_not_joined_by_what_has_not(home: str) -> None:
    groups = fold((Need(f"{home}/.ssh/config", READ), Need(f"{home}/.config/x.conf", READ)), "balanced")
    assert [group.paths for group in groups] == [(f"{home}/.ssh/config",), (f"{home}/.config/x.conf",)]


def test_writes_into_the_policys_own_directory_have_to_be_confirmed(home: str) -> None:
    project = f"{home}/project"
    (group,) = fold((Need(project, MAKE, temporary=True),), "balanced", policy_directory=project)
    assert group.confirm == f"{project} (this policy itself)"
    assert fold((Need(project, MAKE, temporary=True),), "balanced")[0].confirm == ""
    assert project not in on(fold(files(project, 20), "broad", policy_directory=project))


_NAMES = st.sampled_from(["usr", "lib", "a", "etc", "home", "x.so", "b", "include", "root"])
_PATHS = st.lists(_NAMES, min_size=0, max_size=5).map(lambda names: "/" + "/".join(names))
_RIGHTS = st.sampled_from([READ, LIST, RUN, WRITE, MAKE, READ | LIST, READ | WRITE])
_NEEDS = st.lists(st.builds(Need, _PATHS, _RIGHTS, st.just(()), st.booleans()), max_size=40)


def is_at_or_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above.rstrip('/')}/")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(needs=_NEEDS, level=st.sampled_from(LEVELS))
def test_rules_hold_every_need_and_nothing_that_was_not_used(needs: list[Need], level: Fold) -> None:
    groups = fold(needs, level)
    assert sorted(map(repr, (need for group in groups for need in group.needs))) == sorted(map(repr, needs))
    asked = {need.path for need in needs}
    places = ProtectedPlaces()
    for group in groups:
        assert group.rights == NO_RIGHTS.union(*(need.rights for need in group.needs))
        for path in group.paths:
            beneath = [need for need in group.needs if is_at_or_below(need.path, path)]
            assert NO_RIGHTS.union(*(need.rights for need in beneath)) == group.rights
            # Only a rule that was needed itself is on a protected place.
            assert path in asked or places.inside(path) is None
            assert path in asked or len({need.rights <= READING for need in beneath}) == 1
        for need in group.needs:
            assert any(is_at_or_below(need.path, path) for path in group.paths)


def test_a_hundred_thousand_needs_fold_in_well_under_a_second() -> None:
    needs = [
        Need(f"/srv/{top}/{middle}/{name}", READ) for top in range(20) for middle in range(500) for name in range(10)
    ]
    start = time.process_time()
    groups = fold(needs, "balanced")
    assert time.process_time() - start < 2
    assert len(groups[0].paths) == 10_000


def test_what_is_not_there_by_far_has_to_be_confirmed(tmp_path: Path) -> None:
    """As when the log of another machine is read: the nearest directory that is here can be far up."""
    place = os.fspath(tmp_path)
    gone, absent = denied(f"{place}/gone"), denied(f"{place}/no/such/file")
    (group,) = fold((Need(place, READ, (gone,), temporary=True),), "balanced")
    assert group.confirm == ""
    (group,) = fold((Need(place, READ, (gone, absent), temporary=True),), "balanced")
    assert group.confirm == f"{place} (all of it, as {place}/no/such/file is not there)"
    made = absent._replace(made_in=place)
    assert fold((Need(place, READ, (made,), temporary=True),), "balanced")[0].confirm == ""
