"""Places that outlast a run: for each object of an access, the path that a rule should name."""

import os
import uuid
from pathlib import Path

import pytest

from editor.sandbox.verdicts.report import Access
from editor.suggest.lasting import CannotGrant, LastingPlaces, is_temporary_name, lasting_place, temporary_directories

READ = frozenset({"read_file"})
MAKE = frozenset({"make_reg"})
HASH = "0123456789abcdef0123456789abcdef01234567"


def access(
    path: str, missing: frozenset[str] = READ, made_in: str | None = None, *, of_command: bool = False
) -> Access:
    return Access(
        verdict="denied",
        rights=missing,
        missing=missing,
        path=path,
        object_path=path,
        port=None,
        syscall="openat",
        errno="EACCES",
        process="program",
        pid=4321,
        times=1,
        decided_by=(),
        made_in=made_in,
        of_command=of_command,
    )


def filled(directory: Path, *names: str) -> str:
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).touch()
    return os.fspath(directory)


@pytest.mark.parametrize(
    "name",
    [
        "libstdc++.so.6.0.30",
        "python3.11",
        "foo-1.2.3",
        "sha256sum",
        "x86_64",
        "log.20251125",
        "core-6108105cd7e839cf.so",
    ],
)
def test_a_lasting_name_stays(tmp_path: Path, name: str) -> None:
    directory = filled(tmp_path / "lib", name, "other")
    assert lasting_place(access(f"{directory}/{name}")) == f"{directory}/{name}"


def test_what_the_run_made_goes_to_the_directory_that_was_there_before(tmp_path: Path) -> None:
    directory = filled(tmp_path / "out", "a.o")
    assert lasting_place(access(f"{directory}/a.o", made_in=directory)) == directory


def test_what_is_gone_goes_to_the_nearest_directory_that_is_there(tmp_path: Path) -> None:
    directory = filled(tmp_path / "out")
    assert lasting_place(access(f"{directory}/one/two/three")) == directory


def test_a_file_named_after_its_content_goes_to_the_directory_of_all_of_them(tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    filled(objects / "ab", HASH[2:])
    assert lasting_place(access(f"{objects}/ab/{HASH[2:]}")) == os.fspath(objects)
    content = tmp_path / "content" / "sha512"
    filled(content / "0a" / "1b", HASH * 3)
    assert lasting_place(access(f"{content}/0a/1b/{HASH * 3}")) == os.fspath(content)


def test_a_part_of_what_is_split_by_hash_goes_to_the_whole(tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    for shard in ("0a", "1b", "2c", "info", "pack"):
        (objects / shard).mkdir(parents=True)
    assert lasting_place(access(f"{objects}/0a", MAKE)) == os.fspath(objects)


def test_the_identifier_of_the_machine_stays_although_it_looks_like_a_hash(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    filled(journal / HASH[:32], "system.journal")
    assert lasting_place(access(f"{journal}/{HASH[:32]}/system.journal")) == f"{journal}/{HASH[:32]}/system.journal"


def test_one_of_many_identifiers_or_times_goes_to_their_directory(tmp_path: Path) -> None:
    identifiers = [str(uuid.uuid4()) for _ in range(4)]
    jobs = filled(tmp_path / "jobs", *identifiers)
    assert lasting_place(access(f"{jobs}/{identifiers[0]}")) == jobs
    times = [f"2026-11-{day}T13_50_01_391Z-debug-0.log" for day in range(11, 15)]
    logs = filled(tmp_path / "logs", *times)
    assert lasting_place(access(f"{logs}/{times[0]}")) == logs


def test_the_command_has_its_own_process_and_all_others_only_proc() -> None:
    assert lasting_place(access("/proc/1/status", of_command=True)) == "/proc/self"
    assert lasting_place(access("/proc/1/status")) == "/proc"
    assert lasting_place(access("/proc/sys/kernel/ostype")) == "/proc/sys/kernel/ostype"


def test_a_terminal_that_is_gone_goes_to_the_directory_of_all_terminals() -> None:
    assert lasting_place(access("/dev/pts/99999")) == "/dev/pts"


def test_devices_keep_their_numbers() -> None:
    assert lasting_place(access("/dev/null")) == "/dev/null"


@pytest.mark.parametrize(
    "name", ["ccKFcC7W.s", "ccZZqsdJ.o", "tmpabcd12_e", "tmp.AbCdEfGhIj", "ssh-XXaB12cdEf", "#1234", "#1234 (deleted)"]
)
def test_names_that_were_drawn_at_random_are_temporary(name: str) -> None:
    assert is_temporary_name(name)
    directory = min(temporary_directories())
    assert lasting_place(access(f"{directory}/{name}")) == directory


@pytest.mark.parametrize(
    "name",
    [
        "hsperfdata_root",
        "tmux-1000",
        "python3.11",
        "README.Debian",
        "MyProject",
        "openssl-3.0.2",
        "sha256sum",
        "ccache12",
    ],
)
def test_names_that_a_person_could_choose_are_not_temporary(name: str) -> None:
    assert not is_temporary_name(name)


def test_a_directory_in_which_a_person_works_stays_whatever_its_name(tmp_path: Path) -> None:
    directory = filled(tmp_path / "tmp.AbCdEfGhIj", "file")
    places = LastingPlaces()
    assert places.of(access(directory, frozenset({"read_dir"}))) == directory
    assert places.of(access(f"{directory}/file")) == f"{directory}/file"


def test_a_name_that_no_policy_can_contain_goes_to_its_directory(tmp_path: Path) -> None:
    directory = filled(tmp_path / "names", "odd\udcff")
    assert lasting_place(access(f"{directory}/odd\udcff")) == directory


def test_what_is_on_no_path_has_no_place() -> None:
    with pytest.raises(CannotGrant, match="is not on a filesystem path"):
        lasting_place(access("pipe:[1234]"))
