"""Change a policy file from the command line: read it, show what changes, write it safely."""

import difflib
import os
import sys
from collections.abc import Mapping

from editor.cli.console import Console
from editor.cli.options import UsageError, shown
from editor.editing.document import PolicyDocument
from editor.escape import printable
from editor.policy.compose import given_variables
from editor.policy.files import format_of, read_text
from editor.workspace.saving import write_file

_STYLES = {"+": "allowed", "-": "denied", "@": "dim"}


def read_document(file: str, variables: Mapping[str, tuple[str, ...]]) -> PolicyDocument:
    """Read the policy ``file`` to change it; ``variables`` are those of the command line.

    Raises PolicyError if it is not a valid policy, UsageError for a directory.
    """
    if os.path.isdir(file):
        raise UsageError(f"{shown(file)} is a directory: name the policy file to change.")
    text = read_text(file)
    return PolicyDocument.parse(text, file, format_of(file, text), given=given_variables(variables))


def difference_lines(before: PolicyDocument, after: PolicyDocument, console: Console) -> list[str]:
    """Return how the two texts of a file differ, as a unified difference."""
    name = printable(before.file)
    lines = difflib.unified_diff(before.text.splitlines(), after.text.splitlines(), name, name, lineterm="", n=2)
    return [console.paint(line, "bold") if at < 2 else _painted(line, console) for at, line in enumerate(lines)]


def _painted(line: str, console: Console) -> str:
    style = _STYLES.get(line[:1])
    return console.paint(printable(line), style) if style is not None else printable(line)


def write_document(before: PolicyDocument, after: PolicyDocument, verb: str) -> None:
    """Replace the file with the text of ``after``, if it still has that of ``before``.

    Notes on what could not be preserved go to standard error. Raises SaveError; the file is then as it was.
    """
    saved = write_file(before.file, after.text.encode(), expected=before.text.encode())
    for note in saved.notes:
        sys.stderr.write(f"paddock {verb}: {shown(note)}\n")
