"""What is shown of a draft. Everything derived from its document is derived here."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError
from editor.editing.labels import describe
from editor.editing.meaning import newly_handled
from editor.editing.shared_paths import EditScope, edits_of
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import Resolution, ResolvedPath, resolution_of, resolve_again
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.compose import CompositionContext
from editor.policy.errors import PolicyError
from editor.policy.files import format_of
from editor.policy.model import path_key


class Applied(NamedTuple):
    """The result of an edit: its label, and the rights and scopes that it newly handles, so denies everywhere else."""

    label: str
    newly_handled: RightSet
    changed: bool


class Snapshot(NamedTuple):
    """One state of a draft and everything derived from it. Immutable: every change derives a new one.

    ``own`` is the draft resolved alone, ``whole`` the draft composed with ``context``, the other open files. If they
    cannot be composed, ``problem`` says why, and ``whole`` and ``decider`` are those of an earlier state.
    """

    document: PolicyDocument
    context: CompositionContext
    own: Resolution
    whole: Resolution
    decider: Decider
    problem: PolicyError | None

    @classmethod
    def of(cls, document: PolicyDocument, context: CompositionContext, abi: int) -> "Snapshot":
        """Derive everything from scratch. Raises PolicyError if ``document`` cannot be composed with ``context``."""
        own = resolution_of(document.bound)
        whole = resolution_of(context.compose(document.policy)) if context.is_composed else own
        return cls(document, context, own, whole, Decider(whole.resolved, abi), None)

    def parse(self, text: str) -> PolicyDocument:
        """Parse another text of the same file, quickly if little differs. Raises PolicyError."""
        near = self.document
        return PolicyDocument.parse(
            text, near.file, format_of(near.file, text), near=near, given=self.context.variables
        )

    def apply(self, edits: Sequence[Edit], scope: EditScope | None) -> tuple["Snapshot", Applied]:
        """Return the state after all of ``edits``. Raises for the first that fails, as ``Workspace.apply``."""
        document = self.document
        label = "; ".join(describe(edit) for edit in edits)
        for edit in edits:
            parts = edits_of(document.bound, edit, scope)
            if scope == "all" and len(parts) > 1:
                label += ", and on all other paths of its rule"
            for part in parts:
                document = document.apply(part)
        if document.text == self.document.text:
            return self, Applied(label, NO_RIGHTS, False)
        after = self.edited(document)
        if after.problem is not None and self.problem is None:
            raise EditError(f"After this edit the files could not be composed: {printable(str(after.problem))}.")
        return after, Applied(label, newly_handled(self.whole.policy, after.whole.policy), True)

    def edited(self, document: PolicyDocument) -> "Snapshot":
        """Return the state with another document. Only paths whose rules changed are resolved again.

        If ``document`` cannot be composed with the other files, the last valid whole stays, with a ``problem``.
        """
        try:
            own = whole = resolve_again(self.own, document.bound)
            if self.context.is_composed:
                whole = resolve_again(self.whole, self.context.compose(document.policy))
        except PolicyError as error:
            return self._failed(document, error)
        decider = Decider(whole.resolved, self.decider.abi, near=self.decider)
        return Snapshot(document, self.context, own, whole, decider, None)

    def reloaded(self, document: PolicyDocument) -> "Snapshot":
        """As ``edited``, but resolve every path again."""
        try:
            return Snapshot.of(document, self.context, self.decider.abi)
        except PolicyError as error:
            return self._failed(document, error)

    def composed_with(self, context: CompositionContext) -> "Snapshot":
        """Return the state of the same text among other files; with a ``problem`` if they cannot be composed."""
        moved = self._replace(context=context)
        try:
            return moved.edited(self.document.with_given(context.variables))
        except PolicyError as error:
            return moved._replace(problem=error)

    def _failed(self, document: PolicyDocument, error: PolicyError) -> "Snapshot":
        return self._replace(document=document, own=resolve_again(self.own, document.bound), problem=error)

    def rule_at(self, path: str) -> ResolvedPath | None:
        """Return the rule of the whole on exactly ``path`` (absolute), however the path is written in the file."""
        return _rule_on(self.whole, path)

    def own_rule_at(self, path: str) -> ResolvedPath | None:
        """As ``rule_at``, but only in the draft itself."""
        return _rule_on(self.own, path)

    def own_rights(self, path: str) -> RightSet:
        """Return the rights that the draft itself grants on ``path``, spelled as in any of the files."""
        key = path_key(path)
        return next((each.rights for each in self.own.resolved.paths if path_key(each.path) == key), NO_RIGHTS)

    def own_port_rights(self, port: int) -> RightSet:
        """Return the rights that the draft itself grants on ``port``."""
        return next((each.rights for each in self.own.resolved.ports if each.port == port), NO_RIGHTS)


def _rule_on(resolution: Resolution, path: str) -> ResolvedPath | None:
    resolved = resolution.resolved
    wanted = os.path.normpath(path)
    for each in resolved.paths:
        if each.path and os.path.normpath(resolved.absolute(each.path)) == wanted:
            return each
    return None
