"""What ``paddock check`` finds in a policy, as values and JSON."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from editor.analysis.fix import Fixed, fix
from editor.analysis.lint.catalogue import Finding, Severity
from editor.analysis.lint.engine import lint
from editor.evaluation.resolve import resolve
from editor.policy.compose import FileText, Variables, combine, read_files
from editor.policy.errors import PolicyError
from editor.policy.model import Policy


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

    ``notes`` are possibly intentional: they do not count. ``fixed`` is gone from the texts that ``rewritten`` has for
    the caller to save; ``unmended`` says in sentences which files were left alone, and why.
    """

    file: str
    valid: bool
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    fixed: tuple[Problem, ...] = ()
    unmended: tuple[str, ...] = ()
    rewritten: tuple[Fixed, ...] = ()

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
    are left out. With ``fix``, which takes no ``variables``, what can be fixed in each file on its own is.
    """

    paths: tuple[str, ...]
    abi: int | None = None
    variables: Variables = MappingProxyType({})
    ignored: frozenset[str] = frozenset()
    fix: bool = False


def check(request: Check) -> Checked:
    """Parse and lint one policy, which is read once; nothing is written."""
    shown = " + ".join(request.paths)
    files = read_files(request.paths)
    policy, errors = combine(files, request.paths, request.variables)
    if policy is None:
        return Checked(shown, False, tuple(map(_invalid, errors)))
    rewritten: tuple[Fixed, ...] = ()
    unmended: tuple[str, ...] = ()
    if request.fix:
        rewritten, unmended = _fix(files, request)
        texts = {each.file: each.after for each in rewritten}
        files = tuple(each._replace(text=texts.get(each.file, each.text)) for each in files)
        policy, errors = combine(files, request.paths, request.variables)
    fixed = tuple(_problem(found) for each in rewritten for found in each.findings)
    if policy is None:
        return Checked(shown, False, tuple(map(_invalid, errors)), (), fixed, unmended, rewritten)
    problems = [_problem(each) for each in _findings(policy, request)]
    return Checked(
        shown,
        True,
        tuple(each for each in problems if each.severity != "note"),
        tuple(each for each in problems if each.severity == "note"),
        fixed,
        unmended,
        rewritten,
    )


def _fix(files: Sequence[FileText], request: Check) -> tuple[tuple[Fixed, ...], tuple[str, ...]]:
    """Fix each file on its own: those that changed, and why nothing was tried in some."""

    def find(policy: Policy) -> tuple[Finding, ...]:
        found = _findings(policy, request)
        # A variable that its own file does not use may be there for another one.
        return found if len(files) == 1 else tuple(each for each in found if each.id != "unused-variable")

    rewritten = []
    unmended = []
    for file in files:
        try:
            fixed = fix(file, find)
        except PolicyError as error:  # what it uses is defined in another file
            unmended.append(f"{error}: nothing was mended in this file, which means nothing by itself.")
            continue
        if fixed.after != fixed.before:
            rewritten.append(fixed)
    return tuple(rewritten), tuple(unmended)


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
