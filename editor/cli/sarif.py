"""Findings in SARIF 2.1.0 (OASIS), which code hosts show next to the lines of a change."""

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from editor import __version__
from editor.analysis.check import CheckResult, Problem
from editor.analysis.lint.catalogue import LINTS, Lint
from editor.analysis.verify.running import Result
from editor.policy.compose import VAR_OPTION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INVALID = Lint("error", "Not a valid policy", "Launchers refuse a file that breaks the rules of the format.")
_OUTCOMES = {
    "check-failed": Lint("error", "A check does not hold", "A policy allows or denies what its check does not expect."),
    "check-error": Lint(
        "error", "A check could not be tried", "Its command, its directory or its probes are at fault."
    ),
}


def sarif(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return the log of one run of ``paddock check``, notes included."""
    kinds = {"invalid": _INVALID, **LINTS}
    order = list(kinds)
    problems = [problem for each in results for problem in (*each.problems, *each.notes)]
    return _log(kinds, [_result(problem, order.index(problem.id)) for problem in problems])


def sarif_of_checks(results: Sequence[Result]) -> dict[str, Any]:
    """Return the log of one run of ``paddock verify``: what does not hold, at the check's place."""
    bad = [result for result in results if result.outcome in ("failed", "error")]
    order = list(_OUTCOMES)
    return _log(
        _OUTCOMES,
        [
            {
                "ruleId": f"check-{result.outcome}",
                "ruleIndex": order.index(f"check-{result.outcome}"),
                "level": "error",
                "message": {"text": f"{result.job.check.name}: {'; '.join(result.reasons)}"},
                "locations": [_place(*result.job.check.location)],
            }
            for result in bad
        ],
    )


def _log(kinds: Mapping[str, Lint], results: list[dict[str, Any]]) -> dict[str, Any]:
    rules = [
        {
            "id": id_,
            "shortDescription": {"text": f"{kind.title}."},
            "fullDescription": {"text": kind.why},
            "defaultConfiguration": {"level": kind.severity},
        }
        for id_, kind in kinds.items()
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "paddock", "version": __version__, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    hint = f" ({problem.hint})" if problem.hint else ""
    return {
        "ruleId": problem.id,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": problem.message + hint},
        "locations": [] if problem.file == VAR_OPTION else [_place(problem.file, problem.line, problem.column)],
    }


def _place(file: str, line: int, column: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if line:
        place["region"] = {"startLine": line, "startColumn": column}
    return {"physicalLocation": place}


def _uri(file: str) -> str:
    """Return ``file`` as a URI; a relative path stays relative, since hosts resolve it against the repository."""
    plain = quote(os.fsencode(os.path.normpath(file)))
    return f"file:///{plain.lstrip('/')}" if plain.startswith("/") else plain
