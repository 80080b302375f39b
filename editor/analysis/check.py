"""What ``paddock check`` finds in a policy, as values and JSON."""

from types import MappingProxyType
from typing import Any, NamedTuple

from editor.analysis.lint.catalogue import Finding, Severity
from editor.analysis.lint.engine import lint
from editor.evaluation.resolve import resolve
from editor.policy.compose import Variables, files_of, load_leniently
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
