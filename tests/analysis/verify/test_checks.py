"""Reading files of checks: what they mean, and every mistake at its place."""

import os
import random
from pathlib import Path

import pytest

from editor.analysis.verify.checks import Check, checks_path, parse_checks, policy_path
from editor.policy.errors import PolicyError
from editor.policy.files import CHECKS_SUFFIX
from editor.policy.model import Location
from tests.samples.harness import SAMPLES


def only(text: str) -> Check:
    checks, problems = parse_checks(text, "/policies/p.checks.toml")
    assert problems == ()
    (check,) = checks
    return check


def problems_in(body: str) -> list[str]:
    """Return what is wrong with a check that consists of ``body``, as line:column: message (hint)."""
    checks, problems = parse_checks(f"[[check]]\n{body}\n", "p.checks.toml")
    assert checks == ()
    return [str(problem).removeprefix("p.checks.toml:") for problem in problems]


def test_check_with_everything() -> None:
    check = only(
        """
        [[check]]
        name = "builds"
        command = ["make", "-j 2"]
        prepare = "sh -c 'echo $HOME > file' x"
        directory = "../project"
        environment = { LC_ALL = "C", EMPTY = "" }
        mode = "observe"
        timeout = 2.5
        exit_status = 3
        allowed = ["read_file,execute /usr/bin/make"]
        denied = ["connect_tcp 443", "signal outside"]
        may_be_denied = ["read_file /proc/**"]
        """
    )
    assert check._replace(allowed=(), denied=(), may_be_denied=()) == Check(
        name="builds",
        location=Location("/policies/p.checks.toml", 2, 9),
        command=("make", "-j 2"),
        prepare=("sh", "-c", "echo $HOME > file", "x"),
        directory="/project",
        environment=(("LC_ALL", "C"), ("EMPTY", "")),
        mode="observe",
        timeout=2.5,
        exit_status=3,
    )
    (allowed,), (port, scope), (beneath,) = check.allowed, check.denied, check.may_be_denied
    assert (allowed.rights, allowed.path, allowed.beneath) == (
        frozenset({"read_file", "execute"}),
        "/usr/bin/make",
        False,
    )
    assert (port.rights, port.port, port.path) == (frozenset({"connect_tcp"}), 443, None)
    assert (scope.rights, scope.port, scope.path) == (frozenset({"signal"}), None, None)
    assert (beneath.path, beneath.beneath) == ("/proc", True)


def test_probes_and_their_files() -> None:
    check = only(
        '[[check]]\nname = "p"\nfiles = { "a/b" = "text" }\n'
        'denied = [{ access = "read_file /etc/shadow", unproven = true }, "read_file /a b"]'
    )
    assert (check.command, check.exit_status, check.directory, check.files) == ((), 0, None, (("a/b", "text"),))
    marked, plain = check.denied
    assert (marked.path, marked.unproven) == ("/etc/shadow", True)
    assert (plain.path, plain.unproven) == ("/a b", False)


@pytest.mark.parametrize("status", ["any", "timeout"])
def test_exit_status_by_name(status: str) -> None:
    assert only(f'[[check]]\nname = "p"\ncommand = "true"\nexit_status = "{status}"').exit_status == status


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('nam = "x"\ncommand = "true"', "2:1: unknown key 'nam' in a check (did you mean 'name'?)"),
        ('name = "x"\ncomand = "true"\ndenied = ["read_file /x"]', "3:1: unknown key 'comand' in a check"),
        ('command = "true"', "1:1: a check needs the key 'name'"),
        ('name = " "\ncommand = "true"', "2:8: the name of a check is empty"),
        ('name = "x"', "1:1: this check checks nothing (add a command, or denied accesses)"),
        ('name = "x"\ncommand = "a \'b"', "3:11: 'command' cannot be split: no closing quotation"),
        ('name = "x"\ncommand = ""', "3:11: 'command' is empty"),
        ('name = "x"\ncommand = []', "3:11: 'command' must have at least one element"),
        ('name = "x"\ncommand = 5', "3:11: 'command' must be a string or an array of strings, not an integer"),
        ('name = "x"\ncommand = "a"\nmode = "on"', "4:8: 'mode' must be enforce or observe"),
        ('name = "x"\ncommand = "a"\ntimeout = true', "4:11: 'timeout' must be a number of seconds"),
        ('name = "x"\ncommand = "a"\ntimeout = 0', "4:11: 'timeout' must be a number of seconds"),
        ('name = "x"\ncommand = "a"\nexit_status = true', "4:15: 'exit_status' must be a number from 0 to 255"),
        ('name = "x"\ncommand = "a"\nexit_status = 256', "4:15: 'exit_status' must be a number from 0 to 255"),
        ('name = "x"\ncommand = "a"\nenvironment = { "A=B" = "" }', "4:17: not a name in 'environment'"),
        ('name = "x"\ncommand = "a"\nenvironment = { A = 1 }', "4:21: 'A' must be a string, not an integer"),
        ('name = "x"\ncommand = "a"\nfiles = { "../a" = "" }', "4:1: '../a' is not a path in the temporary"),
        ('name = "x"\ncommand = "a"\nfiles = { a = "" }\ndirectory = "."', "4:1: 'files' are written in a temporary"),
        ('name = "x"\ndenied = ["read_fil /x"]', "3:11: unknown right 'read_fil' (did you mean 'read_file'?)"),
        ('name = "x"\ndenied = ["read_file"]', "3:11: 'read_file' names no object (such as: read_file /etc/shadow)"),
        ('name = "x"\ndenied = ["connect_tcp smtp"]', "3:11: 'smtp' is not a port (ports are numbers from 0 to"),
        ('name = "x"\ndenied = ["signal 1"]', "3:11: 'signal' is about what is outside the sandbox"),
        ('name = "x"\ndenied = ["read_file,bind_tcp 1"]', "3:11: read_file, bind_tcp are of different kinds"),
        ('name = "x"\ncommand = "a"\ndenied = ["read_file /*.c"]', "4:11: '/*.c' is a pattern (only /** at the end"),
        ('name = "x"\ndenied = ["read_file /etc/**"]', "3:11: 'read_file /etc/**': Paddock tries one object"),
        ('name = "x"\ndenied = ["read_file /a"]\nmay_be_denied = ["read_file /b"]', "4:1: 'may_be_denied' is about a"),
        ('name = "x"\ncommand = "a"\ndenied = [{ access = "read_file /a", unproven = true }]', "4:11: 'unproven' is"),
        ('name = "x"\ncommand = "a"\ndenied = [{ acces = "read_file /a" }]', "4:13: unknown key 'acces' in an access"),
    ],
)
def test_mistake_is_reported_at_its_place(body: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems_in(body)), problems_in(body)


def test_all_mistakes_are_reported_and_valid_checks_kept() -> None:
    text = '[[check]]\nname = "a"\n[[check]]\nname = "b"\ncommand = "b"\n[[check]]\nnme = "c"\ncommand = "c"\n'
    checks, problems = parse_checks(text, "p.checks.toml")
    assert [check.name for check in checks] == ["b"]
    assert [problem.line for problem in problems] == [1, 7]


def test_names_are_unique() -> None:
    text = '[[check]]\nname = "a"\ncommand = "b"\n[[check]]\nname = "a"\ncommand = "c"\n'
    checks, (problem,) = parse_checks(text, "p.checks.toml")
    assert len(checks) == 1
    assert str(problem) == "p.checks.toml:4:1: a second check 'a' (the first is on line 1)"


def test_text_that_is_not_toml() -> None:
    with pytest.raises(PolicyError, match=r"p\.checks\.toml:1:2: not valid TOML"):
        parse_checks("x", "p.checks.toml")


def test_damaged_text_is_read_or_refused_with_a_place() -> None:
    chance = random.Random(1)  # noqa: S311 reproducible
    texts = [Path(SAMPLES, name).read_text() for name in sorted(os.listdir(SAMPLES)) if name.endswith(CHECKS_SUFFIX)]
    pieces = [
        '"',
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        "/**",
        "*",
        ",",
        " ",
        "1",
        "-1",
        "nan",
        "1979-05-27",
        "true",
        "[[check]]",
    ]
    valid = 0
    for _ in range(2000):
        text = chance.choice(texts)
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text))
            end = start + chance.choice((0, 0, 1, 3, 30))
            text = text[:start] + chance.choice(("", *pieces, text[end : end + 20])) + text[end:]
        try:
            checks, problems = parse_checks(text, "p.checks.toml")
        except PolicyError as error:
            problems = (error,)
        else:
            valid += bool(checks)
        lines = text.split("\n")
        for problem in problems:
            assert problem.message and 1 <= problem.line <= len(lines)
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
    assert valid > 200


def test_checks_are_next_to_their_policy(tmp_path: Path) -> None:
    assert checks_path("a/b.toml") == checks_path("a/b.json") == "a/b.checks.toml"
    assert checks_path("a/web.conf") == "a/web.conf.checks.toml"
    checks = os.path.join(tmp_path, "b.checks.toml")
    assert policy_path(checks) == os.path.join(tmp_path, "b.toml")
    (tmp_path / "b.json").touch()
    assert policy_path(checks) == os.path.join(tmp_path, "b.json")
