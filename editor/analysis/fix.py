"""``paddock check --fix``: mend in a policy file what can be mended without a change of what it means here."""

from collections.abc import Callable

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.engine import fixes
from editor.editing.document import PolicyDocument
from editor.editing.edits import EditError
from editor.policy.model import Policy
from editor.policy.parse import decode, format_of
from editor.workspace.saving import SaveError, read_file, write_file

# Taking one thing away can make another superfluous; this many rounds end any chain that people write.
_ROUNDS = 10


def fix_file(path: str, find: Callable[[Policy], tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """Mend what ``find`` finds in the file ``path``, and write it at one stroke; gives what was mended.

    Everything else in the file stays to the byte. Raises SaveError where it cannot be written (a symbolic link is not
    written through), PolicyError where it cannot be read any more.
    """
    data = read_file(path)
    if data is None:
        raise SaveError(f"{path} is gone.")
    text = decode(data, path)
    document = PolicyDocument.parse(text, path, format_of(path, text))
    mended: list[Finding] = []
    for _ in range(_ROUNDS):
        found = [each for each in find(document.policy) if each.fix]
        before = document.text
        refused = set[Finding]()
        for edit in fixes(found):
            try:
                document = document.apply(edit)
            except EditError:  # such as the last thing in the file: it stays, and is told again
                refused |= {each for each in found if edit in each.fix}
        if document.text == before:
            break
        mended += [each for each in found if each not in refused]
    if document.text != text:
        write_file(path, document.text.encode(), expected=data)
    return tuple(mended)
