"""Paddock's own reports: the object of ``--format json``, and the lines of ``--format jsonl``."""

import json
from collections.abc import Iterator
from typing import Any

from editor.sandbox.verdicts.report import Access

_KEYS = frozenset({"verdict", "rights", "missing", "object"})


def is_report(text: str) -> bool:
    """Whether ``text`` is a report: an object with accesses, or lines of which each is an access."""
    return text.lstrip()[:1] == "{" and ('"accesses"' in text or ('"verdict"' in text and '"missing"' in text))


def accesses(text: str) -> Iterator[Access]:
    """Yield the accesses of a report. Raises ValueError, with a reason, if it is damaged."""
    for value in _values(text):
        for data in value.get("accesses", ()) if "accesses" in value else (value,):
            if not isinstance(data, dict) or not data.keys() >= _KEYS:
                continue  # the summary of a report in lines
            try:
                yield Access.from_json(data)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"an access of the report is damaged: {error!r}") from error


def _values(text: str) -> Iterator[dict[str, Any]]:
    try:
        yield _object(json.loads(text))
        return
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise ValueError(f"line {error.lineno} is not JSON: {error.msg}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield _object(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON: {error.msg}") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("this is JSON, but not a report")
    return value
