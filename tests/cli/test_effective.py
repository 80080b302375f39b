"""``paddock explain --all``, and links and mounts on the way to a target, compared with the kernel."""

import os
from pathlib import Path

import pytest

from tests.cli.harness import json_of, paddock, write

POLICY = """\
[[ruleset]]
handled_access_fs = ["make_char"]
handled_access_net = ["bind_tcp"]
scoped = ["signal"]

[[path_beneath]]
allowed_access = ["execute", "read_file", "read_dir"]
parent = ["/usr", "/lib", "/lib64", "/bin"]

[[path_beneath]]
allowed_access = ["read_file", "make_reg"]
parent = ["top", "top/in/link", "gone/deep"]

[[path_beneath]]
allowed_access = ["execute"]
parent = ["top/in"]

[[net_port]]
allowed_access = ["connect_tcp"]
port = [443]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    os.makedirs(tmp_path / "top" / "in")
    os.makedirs(tmp_path / "other")
    os.symlink("../../other/file", tmp_path / "top" / "in" / "link")
    for name in ("top/file", "top/in/file", "other/file", "other/second"):
        write(tmp_path / name, "content\n")
    write(tmp_path / "p.toml", POLICY)
    return tmp_path


def test_everything_that_a_policy_grants(place: Path) -> None:
    done = paddock("explain", "--all", "p.toml", "--format", "json", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    said = json_of(done)
    assert set(said["always_denied"]) == {"make_char", "refer", "bind_tcp"}
    assert "write_file" in said["not_restricted"] and "abstract_unix_socket" in said["not_restricted"]
    assert said["scoped"] == ["signal"]
    assert [(each["port"], each["rights"], each["given"][0]["line"]) for each in said["ports"]] == [
        (443, ["connect_tcp"], 20)
    ]
    root, *branches = said["paths"]
    assert (root["path"], root["rights"], root["depth"]) == ("/", [], 0)
    below = {each["path"].removeprefix(f"{place}/"): each for each in branches if each["path"].startswith(f"{place}/")}
    assert {name: (each["depth"], each["rights"], each["exists"]) for name, each in below.items()} == {
        "gone/deep": (1, ["read_file", "make_reg"], False),
        "other/file": (1, ["read_file"], True),  # through the link; make_reg cannot be granted on a file
        "top": (1, ["read_file", "make_reg"], True),
        "top/in": (2, ["execute", "read_file", "make_reg"], True),
    }
    assert below["other/file"]["spelled"] == ["top/in/link"]
    assert [(each["rights"], each["line"]) for each in below["top/in"]["given"]] == [(["execute"], 16)]


def test_as_text(place: Path) -> None:
    done = paddock("explain", "--all", "p.toml", "--abi", "3", cwd=place)
    lines = done.stdout.splitlines()
    assert lines[0] == "p.toml  (Landlock ABI 3)"
    # This ABI lacks it, so it is only listed as unknown.
    assert [line for line in lines if "connect_tcp" in line] == ["  unknown to ABI 3  bind_tcp, connect_tcp, signal"]
    (inner,) = [line for line in lines if line.strip().startswith("/in ")]
    assert inner.split() == ["/in", "execute", "+", "read_file,", "make_reg", "p.toml:16"]
    assert any("does not exist; would grant read_file, make_reg" in line for line in lines)
    assert any(line.endswith("(as top/in/link)") for line in lines)


def test_usage(place: Path) -> None:
    for words in (("--all",), ("--all", "p.toml", "/etc"), ("--all", "--right", "execute", "p.toml")):
        assert paddock("explain", *words, cwd=place).returncode == 2
    assert paddock("explain", "--all", "gone.toml", cwd=place).returncode == 2


def test_kernel_grants_exactly_that(place: Path) -> None:
    said = json_of(paddock("explain", "--all", "p.toml", "--format", "json", cwd=place))
    rights = {each["path"]: each["rights"] for each in said["paths"]}
    for name, readable in (("top/file", True), ("top/in/file", True), ("other/file", True), ("other/second", False)):
        path: str = f"{place}/{name}"
        while path not in rights:
            path = os.path.dirname(path)
        assert ("read_file" in rights[path]) == readable
        done = paddock("run", "--quiet", "p.toml", "--", "cat", name, cwd=place)
        assert (done.returncode == 0) == readable


def test_links_on_the_way(place: Path) -> None:
    os.symlink("top", place / "door")
    said = json_of(paddock("explain", "p.toml", "door/in/link", "--format", "json", cwd=place))
    assert said["links"] == [
        {"path": f"{place}/door", "target": "top"},
        {"path": f"{place}/top/in/link", "target": "../../other/file"},
    ]
    assert said["object"] == f"{place}/other/file"
    text = paddock("explain", "p.toml", "door/in/link", cwd=place).stdout
    assert "Symbolic links followed:" in text and f"{place}/door" in text and "-> top" in text
    os.symlink("round", place / "round")
    done = paddock("explain", "p.toml", "round/x", "--format", "json", cwd=place)
    assert len(json_of(done)["links"]) == 40


@pytest.mark.namespaces
@pytest.mark.root
def test_mounts_on_the_way(place: Path) -> None:
    mounts = 'mount --bind other top/in && mount -t tmpfs none other && exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", mounts, "sh")
    done = paddock("explain", "p.toml", "top/in/second", cwd=place, before=before)
    (line,) = [line for line in done.stdout.splitlines() if line.strip().startswith(f"{place}/top/in ")]
    assert "[bind mount of " in line and line.split("]")[1].split()[0] == "execute"
    said = json_of(paddock("explain", "p.toml", "other/x", "--format", "json", cwd=place, before=before))
    (level,) = [level for level in said["hierarchy"] if level["path"] == f"{place}/other"]
    assert level["mount"] == {"type": "tmpfs", "root": "/", "bind": False}
