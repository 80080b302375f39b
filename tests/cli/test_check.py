"""``paddock check``: exit statuses, places, JSON."""

import os
from pathlib import Path

import pytest

from tests.cli.harness import POLICY, json_of, paddock, write


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "clean.toml", POLICY)
    write(tmp_path / "missing.toml", POLICY.replace('"/usr"', '"/usr", "/no/such/place"'))
    write(tmp_path / "broken.toml", POLICY.replace('["read_file"]', '["read_fiel"]').replace("443", "70000"))
    return tmp_path


def test_clean(files: Path) -> None:
    done = paddock("check", "clean.toml", cwd=files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "clean.toml: no findings\n", "")


def test_findings(files: Path) -> None:
    done = paddock("check", "missing.toml", cwd=files)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        "missing.toml:10:19: warning: /no/such/place does not exist: its rule grants nothing. [missing-path]\n"
    )


def test_everything_that_is_wrong_is_said_at_once(files: Path) -> None:
    done = paddock("check", "broken.toml", cwd=files)
    assert (done.returncode, done.stderr) == (2, "")
    first, second = done.stdout.splitlines()
    assert first == (
        "broken.toml:13:19: error: unknown filesystem right 'read_fiel' (did you mean 'read_file'?) [invalid]"
    )
    assert second == "broken.toml:18:9: error: a port must be between 0 and 65535 [invalid]"


def test_the_worst_file_decides(files: Path) -> None:
    assert paddock("check", "clean.toml", "missing.toml", cwd=files).returncode == 1
    assert paddock("check", "missing.toml", "broken.toml", "clean.toml", cwd=files).returncode == 2


def test_json(files: Path) -> None:
    done = paddock("check", "--format", "json", "clean.toml", "missing.toml", "broken.toml", "gone.toml", cwd=files)
    assert done.returncode == 2
    said = json_of(done)
    assert list(said) == ["files"]
    assert [(each["file"], each["status"]) for each in said["files"]] == [
        ("clean.toml", "clean"),
        ("missing.toml", "findings"),
        ("broken.toml", "invalid"),
        ("gone.toml", "invalid"),
    ]
    assert said["files"][1]["findings"] == [
        {
            "id": "missing-path",
            "severity": "warning",
            "line": 10,
            "column": 19,
            "message": "/no/such/place does not exist: its rule grants nothing.",
            "hint": "",
        }
    ]
    assert [(each["line"], each["column"]) for each in said["files"][2]["findings"]] == [(13, 19), (18, 9)]
    assert said["files"][3]["findings"][0]["message"] == "cannot be read: No such file or directory"


def test_the_abi_that_a_policy_is_meant_for(files: Path) -> None:
    write(files / "new.toml", POLICY.replace('"connect_tcp"', '"connect_tcp", "connect_send_udp"'))
    done = paddock("check", "--abi", "11", "new.toml", cwd=files)
    assert (done.returncode, done.stdout) == (0, "new.toml: no findings\n")
    done = paddock("check", "--abi", "9", "new.toml", cwd=files)
    assert done.returncode == 1
    assert "connect_send_udp came with ABI 10" in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abi = \n", "p.toml:1:7: error: not valid TOML"),
        (b"\xff\xfe", "p.toml:1:1: error: not valid UTF-8"),
        (b"", "p.toml:1:1: error: empty configuration"),
        (b"\x00" * 10, "p.toml:1:1: error: not valid TOML"),
        (b'[[ruleset]]\nscopes = ["signal"]\n', "p.toml:2:1: error: unknown key 'scopes'"),
        (
            b'[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["${x}"]\n',
            "p.toml:3:12: error: the variable 'x'",
        ),
        (b"x = " + b"[" * 5000, "p.toml:1:"),
    ],
)
def test_broken_policies_name_line_and_column(tmp_path: Path, content: bytes, said: str) -> None:
    with open(tmp_path / "p.toml", "wb") as file:
        file.write(content)
    done = paddock("check", "p.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(said)
    # What one verb refuses, no other takes, with the same place.
    place = said.partition(" error")[0]
    for words in (("explain", "p.toml", "/"), ("export", "p.toml", "--to", "landlock-json")):
        other = paddock(*words, cwd=tmp_path)
        assert (other.returncode, other.stdout) == (2, "")
        assert f"{words[0]}: {place}" in other.stderr
    for verb in ("run", "test"):
        other = paddock(verb, "p.toml", "--", "touch", "started", cwd=tmp_path)
        assert (other.returncode, other.stdout) == (125, "")
        assert f"{verb}: {place}" in other.stderr
    assert not os.path.exists(tmp_path / "started")


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, reason in (("/", "Is a directory"), ("/no/such", "No such file or directory")):
        done = paddock("check", path, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, f"{path}: error: cannot be read: {reason} [invalid]\n")
    assert "larger than" in paddock("check", "/dev/zero").stdout
