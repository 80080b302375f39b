"""``paddock export``: its streams, files and losses."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.harness import POLICY, paddock, write


@pytest.fixture
def policy(tmp_path: Path) -> str:
    return write(tmp_path / "policy.toml", "# why\n" + POLICY)


def test_text_on_standard_output_and_losses_on_standard_error(policy: str) -> None:
    done = paddock("export", policy, "--to", "landlock-json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["netPort"] == [{"allowedAccess": ["connect_tcp"], "port": [443]}]
    assert done.stderr == "paddock export: 1 comment is lost: JSON has no comments.\n"
    done = paddock("export", policy, "--to", "landlock-toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "# why\n" + POLICY, "")


def test_resolved(tmp_path: Path) -> None:
    text = (
        'abi = 4\n[[variable]]\nname = "home"\nliteral = ["/home/b", "/home/a"]\n'
        '[[path_beneath]]\nallowed_access = ["abi.read_execute"]\nparent = ["${home}/x", "/no/such"]\n'
        '[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["/home/a/x/"]\n'
        '[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [8080, 80]\n'
        '[[ruleset]]\nhandled_access_net = ["abi.all"]\nscoped = ["signal"]\n'
    )
    done = paddock("export", write(tmp_path / "p.toml", text), "--to", "resolved")
    assert (done.returncode, done.stderr) == (0, "")
    reading = ["execute", "read_dir", "read_file", "refer"]
    assert json.loads(done.stdout) == {
        "handled_access_fs": ["execute", "read_dir", "read_file", "refer", "write_file"],
        "handled_access_net": ["bind_tcp", "connect_tcp"],
        "scoped": ["signal"],
        "path_beneath": {"/home/a/x": [*reading, "write_file"], "/home/b/x": reading, "/no/such": reading},
        "net_port": {"80": ["bind_tcp"], "8080": ["bind_tcp"]},
    }


def test_existing_file_is_replaced_only_with_force(policy: str, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    done = paddock("export", policy, "--to", "landlock-json", "-o", str(target))
    assert (done.returncode, done.stdout) == (0, "")
    first = target.read_text()
    assert json.loads(first)["abi"] == 6
    write(target, "mine")
    done = paddock("export", policy, "--to", "landlock-json", "-o", str(target))
    assert (done.returncode, target.read_text()) == (2, "mine")
    assert "out.json already exists. Use --force to replace it." in done.stderr
    assert paddock("export", policy, "--to", "landlock-json", "-o", str(target), "--force").returncode == 0
    assert target.read_text() == first
    assert sorted(os.listdir(tmp_path)) == ["out.json", "policy.toml"]


def test_directory_that_does_not_exist(policy: str) -> None:
    done = paddock("export", policy, "--to", "landlock-json", "-o", "/no/such/directory/out.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file or directory" in done.stderr


def test_rights_unknown_to_the_reference_are_kept_and_reported(tmp_path: Path) -> None:
    text = (
        'abi = 10\n[[net_port]]\nallowed_access = ["bind_udp"]\nport = [53]\n'
        '[[ruleset]]\nhandled_access_fs = ["abi.all"]\n'
    )
    done = paddock("export", write(tmp_path / "p.toml", text), "--to", "landlock-json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["netPort"][0]["allowedAccess"] == ["bind_udp"]
    named, grouped = done.stderr.splitlines()
    assert named.startswith("paddock export: bind_udp: landlockconfig (llconfig, Island) does not know it yet")
    assert grouped.startswith("paddock export: resolve_unix: part of a group at abi = 10")
