"""``paddock verify``: outcomes, exit statuses, formats, and that nothing is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI
from tests.cli.harness import PADDOCK, POLICY, environment, json_of, paddock, write
from tests.sandbox.harness import alive

ABI = kernel.query_abi()
WITHOUT_LANDLOCK = (sys.executable, os.path.join(os.path.dirname(__file__), "without_landlock.py"))

HOLDING = """\
[[check]]
name = "reads settings"
command = "sh -c 'cat /etc/hostname; cat /var/log/x; touch /tmp/x || exit 3'"
exit_status = 3
allowed = ["read_file /etc/hostname"]
denied = ["make_reg /tmp"]

[[check]]
name = "keeps to itself"
allowed = ["read_file /etc/hostname", "connect_tcp 443"]
denied = ["connect_tcp 25", "bind_tcp 443", "make_reg /tmp", "signal outside", "abstract_unix_socket outside"]
"""
FAILING = """\
[[check]]
name = "wants too much"
files = { "\\u001b[31m" = "" }
command = ["cat", "/etc/hostname", "\\u001b[31m"]
denied = ["read_file /etc/hostname"]
allowed = ["read_file /etc/fstab"]

[[check]]
name = "allows too much"
denied = ["read_file /etc/hostname"]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "p.toml", POLICY)
    os.mkdir(tmp_path / "tmp")
    return tmp_path


def verify(files: Path, checks: str, *words: str, before: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Write ``checks`` and run ``paddock verify p.toml``, with its temporary files in a directory of its own."""
    write(files / "p.checks.toml", checks)
    env = environment(TMPDIR=os.fspath(files / "tmp"))
    done = paddock("verify", "p.toml", *words, cwd=files, env=env, before=before)
    assert os.listdir(files / "tmp") == []
    return done


def test_checks_that_hold(files: Path) -> None:
    done = verify(files, HOLDING)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\d+\.\d\d s", "N s", done.stdout).splitlines() == [
        "ok: p.toml: reads settings (N s)",
        "ok: p.toml: keeps to itself (N s)",
        "2 checks: 2 held",
    ]


def test_checks_that_do_not_hold_say_why(files: Path) -> None:
    done = verify(files, FAILING)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("FAILED: p.toml: wants too much (")
    assert "  p.checks.toml:1: exit status 1 instead of 0" in lines
    unexpected = re.compile(
        r"  p\.checks\.toml:1: denied, but not expected: read_file .*/\\x1b\[31m by cat \(no rule .*\)"
    )
    assert any(unexpected.fullmatch(line) for line in lines)
    assert "  p.checks.toml:1: not denied: read_file /etc/hostname (allowed by p.toml:14)" in lines
    assert "  p.checks.toml:1: not allowed: read_file /etc/fstab (the command did not try it)" in lines
    assert "  p.checks.toml:8: read_file /etc/hostname is allowed by p.toml:14" in lines
    with open("/etc/hostname", encoding="utf-8") as file:
        assert f"  | {file.read().strip()}" in lines  # what the command wrote
    assert lines[-1] == "2 checks: 0 held, 2 did not hold"


def test_denials_that_may_happen(files: Path) -> None:
    write(files / "tmp-of-test", "")
    check = f'[[check]]\nname = "a"\ncommand = "sh -c \'cat {files}/tmp-of-test; exit 0\'"\n'
    assert verify(files, check).returncode == 1
    assert verify(files, f'{check}may_be_denied = ["read_file {files}/**"]\n').returncode == 0
    assert verify(files, f'{check}denied = ["read_file {files}/**"]\n').returncode == 0
    assert verify(files, f'{check}may_be_denied = ["write_file {files}/**"]\n').returncode == 1
    assert verify(files, f'{check}mode = "observe"\nallowed = ["read_file {files}/**"]\n').returncode == 1


def test_environment_files_and_preparation(files: Path) -> None:
    check = """\
[[check]]
name = "a"
prepare = [
    "sh",
    "-c",
    "cat given >/dev/null && mkdir made && echo prepared >made/file && chmod 0 made && ln -s / link && chmod 555 .",
]
files = { "given" = "text", "deep/er" = "" }
command = ["sh", "-c", "echo $WORD; ls"]
environment = { WORD = "from the check" }
may_be_denied = ["read_dir ."]
exit_status = "any"
"""
    (result,) = json_of(verify(files, check, "--format", "json"))["checks"]
    assert result["outcome"] == "held"
    assert "from the check\n" in result["output"]


def test_preparation_that_fails_is_an_error(files: Path) -> None:
    done = verify(files, '[[check]]\nname = "a"\ncommand = "true"\nprepare = "sh -c \'echo why; exit 4\'"\n')
    assert done.returncode == 2
    assert "  p.checks.toml:1: preparing it failed with exit status 4\n  | why\n" in done.stdout
    done = verify(files, '[[check]]\nname = "a"\ncommand = "true"\ndirectory = "no/such"\n')
    assert done.returncode == 2
    assert f"  p.checks.toml:1: {files}/no/such: No such file or directory\n" in done.stdout


def test_directory_is_relative_to_the_checks(files: Path) -> None:
    os.mkdir(files / "work")
    write(files / "work" / "file", "")
    policy = POLICY.replace('["/etc", "/proc"]', '["/etc", "/proc", "."]')
    write(files / "p.toml", policy)
    check = '[[check]]\nname = "a"\ncommand = "cat file"\ndirectory = "work"\nallowed = ["read_file file"]\n'
    assert verify(files, check).returncode == 0


def test_command_that_takes_too_long(files: Path) -> None:
    check = (
        '[[check]]\nname = "a"\ntimeout = 0.5\ncommand = ["sh", "-c", "trap \'exit 0\' TERM; sleep 1000.25 & wait"]\n'
    )
    done = verify(files, check)
    assert done.returncode == 1
    assert re.search(r"  p\.checks\.toml:1: still running after \d\.\d s, and ended then\n", done.stdout)
    assert verify(files, f'{check}exit_status = "any"\n').returncode == 1
    assert verify(files, f'{check}exit_status = "timeout"\n').returncode == 0
    assert alive("1000.25") == []
    done = verify(files, '[[check]]\nname = "a"\ncommand = "true"\nexit_status = "timeout"\n')
    assert done.returncode == 1
    assert "  p.checks.toml:1: ended with exit status 0 before its timeout\n" in done.stdout


def test_command_that_does_not_exist(files: Path) -> None:
    check = '[[check]]\nname = "a"\ncommand = "no-such-program"\n'
    for status in ("0", '"any"'):
        done = verify(files, f"{check}exit_status = {status}\n")
        assert done.returncode == 1
        assert "  p.checks.toml:1: no-such-program: command not found" in done.stdout
    assert verify(files, f"{check}exit_status = 127\n").returncode == 0


def test_mistakes_in_the_checks_are_shown_at_their_place(files: Path) -> None:
    done = verify(files, '[[check]]\nname = "a"\ndenied = ["read_fil /x"]\n')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "paddock verify: p.checks.toml:3:11: unknown right 'read_fil' (did you mean 'read_file'?)\n"
        '     3 | denied = ["read_fil /x"]\n'
        "       |           ^\n"
    )


def test_policy_without_checks_is_an_error(files: Path) -> None:
    done = paddock("verify", "p.toml", cwd=files)
    assert (done.returncode, done.stderr) == (
        2,
        "paddock verify: p.checks.toml: cannot be read: No such file or directory\n",
    )
    done = paddock("verify", ".", cwd=files)
    assert (done.returncode, done.stderr) == (
        2,
        "paddock verify: .: no policy in this directory has checks (NAME.checks.toml)\n",
    )


def test_directories_and_files_of_checks_name_policies(files: Path) -> None:
    write(files / "without.toml", POLICY)
    checks = '[[check]]\nname = "a"\ncommand = "true"\n'
    write(files / "q.toml", POLICY)
    write(files / "q.checks.toml", checks)
    for words in (["."], ["p.toml", "p.checks.toml", "q.checks.toml"]):
        write(files / "p.checks.toml", checks)
        done = paddock("verify", *words, "--format", "json", cwd=files)
        assert [os.path.basename(each["policy"]) for each in json_of(done)["checks"]] == ["p.toml", "q.toml"]


def test_checks_from_elsewhere(files: Path) -> None:
    write(files / "q.toml", POLICY.replace('"/etc", ', '"/etc/ld.so.cache", '))
    os.mkdir(files / "checks")
    write(files / "checks" / "web", '[[check]]\nname = "a"\nallowed = ["read_file /etc/hostname"]\n')
    for policy, status in (("p.toml", 0), ("q.toml", 1), (".", 0)):
        assert paddock("verify", policy, "--checks", "checks/web", cwd=files).returncode == status
    done = paddock("verify", "p.toml", "q.toml", "--checks", "checks/web", cwd=files)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "paddock verify: unexpected argument: q.toml")


def test_directory_of_policies_does_not_include_checks(files: Path) -> None:
    write(files / "p.checks.toml", HOLDING)
    done = paddock("export", ".", "--to", "resolved", cwd=files)
    assert done.returncode == 0, done.stderr


def test_only_named_checks(files: Path) -> None:
    done = verify(files, HOLDING, "--only", "keeps to itself")
    assert done.stdout.endswith("\n1 check: 1 held\n")
    done = verify(files, HOLDING, "--only", "keeps to itsel")
    assert (done.returncode, done.stderr) == (
        2,
        "paddock verify: no check is named 'keeps to itsel'; did you mean 'keeps to itself'?\n",
    )


def test_checks_run_side_by_side(files: Path) -> None:
    """Each waits for what the other writes."""
    policy = POLICY.replace('["/etc", "/proc"]', '["/etc", "/proc", "."]') + (
        '\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["."]\n'
    )
    write(files / "p.toml", policy)
    checks = ""
    for mine, other in (("one", "two"), ("two", "one")):
        script = f": >{mine}; for i in $(seq 200); do [ -e {other} ] && exit 0; sleep 0.1; done; exit 1"
        checks += f'[[check]]\nname = "{mine}"\ndirectory = "."\ncommand = ["sh", "-c", "{script}"]\n'
        checks += 'may_be_denied = ["read_file,write_file,read_dir /**"]\n'
    assert verify(files, checks, "-j", "2").returncode == 0


def test_each_abi_is_checked(files: Path) -> None:
    checks = '[[check]]\nname = "a"\ndenied = ["connect_tcp 25"]\n'
    done = verify(files, checks, "--abi", "3", "--abi", "4")
    assert done.returncode == 1
    lines = re.sub(r"\d+\.\d\d s", "N s", done.stdout).splitlines()
    assert lines == [
        "FAILED: p.toml: a (ABI 3) (N s)",
        "  p.checks.toml:1: connect_tcp 25: connect_tcp cannot be restricted at Landlock ABI 3",
        "ok: p.toml: a (ABI 4) (N s)",
        "2 checks: 1 held, 1 did not hold",
    ]
    done = verify(files, checks, "--abi", "3", "--abi", "4", "--allow-missing")
    assert done.returncode == 0
    assert done.stdout.endswith("\n2 checks: 1 held, 1 skipped\n")


def test_missing_abi_fails(files: Path) -> None:
    done = verify(files, HOLDING, "--abi", str(ABI + 1))
    assert done.returncode == 1
    assert f"  p.checks.toml:1: this kernel has Landlock ABI {ABI}, not {ABI + 1}\n" in done.stdout
    assert done.stdout.endswith("\n2 checks: 0 held, 2 did not hold\n")
    done = verify(files, HOLDING, "--abi", str(ABI + 1), "--allow-missing")
    assert done.returncode == 0
    assert done.stdout.endswith("\n2 checks: 0 held, 2 skipped\n")


@pytest.mark.skipif(ABI >= LATEST_ABI, reason="this kernel has the latest ABI")
def test_policy_that_the_kernel_cannot_enforce_whole_fails(files: Path) -> None:
    write(files / "p.toml", POLICY.replace("abi = 6", "abi = 11"))
    done = verify(files, HOLDING)
    assert done.returncode == 1
    assert f"this kernel has Landlock ABI {ABI}, and the policy needs 10 for " in done.stdout or ABI >= 10
    done = verify(files, HOLDING, "--allow-missing")
    assert done.returncode == 0
    assert done.stdout.endswith("\n2 checks: 2 held\n")
    assert verify(files, HOLDING, "--abi", "6").returncode == 0


def test_machine_without_landlock_fails(files: Path) -> None:
    done = verify(files, HOLDING, before=WITHOUT_LANDLOCK)
    assert done.returncode == 1
    assert "  p.checks.toml:1: Landlock is missing: this kernel is built without Landlock" in done.stdout
    done = verify(files, HOLDING, "--allow-missing", before=WITHOUT_LANDLOCK)
    assert done.returncode == 0
    assert done.stdout.endswith("\n2 checks: 0 held, 2 skipped\n")


def test_json(files: Path) -> None:
    done = verify(files, HOLDING + FAILING, "--format", "json", "-j", "2")
    assert done.returncode == 1
    result = json_of(done)
    assert result["counts"] == {"held": 2, "failed": 2, "skipped": 0, "error": 0}
    first, second, _, last = result["checks"]
    assert (first["name"], first["file"], first["line"]) == ("reads settings", "p.checks.toml", 1)
    assert (first["exit_code"], first["abi"], first["reasons"]) == (3, min(ABI, LATEST_ABI), [])
    assert [(each["missing"], each["object"]) for each in first["denied"]] == [(["make_reg"], "/tmp")]
    assert second["probes"][0] == {
        "access": "read_file /etc/hostname", "right": "read_file", "outside": None, "inside": None, "reason": "",
    }  # fmt: skip
    assert last["reasons"] == ["read_file /etc/hostname is allowed by p.toml:14"]


# The elements of the JUnit schemas of Ant and Jenkins as far as they agree, each with its attributes: those that must
# be there, those that may, and the elements in it.
JUNIT = {
    "testsuites": ({"name"}, {"tests", "failures", "errors", "time"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "time"}, {"skipped"}, {"testcase"}),
    "testcase": ({"name", "classname", "time"}, set[str](), {"failure", "error", "skipped", "system-out"}),
    "failure": ({"type"}, {"message"}, set[str]()),
    "error": ({"type"}, {"message"}, set[str]()),
    "skipped": (set[str](), {"message"}, set[str]()),
    "system-out": (set[str](), set[str](), set[str]()),
}
NUMBERS = {"tests", "failures", "errors", "skipped"}


def assert_junit(element: ElementTree.Element) -> None:
    required, optional, children = JUNIT[element.tag]
    assert required <= set(element.attrib) <= required | optional
    for name, value in element.attrib.items():
        assert name not in NUMBERS or value.isdigit()
        assert name != "time" or re.fullmatch(r"\d+\.\d+", value)
    for child in element:
        assert child.tag in children
        assert_junit(child)


def test_junit(files: Path) -> None:
    error = '[[check]]\nname = "<&\\"\\u0007>"\ndirectory = "/no/such"\ncommand = "true"\n'
    done = verify(files, HOLDING + FAILING + error, "--format", "junit")
    assert done.returncode == 2
    root = ElementTree.fromstring(done.stdout)  # noqa: S314 our own
    assert root.tag == "testsuites"
    assert_junit(root)
    (suite,) = root
    assert {name: suite.get(name) for name in NUMBERS} == {
        "tests": "5", "failures": "2", "errors": "1", "skipped": "0",
    }  # fmt: skip
    assert [case.get("name") for case in suite][-1] == '<&"\\x07>'
    assert [child.tag for child in suite[2]] == ["failure", "system-out"]
    text = suite[2][0].text or ""
    assert "p.checks.toml:12: exit status 1 instead of 0\n" in text
    (case,) = ElementTree.fromstring(  # noqa: S314
        verify(files, FAILING, "--abi", str(ABI + 1), "--allow-missing", "--only", "allows too much",
               "--format", "junit").stdout
    )[0]  # fmt: skip
    assert [child.tag for child in case] == ["skipped"]


def test_tap(files: Path) -> None:
    checks = HOLDING + FAILING.replace("allows too much", "allows # 100%")
    done = verify(files, checks, "--format", "tap", "--abi", "6")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "TAP version 14",
        "1..4",
        "ok 1 - p.toml: reads settings (ABI 6)",
        "ok 2 - p.toml: keeps to itself (ABI 6)",
    ]
    at = lines.index("not ok 4 - p.toml: allows \\# 100% (ABI 6)")
    assert lines[at + 1 : at + 7] == [
        "  ---",
        "  severity: fail",
        '  message: "read_file /etc/hostname is allowed by p.toml:14"',
        "  at:",
        '    file: "p.checks.toml"',
        "    line: 19",
    ]
    assert lines[-1] == "  ..."
    skipped = verify(files, HOLDING, "--format", "tap", "--abi", str(ABI + 1), "--allow-missing").stdout.splitlines()
    assert skipped[2] == (
        f"ok 1 - p.toml: reads settings (ABI {ABI + 1}) # SKIP this kernel has Landlock ABI {ABI}, not {ABI + 1}"
    )


def test_sarif(files: Path) -> None:
    log = json_of(verify(files, HOLDING + FAILING, "--format", "sarif"))
    with open(os.path.join(os.path.dirname(__file__), "sarif.schema.json"), encoding="utf-8") as file:
        jsonschema.validate(log, json.load(file))
    results = log["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["check-failed", "check-failed"]
    assert results[1]["message"]["text"] == "allows too much: read_file /etc/hostname is allowed by p.toml:14"
    (location,) = results[1]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "p.checks.toml"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_verify_leaves_nothing_behind(files: Path, number: signal.Signals, status: int) -> None:
    marker = f"1000.{os.getpid()}"
    checks = "".join(
        f'[[check]]\nname = "{name}"\n{key} = ["sh", "-c", "setsid sleep {marker} & sleep {marker}"]\n{rest}'
        for name, key, rest in (("command", "command", ""), ("preparation", "prepare", 'denied = ["read_dir /"]\n'))
    )
    write(files / "p.checks.toml", checks)
    env = environment(TMPDIR=os.fspath(files / "tmp"))
    with subprocess.Popen(
        [*PADDOCK, "verify", "p.toml", "-j2"], cwd=files, env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 60
        while sum(is_sleep(pid) for pid in alive(marker)) < 4:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert err == f"paddock verify: ended by {number.name}; nothing of it is left\n"
    assert alive(marker) == []
    assert os.listdir(files / "tmp") == []


def is_sleep(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read() == "sleep\n"
    except OSError:
        return False
