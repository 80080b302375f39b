"""Rows of the benchmark table, and fair timing of one program against another."""

import os
import statistics
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """One measurement in seconds, Paddock's and that of the baseline; ``goal`` is the largest acceptable ratio.

    With another ``unit`` than "ms", in which seconds are shown, both are numbers of that unit.
    """

    what: str
    against: str
    baseline_s: float
    measured_s: float
    goal: float
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        """Paddock's time divided by the baseline's."""
        return self.measured_s / self.baseline_s


def alternate(baseline: Callable[[], float], measured: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the medians of both, called alternately so that a busy machine slows both; first calls do not count."""
    baseline()
    measured()
    pairs = [(baseline(), measured()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def environment(**extra: str) -> dict[str, str]:
    """Return the environment for a measured program, with ``extra`` variables.

    An installed program is compiled only once; a setting that prevents it would measure the compiler.
    """
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | extra


def table(rows: Iterable[Row]) -> str:
    """Format the rows as text."""
    lines = [f"{'':24} {'against':24} {'baseline':>10} {'paddock':>10} {'ratio':>7} {'goal':>7}"]
    for row in rows:
        verdict = "met" if row.ratio <= row.goal else "MISSED"
        scale = 1000 if row.unit == "ms" else 1
        values = " ".join(f"{value * scale:7.1f} {row.unit}" for value in (row.baseline_s, row.measured_s))
        lines.append(f"{row.what:24} {row.against:24} {values} {row.ratio:6.2f}x {row.goal:6.2f}x {verdict}")
    return "\n".join(lines)
