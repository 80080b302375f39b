"""``paddock explain``: the answer, the rule and its line, the hierarchy, and what would change the answer."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import ETC_LINE, POLICY, json_of, paddock, write


@pytest.fixture
def policy(tmp_path: Path) -> str:
    os.mkdir(tmp_path / "data")
    write(tmp_path / "data" / "file", "")
    os.symlink("data/file", tmp_path / "link")
    return write(
        tmp_path / "policy.toml",
        POLICY
        + f"""
[[path_beneath]]
allowed_access = ["read_file", "read_dir"]
parent = ["{tmp_path}"]

[[path_beneath]]
allowed_access = ["write_file"]
parent = ["{tmp_path}/data/file"]
""",
    )


def explained(policy: str, *words: str, status: int = 0) -> Any:
    done = paddock("explain", "--format", "json", policy, *words, cwd=os.path.dirname(policy))
    assert (done.returncode, done.stderr) == (status, "")
    said = json_of(done)
    assert list(said) == [
        "policy", "target", "kind", "abi", "allowed", "object", "port", "rights", "hierarchy", "links", "notes",
        "changes",
    ]  # fmt: skip
    assert list(said["abi"]) == ["kernel", "enforced"]
    for right in said["rights"]:
        assert list(right) == ["right", "verdict", "decided_by", "reason", "errno"]
    assert said["allowed"] == (status == 0)
    return said


def verdicts(said: Any) -> list[tuple[str, str, str | None]]:
    return [(right["right"], right["verdict"], right["errno"]) for right in said["rights"]]


def test_allowed_by_a_rule_on_a_line(policy: str) -> None:
    said = explained(policy, "/etc/hostname")
    assert verdicts(said) == [("read_file", "allowed", None)]
    assert said["rights"][0]["decided_by"] == [{"file": policy, "line": ETC_LINE, "rule": 'path_beneath "/etc"'}]
    done = paddock("explain", policy, "/etc/hostname")
    assert done.returncode == 0
    assert done.stdout.startswith("/etc/hostname: allowed  (Landlock ABI ")
    assert f'{policy}:{ETC_LINE} (path_beneath "/etc")' in done.stdout


def test_denied_with_reason_and_change(policy: str) -> None:
    said = explained(policy, "data/file", "--right", "read_file", "--right", "truncate", status=1)
    assert verdicts(said) == [("read_file", "allowed", None), ("truncate", "denied", "EACCES")]
    assert "grants write_file but not truncate" in said["rights"][1]["reason"]
    directory = os.path.dirname(policy)
    assert said["object"] == f"{directory}/data/file"
    assert f"Grant truncate on {directory}/data/file." in said["changes"]
    done = paddock("explain", policy, f"{directory}/data/file", "--right", "truncate")
    assert (done.returncode, done.stderr) == (1, "")
    assert f"Grant truncate on {directory}/data/file." in done.stdout


def test_hierarchy_lists_what_each_level_grants(policy: str) -> None:
    said = explained(policy, "data/file")
    directory = os.path.dirname(policy)
    levels = {level["path"]: [grant["rights"] for grant in level["grants"]] for level in said["hierarchy"]}
    assert list(levels)[:3] == [f"{directory}/data/file", f"{directory}/data", directory]
    assert list(levels)[-1] == "/"
    assert levels[f"{directory}/data/file"] == [["write_file"]]
    assert levels[f"{directory}/data"] == []
    assert levels[directory] == [["read_file", "read_dir"]]
    assert levels["/"] == []
    assert list(said["hierarchy"][0]["grants"][0]) == ["rights", "file", "line", "rule"]


def test_link_is_resolved(policy: str) -> None:
    said = explained(policy, "link", "--right", "write_file")
    assert said["object"] == f"{os.path.dirname(policy)}/data/file"
    assert said["notes"] == [f"link resolves to {said['object']}, which decides."]


@pytest.mark.parametrize(
    ("target", "right"),
    [("data", "read_dir"), ("data/", "read_dir"), ("data/file", "read_file"), ("gone/", "read_dir")],
)
def test_default_right(policy: str, target: str, right: str) -> None:
    assert [each["right"] for each in explained(policy, target)["rights"]] == [right]


def test_make_rights_are_checked_on_the_directory(policy: str) -> None:
    directory = os.path.dirname(policy)
    for target in ("data", "data/file", "data/new"):
        said = explained(policy, target, "--right", "make_reg", status=1)
        assert said["object"] == f"{directory}/data"


def test_missing_path_is_decided_by_the_directory_above(policy: str) -> None:
    said = explained(policy, "data/a/b")
    directory = os.path.dirname(policy)
    assert said["object"] == f"{directory}/data"
    assert said["notes"] == [f"data/a/b does not exist, so {directory}/data decides."]


def test_ports(policy: str) -> None:
    for target, port in (("tcp:443", 443), ("tcp:https", 443)):
        said = explained(policy, target)
        assert (said["kind"], said["port"], verdicts(said)) == ("port", port, [("connect_tcp", "allowed", None)])
    said = explained(policy, "tcp:80", status=1)
    assert verdicts(said) == [("connect_tcp", "denied", "EACCES")]
    assert said["changes"] == ["Grant connect_tcp on port 80, for any address."]
    said = explained(policy, "tcp:443", "--right", "bind_tcp", status=1)
    assert "grants connect_tcp but not bind_tcp" in said["rights"][0]["reason"]


def test_unrestricted_right_is_allowed(policy: str) -> None:
    said = explained(policy, "udp:53")
    assert verdicts(said) == [("connect_send_udp", "uncontrolled", None)]
    said = explained(policy, "udp:53", "--abi", "10")
    assert said["abi"]["enforced"] == 10
    assert said["changes"] == ["To restrict connect_send_udp, add it to handled_access_net in a [[ruleset]]."]


def test_sending_udp_also_binds(tmp_path: Path) -> None:
    text = """
[[net_port]]
allowed_access = ["connect_send_udp"]
port = [53]
[[net_port]]
allowed_access = ["bind_udp"]
port = [{}]
"""
    lacking = explained(write(tmp_path / "lacking.toml", text.format(5353)), "udp:53", "--abi", "10")
    assert len(lacking["notes"]) == 1
    assert "needs bind_udp on port 0" in lacking["notes"][0]
    assert explained(write(tmp_path / "granted.toml", text.format(0)), "udp:53", "--abi", "10")["notes"] == []
    assert explained(write(tmp_path / "older.toml", text.format(5353)), "udp:53", "--abi", "9")["notes"] == []


def test_what_would_deny_a_port(policy: str) -> None:
    done = paddock("explain", policy, "tcp:443")
    assert "To deny connect_tcp, remove it from" in done.stdout and "further up" not in done.stdout
    assert "a rule further up may still grant it." in paddock("explain", policy, "/usr").stdout


def test_an_older_kernel(policy: str) -> None:
    said = explained(policy, "/root/x", "--right", "truncate", "--abi", "2")
    assert verdicts(said) == [("truncate", "uncontrolled", None)]
    assert said["changes"] == ["A kernel with Landlock ABI 3 or later can restrict truncate."]
    explained(policy, "/root/x", "--right", "truncate", "--abi", "3", status=1)


def test_unnamed_right(tmp_path: Path) -> None:
    text = '[[path_beneath]]\nallowed_access = ["read_file", 0x20000]\nparent = ["/usr"]\n'
    write(tmp_path / "p.toml", text)
    done = paddock("explain", "p.toml", "/usr", "--right", "fs.0x20000", "--abi", "11", cwd=tmp_path)
    assert done.returncode == 0
    assert "Landlock ABI 11 does not know fs.0x20000" in done.stdout
    assert "/usr  read_file, fs.0x20000  p.toml:3" in done.stdout
    assert "Only a kernel with an ABI newer than 11 can restrict fs.0x20000." in done.stdout
    done = paddock("explain", "p.toml", "/usr", "--right", "fs.0x4", cwd=tmp_path)
    assert done.returncode == 2 and "Unknown right 'fs.0x4' for /usr" in done.stderr
    assert "unknown to ABI 11  fs.0x20000" in paddock("explain", "--all", "--abi", "11", "p.toml", cwd=tmp_path).stdout


def test_scopes(policy: str) -> None:
    said = explained(policy, "scope:signal", status=1)
    assert verdicts(said) == [("signal", "denied", "EPERM")]
    assert said["rights"][0]["decided_by"] == [{"file": policy, "line": 3, "rule": "ruleset"}]
    assert "This widens the policy" in said["changes"][0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tcp:70000",), "70000 is not a port"),
        (("tcp:nosuchservice",), "Unknown tcp service 'nosuchservice'"),
        (
            ("tcp:443", "--right", "read_file"),
            "Unknown right 'read_file' for tcp:443. Choose from bind_tcp, connect_tcp.",
        ),
        (("/etc", "--right", "connect_tcp"), "Unknown right 'connect_tcp' for /etc."),
        (("/etc", "--right", "READ"), "Unknown right 'READ' for /etc."),
        (("scope:all",), "Unknown right 'all' for scope:. Choose from abstract_unix_socket, signal."),
        (("",), "The path is empty."),
    ],
)
def test_invalid_targets(policy: str, words: tuple[str, ...], said: str) -> None:
    done = paddock("explain", policy, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_file_named_like_a_port(policy: str) -> None:
    write(os.path.join(os.path.dirname(policy), "tcp:443"), "")
    assert explained(policy, "./tcp:443")["kind"] == "path"
