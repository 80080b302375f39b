"""Each way to each hook, on this kernel."""

import pytest

from editor.landlock.rights import LATEST_ABI
from editor.sandbox.calls.table import DECODERS
from editor.sandbox.hooks import HOOKS, Hook, Way
from tests.sandbox.hooks.programs import PROGRAMS
from tests.sandbox.hooks.walk import WAYS, Skipped, denials_in, may, try_way


@pytest.mark.parametrize(("hook", "way"), WAYS, ids=[f"{hook.name}: {way.name}" for hook, way in WAYS])
def test_way(hook: Hook, way: Way) -> None:
    try:
        problems = try_way(hook, way)
    except Skipped as reason:
        pytest.skip(str(reason))
    assert problems == []


_ON_OTHERS = [(hook, way) for hook, way in WAYS if way.seen == "call" and hook.name in (
    "ptrace_access_check", "ptrace_traceme", "task_kill", "unix_stream_connect", "unix_may_send", "unix_find",
)]  # fmt: skip


@pytest.mark.parametrize(("hook", "way"), _ON_OTHERS, ids=[f"{hook.name}: {way.name}" for hook, way in _ON_OTHERS])
def test_observe_mode_predicts_what_is_denied_on_other_processes(hook: Hook, way: Way) -> None:
    try:
        enforced, observed = (denials_in(hook, way, mode) for mode in ("enforce", "observe"))
    except Skipped as reason:
        pytest.skip(str(reason))
    assert enforced or (way.around and may(way.around))
    assert observed == enforced


def test_every_way_has_a_program() -> None:
    ways = [(hook.name, way.name) for hook, way in WAYS]
    assert len(set(ways)) == len(ways)
    assert set(PROGRAMS) == set(ways)


def test_every_hook_that_denies_has_ways() -> None:
    assert [hook.name for hook in HOOKS if hook.errnos and not hook.ways and hook.abi <= LATEST_ABI] == []


def test_every_way_seen_as_a_call_has_a_decoder() -> None:
    called = {name for _, way in WAYS if way.seen == "call" for name in way.shown_as}
    assert called - set(DECODERS) == set()
