"""Policies made of folded rules, judged by the kernel: the program that they are for runs, and is denied nothing."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from editor.editing.document import PolicyDocument, new_policy_text
from editor.editing.edits import AddPathRule
from editor.evaluation.resolve import resolve
from editor.landlock.kernel import query_abi
from editor.sandbox.runner import RunRequest, start
from editor.sandbox.verdicts.report import Mode, Report
from editor.suggest.folding import Group, Need, fold
from editor.suggest.lasting import LastingPlaces
from editor.suggest.plan import Fold

ABI = min(query_abi(), 5)
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "GIT_AUTHOR_NAME": "x",
    "GIT_AUTHOR_EMAIL": "x@example.org",
    "GIT_COMMITTER_NAME": "x",
    "GIT_COMMITTER_EMAIL": "x@example.org",
}


class Case(NamedTuple):
    """A command, the files that it starts from, the most rules that a person would read, and purposes among them."""

    command: tuple[str, ...]
    files: dict[str, str]
    most_rules: int
    purposes: set[str]


CASES = {
    "python3": Case(
        ("/usr/bin/python3", "-c", "import json, ssl, sqlite3; ssl.create_default_context()"),
        {},
        10,
        {"programs", "shared libraries", "Python's modules"},
    ),
    "gcc": Case(
        ("gcc", "-O1", "a.c", "-o", "a"),
        {"a.c": "#include <stdio.h>\nint main(void) { puts(__FILE__); return 0; }\n"},
        12,
        {"programs", "headers", "the compiler's files", "temporary files"},
    ),
    "git": Case(
        ("git", "commit", "-qm", "x", "--allow-empty"),
        {"repository": ""},
        12,
        {"programs", "shared libraries", "written: the Git repository"},
    ),
    "tar": Case(
        ("tar", "czf", "archive", "-C", "/usr/share/zoneinfo", "Europe"),
        {},
        10,
        {"programs", "locale and time zones", "written: output"},
    ),
    "openssl": Case(
        (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "key",
            "-out",
            "cert",
            "-subj",
            "/CN=x",
        ),
        {},
        8,
        {"programs", "shared libraries", "configuration read", "written: output"},
    ),
}


def furnish(place: Path, case: Case) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, text in case.files.items():
        if name == "repository":
            subprocess.run(["git", "init", "-q", place], env=ENVIRONMENT, check=True)
        else:
            (place / name).write_text(text, encoding="ascii")


def run(policy: PolicyDocument, case: Case, place: Path, mode: Mode) -> Report:
    furnish(place, case)
    resolved = resolve(policy.policy, base=os.fspath(place))
    request = RunRequest(resolved, case.command, mode=mode, cwd=os.fspath(place), env=ENVIRONMENT, timeout=120)
    return start(request).wait()


def needs_of(report: Report) -> list[Need]:
    lasting = LastingPlaces()
    needs = []
    for access in report.accesses:
        if access.verdict == "denied" and access.port is None:
            place = lasting.of(access)
            needs.append(Need(place, access.missing, (access,), temporary=place != access.object_path))
    return needs


def policy_of(groups: tuple[Group, ...]) -> PolicyDocument:
    document = PolicyDocument.parse(new_policy_text(ABI), "policy.toml", "toml")
    for group in groups:
        document = document.apply(AddPathRule(group.paths, group.rights, group.purpose))
    return document


@pytest.mark.skipif(ABI < 3, reason="needs Landlock ABI 3")
@pytest.mark.parametrize(
    ("name", "level"),
    [pytest.param(name, "balanced", marks=pytest.mark.program(CASES[name].command[0])) for name in CASES]
    + [pytest.param("gcc", level, marks=pytest.mark.program("gcc")) for level in ("exact", "broad")],
)
def test_a_program_runs_under_the_rules_folded_from_what_it_needed(name: str, level: Fold, tmp_path: Path) -> None:
    case = CASES[name]
    place = tmp_path / "place"
    empty = PolicyDocument.parse(new_policy_text(ABI), "policy.toml", "toml")
    observed = run(empty, case, place, "observe")
    assert observed.exit_code == 0
    groups = fold(needs_of(observed), level)
    enforced = run(policy_of(groups), case, place, "enforce")
    assert [access for access in enforced.accesses if access.verdict == "denied"] == []
    assert enforced.exit_code == 0
    if level == "balanced":
        assert len(groups) <= case.most_rules
        assert case.purposes <= {group.purpose for group in groups}
