"""``paddock explain``: the answer, the rule and its line, the hierarchy, and what would change the answer."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from editor.evaluation.execchain import ImageReader
from tests.cli.harness import ETC_LINE, POLICY, json_of, paddock, write, write_program


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


class TestProgram:
    """A program is allowed if the kernel would start it: ``run`` and the libraries' loader are the judges."""

    BASE = """
abi = 3
[[ruleset]]
handled_access_fs = ["execute", "read_file"]
[[path_beneath]]
allowed_access = ["read_file"]
parent = ["/etc"]
"""

    def rule(self, *paths: str, rights: str = '"execute", "read_file"') -> str:
        parents = ", ".join(f'"{path}"' for path in paths)
        return f"[[path_beneath]]\nallowed_access = [{rights}]\nparent = [{parents}]\n"

    def checked(self, place: Path, text: str, program: str, *options: str) -> Any:
        """Explain ``program`` under a policy; ``run`` must be able to start it exactly if that is allowed."""
        file = write(place / "p.toml", self.BASE + text)
        done = paddock("explain", "--format", "json", *options, file, program, cwd=place)
        said = json_of(done)
        assert done.returncode == (0 if said["allowed"] else 1)
        started = paddock("run", "--quiet", file, "--", program, cwd=place)
        assert (started.returncode == 0) == said["allowed"], started.stderr
        return said

    def denied(self, said: Any) -> list[tuple[str, str]]:
        return [(file["role"], file["path"]) for file in said["opens"] if file["verdict"] == "denied"]

    @pytest.fixture
    def libraries(self) -> str:
        """Return a rule for all shared libraries, which does not let the loader be executed."""
        return self.rule("/usr/lib", rights='"read_file"')

    def test_loader(self, tmp_path: Path, libraries: str) -> None:
        loader = ImageReader().read("/usr/bin/true").loader
        assert loader is not None
        said = self.checked(tmp_path, libraries + self.rule("/usr/bin/true"), "/usr/bin/true")
        assert self.denied(said) == [("loader", loader)]
        assert said["opens"][1]["missing"] == ["execute"]
        done = paddock("explain", "p.toml", "/usr/bin/true", "--right", "execute", cwd=tmp_path)
        assert done.returncode == 1
        needs = f"the policy denies execute on its loader {loader} (needed by /usr/bin/true)."
        assert f"It cannot be started: {needs}" in done.stdout
        assert f"  Grant execute on {os.path.realpath(loader)}." in done.stdout
        assert self.checked(tmp_path, libraries + self.rule("/usr/bin/true", loader), "/usr/bin/true")["allowed"]

    def test_interpreters(self, tmp_path: Path, libraries: str) -> None:
        loader = ImageReader().read("/bin/sh").loader or ""
        write_program(tmp_path / "inner", "#!/bin/sh\ntrue\n")
        write_program(tmp_path / "outer", f"#!{tmp_path}/inner\n")
        both = libraries + self.rule(f"{tmp_path}/outer", f"{tmp_path}/inner", loader)
        said = self.checked(tmp_path, both, f"{tmp_path}/outer")
        assert [file["role"] for file in said["opens"]] == ["program", "interpreter", "interpreter", "loader"]
        assert self.denied(said) == [("interpreter", "/bin/sh")]
        said = self.checked(tmp_path, both + self.rule("/bin/sh"), f"{tmp_path}/outer")
        assert said["allowed"]
        only = libraries + self.rule(f"{tmp_path}/outer", "/bin/sh", loader)
        assert self.denied(self.checked(tmp_path, only, "./outer")) == [("interpreter", f"{tmp_path}/inner")]

    def test_what_env_executes(self, tmp_path: Path, libraries: str) -> None:
        loader = ImageReader().read("/usr/bin/env").loader or ""
        for line in ("#!/usr/bin/env true", "#!/usr/bin/env -S A=1 true"):
            write_program(tmp_path / "script", f"{line}\n")
            text = libraries + self.rule(f"{tmp_path}/script", "/usr/bin/env", loader)
            assert self.denied(self.checked(tmp_path, text, "./script")) == [("command", "/usr/bin/true")]
            assert self.checked(tmp_path, text + self.rule("/usr/bin/true"), "./script")["allowed"]

    def test_script_without_interpreter(self, tmp_path: Path, libraries: str) -> None:
        write_program(tmp_path / "script", "true\n")
        loader = ImageReader().read("/bin/sh").loader or ""
        text = libraries + self.rule(f"{tmp_path}/script", loader)
        said = self.checked(tmp_path, text, "./script", "--right", "execute")
        assert self.denied(said) == [("shell", "/bin/sh")]
        assert self.checked(tmp_path, text + self.rule("/bin/sh"), "./script", "--right", "execute")["allowed"]

    def test_interpreter_that_does_not_exist(self, tmp_path: Path) -> None:
        write_program(tmp_path / "script", "#!/no/such/interpreter\n")
        file = write(tmp_path / "p.toml", self.BASE + self.rule(str(tmp_path)))
        done = paddock("explain", file, "./script", cwd=tmp_path)
        assert done.returncode == 0  # the policy does not deny it
        assert "interpreter  /no/such/interpreter  not found  there is no such file" in done.stdout

    @pytest.mark.program("gcc")
    def test_static_program(self, tmp_path: Path) -> None:
        write(tmp_path / "main.c", "int main(void) { return 0; }\n")
        subprocess.run(["gcc", "-static", "-o", "main", "main.c"], cwd=tmp_path, check=True)
        said = self.checked(tmp_path, self.rule(f"{tmp_path}/main"), "./main", "--libraries")
        assert said["allowed"] and [file["role"] for file in said["opens"]] == ["program"]

    def test_libraries(self, tmp_path: Path) -> None:
        loader = ImageReader().read("/usr/bin/ls").loader or ""
        text = self.rule("/usr/bin/ls", loader)
        file = write(tmp_path / "p.toml", self.BASE + text)
        assert paddock("explain", file, "/usr/bin/ls").returncode == 0  # it starts, and the loader fails
        done = paddock("explain", file, "/etc", "--libraries")
        assert done.returncode == 2 and "--libraries needs a program, or --right execute: /etc is none." in done.stderr
        said = self.checked(tmp_path, text, "/usr/bin/ls", "--libraries")
        libraries = [file["path"] for file in said["opens"] if file["role"] == "library"]
        assert any(os.path.basename(path) == "libc.so.6" for path in libraries)
        assert {role for role, _ in self.denied(said)} == {"library"}
        assert [file["missing"] for file in said["opens"] if file["role"] == "library"] == [["read_file"]] * len(
            libraries
        )
        for left_out in libraries:
            some = self.rule(*(path for path in libraries if path != left_out), "/proc", rights='"read_file"')
            assert self.denied(self.checked(tmp_path, text + some, "/usr/bin/ls", "--libraries")) == [
                ("library", left_out)
            ]
        everything = self.rule(*libraries, "/proc", rights='"read_file"')
        assert self.checked(tmp_path, text + everything, "/usr/bin/ls", "--libraries")["allowed"]

    def test_command_in_path(self, tmp_path: Path) -> None:
        file = write(tmp_path / "p.toml", self.BASE)
        done = paddock("explain", file, "true", cwd=tmp_path)
        assert done.returncode == 1
        assert "true is no file in this directory; as a command, it is /usr/bin/true." in done.stdout
        assert "Grant execute, read_file on /usr/bin/true." in done.stdout
        assert str(tmp_path) not in done.stdout.replace(file, "")
        # A file of that name, or something to be made, is meant as such.
        write(tmp_path / "true", "")
        assert "Grant read_file on" in paddock("explain", file, "true", cwd=tmp_path).stdout
        said = json_of(paddock("explain", "--format", "json", file, "false", "--right", "make_reg", cwd=tmp_path))
        assert said["object"] == str(tmp_path)

    def test_data_and_libraries_are_read(self, tmp_path: Path) -> None:
        file = write(tmp_path / "p.toml", self.BASE)
        write_program(tmp_path / "data", "no program\n")
        shutil.copy("/usr/bin/true", tmp_path / "libx.so.1")
        for name in ("data", "libx.so.1"):
            said = json_of(paddock("explain", "--format", "json", file, name, cwd=tmp_path))
            assert [each["right"] for each in said["rights"]] == ["read_file"]
            assert "opens" not in said

    def test_layers(self, tmp_path: Path) -> None:
        """If one layer restricts files, a layer that does not still denies moving between directories."""
        file = write(tmp_path / "p.toml", self.BASE + self.rule("/usr", rights='"execute", "read_file", "refer"'))
        ports = write(tmp_path / "ports.toml", 'abi = 4\n[[ruleset]]\nhandled_access_net = ["bind_tcp"]\n')
        asked = ("/usr/bin", "--right", "refer")
        assert paddock("explain", file, *asked).returncode == 0
        assert paddock("explain", ports, *asked).returncode == 0
        said = json_of(paddock("explain", "--format", "json", file, "--layer", ports, *asked))
        assert [each["allowed"] for each in said["layers"]] == [True, False]
        done = paddock("explain", file, "--layer", ports, *asked)
        assert done.returncode == 1
        assert done.stdout.index("Layer 1") < done.stdout.index(": allowed") < done.stdout.index("Layer 2")
        assert paddock("explain", "--all", "--layer", ports, file).returncode == 2
