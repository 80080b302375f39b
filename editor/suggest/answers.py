"""Answers to the questions of a run, as lines of JSON: for runs that nobody attends, and to repeat what was answered.

Each line is an object. ``answer`` is one of ``Choice``; the others say what it answers, and may be left out: ``path``
(a pattern as in fnmatch(3): ``*`` matches ``/`` as well), ``port``, ``rights`` (all that is missing must be among them)
and ``process`` (a pattern). The first line that fits counts. "allow" and "deny" are used once.
"""

import glob
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, get_args

from editor.escape import printable
from editor.landlock.rights import RIGHTS, RightSet, in_order
from editor.sandbox.events import Choice
from editor.sandbox.verdicts.report import Access

_ONCE: frozenset[Choice] = frozenset({"allow", "deny"})
# A call is denied if anything of it is, and allowed no longer than all of it is.
_STRICTEST_FIRST: tuple[Choice, ...] = ("kill", "deny-always", "deny", "allow", "allow-for-run", "grant")
_FIELDS = frozenset({"answer", "path", "port", "rights", "process"})


class AnswersError(ValueError):
    """A file of answers is wrong; the message says where and how, printable."""


class Line(NamedTuple):
    """One line of a file of answers."""

    choice: Choice
    path: str | None = None
    port: int | None = None
    rights: RightSet | None = None
    process: str | None = None

    def fits(self, access: Access) -> bool:
        """Whether the line answers a question about ``access``."""
        return (
            (self.path is None or fnmatchcase(_object(access), self.path))
            and (self.port is None or access.port == self.port)
            and (self.rights is None or access.missing <= self.rights)
            and (self.process is None or fnmatchcase(access.process, self.process))
        )


class Script:
    """The answers of a file, of which some are used once."""

    def __init__(self, lines: Sequence[Line] = ()) -> None:
        self._lines = list(lines)

    def answer(self, accesses: Sequence[Access]) -> Choice | None:
        """Return the answer to a question about ``accesses``; None if there is none for one of them."""
        found: list[Line] = []
        for access in accesses:
            line = next((line for line in self._lines if line.fits(access)), None)
            if line is None:
                return None
            found.append(line)
        for line in found:
            if line.choice in _ONCE and line in self._lines:
                self._lines.remove(line)
        return min((line.choice for line in found), key=_STRICTEST_FIRST.index)


def parse_answers(text: str, file: str) -> Script:
    """Return the answers in ``text``, that of ``file``. Raises AnswersError."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                lines.append(_line(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise AnswersError(f"{printable(file)}:{number}: {printable(str(error))}") from error
    return Script(lines)


def _line(data: Any) -> Line:
    if not isinstance(data, dict):
        raise TypeError("not an object")
    if unknown := sorted(set(data) - _FIELDS):
        raise ValueError(f"unknown key {unknown[0]}; known are {', '.join(sorted(_FIELDS))}")
    choice: Any = data.get("answer")
    if choice not in get_args(Choice):
        raise ValueError(f"answer must be one of {', '.join(get_args(Choice))}")
    rights = data.get("rights")
    if rights is not None and not (isinstance(rights, list) and all(each in RIGHTS for each in rights)):
        raise ValueError("rights must be a list of rights by their kernel names")
    for name, kind in (("path", str), ("port", int), ("process", str)):
        if data.get(name) is not None and not isinstance(data[name], kind):
            raise TypeError(f"{name} must be a {'number' if kind is int else 'string'}")
    return Line(
        choice, data.get("path"), data.get("port"), None if rights is None else frozenset(rights), data.get("process")
    )


def answer_lines(accesses: Sequence[Access], choice: Choice) -> list[str]:
    """Return the lines that give this answer to a question about ``accesses`` again."""
    lines = []
    for access in accesses:
        data: dict[str, Any] = {"answer": choice}
        if access.port is not None:
            data["port"] = access.port
        elif access.object_path is not None:
            data["path"] = glob.escape(access.object_path)
        if access.missing:
            data["rights"] = in_order(access.missing)
        data["process"] = glob.escape(access.process)
        lines.append(json.dumps(data))
    return lines


def _object(access: Access) -> str:
    return access.object_path or access.path or ""
