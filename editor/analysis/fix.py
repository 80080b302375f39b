"""``paddock check --fix``: fix findings in a policy's text without changing what it means on this machine."""

from collections.abc import Callable
from typing import NamedTuple

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.engine import fixes
from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError, EditTogether, TidyingEdit
from editor.policy.compose import FileText
from editor.policy.files import format_of
from editor.policy.model import Policy


class Fixed(NamedTuple):
    """A policy file's text before and after, and what was fixed; all other bytes are the same."""

    file: str
    before: str
    after: str
    findings: tuple[Finding, ...]


def _apply(document: PolicyDocument, edits: tuple[TidyingEdit, ...]) -> tuple[PolicyDocument, tuple[TidyingEdit, ...]]:
    """Apply ``edits``, from the last rule to the first; return the document after them, and those that are impossible.

    They are applied together, because each application works on the whole text; if that fails, each half on its own.
    """
    if not edits:
        return document, ()
    try:
        return document.apply(EditTogether(edits)), ()
    except EditError:  # such as removing the last table
        if len(edits) == 1:
            return document, edits
    half = len(edits) // 2
    document, failed = _apply(document, edits[:half])
    document, failed_too = _apply(document, edits[half:])
    return document, failed + failed_too


def fix(file: FileText, find: Callable[[Policy], tuple[Finding, ...]]) -> Fixed:
    """Fix what ``find`` finds in ``file``, and what only then can be fixed, until nothing is left.

    Every fix removes something, so this ends. Raises PolicyError when the file is not a valid policy on its own.
    """
    document = PolicyDocument.parse(file.text, file.file, format_of(file.file, file.text))
    fixed: list[Finding] = []
    while True:
        found = [each for each in find(document.policy) if each.fix]
        before = document.text
        refused = set[Finding]()
        document, failed = _apply(document, fixes(found))
        for edit in failed:  # it stays, and is reported again
            refused |= {each for each in found if edit in each.fix}
        if document.text == before:
            return Fixed(file.file, file.text, document.text, tuple(fixed))
        fixed += [each for each in found if each not in refused]
