"""From nothing to a policy that works, for real programs: few rules, few runs, nothing protected but what is needed."""

import itertools
import os
from collections.abc import Iterator

import pytest

from editor.policy.model import Policy
from editor.suggest.lasting import lasting_place
from editor.suggest.needed import probed
from editor.suggest.protected import ProtectedPlaces
from tests.learn.learning import home, learn
from tests.learn.programs import PROGRAMS, Program
from tests.proof.stage import ORDINARY, Stage
from tests.sandbox.harness import require_abi

_MOST_RUNS = 3
_MOST_RULES = 12
# These do more kinds of things.
_MORE_RULES = {"java": 15, "npm": 15, "pip": 15}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One directory for all programs of this module."""
    with Stage.opened() as opened:
        yield opened


def _parameters() -> list[object]:
    """Each program once: by root or an ordinary user in turn, where the tests are run by root."""
    users = [None, ORDINARY] if os.geteuid() == 0 else [None]
    return [
        pytest.param(
            program,
            None if program.hides else users[number % len(users)],
            id=program.name,
            marks=[pytest.mark.program(*program.needs), *([pytest.mark.root] if program.hides else [])],
        )
        for number, program in enumerate(PROGRAMS)
    ]


@pytest.mark.parametrize(("program", "uid"), _parameters())
def test_a_policy_from_nothing(
    program: Program, uid: int | None, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_abi(7)
    outcome = learn(stage, program, uid)
    assert outcome.bare == 0, "the job itself"
    assert outcome.tried.exit_code == 0, (outcome.tried, outcome.said)
    assert outcome.runs <= _MOST_RUNS
    assert outcome.rules <= _MORE_RULES.get(program.name, _MOST_RULES), outcome.text
    assert _uncommented(outcome.text) == []
    monkeypatch.setenv("HOME", home(stage))
    # All that it is still denied is known to be tolerated, was left out because it is protected, or fails in any case:
    # programs ask with an ioctl(2) if something is a terminal.
    places = ProtectedPlaces()
    tolerated = [each for each in outcome.tried.denied if probed(each) or each.missing == {"ioctl_dev"}]
    left_out = [each for each in outcome.tried.denied if _opened(places, lasting_place(each))]
    assert [each for each in outcome.tried.denied if each not in (*tolerated, *left_out)] == []
    needed = {os.path.join(home(stage), name) for name in program.protected}
    assert _protected(places, outcome.policy) <= needed, outcome.text


def _uncommented(text: str) -> list[str]:
    """Return the headers of rules without a comment above them."""
    lines = text.splitlines()
    return [
        line
        for above, line in itertools.pairwise(lines)
        if line in ("[[path_beneath]]", "[[net_port]]") and not above.startswith("# ")
    ]


def _opened(places: ProtectedPlaces, path: str) -> str | None:
    """Return the protected place that a rule on ``path`` opens."""
    opened = places.inside(os.path.realpath(path), writing=True, directory=os.path.isdir(path))
    return None if opened is None else opened.split(" (")[0]


def _protected(places: ProtectedPlaces, policy: Policy) -> set[str]:
    """Return what protected places the rules of ``policy`` open."""
    paths = [parent.template for rule in policy.path_rules for parent in rule.parents]
    return {opened for path in paths if (opened := _opened(places, path)) is not None}
