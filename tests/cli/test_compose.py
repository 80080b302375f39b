"""Every verb with policies of several files and variables from the command line, verified by the kernel."""

import os
from pathlib import Path

import pytest

from tests.cli.harness import json_of, paddock, write

SYSTEM = """\
abi = 5
[[ruleset]]
handled_access_fs = ["abi.all"]
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr", "/lib", "/lib64", "/bin", "/etc", "/proc"]
"""
WORK = """\
abi = 6
[[ruleset]]
handled_access_fs = ["abi.all"]
scoped = ["signal"]
[[path_beneath]]
allowed_access = ["abi.read_write"]
parent = ["${work}"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "policy").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write(tmp_path / "policy" / "10-system.toml", SYSTEM)
    write(tmp_path / "policy" / "20-work.toml", WORK)
    return tmp_path


def test_run_with_a_directory_and_a_variable(place: Path) -> None:
    command = ("--", "sh", "-c", "echo x > a/made && echo x > b/made")
    done = paddock("run", "policy", "--var", "work=a", *command, cwd=place)
    assert done.returncode != 0 and "cannot create b/made" in done.stderr
    assert os.path.exists(place / "a" / "made") and not os.path.exists(place / "b" / "made")
    done = paddock("run", "policy", "--var", "work=a", "--var", "work=b", *command, cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    done = paddock("run", "policy/10-system.toml", "--with", "policy/20-work.toml", "--var", "work=b", "--", "true",
                   cwd=place)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_run_warning_names_the_file_of_the_rule(place: Path) -> None:
    done = paddock("run", "policy", "--var", "work=gone", "--", "true", cwd=place)
    assert done.returncode == 0
    assert done.stderr == (
        "paddock run: warning: policy/20-work.toml:7: gone: The path does not exist: its rule "
        "grants nothing. [missing-path]\n"
    )


@pytest.mark.parametrize("verb", ["run", "test"])
def test_nothing_starts_if_something_is_missing(place: Path, verb: str) -> None:
    done = paddock(verb, "policy", "--", "touch", "a/started", cwd=place)
    assert done.returncode == 125 and "the variable 'work' is not defined" in done.stderr
    done = paddock(verb, "policy", "--var", "work", "--", "touch", "a/started", cwd=place)
    assert done.returncode == 125 and "write name=value" in done.stderr
    done = paddock(verb, "a", "--", "touch", "a/started", cwd=place)
    assert done.returncode == 125 and "no policy in this directory" in done.stderr
    assert not os.path.exists(place / "a" / "started")


def test_test_names_the_file_of_the_rule(place: Path) -> None:
    done = paddock("test", "policy", "--var", "work=a", "--format", "json", "--",
                   "sh", "-c", "echo x > a/made; echo x > b/made", cwd=place)  # fmt: skip
    report = json_of(done)
    assert report["policy"] == "policy"
    by_path = {access["path"]: access for access in report["accesses"] if access["path"] and "/made" in access["path"]}
    written = by_path[f"{place}/a/made"]
    assert [(each["file"], each["line"]) for each in written["decided_by"]] == [("policy/20-work.toml", 7)]
    assert by_path[f"{place}/b/made"]["verdict"] == "denied"


def test_explain_and_check_and_export(place: Path) -> None:
    done = paddock("explain", "policy", "--var", "work=a", "a/x", "--right", "write_file", cwd=place)
    assert done.returncode == 0 and "policy/20-work.toml:7" in done.stdout
    done = paddock("check", "policy", "--var", "work=gone", cwd=place)
    assert done.returncode == 1
    assert "policy/20-work.toml:7:11: warning: gone does not exist" in done.stdout
    done = paddock("export", "policy", "--var", "work=a", "--to", "resolved", cwd=place)
    resolved = json_of(done)
    # Only one file handles the signal scope, and the lower abi lacks what the higher one adds.
    assert (resolved["scoped"], set(resolved["path_beneath"])) == (
        [], {"/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "a"}
    )  # fmt: skip
    toml = paddock("export", "policy", "--var", "work=a", "--to", "landlock-toml", cwd=place).stdout
    write(place / "whole.toml", toml)
    assert json_of(paddock("export", "whole.toml", "--to", "resolved", cwd=place)) == resolved


def test_edit_command_names_files_and_variables(place: Path) -> None:
    files = ("policy/10-system.toml", "--with", "policy/20-work.toml", "--var", "work=a b")
    opens = "paddock edit policy/10-system.toml policy/20-work.toml --var 'work=a b'"
    assert f"To change this ({opens}):" in paddock("explain", *files, "/root", cwd=place).stdout
    secret = write(place / "secret", "")
    done = paddock("test", *files, "--", "cat", secret, cwd=place)
    assert f"To allow what was denied ({opens}):" in done.stderr
    done = paddock("explain", "policy", "--var", "work=a", "/root", cwd=place)
    assert "(paddock edit policy --var work=a):" in done.stdout
    done = paddock("explain", "policy/10-system.toml", "/root", cwd=place)
    assert "(paddock edit policy/10-system.toml):" in done.stdout


def test_hostile_names(place: Path) -> None:
    name = b"\xff\x1b[31m\n.toml"
    with open(os.fsencode(place) + b"/policy/" + name, "wb") as file:
        file.write(SYSTEM.encode())
    for words in (
        (b"check", b"policy", b"--var", b"work=a"),
        (b"check", b"--format", b"sarif", b"policy/" + name),
        (b"check", b"--compat", b"policy", b"--var", b"work=a"),
        (b"diff", b"policy/" + name, b"policy/10-system.toml"),
        (b"explain", b"--all", b"policy/" + name),
        (b"check", b"--fix", b"policy/" + name),
    ):
        done = paddock(*words, cwd=place)
        assert done.returncode in (0, 1) and done.stderr == ""
        assert "\x1b" not in done.stdout and "\udcff" not in done.stdout
    done = paddock(b"export", b"policy/20-work.toml", b"--var", b"work=\xff", b"--to", b"landlock-toml", cwd=place)
    assert done.returncode == 2 and "not valid UTF-8" in done.stderr


def test_finding_about_a_given_variable_has_no_file(tmp_path: Path) -> None:
    write(tmp_path / "p.toml", '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr"]\n')
    done = paddock("check", "p.toml", "--var", "x=1", cwd=tmp_path)
    assert "--var: warning: No path uses the variable 'x'. [unused-variable]" in done.stdout
    log = json_of(paddock("check", "--format", "sarif", "p.toml", "--var", "x=1", cwd=tmp_path))
    places = {each["ruleId"]: each["locations"] for each in log["runs"][0]["results"]}
    assert places["unused-variable"] == [] and places["unhandled-right"]


def test_finding_about_all_files_is_placed_in_the_first(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rules = f'[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr/{name}"]\n'
        write(tmp_path / f"{name}.toml", f"abi = 3\n[[ruleset]]\nhandled_access_fs = ['abi.all']\n{rules}")
    said = json_of(paddock("check", "--target-abi", "2", "--format", "json", ".", cwd=tmp_path))["files"][0]
    (found,) = (each for each in said["findings"] if each["id"] == "newer-right")
    assert (found["file"], found["line"]) == ("./a.toml", 1)


def test_files_that_restrict_nothing_together(tmp_path: Path) -> None:
    def checked(*texts: str) -> dict[str, str]:
        for number, text in enumerate(texts):
            write(tmp_path / f"{number}.toml", text)
        words = [word for number in range(1, len(texts)) for word in ("--with", f"{number}.toml")]
        (found,) = json_of(paddock("check", "--format", "json", "0.toml", *words, cwd=tmp_path))["files"]
        return {each["id"]: each["message"] for each in (*found["findings"], *found["notes"])}

    reading = '[[ruleset]]\nhandled_access_fs = ["read_file"]\n'
    writing = '[[ruleset]]\nhandled_access_fs = ["write_file"]\n'
    scoped = 'scoped = ["signal"]\n'
    found = checked(reading, writing)
    assert found["nothing-restricted"].startswith("Together these files restrict nothing")
    assert "handled-by-some" not in found
    found = checked(reading + scoped, writing + scoped)
    assert found["handled-by-some"] == (
        "No filesystem right is handled by all files (compare 0.toml and 1.toml): together they restrict none."
    )
    assert checked(reading + scoped, reading)["handled-by-some"].startswith("No scope is handled by all files")
    assert "handled-by-some" not in checked(reading + scoped, reading + scoped)
    # The kernel does not restrict reading, although one of the files does.
    write(tmp_path / "1.toml", writing + scoped)
    write(tmp_path / "0.toml", reading + scoped)
    assert paddock("run", "0.toml", "--", "cat", "1.toml", cwd=tmp_path).returncode != 0
    assert paddock("run", "0.toml", "--with", "1.toml", "--", "cat", "1.toml", cwd=tmp_path).returncode == 0


def test_directory_with_both_formats(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "d")
    write(tmp_path / "d/a.toml", '[[ruleset]]\nscoped = ["signal"]\n')
    write(tmp_path / "d/b.json", '{"ruleset": [{"scoped": ["signal"]}]}')
    for directory in ("d", "d/"):
        (found,) = json_of(paddock("check", "--format", "json", directory, cwd=tmp_path))["files"]
        (note,) = [each for each in found["notes"] if each["id"] == "mixed-formats"]
        assert os.path.basename(note["file"]) == "b.json" and "llconfig reads one format" in note["message"]
    (found,) = json_of(paddock("check", "--format", "json", "d/a.toml", "--with", "d/b.json", cwd=tmp_path))["files"]
    assert not [each for each in found["notes"] if each["id"] == "mixed-formats"]


def test_group_on_a_file_stays_silent_when_files_of_other_abis_are_added(tmp_path: Path) -> None:
    """Composing spells a group out if its rights change; it is meant for files and directories all the same."""
    handled = '[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'
    rule = '[[path_beneath]]\nallowed_access = ["{}"]\nparent = ["{}"]\n'
    everything = rule.format("abi.read_execute", "/")
    write(tmp_path / "6.toml", "abi = 6\n" + handled + everything + rule.format("abi.read_write", "/dev/null"))
    write(tmp_path / "3.toml", "abi = 3\n" + handled + rule.format("read_dir", "/dev/zero"))
    done = paddock("run", "6.toml", "--with", "3.toml", "--", "true", cwd=tmp_path)
    assert done.stderr == (
        "paddock run: warning: 3.toml:6: /dev/zero is not a directory: read_dir cannot be granted on it. [file-right]\n"
    )
    (found,) = json_of(paddock("check", "--format", "json", "6.toml", "--with", "3.toml", cwd=tmp_path))["files"]
    assert [each["file"] for each in found["findings"] if each["id"] == "file-right"] == ["3.toml"]
