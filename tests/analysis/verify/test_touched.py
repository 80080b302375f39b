"""Which checks an edit touches: those that the policy decides otherwise, and commands that nobody has run."""

from editor.analysis.verify.checks import Check, parse_checks
from editor.analysis.verify.touched import touched
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.policy.parse import parse_policy
from editor.sandbox.verdicts.report import AbiUsed, Access, Report
from tests.cli.harness import POLICY

CHECKS, _ = parse_checks(
    """\
[[check]]
name = "etc"
denied = ["write_file /etc/hostname"]
[[check]]
name = "port"
denied = ["connect_tcp 25"]
[[check]]
name = "scope"
denied = ["signal outside"]
[[check]]
name = "command"
command = "cat /etc/hostname"
[[check]]
name = "project"
directory = "/usr"
allowed = ["read_file /usr/bin/env"]
""",
    "/p.checks.toml",
)


def policy(text: str = POLICY, base: str = "/usr") -> ResolvedPolicy:
    return resolve(parse_policy(text, "p.toml", "toml"), base=base)


def names(after: str, reports: dict[str, Report] | None = None) -> list[str]:
    found: tuple[Check, ...] = touched(CHECKS, policy(), policy(after), 7, reports)
    return [check.name for check in found]


def report(*accesses: Access) -> Report:
    return Report("p.toml", ("cat",), "enforce", AbiUsed(7, 7), 0, 0.1, accesses)


def read(path: str) -> Access:
    rights = frozenset({"read_file"})
    return Access("allowed", rights, frozenset(), path, path, None, "openat", None, "cat", 1, 1)


KNOWN = {"command": report(read("/etc/hostname"), read("/usr/bin/cat"))}


def test_no_change_touches_nothing() -> None:
    assert names(POLICY) == []


def test_change_elsewhere_touches_only_commands_that_nobody_has_run() -> None:
    after = POLICY + '\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["/srv"]\n'
    assert names(after) == ["command"]
    assert names(after, KNOWN) == []


def test_change_of_what_is_decided_touches() -> None:
    after = POLICY.replace('parent = ["/etc", "/proc"]', 'parent = ["/proc"]')
    assert names(after, KNOWN) == ["command"]
    after = POLICY.replace('["read_file"]\nparent = ["/etc"', '["read_file", "write_file"]\nparent = ["/etc"')
    assert names(after, KNOWN) == ["etc"]
    assert names(POLICY.replace("port = [443]", "port = [443, 25]"), KNOWN) == ["port"]
    assert names(POLICY.replace('scoped = ["abi.all"]', 'scoped = ["abstract_unix_socket"]'), KNOWN) == ["scope"]


def test_relative_path_touches_checks_in_other_directories() -> None:
    after = POLICY + '\n[[path_beneath]]\nallowed_access = ["read_file"]\nparent = ["."]\n'
    assert names(after, KNOWN) == ["etc", "port", "scope", "command"]  # all but the one in the policy's base
