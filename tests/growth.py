"""Measure how work grows with the size of its input, by counting lines, which does not depend on the machine."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python ``work`` executes, including the standard library."""
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
    """Whether four times the size takes ``work`` about four times the lines at most, and so not quadratic time.

    ``work`` takes the size. It is run once before, so that what it does only once, such as an import, is not counted.
    """
    work(1)
    small, large = steps(lambda: work(size)), steps(lambda: work(4 * size))
    return large < 5 * small
