"""Pause Python's cyclic garbage collector while large values are built."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

# Scanning this many new objects takes long enough to be noticed.
_MANY: Final = 20_000


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector. Does nothing if it is already paused.

    A large policy is some 300,000 objects, none of them in a cycle: reference counting frees the old ones when the new
    ones replace them. Scanning them all, several times per edit, took longer than the edit. The pause affects all
    threads; their cyclic garbage is collected afterwards. If there are many new objects, they are frozen, so that later
    collections do not scan them and block the screen.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _MANY:
            gc.freeze()
        gc.enable()
