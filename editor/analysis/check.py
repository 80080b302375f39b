"""What ``paddock check`` and ``paddock abi`` find, as values, JSON and lines."""

import os
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from editor.analysis.lint.engine import Finding, Severity, lint
from editor.cli.console import Console, width
from editor.escape import printable
from editor.evaluation.resolve import resolve
from editor.landlock.abi import ABI_VERSIONS, KernelState
from editor.landlock.kernel import RESTRICT_FLAGS
from editor.landlock.rights import RIGHTS
from editor.policy.compose import Variables, files_of, load_leniently
from editor.policy.errors import PolicyError
from editor.policy.model import Policy
from editor.policy.parse import read_text

_EXCERPT = 100  # characters of a line that is shown
_STYLES = {"error": "error", "warning": "warning", "note": "dim", "fixed": "allowed"}


class Problem(NamedTuple):
    """One finding: a stable id, where (``line`` and ``column`` from 1, 0 for the whole file), a sentence, a hint.

    ``fixable``: ``--fix`` mends it.
    """

    id: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    fixable: bool = False


class Checked(NamedTuple):
    """One policy (a file, or several together) and everything found in it. ``valid``: it can be read and parsed.

    ``notes`` are what may well be meant just so: they do not count. ``fixed`` were mended, and are not in the file any
    more, ``unmended`` says in sentences which files that was not tried in.
    """

    file: str
    valid: bool
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    fixed: tuple[Problem, ...] = ()
    unmended: tuple[str, ...] = ()

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
            "notes": [problem._asdict() for problem in self.notes],
            "fixed": [problem._asdict() for problem in self.fixed],
        }


class Check(NamedTuple):
    """What to check: files and directories that make one policy together, and for what.

    ``abi`` is the Landlock version that the policy is meant for, by default its own; findings of the kinds ``ignored``
    are left out. With ``fix``, which takes no ``variables``, what can be mended in each file by itself is.
    """

    paths: tuple[str, ...]
    abi: int | None = None
    variables: Variables = MappingProxyType({})
    ignored: frozenset[str] = frozenset()
    fix: bool = False


def check(request: Check) -> Checked:
    """Parse and lint one policy. Raises SaveError where what was mended cannot be written."""
    shown = " + ".join(request.paths)
    policy, errors = load_leniently(request.paths, request.variables)
    if policy is None:
        return Checked(shown, False, tuple(_invalid(error) for error in errors))
    found = _findings(policy, request)
    fixed: tuple[Problem, ...] = ()
    unmended: tuple[str, ...] = ()
    if request.fix:
        mended, unmended = _mend(request)
        fixed = tuple(_problem(each) for each in mended)
        policy, errors = load_leniently(request.paths, request.variables)
        if policy is None:
            return Checked(shown, False, tuple(map(_invalid, errors)), fixed=fixed, unmended=unmended)
        found = _findings(policy, request)
    problems = [_problem(each) for each in found]
    return Checked(
        shown,
        True,
        tuple(each for each in problems if each.severity != "note"),
        tuple(each for each in problems if each.severity == "note"),
        fixed,
        unmended,
    )


def _mend(request: Check) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Mend each file by itself; gives what was mended, and why nothing was tried in some."""
    from editor.analysis.fix import fix_file  # noqa: PLC0415 only for who asks

    files = [file for path in request.paths for file in files_of(path)]
    mended: list[Finding] = []
    unmended = []

    def find(policy: Policy) -> tuple[Finding, ...]:
        found = _findings(policy, request)
        # A variable that its own file does not use may be there for another one.
        return found if len(files) == 1 else tuple(each for each in found if each.id != "unused-variable")

    for file in files:
        policy, errors = load_leniently((file,))
        if policy is None:  # what it uses stands in another file
            unmended.append(f"{errors[0]}: nothing was mended in this file, which means nothing by itself.")
        elif any(each.fix for each in find(policy)):
            mended += fix_file(file, find)
    return tuple(mended), tuple(unmended)


def _findings(policy: Policy, request: Check) -> tuple[Finding, ...]:
    found = lint(policy, resolve(policy), target_abi=request.abi)
    return tuple(each for each in found if each.id not in request.ignored)


def _problem(found: Finding) -> Problem:
    place = found.location
    return Problem(
        found.id, found.severity, place.file, place.line, place.column, found.message, fixable=bool(found.fix)
    )


def _invalid(error: PolicyError) -> Problem:
    return Problem("invalid", "error", error.file, error.line, error.column, error.message, error.hint)


def checked_lines(checked: Sequence[Checked], console: Console, *, notes: bool = False) -> list[str]:
    """A line for each finding, as compilers write them, and one for each policy without any; notes where wanted."""
    lines: list[str] = []
    texts: dict[str, list[str]] = {}
    for each in checked:
        lines += [_line(problem, console, "fixed") for problem in each.fixed]
        shown = (*each.problems, *each.notes) if notes else each.problems
        for problem in sorted(shown, key=lambda one: one[2:5]):
            lines.append(_line(problem, console))
            if not each.valid:
                lines += excerpt(problem, texts, console)
        if not each.problems:
            more = f" ({len(each.notes)} notes, --notes shows them)" if each.notes and not notes else ""
            lines.append(f"{printable(each.file)}: {console.paint('no findings', 'allowed')}{more}")
        # Of several files together, each is mended by itself.
        elif fixable := sum(problem.fixable and problem.file == each.file for problem in each.problems):
            lines.append(f"{printable(each.file)}: --fix mends {fixable} of {len(each.problems)}")
    return lines


def excerpt(problem: Problem | PolicyError, texts: dict[str, list[str]], console: Console) -> list[str]:
    """The line that ``problem`` is about, and a mark below its column; nothing where there is no such line.

    ``texts`` remembers the lines of files. What is no regular file cannot be read a second time.
    """
    if problem.file not in texts:
        try:
            texts[problem.file] = read_text(problem.file).split("\n") if os.path.isfile(problem.file) else []
        except PolicyError:
            texts[problem.file] = []
    if not 1 <= problem.line <= len(texts[problem.file]):
        return []
    line = texts[problem.file][problem.line - 1].rstrip("\r").replace("\t", " ")
    start = max(0, problem.column - 1 - _EXCERPT // 2)
    before = ("..." if start else "") + printable(line[start : problem.column - 1])
    end = start + _EXCERPT
    text = before + printable(line[problem.column - 1 : end]) + ("..." if end < len(line) else "")
    number = f"{problem.line:>6} | "
    mark = " " * (len(number) - 2) + "| " + " " * width(before) + console.paint("^", "error")
    return [number + text, mark] if text.strip() else []


def _line(problem: Problem, console: Console, word: str = "") -> str:
    file = printable(problem.file)
    place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
    hint = f" ({problem.hint})" if problem.hint else ""
    severity = console.paint(word or problem.severity, _STYLES.get(word or problem.severity, "warning"))
    return f"{place}: {severity}: {printable(problem.message + hint)} [{problem.id}]"


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
