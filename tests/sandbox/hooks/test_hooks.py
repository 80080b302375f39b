"""Each way to each hook, on this kernel."""

import pytest

from editor.landlock.rights import LATEST_ABI
from editor.sandbox.calls.table import DECODERS
from editor.sandbox.hooks import HOOKS, Hook, Way
from tests.sandbox.hooks.programs import PROGRAMS
from tests.sandbox.hooks.walk import WAYS, Skipped, try_way


@pytest.mark.parametrize(("hook", "way"), WAYS, ids=[f"{hook.name}: {way.name}" for hook, way in WAYS])
def test_way(hook: Hook, way: Way) -> None:
    try:
        problems = try_way(hook, way)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert problems == []


def test_every_way_has_a_program() -> None:
    ways = [(hook.name, way.name) for hook, way in WAYS]
    assert len(set(ways)) == len(ways)
    assert set(PROGRAMS) == set(ways)


def test_every_hook_that_denies_has_ways() -> None:
    assert [hook.name for hook in HOOKS if hook.errnos and not hook.ways and hook.abi <= LATEST_ABI] == []


def test_every_way_seen_as_a_call_has_a_decoder() -> None:
    called = {name for _, way in WAYS if way.seen == "call" for name in way.shown_as}
    assert called - set(DECODERS) == set()
