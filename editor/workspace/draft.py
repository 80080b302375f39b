"""The document as edited: what is derived from it, its edits, and its history. It knows no file.

The document is the only truth: everything else that is shown is derived from it (``state``). Each method of a user
action takes the lock, calls a part, and notifies.
"""

import os
import threading
from collections.abc import Callable, Sequence
from typing import Literal

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError, SetPathRights
from editor.editing.labels import describe
from editor.editing.meaning import newly_handled
from editor.editing.shared_paths import EditScope
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy, is_stable
from editor.exchange import Exported, Source, export_as
from editor.landlock.abi import KernelState
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RightSet
from editor.policy.compose import CompositionContext
from editor.policy.errors import PolicyError
from editor.policy.model import Policy
from editor.workspace.garbage import gc_paused
from editor.workspace.history import History
from editor.workspace.levels import level_rights, next_level
from editor.workspace.notifying import Changes, Notifier
from editor.workspace.state import Applied, Snapshot


class Draft:
    """A document that is edited. See the package for what may be called in which thread."""

    def __init__(self, document: PolicyDocument, kernel: KernelState, abi: int, context: CompositionContext) -> None:
        self._lock = threading.RLock()
        self._notifier = Notifier()
        self.kernel = kernel
        """What the kernel reports about Landlock, queried once."""
        self.abi = abi
        """The ABI to decide for: the kernel's, or the older one that is simulated."""
        self._state = Snapshot.of(document, context, abi)
        self._history = History(document.text)

    def subscribe(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call ``callback`` after every change, in the thread that made it. Returns the function that unsubscribes."""
        return self._notifier.subscribe(callback)

    # Derived from the document

    def compose_with(self, context: Callable[[], CompositionContext]) -> None:
        """Compose the draft with ``context()`` from now on.

        ``context`` is called under the draft's lock, so when several threads call this at once, the last to run uses
        the newest context.
        """
        with self._lock, gc_paused():
            before = self._state
            self._state = before.composed_with(context())
            problem = self._state.problem
        self._notifier.notify("document", *(("problem",) if str(problem) != str(before.problem) else ()))

    @property
    def document(self) -> PolicyDocument:
        """The draft: its text and the policy parsed from it."""
        return self._state.document

    @property
    def policy(self) -> Policy:
        """The policy of the draft alone."""
        return self._state.document.policy

    @property
    def whole(self) -> Policy:
        """The policy of the draft composed with the other files and variables."""
        return self._state.whole.policy

    @property
    def is_composed(self) -> bool:
        """Whether the draft is one of several files."""
        return self._state.context.is_composed

    @property
    def resolved(self) -> ResolvedPolicy:
        """The whole, resolved on this machine."""
        return self._state.whole.resolved

    @property
    def decider(self) -> Decider:
        """Decides what the whole would allow."""
        return self._state.decider

    @property
    def policy_abi(self) -> int:
        """The ABI whose rights the levels of ``step`` contain: the one in the file, else the enforced one."""
        return min(self.policy.abi or self.abi, LATEST_ABI)

    def rule_at(self, path: str) -> ResolvedPath | None:
        """Return the rule of the whole on exactly ``path`` (absolute), however the path is written in the file."""
        return self._state.rule_at(path)

    def own_rule_at(self, path: str) -> ResolvedPath | None:
        """As ``rule_at``, but only in the draft itself."""
        return self._state.own_rule_at(path)

    def own_rights(self, path: str) -> RightSet:
        """Return the rights that the draft itself grants on ``path``, spelled as in any of the files."""
        return self._state.own_rights(path)

    def own_port_rights(self, port: int) -> RightSet:
        """Return the rights that the draft itself grants on ``port``."""
        return self._state.own_port_rights(port)

    def export(self, name: str) -> Exported:
        """Export the whole in the format ``name`` of ``editor.exchange``. Raises KeyError for an unknown format."""
        state = self._state
        alone = not (state.context.is_composed or state.context.given)
        source = Source(state.document.text, state.document.format) if alone else None
        return export_as(name, state.whole.policy, source)

    # History

    @property
    def undo_label(self) -> str | None:
        """The label of the edit that ``undo`` would undo."""
        return self._history.undo_label

    @property
    def redo_label(self) -> str | None:
        """The label of the edit that ``redo`` would redo."""
        return self._history.redo_label

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return self._history.undo_label is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to redo."""
        return self._history.redo_label is not None

    # Editing

    def apply(self, *edits: Edit, scope: EditScope | None = None) -> Applied:
        """Apply all of ``edits`` as one step of the history, or none.

        ``scope`` decides what an edit covers if its path comes from a variable with several values. Raises EditError,
        with a sentence, for the first edit that is impossible, and SharedPath if ``scope`` is needed.
        """
        with self._lock, gc_paused():
            applied = self._apply(edits, scope)
        if applied.changed:
            self._after_edit()
        return applied

    def _apply(self, edits: Sequence[Edit], scope: EditScope | None) -> Applied:
        self._state, applied = self._state.apply(edits, scope)
        if applied.changed:
            self._history.push(self._state.document.text, applied.label)
            self._keep_draft()
        return applied

    def adopt(self, before: PolicyDocument, after: PolicyDocument, label: str) -> Applied:
        """Replace the document ``before`` with ``after``, as one step of the history called ``label``.

        Raises EditError if the document has been edited since it was ``before``, or the files could not be composed.
        """
        with self._lock, gc_paused():
            if self.document.text != before.text:
                raise EditError("The policy has been edited meanwhile.")
            if after.text == before.text:
                return Applied(label, NO_RIGHTS, False)
            state = self._state.edited(self._state.parse(after.text))
            if state.problem is not None and self._state.problem is None:
                raise EditError(f"After this the files could not be composed: {printable(str(state.problem))}.")
            applied = Applied(label, newly_handled(self._state.whole.policy, state.whole.policy), True)
            self._state = state
            self._history.push(state.document.text, label)
            self._keep_draft()
        self._after_edit()
        return applied

    def step(self, path: str, direction: Literal[1, -1], scope: EditScope | None = None) -> Applied:
        """Move the rule on ``path`` (absolute) to the next (1) or previous (-1) of the LEVELS.

        ``scope`` and the errors are those of ``apply``.
        """
        with self._lock, gc_paused():
            rule = self.own_rule_at(path)
            now = rule.rights if rule is not None else NO_RIGHTS
            is_dir = os.path.isdir(path) or not os.path.exists(path)
            level = next_level(now, self.policy_abi, is_dir, direction)
            rights = level_rights(level, self.policy_abi, is_dir)
            edit = SetPathRights(rule.path if rule is not None else path, rights)
            applied = self._apply((edit,), scope)
        if applied.changed:
            self._after_edit()
        return applied._replace(label=applied.label.replace(describe(edit), f"{level} on {printable(path)}"))

    def undo(self) -> str | None:
        """Undo the last edit. Returns its label, None if there is none. Raises EditError if it cannot be undone."""
        return self._move_in_history(back=True)

    def redo(self) -> str | None:
        """Redo the edit undone last. Returns its label, None if there is none. Raises EditError if it cannot be."""
        return self._move_in_history(back=False)

    def _move_in_history(self, *, back: bool) -> str | None:
        with self._lock, gc_paused():
            if not (self.can_undo if back else self.can_redo):
                return None
            label = self._history.undo() if back else self._history.redo()
            try:
                self._state = self._state.edited(self._state.parse(self._history.text))
            except PolicyError as error:  # it uses a variable that no other file defines any more
                _ = self._history.redo() if back else self._history.undo()
                verb = "undo" if back else "redo"
                raise EditError(f"Cannot {verb}: {printable(str(error))}.") from error
            self._keep_draft()
        self._after_edit()
        return label

    def _keep_draft(self) -> None:
        """Keep a copy of the draft, where there is a place for it. Called under the lock after every edit."""

    def _after_edit(self) -> None:
        """Notify of an edit. Called when the lock has been released."""
        self._notifier.notify("document")

    def refresh_if_stale(self) -> None:
        """Call ``refresh`` if any path leads to another object than when it was resolved.

        Meant for a moment after an edit, which resolves only the paths that it changes so that it returns at once.
        """
        if not is_stable(self.resolved):
            self.refresh()

    def refresh(self) -> None:
        """Resolve every path again: a rule applies to the object that its path leads to now."""
        with self._lock, gc_paused():
            self._state = self._state.reloaded(self._state.document)
        self._notifier.notify("document")
