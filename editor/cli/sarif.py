"""Findings in SARIF 2.1.0 (OASIS), which code hosts show next to the lines of a change."""

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from editor import __version__
from editor.analysis.check import CheckResult, Problem
from editor.analysis.lint.catalogue import LINTS, Lint
from editor.policy.compose import VAR_OPTION

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INVALID = Lint("error", "Not a valid policy", "Launchers refuse a file that breaks the rules of the format.")


def sarif(results: Sequence[CheckResult]) -> dict[str, Any]:
    """Return the log of one run of ``paddock check``, notes included."""
    kinds = {"invalid": _INVALID, **LINTS}
    rules = [
        {
            "id": id_,
            "shortDescription": {"text": f"{kind.title}."},
            "fullDescription": {"text": kind.why},
            "defaultConfiguration": {"level": kind.severity},
        }
        for id_, kind in kinds.items()
    ]
    order = list(kinds)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "paddock", "version": __version__, "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [
                    _result(problem, order.index(problem.id))
                    for each in results
                    for problem in (*each.problems, *each.notes)
                ],
            }
        ],
    }


def _result(problem: Problem, index: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
    if problem.line:
        place["region"] = {"startLine": problem.line, "startColumn": problem.column}
    hint = f" ({problem.hint})" if problem.hint else ""
    return {
        "ruleId": problem.id,
        "ruleIndex": index,
        "level": problem.severity,
        "message": {"text": problem.message + hint},
        "locations": [] if problem.file == VAR_OPTION else [{"physicalLocation": place}],
    }


def _uri(file: str) -> str:
    """Return ``file`` as a URI; a relative path stays relative, since hosts resolve it against the repository."""
    plain = quote(os.fsencode(os.path.normpath(file)))
    return f"file:///{plain.lstrip('/')}" if plain.startswith("/") else plain
