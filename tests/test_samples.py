"""Every sample policy with the real program that it is for: what is needed is allowed, what is forbidden denied."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from editor.landlock.rights import rights_of
from editor.policy.parse import read_policy
from tests.samples.harness import ROOT, SAMPLES, denied, environment, policy_path, run_under

NAMES = (
    "c-compile",
    "downloader",
    "git-work-tree",
    "no-network-build",
    "python-venv",
    "read-only-shell",
    "ssh-keygen",
    "static-web-server",
)


class Place(NamedTuple):
    """Where a program runs: ``work`` is its working directory, ``home`` a directory that no policy grants."""

    work: str
    home: str


@pytest.fixture
def place() -> Iterator[Place]:
    """Create both outside /tmp, which some of the policies grant."""
    root = tempfile.mkdtemp(prefix="paddock-sample-", dir="/var/tmp")
    found = Place(os.path.join(root, "work"), os.path.join(root, "home"))
    os.mkdir(found.work)
    os.mkdir(found.home)
    yield found
    shutil.rmtree(root)


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def test_list_of_samples() -> None:
    assert sorted(os.listdir(SAMPLES)) == sorted(f"{name}{kind}.toml" for name in NAMES for kind in ("", ".checks"))


@pytest.mark.parametrize("name", NAMES)
def test_sample_states_its_purpose_and_how_to_try_it(name: str) -> None:
    with open(policy_path(name), encoding="utf-8") as file:
        head = file.read().split("\n\n", 1)[0].splitlines()
    assert all(line.startswith("#") for line in head)
    assert head[0].endswith(".") and len(head[0]) > 40
    assert sum(line.startswith("# Try: ") for line in head) == 1


@pytest.mark.parametrize("name", NAMES)
def test_sample_handles_every_right(name: str) -> None:
    policy = read_policy(policy_path(name))
    assert policy.abi == 10
    assert policy.handled_fs == rights_of("fs", 10)
    assert policy.handled_net == rights_of("net", 10)
    assert policy.scoped == rights_of("scope", 10)


@pytest.mark.parametrize("name", NAMES)
def test_sample_grants_no_broad_hierarchy(name: str) -> None:
    with open(policy_path(name), "rb") as file:
        rules = tomllib.load(file)["path_beneath"]
    for rule in rules:
        assert not {"/", "/home", "/root", "/var", "/dev"} & set(rule["parent"])
        assert not [right for right in rule["allowed_access"] if right.startswith("abi.")]


@pytest.mark.parametrize("name", NAMES)
def test_sample_has_no_unexplained_findings(name: str, place: Place) -> None:
    """With the files that it names in place, each finding is explained in the sample."""
    os.makedirs(os.path.join(place.work, ".venv", "bin"))
    os.makedirs(os.path.join(place.home, ".config", "git"))
    write(os.path.join(place.home, ".gitconfig"), "")
    with open(policy_path(name), encoding="utf-8") as file:
        text = file.read()
    policy = os.path.join(place.home, "policy.toml")  # a sample may grant writing to this checkout
    write(policy, text)
    home = ("--var", f"home={place.home}") if "${home}" in text else ()
    command = (sys.executable, "-m", "editor", "check", "--format", "json", *home, policy)
    done = subprocess.run(
        command, cwd=place.work, env=environment(place.home) | {"PYTHONPATH": ROOT}, capture_output=True, check=False
    )
    (checked,) = json.loads(done.stdout)["files"]
    assert checked["status"] != "invalid"
    for finding in checked["findings"]:
        said = finding["message"].removesuffix(" does not exist: its rule grants nothing.")
        if finding["id"] == "missing-path" and said.startswith(("/etc/", "/usr/")):
            assert not os.path.exists(said)  # of a package that is not installed
            continue
        assert finding["id"] in text, finding


@pytest.mark.program("curl", "gcc", "git", "make", "ssh-keygen")
@pytest.mark.parametrize("name", NAMES)
def test_checks_of_a_sample_hold(name: str, place: Place) -> None:
    verify = (sys.executable, "-m", "editor", "verify", "--allow-missing", "-j2", "--format", "json")
    command = (*verify, policy_path(name))
    done = subprocess.run(command, cwd=ROOT, env=environment(place.home), stdout=subprocess.PIPE, check=False)
    result = json.loads(done.stdout)
    assert [(each["name"], each["reasons"], each["output"]) for each in result["checks"] if each["reasons"]] == []
    assert (done.returncode, result["counts"]["held"]) == (0, len(result["checks"]))
    assert "read_file /etc/shadow" in {probe["access"] for each in result["checks"] for probe in each["probes"]}


def test_read_only_shell(place: Place) -> None:
    report = run_under(
        "read-only-shell", ("sh", "-c", "cat /etc/hostname; touch /tmp/x"), cwd=place.work, home=place.home
    )
    with open("/etc/hostname", encoding="utf-8") as file:
        assert file.read() in report["output"]
    assert denied(report) == [(("make_reg",), "/tmp")]
    (touch,) = [access for access in report["accesses"] if access["verdict"] == "denied"]
    assert (touch["path"], touch["errno"], touch["process"]) == ("/tmp/x", "EACCES", "touch")
    (read,) = [access for access in report["accesses"] if access["path"] == "/etc/hostname"]
    assert (read["verdict"], read["rights"], read["missing"]) == ("allowed", ["read_file"], [])
    (rule,) = read["decided_by"]
    with open(policy_path("read-only-shell"), encoding="utf-8") as file:
        assert '"/etc/hostname"' in file.read().splitlines()[rule["line"] - 1]
    assert not os.path.exists("/tmp/x")


def test_read_only_shell_can_look_around(place: Place) -> None:
    script = "ls -l /usr /etc /var/log . && head -1 /proc/meminfo && id && : >/dev/null"
    report = run_under("read-only-shell", ("sh", "-c", script), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (0, [])


@pytest.mark.program("gcc")
def test_c_compile(place: Place) -> None:
    write(os.path.join(place.work, "hello.c"), HELLO)
    report = run_under(
        "c-compile", ("gcc", "-g", "-O2", "-o", "hello", "hello.c", "-lm"), cwd=place.work, home=place.home
    )
    assert (report["exit_code"], denied(report)) == (0, [])
    done = subprocess.run([os.path.join(place.work, "hello")], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    outside = os.path.join(place.home, "hello")
    report = run_under("c-compile", ("gcc", "-o", outside, "hello.c"), cwd=place.work, home=place.home)
    assert report["exit_code"] != 0
    assert denied(report) == [(("make_reg",), place.home)]


@pytest.mark.program("git")
def test_git_work_tree(place: Place) -> None:
    write(os.path.join(place.work, "file"), "content\n")
    os.mkdir(os.path.join(place.work, "dir"))
    script = (
        "git init -q && git add file && git commit -q -m one && git mv file dir/file && git commit -q -m two"
        " && git checkout -q -b side HEAD~1 && git merge -q master && git gc -q && git clone -q . copy"
        " && git log --format=%s && git status --short"
    )
    who = {f"GIT_{role}_{what}": "a@b.example" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "init.defaultBranch", "GIT_CONFIG_VALUE_0": "master"}
    report = run_under("git-work-tree", ("sh", "-c", script), cwd=place.work, home=place.home, **who, **settings)
    assert (report["exit_code"], denied(report)) == (0, []), report["output"]
    assert "two\none\n" in report["output"]
    report = run_under(
        "git-work-tree", ("git", "config", "--global", "alias.x", "!id"), cwd=place.work, home=place.home, **who
    )
    assert report["exit_code"] != 0
    assert denied(report) == [(("make_reg",), place.home)]


def test_python_in_a_virtual_environment(place: Place) -> None:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", ".venv"], cwd=place.work, check=True)
    (library,) = os.listdir(os.path.join(place.work, ".venv", "lib"))
    package = os.path.join(place.work, ".venv", "lib", library, "site-packages", "installed.py")
    write(package, "import json, ssl\nANSWER = json.loads('42')\n")
    write(os.path.join(place.work, "script.py"), "import sys, installed\nprint(installed.ANSWER, sys.prefix)\n")
    python = (".venv/bin/python", "-B")
    report = run_under("python-venv", (*python, "script.py"), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (0, [])
    assert f"42 {place.work}/.venv\n" in report["output"]
    write(os.path.join(place.work, "bad.py"), "import os\nopen('out', 'w')\n")
    report = run_under("python-venv", (*python, "bad.py"), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (1, [(("make_reg",), place.work)])
    write(os.path.join(place.work, "bad.py"), "import os\nos.execv('/usr/bin/id', ['id'])\n")
    report = run_under("python-venv", (*python, "bad.py"), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (1, [(("execute", "read_file"), "/usr/bin/id")])


@pytest.mark.program("ssh-keygen")
def test_ssh_keygen(place: Place) -> None:
    keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
    report = run_under("ssh-keygen", keygen, cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (0, [])
    key = os.path.join(place.work, "key")
    assert sorted(os.listdir(place.work)) == ["key", "key.pub"]
    with open(key, encoding="ascii") as file:
        before = file.read()
    report = run_under("ssh-keygen", keygen, cwd=place.work, home=place.home, answer="y\n")
    assert "Overwrite (y/n)?" in report["output"]
    assert (report["exit_code"], denied(report)) == (1, [(("truncate",), key)])
    report = run_under("ssh-keygen", (*keygen[:-1], "../home/key"), cwd=place.work, home=place.home)
    assert report["exit_code"] != 0
    assert denied(report) == [(("make_reg",), place.home)]
    with open(key, encoding="ascii") as file:
        assert file.read() == before


@pytest.mark.program("gcc", "make")
def test_no_network_build(place: Place) -> None:
    write(os.path.join(place.work, "hello.c"), HELLO)
    write(
        os.path.join(place.work, "Makefile"),
        'all: hello\n\t./hello >output\n\trm "$$(mktemp)"\n\tinstall -D hello stage/bin/hello\n\tmv stage/bin/hello .\n'
        "\tln -s hello link\nfetch:\n"
        "\tpython3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 443))'\n",
    )
    report = run_under("no-network-build", ("make", "-j2"), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (0, []), report["output"]
    with open(os.path.join(place.work, "output"), encoding="ascii") as file:
        assert file.read() == "hello\n"
    report = run_under("no-network-build", ("make", "fetch"), cwd=place.work, home=place.home)
    assert (report["exit_code"], denied(report)) == (2, [(("connect_tcp",), 443)])


def in_namespaces(scenario: str, directory: str) -> dict[str, Any]:
    """Return what ``tests.samples.network`` printed; an unprivileged user needs a user namespace for it."""
    as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = [
        "unshare",
        "--net",
        "--mount",
        *as_user,
        sys.executable,
        "-m",
        "tests.samples.network",
        scenario,
        directory,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.namespaces
def test_static_web_server(place: Place) -> None:
    result = in_namespaces("web", os.path.dirname(place.work) + "/home")
    report = result["report"]
    assert result["pages"]["/"] == [200, "the index\n"]
    assert "entry.txt" in result["pages"]["/list/"][1]
    assert result["pages"]["/leak"][0] == 404
    assert report["exit_code"] == 0, result["output"]
    assert denied(report) == [(("read_file",), "/etc/passwd")]
    (bound,) = [access for access in report["accesses"] if "bind_tcp" in access["rights"]]
    assert (bound["verdict"], bound["port"]) == ("allowed", 8080)


@pytest.mark.namespaces
@pytest.mark.program("curl", "openssl")
def test_downloader(place: Place) -> None:
    result = in_namespaces("download", place.home)
    reports = result["reports"]
    assert result["files"] == {"page": "the page\n", "second": "the page\n"}
    for name in ("https", "dns_over_tcp"):
        assert (reports[name]["exit_code"], denied(reports[name])) == (0, []), reports[name]["output"]
    ports = {
        (access["port"], *access["rights"]): access["verdict"]
        for access in reports["dns_over_tcp"]["accesses"]
        if access["rights"] == ["connect_tcp"]
    }
    assert ports == {(53, "connect_tcp"): "allowed", (443, "connect_tcp"): "allowed"}
    assert reports["http"]["exit_code"] == 7
    assert denied(reports["http"]) == [(("connect_tcp",), 80)]
