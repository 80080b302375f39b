"""The one place in which the editor pauses the search for cyclic garbage."""

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

# Searching this many new objects would take long enough to be noticed.
_MANY: Final = 20_000


@contextlib.contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector while a policy is derived again; inside another pause, do nothing.

    A large policy is some 300,000 objects, none of them in a cycle: reference counting frees the old ones as soon as
    the new ones replace them. Searching them all, several times an edit, took longer than the edit itself. The
    collector is shared by all threads; what others leave in cycles meanwhile is found after the pause. Many new objects
    are frozen, so that no later search walks through them and blocks the screen.
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
