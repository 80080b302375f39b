"""How the work for an input grows with its size, counted instead of timed: a clock tells of the machine, too."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python ``work`` executes, those of the standard library included."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def grows_linearly(work: Callable[[int], object], size: int) -> bool:
    """Whether ``work`` for four times the size is about four times the work at most; sixteen times is what it is not.

    ``work`` takes the size. What it does once, such as an import, is done before.
    """
    work(1)
    small, large = steps(lambda: work(size)), steps(lambda: work(4 * size))
    return large < 5 * small
