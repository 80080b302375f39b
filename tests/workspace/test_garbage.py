"""The garbage collector is paused in the context, and runs again afterwards."""

import gc

import pytest

from editor.workspace.garbage import gc_paused


def test_collector_resumes_after_the_outermost_pause() -> None:
    assert gc.isenabled()
    with gc_paused():
        assert not gc.isenabled()
        with gc_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collector_resumes_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), gc_paused():
        _ = 1 // 0
    assert gc.isenabled()


def test_many_new_objects_are_frozen() -> None:
    before = gc.get_freeze_count()
    try:
        with gc_paused():
            kept: list[list[int]] = [[] for _ in range(100_000)]
        assert gc.get_freeze_count() - before >= len(kept)
    finally:
        gc.unfreeze()
