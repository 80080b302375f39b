"""The file that a draft is edited from: what was read, what is there now, and the conflict between it and the draft.

Three texts take part: the base (read or written last), the file as it is on disk now, and the draft.
"""

from collections.abc import Callable
from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.editing.merge import MergeError
from editor.policy.errors import PolicyError
from editor.policy.files import decode
from editor.workspace.saving import read_file

Parse = Callable[[str], PolicyDocument]
"""Parses a text of the file; raises PolicyError."""


class Conflict(NamedTuple):
    """The file changed on disk while the draft has unsaved edits. ``problem`` says why ``theirs`` cannot be taken."""

    theirs: str
    problem: PolicyError | None


class FileState(NamedTuple):
    """What is known of the file. Immutable: every look and every save makes a new one.

    ``base`` is the text that the draft was edited from. ``expected`` is the content that saving may replace, None for a
    file that was never there. ``seen`` is the content found last, None for no file. ``problem`` says why that could not
    be taken.
    """

    base: str
    expected: bytes | None
    seen: bytes | None
    problem: PolicyError | None = None
    conflict: Conflict | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the file was there and no longer is."""
        return self.expected is not None and self.seen is None

    def reload(self, path: str, draft: str, parse: Parse) -> tuple["FileState", PolicyDocument | None]:
        """Read the file at ``path`` again.

        Returns what is known now, and the document that replaces ``draft``: None if the file did not change, if it
        cannot be read or does not parse (a ``problem``), or if there are unsaved edits (a ``conflict``).
        """
        try:
            data = read_policy_file(path)
        except PolicyError as error:
            return self._replace(problem=error), None
        now = self._replace(seen=data)
        if data == self.expected:
            return now._replace(problem=None, conflict=None), None
        if data is None:
            gone = PolicyError("is gone from disk", file=path, hint="saving writes it anew")
            return now._replace(problem=gone, conflict=None), None
        has_edits = draft != self.base
        try:
            text = decode(data, path)
            document = parse(text)
        except PolicyError as error:
            conflict = Conflict(data.decode(errors="replace"), error) if has_edits else self.conflict
            return now._replace(problem=error, conflict=conflict), None
        if text != draft and has_edits:
            return now._replace(problem=None, conflict=Conflict(text, None)), None
        return FileState(text, data, data), document

    def settled(self) -> "FileState":
        """Return the state after the conflict was decided: whatever the draft contains now, it is based on theirs."""
        if self.conflict is None:
            return self
        return FileState(self.conflict.theirs, self.seen, self.seen)

    def sides(self, parse: Parse) -> tuple[PolicyDocument, PolicyDocument]:
        """Return the base and theirs, which a merge needs. Raises MergeError, with a sentence, if it is impossible."""
        if self.conflict is None:
            raise MergeError("There is no conflict: nothing is to be merged.")
        if self.conflict.problem is not None:
            raise MergeError("What is on disk does not parse, so it cannot be merged.") from self.conflict.problem
        try:
            return parse(self.base), parse(self.conflict.theirs)
        except PolicyError as error:
            raise MergeError("The text before both changes does not parse, so nothing can be merged.") from error


def read_policy_file(path: str) -> bytes | None:
    """Return the content of the policy file, None if there is no file. Raises PolicyError."""
    try:
        return read_file(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
