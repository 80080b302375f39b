"""What ``paddock check`` and ``paddock abi`` find, as values, JSON and lines."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from editor.console import Console
from editor.escape import printable
from editor.landlock.abi import ABI_VERSIONS, KernelState
from editor.landlock.kernel import RESTRICT_FLAGS
from editor.landlock.rights import RIGHTS
from editor.policy.errors import PolicyError
from editor.policy.lint import lint
from editor.policy.parse import format_of, parse_leniently, read_text
from editor.policy.resolve import resolve


class Problem(NamedTuple):
    """One finding: a stable id, where (``line`` and ``column`` from 1, 0 for the whole file), a sentence, a hint."""

    id: str
    severity: Literal["error", "warning"]
    line: int
    column: int
    message: str
    hint: str = ""


class Checked(NamedTuple):
    """One policy file and everything found in it. ``valid``: it can be read and parsed."""

    file: str
    valid: bool
    problems: tuple[Problem, ...]

    @property
    def status(self) -> int:
        """The exit status that says this."""
        return 2 if not self.valid else 1 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        """One element of ``files`` in ``paddock check --format json``."""
        return {
            "file": self.file,
            "status": ("clean", "findings", "invalid")[self.status],
            "findings": [problem._asdict() for problem in self.problems],
        }


def check_file(file: str, abi: int | None) -> Checked:
    """Parse and lint ``file``; ``abi`` is the Landlock version that it is meant for, by default its own."""
    try:
        text = read_text(file)
        policy, errors = parse_leniently(text, file, format_of(file, text))
    except PolicyError as error:
        errors = (error,)
    if errors:
        return Checked(file, False, tuple(_invalid(error) for error in errors))
    found = lint(policy, resolve(policy), target_abi=abi)
    return Checked(
        file,
        True,
        tuple(
            Problem(each.id, each.severity, each.location.line, each.location.column, each.message) for each in found
        ),
    )


def _invalid(error: PolicyError) -> Problem:
    return Problem("invalid", "error", error.line, error.column, error.message, error.hint)


def checked_lines(checked: Sequence[Checked], console: Console) -> list[str]:
    """A line for each finding, as compilers write them, and one for each file without any."""
    lines = []
    for each in checked:
        file = printable(each.file)
        if not each.problems:
            lines.append(f"{file}: {console.paint('no findings', 'allowed')}")
        for problem in each.problems:
            place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
            hint = f" ({problem.hint})" if problem.hint else ""
            severity = console.paint(problem.severity, problem.severity)
            lines.append(f"{place}: {severity}: {printable(problem.message + hint)} [{problem.id}]")
    return lines


def kernel_json(state: KernelState) -> dict[str, Any]:
    """The object that ``paddock abi --format json`` prints."""
    since = {version.number: version.kernel for version in ABI_VERSIONS}
    return {
        "kernel": state.release,
        "abi": state.abi,
        "problem": state.problem,
        "errata": [bit + 1 for bit in range(state.errata.bit_length()) if state.errata >> bit & 1],
        "lsms": list(state.lsms) if state.lsms is not None else None,
        "rights": [
            {
                "name": right.name,
                "kind": right.kind,
                "abi": right.abi,
                "since": since[right.abi],
                "enforced": right.abi <= state.abi,
                "meaning": right.meaning,
            }
            for right in RIGHTS.values()
        ],
        "restrict_flags": [
            {"name": flag.name, "abi": flag.abi, "known": flag.abi <= state.abi, "meaning": flag.meaning}
            for flag in RESTRICT_FLAGS
        ],
    }
