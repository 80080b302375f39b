"""The file that a draft is edited from: what was read, what is there now, and conflicts.

There are three texts: the base (last read or saved), the file as it is on disk now, and the draft.
"""

from collections.abc import Callable
from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.editing.merge import MergeError
from editor.policy.errors import PolicyError
from editor.policy.files import decode
from editor.workspace.saving import read_file

Parse = Callable[[str], PolicyDocument]
"""A function that parses a text of the file, or raises PolicyError."""


class Conflict(NamedTuple):
    """The file changed on disk while the draft has unsaved edits. ``problem`` is why ``theirs`` cannot be used."""

    theirs: str
    problem: PolicyError | None


class FileState(NamedTuple):
    """What is known about the file. Immutable: every reload and every save creates a new one.

    ``base`` is the text that the draft was edited from. ``expected`` is the content that saving may replace, None if
    the file has never existed. ``seen`` is the content found last, None if there was no file. ``problem`` is why the
    file could not be loaded then.
    """

    base: str
    expected: bytes | None
    seen: bytes | None
    problem: PolicyError | None = None
    conflict: Conflict | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the file was removed from disk."""
        return self.expected is not None and self.seen is None

    def reload(self, path: str, draft: str, parse: Parse) -> tuple["FileState", PolicyDocument | None]:
        """Read the file at ``path`` again.

        Returns the new state and the document that replaces ``draft``. That is None if the file has not changed, if it
        cannot be read or parsed (a ``problem``), or if there are unsaved edits (a ``conflict``).
        """
        try:
            data = read_policy_file(path)
        except PolicyError as error:
            return self._replace(problem=error), None
        now = self._replace(seen=data)
        if data == self.expected:
            return now._replace(problem=None, conflict=None), None
        if data is None:
            removed = PolicyError("is gone from disk", file=path, hint="save to write it again")
            return now._replace(problem=removed, conflict=None), None
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
        """Return the state after the conflict is resolved, however it was: the draft is now based on theirs."""
        if self.conflict is None:
            return self
        return FileState(self.conflict.theirs, self.seen, self.seen)

    def sides(self, parse: Parse) -> tuple[PolicyDocument, PolicyDocument]:
        """Return the base and theirs for a merge. Raises MergeError, with a sentence, if they cannot be merged."""
        if self.conflict is None:
            raise MergeError("There is no conflict, so there is nothing to merge.")
        if self.conflict.problem is not None:
            raise MergeError("The file on disk does not parse, so it cannot be merged.") from self.conflict.problem
        try:
            return parse(self.base), parse(self.conflict.theirs)
        except PolicyError as error:
            raise MergeError("The text before both changes does not parse, so it cannot be merged.") from error


def read_policy_file(path: str) -> bytes | None:
    """Return the content of the policy file at ``path``, None if it does not exist. Raises PolicyError."""
    try:
        return read_file(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
