"""``paddock check``: the findings about a policy, as values and JSON."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from editor.analysis.fix import Fixed, fix
from editor.analysis.lint.catalogue import Finding, Severity
from editor.analysis.lint.engine import lint
from editor.analysis.lint.files import lint_files
from editor.evaluation.resolve import resolve
from editor.policy.compose import FileText, Variables, combine, read_files
from editor.policy.errors import PolicyError
from editor.policy.model import Location, Policy


class Problem(NamedTuple):
    """One finding: a stable id, its place (``line`` and ``column`` from 1, 0 for the whole file), a message, a hint.

    ``fixable`` tells whether ``--fix`` can fix it.
    """

    id: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    fixable: bool = False


class CheckResult(NamedTuple):
    """The findings in one policy, of one file or several; ``valid`` tells whether it can be read and parsed.

    ``notes`` are possibly intentional and do not count. ``fixed`` is what the texts in ``rewritten``, which the caller
    saves, no longer have; ``unfixed`` has a sentence for each file that was left alone.
    """

    file: str
    valid: bool
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    fixed: tuple[Problem, ...] = ()
    unfixed: tuple[str, ...] = ()
    rewritten: tuple[Fixed, ...] = ()

    @property
    def status(self) -> int:
        """The exit status of ``paddock check`` for this policy."""
        return 2 if not self.valid else 1 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        """Return the element of ``files`` in ``paddock check --format json``."""
        return {
            "file": self.file,
            "status": ("clean", "findings", "invalid")[self.status],
            "findings": [problem._asdict() for problem in self.problems],
            "notes": [problem._asdict() for problem in self.notes],
            "fixed": [problem._asdict() for problem in self.fixed],
        }


class CheckRequest(NamedTuple):
    """What to check: the files and directories ``paths``, composed into one policy.

    ``abi`` is the Landlock version that the policy is written for, by default its own. Findings with an id in
    ``ignored`` are dropped. ``fix`` fixes each file individually, and takes no ``variables``.
    """

    paths: tuple[str, ...]
    abi: int | None = None
    variables: Variables = MappingProxyType({})
    ignored: frozenset[str] = frozenset()
    fix: bool = False


def check(request: CheckRequest) -> CheckResult:
    """Parse, lint and possibly fix one policy. It is read once and not written."""
    shown = " + ".join(request.paths)
    files = read_files(request.paths)
    policy, errors = combine(files, request.paths, request.variables)
    if policy is None:
        return CheckResult(shown, False, tuple(map(_invalid, errors)))
    rewritten: tuple[Fixed, ...] = ()
    unfixed: tuple[str, ...] = ()
    if request.fix:
        rewritten, unfixed = _fix(files, request)
        texts = {each.file: each.after for each in rewritten}
        files = tuple(each._replace(text=texts.get(each.file, each.text)) for each in files)
        policy, errors = combine(files, request.paths, request.variables)
    fixed = tuple(_problem(found) for each in rewritten for found in each.findings)
    if policy is None:
        return CheckResult(shown, False, tuple(map(_invalid, errors)), (), fixed, unfixed, rewritten)
    together = [each for each in lint_files(files, request.paths) if each.id not in request.ignored]
    problems = [_problem(each) for each in sorted((*together, *_findings(policy, request)), key=_place)]
    return CheckResult(
        shown,
        True,
        tuple(each for each in problems if each.severity != "note"),
        tuple(each for each in problems if each.severity == "note"),
        fixed,
        unfixed,
        rewritten,
    )


def _fix(files: Sequence[FileText], request: CheckRequest) -> tuple[tuple[Fixed, ...], tuple[str, ...]]:
    """Return the files that changed, each fixed individually, and why some were left alone."""

    def find(policy: Policy) -> tuple[Finding, ...]:
        found = _findings(policy, request)
        # A variable that this file does not use may be used by another one.
        return found if len(files) == 1 else tuple(each for each in found if each.id != "unused-variable")

    rewritten = []
    unfixed = []
    for file in files:
        try:
            fixed = fix(file, find)
        except PolicyError as error:  # it uses what another file defines
            unfixed.append(f"{error}: nothing was fixed in this file, which is not valid on its own.")
            continue
        if fixed.after != fixed.before:
            rewritten.append(fixed)
    return tuple(rewritten), tuple(unfixed)


def _findings(policy: Policy, request: CheckRequest) -> tuple[Finding, ...]:
    found = lint(policy, resolve(policy), target_abi=request.abi)
    return tuple(each for each in found if each.id not in request.ignored)


def _place(found: Finding) -> tuple[Location, str]:
    return found.location, found.id


def _problem(found: Finding) -> Problem:
    place = found.location
    return Problem(
        found.id, found.severity, place.file, place.line, place.column, found.message, fixable=bool(found.fix)
    )


def _invalid(error: PolicyError) -> Problem:
    return Problem("invalid", "error", error.file, error.line, error.column, error.message, error.hint)
