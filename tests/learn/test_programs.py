"""From nothing to a policy that works, for real programs: few rules, few runs, nothing protected but what is needed."""

import itertools
import os
import statistics
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

_MOST_RUNS, _MOST_RULES, _MEDIAN_RULES = 3, 25, 12
_COUNTS: dict[str, int] = {}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One directory for all programs of this module."""
    with Stage.opened() as opened:
        yield opened


def _parameters() -> list[object]:
    """Each program once: by root or an ordinary user in turn, where the tests are run by root."""
    users = [None, ORDINARY] if os.geteuid() == 0 else [None]
    return [
        pytest.param(program, users[number % len(users)], id=program.name, marks=pytest.mark.program(*program.needs))
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
    _COUNTS[program.name] = outcome.rules
    assert outcome.rules <= _MOST_RULES, outcome.text
    assert _uncommented(outcome.text) == []
    monkeypatch.setenv("HOME", home(stage))
    # All that it is still denied is known to be tolerated, or was left out because it is protected.
    places = ProtectedPlaces()
    assert [
        each for each in outcome.tried.denied if not probed(each) and not _opened(places, lasting_place(each))
    ] == []
    needed = {os.path.join(home(stage), name) for name in program.protected}
    assert _protected(places, outcome.policy) <= needed, outcome.text


def test_the_median_of_the_rules_is_small() -> None:
    if len(_COUNTS) < len(PROGRAMS):
        pytest.skip("this kernel's ABI or the programs to be had leave some out")
    assert statistics.median(_COUNTS.values()) <= _MEDIAN_RULES


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
