"""``paddock diff``: how two policies differ, as JSON and for people."""

from typing import Any, NamedTuple

from editor.cli.console import Console, columns
from editor.escape import printable
from editor.evaluation.diff import Comparison, Difference, compare
from editor.evaluation.resolve import resolve
from editor.landlock.rights import in_order
from editor.policy.model import Policy

# Of the places beneath where a difference does not hold; --format json lists all.
_MAX_EXCEPTIONS = 5


class Compared(NamedTuple):
    """Two policies by name, the ABI they were compared for, and how they differ."""

    a: str
    b: str
    abi: int
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        """The object that ``paddock diff --format json`` prints."""
        return {
            "a": self.a,
            "b": self.b,
            "abi": self.abi,
            "same": self.comparison.same,
            "only_a": [each.to_json() for each in self.comparison.only_a],
            "only_b": [each.to_json() for each in self.comparison.only_b],
        }


def compared(a: Policy, b: Policy, abi: int) -> Compared:
    """Compare two policies on this machine."""
    return Compared(a.file, b.file, abi, compare(resolve(a), resolve(b), abi))


def compared_lines(result: Compared, console: Console) -> list[str]:
    """What each of the two allows beyond the other."""
    a, b = printable(result.a), printable(result.b)
    if result.comparison.same:
        return [f"{a} and {b} allow the same here."]
    lines: list[str] = []
    for more, less, found in ((b, a, result.comparison.only_b), (a, b, result.comparison.only_a)):
        if not found:
            lines.append(f"{more} allows nothing that {less} does not.")
            continue
        lines.append(console.paint(f"{more} allows, and {less} does not:", "bold"))
        lines += columns([_row(each) for each in found])
    return lines


def _row(found: Difference) -> list[str]:
    subject = printable(found.subject)
    if found.kind == "port":
        subject = "any port" if found.subject == "*" else f"port {subject}"
    elif found.kind == "scope":
        subject = "outside the sandbox"
    why = [f"{printable(ref.file)}:{ref.line}" for ref in found.rules] or ["not restricted"]
    if not found.exists:
        why.append("does not exist yet")
    if found.excepted:
        more = len(found.excepted) - _MAX_EXCEPTIONS
        names = ", ".join(map(printable, found.excepted[:_MAX_EXCEPTIONS])) + (f" and {more} more" if more > 0 else "")
        why.append(f"but not on {names}")
    return [subject, ", ".join(in_order(found.rights)), "; ".join(why)]
