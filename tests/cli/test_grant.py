"""``paddock grant``: one grant from the command line, and all of a directory but some of it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.harness import environment, paddock, write

POLICY = """\
abi = 6  # kept

[[ruleset]]
handled_access_fs = ["execute", "read_file", "read_dir", "refer"]
scoped = ["signal"]

# Programs.
[[path_beneath]]
allowed_access = ["abi.read_execute"]
parent = ["/usr"]

[[path_beneath]]
allowed_access = ["read_file"]
parent = ["${where}/hosts"]

[[variable]]
name = "where"
literal = ["/etc"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path / "p.toml", POLICY)
    os.makedirs(tmp_path / "project" / ".git" / "hooks")
    os.makedirs(tmp_path / "project" / "src")
    write(tmp_path / "project" / ".git" / "hooks" / "pre-commit", "hook\n")
    write(tmp_path / "project" / ".git" / "config", "config\n")
    write(tmp_path / "project" / "src" / "main.c", "source\n")
    return tmp_path


def grant(place: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return paddock("grant", "p.toml", *words, cwd=place)


def text(place: Path) -> str:
    return (place / "p.toml").read_text(encoding="utf-8")


def readable(place: Path, *paths: str) -> list[str]:
    """Return those of ``paths`` that cat(1) can read under the policy."""
    run = ("run", "--quiet", "p.toml", "--", "cat")
    return [path for path in paths if paddock(*run, path, cwd=place).returncode == 0]


def test_grant_on_a_path(place: Path) -> None:
    done = grant(place, "--right", "read_file", "project")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"p.toml: grant read_file on {place}/project\n"
        "--- p.toml\n"
        "+++ p.toml\n"
        "@@ -12,5 +12,5 @@\n"
        " [[path_beneath]]\n"
        ' allowed_access = ["read_file"]\n'
        '-parent = ["${where}/hosts"]\n'
        f'+parent = ["${{where}}/hosts", "{place}/project"]\n'
        " \n"
        " [[variable]]\n"
    )
    assert text(place) == POLICY.replace('"${where}/hosts"]', f'"${{where}}/hosts", "{place}/project"]')
    assert readable(place, "project/src/main.c") == ["project/src/main.c"]


def test_a_rule_on_the_same_object_is_extended(place: Path) -> None:
    os.symlink("/usr", place / "link")
    assert grant(place, "--right", "write_file", "link").returncode == 0
    assert text(place) == POLICY.replace('["abi.read_execute"]', '["abi.read_execute", "write_file"]')


@pytest.mark.parametrize(
    ("port", "right", "number"),
    [("tcp:443", "connect_tcp", 443), ("tcp:https", "bind_tcp", 443), ("udp:53", "bind_udp", 53)],
)
def test_grant_on_a_port(place: Path, port: str, right: str, number: int) -> None:
    done = grant(place, "--right", right, port)
    assert done.returncode == 0
    assert done.stderr == f"paddock grant: Newly handled, so denied wherever no rule grants it: {right}.\n"
    assert f'[[net_port]]\nallowed_access = ["{right}"]\nport = [{number}]\n' in text(place)


def test_what_is_allowed_already_changes_nothing(place: Path) -> None:
    done = grant(place, "--right", "execute", "/usr/bin/env")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'p.toml allows this already: p.toml:10 (path_beneath "/usr"). Nothing was changed.\n'
    assert text(place) == POLICY


def test_a_path_that_does_not_exist(place: Path) -> None:
    done = grant(place, "--right", "read_file", "later")
    assert done.returncode == 0
    assert done.stderr == f"paddock grant: {place}/later does not exist: its rule grants nothing before it does.\n"
    assert f'"{place}/later"' in text(place)


def test_a_group_on_a_file_grants_what_files_can_have(place: Path) -> None:
    assert grant(place, "--right", "abi.read_execute", "project/src/main.c").returncode == 0
    assert f'allowed_access = ["execute", "read_file"]\nparent = ["{place}/project/src/main.c"]\n' in text(place)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--right", "read_dir", "/etc/passwd"), "/etc/passwd is not a directory: read_dir cannot be granted on it."),
        (("--right", "read_fiel", "/etc"), "Unknown right 'read_fiel' for /etc."),
        (("--right", "connect_tcp", "/etc"), "Unknown right 'connect_tcp' for /etc."),
        (("--right", "read_file", "tcp:1"), "Unknown right 'read_file' for tcp:1."),
        (("--right", "abi.read_execute", "tcp:1"), "abi.read_execute has no rights for ports."),
        (("--right", "connect_tcp", "tcp:70000"), "70000 is not a port"),
        (("--right", "signal", "scope:signal"), "a scope cannot be granted"),
        (("--right", "connect_tcp", "tcp:1", "--except", "x"), "--except is for paths."),
        (("--right", "read_file", "/usr", "--except", "/etc"), "/etc is not in /usr."),
        (("--right", "read_file", "/etc/passwd", "--except", "x"), "/etc/passwd is not a directory"),
        (("/etc",), "give the rights to grant with --right"),
        (("--right", "read_file"), "give one policy file, and one path or port"),
        (("--refresh", "/etc"), "give one policy file"),
        (("--refresh", "--right", "read_file"), "--refresh takes rights and exceptions from the file"),
    ],
)
def test_what_cannot_be_granted_changes_nothing(place: Path, words: tuple[str, ...], said: str) -> None:
    done = grant(place, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"paddock grant: {said}" in done.stderr
    assert text(place) == POLICY


def test_the_file_is_not_written_through_a_symbolic_link(place: Path) -> None:
    os.symlink("p.toml", place / "link.toml")
    done = paddock("grant", "link.toml", "--right", "read_file", "/etc/services", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"paddock grant: link.toml is a symbolic link to {place}/p.toml.\n"
    assert text(place) == POLICY
    assert sorted(os.listdir(place)) == ["link.toml", "p.toml", "project"]


def test_a_file_that_is_no_policy(place: Path) -> None:
    assert "is a directory" in paddock("grant", ".", "--right", "read_file", "/etc", cwd=place).stderr
    assert paddock("grant", "none.toml", "--right", "read_file", "/etc", cwd=place).returncode == 2
    assert not os.path.exists(place / "none.toml")


def test_all_but_the_hooks(place: Path) -> None:
    hook, config, source = "project/.git/hooks/pre-commit", "project/.git/config", "project/src/main.c"
    done = grant(place, "--right", "read_file", "project", "--except", ".git/hooks")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"paddock grant: New entries of {place}/project, {place}/project/.git are denied until the list is refreshed: "
        "paddock grant FILE --refresh."
    ]
    assert f"\n# all of {place}/project except .git/hooks (paddock refreshes this list)\n[[path_beneath]]\n" in text(
        place
    )
    assert readable(place, hook, config, source) == [config, source]
    os.mkdir(place / "project" / "docs")
    write(place / "project" / "docs" / "new", "new\n")
    assert readable(place, "project/docs/new") == []
    done = grant(place, "--refresh")
    assert (done.returncode, done.stderr) == (0, "")
    assert f'+    "{place}/project/docs",' in done.stdout.splitlines()
    assert readable(place, hook, "project/docs/new") == ["project/docs/new"]
    done = grant(place, "--refresh")
    assert (done.returncode, done.stdout) == (0, "p.toml is up to date. Nothing was changed.\n")


def test_an_exception_that_another_rule_undoes(place: Path) -> None:
    write(place / "p.toml", POLICY.replace("${where}/hosts", str(place)))
    done = grant(place, "--right", "read_file", "--right", "read_dir", "project", "--except", "project/.git")
    assert done.returncode == 0
    assert (
        f"paddock grant: {place}/project/.git is excepted, but read_file stays allowed there: "
        f'p.toml:14 (path_beneath "{place}").\n'
    ) in done.stderr
    assert "read_dir stays allowed" not in done.stderr


def test_refresh_of_a_directory_that_is_gone(place: Path) -> None:
    grant(place, "--right", "read_file", "project/src", "--except", "x")
    grant(place, "--right", "read_file", "project/.git", "--except", "hooks")
    before = text(place)
    os.unlink(place / "project" / "src" / "main.c")
    os.rmdir(place / "project" / "src")
    write(place / "project" / ".git" / "HEAD", "head\n")
    done = grant(place, "--refresh")
    assert done.returncode == 2
    assert (
        done.stderr == f"paddock grant: {place}/project/src is not a directory, so there is nothing in it to except.\n"
    )
    assert f"{place}/project/.git/HEAD" in text(place) and f"{place}/project/src/main.c" in text(place)
    assert text(place) != before


def test_nothing_to_refresh(place: Path) -> None:
    done = grant(place, "--refresh")
    assert (done.returncode, done.stdout) == (0, "p.toml has no rules made with --except. Nothing was changed.\n")


def test_json(place: Path) -> None:
    exported = paddock("export", "p.toml", "--to", "landlock-json", "-o", "p.json", cwd=place)
    assert exported.returncode == 0
    done = paddock("grant", "p.json", "--right", "read_file", "project", "--except", ".git", cwd=place)
    assert done.returncode == 0
    assert "paddock grant: JSON has no comments, so --refresh will not find these rules.\n" in done.stderr
    assert f'"{place}/project/src"' in (place / "p.json").read_text(encoding="utf-8")


def test_names_are_printed_safely(place: Path) -> None:
    os.mkdir(place / "a\x1b[31m\nb")
    done = grant(place, "--right", "read_file", "a\x1b[31m\nb")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert f"grant read_file on {place}/a\\x1b[31m\\x0ab\n" in done.stdout


def test_a_protected_place_is_opened_only_on_agreement(place: Path) -> None:
    home = place / "home"
    os.makedirs(home / ".ssh")
    os.mkdir(home / "work")
    env = environment(HOME=str(home))

    def granted(*words: str) -> "subprocess.CompletedProcess[str]":
        return paddock("grant", "p.toml", *words, cwd=place, env=env)

    for words in (("home/.ssh",), ("home",), ("home", "--except", "work")):
        done = granted("--right", "read_file", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("paddock grant: this opens protected places: ")
        assert f"{home}/.ssh (SSH keys)" in done.stderr
        assert done.stderr.endswith(". Nothing was written; --yes grants it.\n")
        assert text(place) == POLICY
    assert granted("--right", "read_file", "home", "--except", ".ssh").returncode == 0
    assert f'"{home}/work"' in text(place)
    os.mkdir(home / ".gnupg")
    done = granted("--refresh")
    assert done.returncode == 2 and f"{home}/.gnupg (GnuPG keys)" in done.stderr
    assert ".gnupg" not in text(place)
    assert granted("--refresh", "--yes").returncode == 0
    assert f'"{home}/.gnupg"' in text(place)
    assert granted("--right", "read_file", "home/.ssh", "--yes").returncode == 0
    assert f'"{home}/.ssh"' in text(place)


def test_a_policy_that_a_program_could_replace_itself(place: Path) -> None:
    done = grant(place, "--right", "make_reg", ".")
    assert done.returncode == 2 and f"{place} (this policy itself)" in done.stderr
    assert grant(place, "--right", "read_file", ".").returncode == 0
