"""``paddock diff``: what two policies allow beyond each other, as values and JSON."""

from typing import Any, NamedTuple

from editor.evaluation.diff import Comparison, compare
from editor.evaluation.resolve import resolve
from editor.policy.model import Policy


class PolicyComparison(NamedTuple):
    """Two policies by name, the ABI they were compared for, and how they differ."""

    a: str
    b: str
    abi: int
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``paddock diff --format json`` prints."""
        return {
            "a": self.a,
            "b": self.b,
            "abi": self.abi,
            "same": self.comparison.same,
            "only_a": [each.to_json() for each in self.comparison.only_a],
            "only_b": [each.to_json() for each in self.comparison.only_b],
        }


def compare_policies(a: Policy, b: Policy, abi: int) -> PolicyComparison:
    """Compare two policies on this machine."""
    return PolicyComparison(a.file, b.file, abi, compare(resolve(a), resolve(b), abi))
