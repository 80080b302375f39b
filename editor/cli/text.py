"""Text that several verbs show: where a rule is, a faulty line, the command that opens a policy."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from editor.cli.console import Console, width
from editor.cli.options import policy_file_word, shell_word
from editor.escape import printable
from editor.landlock.rights import listed
from editor.policy.compose import VAR_OPTION
from editor.policy.errors import PolicyError
from editor.policy.files import read_text
from editor.policy.model import Policy, RuleRef

if TYPE_CHECKING:  # which starting a program under a policy does not need
    from editor.sandbox.verdicts.report import Access

_EXCERPT = 100  # characters shown of a long line


class Placed(Protocol):
    """Something with a place in a file; lines and columns count from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def location(ref: RuleRef) -> str:
    """Return where a rule is, as ``file:line``."""
    return f"{printable(ref.file)}:{ref.line}"


def edit_command(policy: Policy) -> str:
    """Return the command, for sh(1), that opens ``policy`` on the screen, with all its files and given variables."""
    words = [policy_file_word(file) for file in policy.files or (policy.file,)]
    for variable in policy.variables:
        if variable.location.file == VAR_OPTION:
            words += [f"--var {shell_word(f'{variable.name}={value}')}" for value in variable.literals]
    return " ".join(("paddock", "edit", *words))


def excerpt(problem: Placed, texts: dict[str, list[str]], console: Console) -> list[str]:
    """Return the line that ``problem`` is about and a mark below its column; nothing if there is no such line.

    ``texts`` caches the lines of files. Only a regular file can be read a second time.
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


def access_text(access: "Access") -> str:
    """Return what ``access`` lacked or wanted, on what, and who made it; not printable yet."""
    where = f"port {access.port}" if access.port is not None else access.object_path or access.path or access.syscall
    return f"{listed(access.missing or access.rights)} on {where} ({access.process})"


def say(verb: str, lines: Iterable[str]) -> None:
    """Write ``lines`` to standard error, each made printable and led by the name of the verb."""
    if sys.stderr is not None:
        for line in lines:
            sys.stderr.write(f"paddock {verb}: {printable(line)}\n")
        sys.stderr.flush()
