"""Plans judged by the kernel: with what a plan says is needed, the program runs, and is denied only what it probes."""

from pathlib import Path

import pytest

from editor.editing.document import PolicyDocument, new_policy_text
from editor.evaluation.resolve import resolve
from editor.suggest.needed import probed
from editor.suggest.plan import Fold
from editor.suggest.planning import plan_of
from tests.suggest.test_folded_programs import ABI, CASES, Case, run

NAMES = Case(
    ("/usr/bin/python3", "-c", "import socket, ssl; ssl.create_default_context(); socket.getaddrinfo('localhost', 80)"),
    {},
    12,
    set(),
)
BUILD = Case(
    ("make", "-s", "a"),
    {"Makefile": "a: a.c\n\tcc -c a.c -o a\n", "a.c": "int main(void) { return 0; }\n"},
    14,
    set(),
)
PROGRAMS = {**CASES, "names": NAMES, "make": BUILD}


@pytest.mark.skipif(ABI < 3, reason="needs Landlock ABI 3")
@pytest.mark.parametrize(
    ("name", "level"),
    [
        pytest.param(name, level, marks=pytest.mark.program(PROGRAMS[name].command[0]))
        for name, level in [("names", "balanced"), ("names", "broad"), ("make", "balanced"), ("make", "exact"),
                            ("git", "broad"), ("tar", "balanced"), ("openssl", "exact")]
    ],
)  # fmt: skip
def test_a_program_runs_under_what_its_plan_needs(name: str, level: Fold, tmp_path: Path) -> None:
    case, place = PROGRAMS[name], tmp_path / "place"
    policy = PolicyDocument.parse(new_policy_text(ABI), "policy.toml", "toml")
    observed = run(policy, case, place, "observe")
    assert observed.exit_code == 0
    plan = plan_of([observed], resolve(policy.policy), fold=level)
    assert plan.needed
    for proposal in plan.needed:
        for edit in proposal.edits:
            policy = policy.apply(edit)
    if level != "exact":
        assert len(policy.policy.path_rules) <= case.most_rules
    enforced = run(policy, case, place, "enforce")
    assert enforced.exit_code == 0
    assert [each for each in enforced.accesses if each.verdict == "denied" and not probed(each)] == []
    assert plan_of([enforced], resolve(policy.policy), fold=level).needed == ()
