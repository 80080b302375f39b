"""``paddock check``: exit statuses, places, JSON."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest

from editor.analysis.lint.catalogue import LINTS
from editor.landlock.abi import ABI_VERSIONS
from editor.landlock.rights import in_order, rights_of
from tests.cli.harness import POLICY as WIDE_POLICY
from tests.cli.harness import json_of, paddock, write

# No path in it has credentials.
POLICY = WIDE_POLICY.replace('"/etc", ', '"/etc/hosts", ')


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write(tmp_path / "clean.toml", POLICY)
    write(tmp_path / "missing.toml", POLICY.replace('"/usr"', '"/usr", "/no/such/place"'))
    write(tmp_path / "broken.toml", POLICY.replace('["read_file"]', '["read_fiel"]').replace("443", "70000"))
    return tmp_path


def test_clean(files: Path) -> None:
    done = paddock("check", "clean.toml", cwd=files)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "clean.toml: no findings (notes: 3; show them with --notes)\n",
        "",
    )


def test_findings(files: Path) -> None:
    done = paddock("check", "missing.toml", cwd=files)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        "missing.toml:10:19: warning: /no/such/place does not exist: its rule grants nothing. [missing-path]\n"
    )


def test_all_errors_are_reported_at_once(files: Path) -> None:
    done = paddock("check", "broken.toml", cwd=files)
    assert (done.returncode, done.stderr) == (2, "")
    first, line, caret, second, *_ = done.stdout.splitlines()
    assert first == (
        "broken.toml:13:19: error: unknown filesystem right 'read_fiel' (did you mean 'read_file'?) [invalid]"
    )
    assert line.endswith('| allowed_access = ["read_fiel"]') and line[caret.index("^") :] == '"read_fiel"]'
    assert second == "broken.toml:18:9: error: a port must be between 0 and 65535 [invalid]"


def test_worst_file_decides_the_status(files: Path) -> None:
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
            "file": "missing.toml",
            "line": 10,
            "column": 19,
            "message": "/no/such/place does not exist: its rule grants nothing.",
            "hint": "",
            "fixable": False,
        }
    ]
    assert [(each["line"], each["column"]) for each in said["files"][2]["findings"]] == [(13, 19), (18, 9)]
    assert said["files"][3]["findings"][0]["message"] == "cannot be read: No such file or directory"


def test_target_abi(files: Path) -> None:
    write(files / "new.toml", POLICY.replace('"connect_tcp"', '"connect_tcp", "connect_send_udp"'))
    done = paddock("check", "--abi", "11", "new.toml", cwd=files)
    assert done.returncode == 0 and done.stdout.startswith("new.toml: no findings")
    done = paddock("check", "--target-abi", "9", "new.toml", cwd=files)
    assert done.returncode == 1
    assert "connect_send_udp is new in ABI 10" in done.stdout


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
def test_errors_name_line_and_column(tmp_path: Path, content: bytes, said: str) -> None:
    with open(tmp_path / "p.toml", "wb") as file:
        file.write(content)
    done = paddock("check", "p.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(said)
    # Every verb rejects it, naming the same place.
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


def test_not_a_file(tmp_path: Path) -> None:
    for path, reason in (("/dev", "no policy in this directory"), ("/no/such", "cannot be read: No such file")):
        done = paddock("check", path, cwd=tmp_path)
        assert done.returncode == 2 and done.stdout.startswith(f"{path}: error: {reason}")
    assert "larger than" in paddock("check", "/dev/zero").stdout


def test_notes_are_shown_on_request(files: Path) -> None:
    done = paddock("check", "--notes", "clean.toml", cwd=files)
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, 4)
    assert lines[1].startswith("clean.toml:3:1: note: ") and lines[1].endswith("[never-granted]")
    (file,) = json_of(paddock("check", "--format", "json", "clean.toml", cwd=files))["files"]
    assert (file["status"], file["findings"]) == ("clean", [])
    assert [note["id"] for note in file["notes"]] == ["network-around", "never-granted", "system-readable"]


def test_findings_can_be_ignored(files: Path) -> None:
    done = paddock("check", "--ignore", "missing-path", "missing.toml", cwd=files)
    assert done.returncode == 0
    done = paddock("check", "--ignore", "no-such-id", "missing.toml", cwd=files)
    assert done.returncode == 2 and "unknown finding no-such-id; choose from abi-beyond-reference, " in done.stderr


FIXABLE = """\
# Kept.\r
[[variable]]\r
name = "unused"\r
\r
[[path_beneath]]\r
parent = [\r
  "/usr",  # everything\r
  "/usr/lib",\r
]\r
allowed_access = ['read_file']\r
[[path_beneath]]\r
allowed_access = ["read_file"]\r
parent = ["/usr/bin"]"""


def test_fix(files: Path) -> None:
    with open(files / "f.toml", "w", encoding="utf-8", newline="") as file:
        file.write(FIXABLE)
    os.chmod(files / "f.toml", 0o640)
    before = paddock("check", "f.toml", cwd=files)
    assert before.returncode == 1 and before.stdout.endswith("f.toml: --fix can fix 3 of 4 findings\n")
    done = paddock("check", "--fix", "f.toml", cwd=files)
    assert done.returncode == 1  # what is left: rights that nothing restricts
    lines = done.stdout.splitlines()
    assert [line.rsplit(" ", 1)[1] for line in lines] == [
        "[unused-variable]", "[covered-rule]", "[covered-rule]", "[unhandled-right]"
    ]  # fmt: skip
    assert [": fixed: " in line for line in lines] == [True, True, True, False]
    with open(files / "f.toml", encoding="utf-8", newline="") as file:
        text = file.read()
    assert text == (
        "# Kept.\r\n\r\n[[path_beneath]]\r\nparent = [\r\n"
        "  \"/usr\",  # everything\r\n]\r\nallowed_access = ['read_file']\r\n"
    )
    assert os.stat(files / "f.toml").st_mode & 0o777 == 0o640
    again = paddock("check", "--fix", "f.toml", cwd=files)
    assert "fixed" not in again.stdout
    with open(files / "f.toml", encoding="utf-8", newline="") as file:
        assert file.read() == text


def test_fix_leaves_other_files_alone(files: Path) -> None:
    with open(files / "missing.toml", "rb") as file:
        before = file.read()
    assert paddock("check", "--fix", "missing.toml", "broken.toml", cwd=files).returncode == 2
    with open(files / "missing.toml", "rb") as file:
        assert file.read() == before
    os.symlink("f.toml", files / "link.toml")
    write(files / "f.toml", FIXABLE)
    done = paddock("check", "--fix", "link.toml", cwd=files)
    assert done.returncode == 2 and "is a symbolic link" in done.stderr
    # The other files are fixed nevertheless.
    done = paddock("check", "--fix", "link.toml", "f.toml", cwd=files)
    assert done.returncode == 2 and done.stdout.count(": fixed: ") == 3
    for words in (("--with", "f.toml"), ("--var", "a=b"), ("--compat",)):
        done = paddock("check", "--fix", "missing.toml", *words, cwd=files)
        assert (
            done.returncode == 2
            and "--fix works on each file individually: it cannot be combined with --with" in done.stderr
        )


def test_fix_works_on_every_file(files: Path) -> None:
    names = ["one.toml", "two.toml", "d/three.toml", "d/four.json"]
    os.mkdir(files / "d")
    for name in names[:3]:
        write(files / name, FIXABLE)
    four = {"pathBeneath": [{"allowedAccess": ["read_file"], "parent": ["/usr", "/usr"]}]}
    write(files / "d/four.json", json.dumps(four))
    done = paddock("check", "--fix", "one.toml", "two.toml", "d", cwd=files)
    assert done.stderr == ""
    fixed = [line.partition(":")[0] for line in done.stdout.splitlines() if ": fixed: " in line]
    # In the directory the variable stays, since the other file could use it.
    assert fixed == ["one.toml"] * 3 + ["two.toml"] * 3 + ["d/four.json"] + ["d/three.toml"] * 2
    with open(files / "d/four.json", encoding="utf-8") as file:
        assert json.load(file)["pathBeneath"][0]["parent"] == ["/usr"]
    assert "fixed" not in paddock("check", "--fix", "one.toml", "two.toml", "d", cwd=files).stdout


def test_fix_leaves_a_file_that_is_not_valid_on_its_own(files: Path) -> None:
    os.mkdir(files / "d")
    rule = '[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["/usr", "/usr"{}]\n'
    write(files / "d/a.toml", '[[variable]]\nname = "x"\nliteral = ["/etc"]\n' + rule.format(""))
    write(files / "d/b.toml", rule.format(', "${x}"'))
    done = paddock("check", "--fix", "d", cwd=files)
    assert done.returncode == 1
    assert "the variable 'x' is not defined" in done.stderr and done.stderr.count("\n") == 1
    assert "nothing was fixed in this file" in done.stderr
    with open(files / "d/a.toml", encoding="utf-8") as file:
        assert file.read() == '[[variable]]\nname = "x"\nliteral = ["/etc"]\n' + rule.format("").replace(', "/usr"', "")
    with open(files / "d/b.toml", encoding="utf-8") as file:
        assert file.read() == rule.format(', "${x}"')


def schema(name: str) -> dict[str, Any]:
    """Load a schema from this directory."""
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def official_sarif() -> tuple[dict[str, Any], ...]:
    """Return the standard's own schema if there is a copy."""
    path = os.environ.get("PADDOCK_SARIF_SCHEMA")
    if not path:
        return ()
    with open(path, encoding="utf-8") as file:
        return (json.load(file),)


ODD = 'name with : # % \u00e9 \u202e"\n.toml'


def test_output_matches_its_schema(files: Path) -> None:
    for name, text in (
        (ODD, POLICY.replace('"/usr"', '"/usr", "/no/such/place\\u202e"')),
        ("fixable.toml", FIXABLE),
        ("bits.toml", POLICY.replace('scoped = ["abi.all"]', "scoped = [128]")),
        ("empty.json", ""),
        ("sub.toml", "x = '\n"),
    ):
        write(files / name, text)
    (files / b"\xff.toml".decode(errors="surrogateescape")).write_text("abi = 0\n")
    names = [ODD, b"\xff.toml", "clean.toml", "broken.toml", "bits.toml", "empty.json", "sub.toml", "gone.toml"]
    for words in ([*names, "fixable.toml"], [str(files / "clean.toml"), "missing.toml"], ["--fix", "fixable.toml"]):
        for format, judges in (
            ("sarif", (schema("sarif.schema.json"), *official_sarif())),
            ("json", (schema("check.schema.json"),)),
        ):
            write(files / "fixable.toml", FIXABLE)
            said = json_of(paddock("check", "--format", format, *words, cwd=files))
            for judge in judges:
                jsonschema.validate(said, judge)
            assert len(said["files"] if format == "json" else said["runs"][0]["results"]) >= 1


def test_sarif_schema_is_no_laxer_than_the_standard(files: Path) -> None:
    """Damage a log in one place at a time: our schema rejects whatever the standard's own does."""
    log = json_of(paddock("check", "--format", "sarif", "missing.toml", "gone.toml", cwd=files))
    ours = jsonschema.Draft202012Validator(schema("sarif.schema.json"))
    theirs = [jsonschema.Draft4Validator(each) for each in official_sarif()]
    rejected = 0
    for damaged in _damaged(log):
        rejected += not ours.is_valid(damaged)
        for judge in theirs:
            assert judge.is_valid(damaged) or not ours.is_valid(damaged), damaged
    assert rejected > 100


def _damaged(value: Any) -> Iterator[Any]:
    """Yield copies of a JSON value with one part removed, added or changed."""
    yield from (None, 0, -2, "", "other", [], {})
    if isinstance(value, dict):
        yield value | {"unheard": 1}
        for key in value:
            yield {other: own for other, own in value.items() if other != key}
            yield from (value | {key: damaged} for damaged in _damaged(value[key]))
    elif isinstance(value, list):
        yield [*value, 1]
        for at, each in enumerate(value[:2]):
            yield from ([*value[:at], damaged, *value[at + 1 :]] for damaged in _damaged(each))


def test_sarif(files: Path) -> None:
    write(files / "odd name#.toml", POLICY.replace('"/usr"', '"/usr", "/no/such/place"'))
    done = paddock("check", "--format", "sarif", "odd name#.toml", "broken.toml", "gone.toml", cwd=files)
    assert done.returncode == 2
    log = json_of(done)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["invalid", *LINTS]
    results = run["results"]
    for result in results:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note") and result["message"]["text"]
    place = {
        "artifactLocation": {"uri": "odd%20name%23.toml"},
        "region": {"startLine": 10, "startColumn": 19},
    }
    assert (results[0]["ruleId"], results[0]["locations"]) == ("missing-path", [{"physicalLocation": place}])
    assert results[-1]["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": "gone.toml"}}}]


def test_compat_lists_every_abi(files: Path) -> None:
    text = POLICY.replace('["read_file", "write_file"]', '["read_file", "write_file", "refer", "make_reg"]')
    write(files / "p.toml", text.replace("abi = 6", "abi = 10"))
    done = paddock("check", "--compat", "--format", "json", "p.toml", cwd=files)
    assert (done.returncode, done.stderr) == (0, "")
    (report,) = json_of(done)["files"]
    assert [level["abi"] for level in report["levels"]] == list(range(1, 12))
    assert [level["kernel"] for level in report["levels"]] == [version.kernel for version in ABI_VERSIONS]
    everything = {*rights_of("fs", 10), *rights_of("net", 10), *rights_of("scope", 10)}
    for level in report["levels"]:
        known = {right for kind in ("fs", "net", "scope") for right in rights_of(kind, level["abi"])}
        assert level["unrestricted"] == in_order(everything - known - {"refer"})
        assert set(level["enforced"]) == everything & (known | {"refer"})
    assert ["refer (line" in "".join(level["breaks"]) for level in report["levels"]] == [True] + [False] * 10
    names = {each["name"]: level["abi"] for level in report["levels"] for each in level["releases"]}
    assert (names["Debian 12"], names["Debian 13"], names["Ubuntu 24.04"]) == (2, 6, 4)
    assert "does not restrict" in report["readers"][0]
    shown = paddock("check", "--compat", "p.toml", cwd=files).stdout
    assert "Debian 12 (6.1)" in shown and "breaks: Moving and linking files between directories is denied" in shown
    assert paddock("check", "--compat", "broken.toml", cwd=files).returncode == 2


def test_compat_of_an_unnamed_right(files: Path) -> None:
    write(files / "p.toml", POLICY.replace('scoped = ["abi.all"]', 'scoped = ["abi.all", 0x80]'))
    (report,) = json_of(paddock("check", "--compat", "--format", "json", "p.toml", cwd=files))["files"]
    assert all(level["unrestricted"][-1] == "scope.0x80" for level in report["levels"])
    assert report["readers"] == [
        "scope.0x80: not in any ABI that Paddock knows; the kernel is asked when the policy is enforced.",
        "scope.0x80: written as a number; landlockconfig (llconfig, Island) accepts names only and rejects the file.",
    ]
    done = paddock("check", "--target-abi", "11", "p.toml", cwd=files)
    assert done.returncode == 1 and "scope.0x80: not in any Landlock ABI up to 11" in done.stdout


def test_policy_that_an_old_kernel_cannot_enforce(files: Path) -> None:
    write(files / "net.toml", '[[net_port]]\nallowed_access = ["bind_tcp"]\nport = [80]\n')
    (report,) = json_of(paddock("check", "--compat", "--format", "json", "net.toml", cwd=files))["files"]
    assert [bool(level["breaks"]) for level in report["levels"]] == [True] * 3 + [False] * 8
    # The kernel agrees: at such an ABI nothing starts.
    done = paddock("run", "--abi", "3", "net.toml", "--", "true", cwd=files)
    assert done.returncode == 125 and "nothing of this policy can be enforced" in done.stderr
    assert paddock("run", "--abi", "4", "net.toml", "--", "true", cwd=files).returncode == 0


def test_faulty_line_is_shown(tmp_path: Path) -> None:
    for text, shown in (
        ("abi = 6\r\n\t\u4e2dx = 1\r\n", ["     2 |  \u4e2dx = 1", "       |  ^"]),
        ('[[ruleset]]\nscoped = ["signal", "a\u202eb"]\n',
         ['     2 | scoped = ["signal", "a\\u202eb"]', "       |                     ^"]),
        ("x = '" + "y" * 300 + "'\nabi = \n", ["     2 | abi = "]),
    ):  # fmt: skip
        with open(tmp_path / "p.toml", "w", encoding="utf-8", newline="") as file:
            file.write(text)
        lines = paddock("check", "p.toml", cwd=tmp_path).stdout.splitlines()
        assert lines[1 : 1 + len(shown)] == shown
    write(tmp_path / "p.toml", "[[variable]]\nname = 'x'\nliteral = [" + "'a', " * 60 + "1, " + "'b', " * 60 + "]\n")
    _, line, mark = paddock("check", "p.toml", cwd=tmp_path).stdout.splitlines()
    assert line[mark.index("^")] == "1" and line[9:].startswith("...") and line.endswith("...")
    write(tmp_path / "p.toml", "y = 1 # " + "z" * 5000)
    assert all(len(line) < 150 for line in paddock("check", "p.toml", cwd=tmp_path).stdout.splitlines())
    # A missing or empty file has no such line.
    write(tmp_path / "p.json", "")
    assert paddock("check", "p.json", "gone.toml", cwd=tmp_path).returncode == 2


CLAIMS = {
    # For each finding: a policy, a program that fails under it, and its error.
    "write-without-truncate": (
        '[[ruleset]]\nhandled_access_fs = ["truncate"]\n'
        '[[path_beneath]]\nallowed_access = ["write_file"]\nparent = ["a"]\n',
        "open('a/file', 'w')",
        "PermissionError",
    ),
    "execute-without-read_file": (
        '[[path_beneath]]\nallowed_access = ["execute"]\nparent = ["a"]\n',
        "os.execv('a/true', ['true'])",
        "PermissionError",
    ),
    "make-without-write": (
        '[[ruleset]]\nhandled_access_fs = ["write_file"]\n'
        '[[path_beneath]]\nallowed_access = ["make_reg"]\nparent = ["a"]\n',
        "open('a/new', 'x')",
        "PermissionError",
    ),
    "refer-denied": (
        '[[path_beneath]]\nallowed_access = ["make_reg", "remove_file"]\nparent = ["."]\n',
        "os.rename('a/file', 'b/file')",
        "OSError: [Errno 18]",
    ),
}


@pytest.mark.parametrize("id_", CLAIMS)
def test_kernel_confirms_the_finding(tmp_path: Path, id_: str) -> None:
    policy, program, error = CLAIMS[id_]
    system = '[[path_beneath]]\nallowed_access = ["execute", "read_file"]\nparent = ["/usr", "/lib", "/bin", "/etc"]\n'
    everything = ", ".join(f'"{part}"' for part in dict.fromkeys([sys.prefix, sys.base_prefix]))
    system += f'[[path_beneath]]\nallowed_access = ["execute", "read_file"]\nparent = [{everything}]\n'
    for name in ("a", "b"):
        os.mkdir(tmp_path / name)
    write(tmp_path / "a" / "file", "content")
    shutil.copy("/bin/true", tmp_path / "a" / "true")
    write(tmp_path / "p.toml", policy + system)
    said = json_of(paddock("check", "--format", "json", "p.toml", cwd=tmp_path))["files"][0]["findings"]
    assert id_ in [each["id"] for each in said]
    tell = "sys.exit(f'{type(error).__name__}: {error}')"
    command = (sys.executable, "-c", f"import os, sys\ntry:\n    {program}\nexcept OSError as error:\n    {tell}")
    done = paddock("run", "--quiet", "p.toml", "--", *command, cwd=tmp_path)
    assert done.returncode == 1 and error in done.stderr, done.stderr
    # Without the policy it works, and the finding is right about what is left behind.
    assert os.path.exists(tmp_path / "a" / "new") == (id_ == "make-without-write")
    if id_ == "make-without-write":
        os.unlink(tmp_path / "a" / "new")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
