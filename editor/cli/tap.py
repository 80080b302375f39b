"""Results of checks as TAP version 14 (testanything.org)."""

import json
from collections.abc import Sequence

from editor.analysis.verify.running import Result
from editor.escape import printable


def tap(results: Sequence[Result]) -> list[str]:
    """Return the lines of a TAP document; why a check does not hold is its YAML block."""
    lines = ["TAP version 14", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        check = result.job.check
        abi = f" (ABI {result.job.abi})" if result.job.abi else ""
        name = _escaped(f"{result.job.policy.file}: {check.name}{abi}")
        skip = f" # SKIP {_escaped(' '.join(result.left_out))}" if result.outcome == "skipped" else ""
        lines.append(f"{'ok' if result.outcome in ('held', 'skipped') else 'not ok'} {number} - {name}{skip}")
        if result.outcome in ("failed", "error"):
            # A JSON text in ASCII is YAML too, whatever the reasons contain.
            lines += [
                "  ---",
                f"  severity: {'fail' if result.outcome == 'failed' else 'error'}",
                f"  message: {json.dumps('; '.join(result.reasons))}",
                "  at:",
                f"    file: {json.dumps(check.location.file)}",
                f"    line: {check.location.line}",
                f"  duration_ms: {result.duration_s * 1000:.0f}",
                f"  output: {json.dumps(result.output)}",
                "  ...",
            ]
    return lines


def _escaped(text: str) -> str:
    """Return a description: a bare # would start a directive."""
    return printable(text).replace("\\", "\\\\").replace("#", "\\#")
