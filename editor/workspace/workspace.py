"""The open draft: one document, its history, its file, and the last report; notifies others of what changed.

The document is the only truth: everything else that is shown is derived from it (``state``). See the package for what
may be called in which thread. This module is longer than others because it is the whole interface of a draft: one
property per value, and one short method per user action, which takes the lock, calls a part, and notifies.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from editor.editing.document import PolicyDocument
from editor.editing.edits import Edit, EditError, SetPathRights
from editor.editing.labels import describe
from editor.editing.meaning import meaning_of
from editor.editing.merge import Collision, Side, Unit, collisions, merge
from editor.editing.shared_paths import EditScope
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import ResolvedPath, ResolvedPolicy, is_stable
from editor.exchange import Exported, Source, export_as
from editor.landlock.abi import KernelState, probe
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RightSet
from editor.policy.compose import CompositionContext
from editor.policy.errors import PolicyError
from editor.policy.files import format_of
from editor.policy.model import Policy
from editor.sandbox.verdicts.report import Report
from editor.workspace.defaults import enforced_abi, first_text
from editor.workspace.disk import Conflict, FileState, read_policy_file
from editor.workspace.draft_files import UnsavedDraft
from editor.workspace.garbage import gc_paused
from editor.workspace.history import History
from editor.workspace.levels import level_rights, next_level
from editor.workspace.notifying import Changes, Notifier, Topic
from editor.workspace.recovery import Recovery
from editor.workspace.saving import Saved, write_copy, write_file
from editor.workspace.state import Applied, Snapshot
from editor.workspace.watching import Watcher

# Parsing a file of this many bytes again can take long enough that it should be announced.
_LONG: Final = 100_000

_NOTHING: Final = CompositionContext()


class Workspace:
    """One open policy file. Create it with ``Workspace.open``; ``close`` stops watching the file."""

    def __init__(
        self, path: str, text: str, on_disk: bytes | None, kernel: KernelState, abi: int, *, context: CompositionContext
    ) -> None:
        self._lock = threading.RLock()
        self._notifier = Notifier()
        self._watcher: Watcher | None = None
        self.kernel = kernel
        """What the kernel reports about Landlock, queried once."""
        self.abi = abi
        """The ABI to decide for: the kernel's, or the older one that is simulated."""
        self._path = path
        self._file = FileState(text, on_disk, on_disk)
        document = PolicyDocument.parse(text, path, format_of(path, text), given=context.variables)
        self._state = Snapshot.of(document, context, abi)
        self._history = History(text)
        self._reloading = False
        self._report: Report | None = None
        self._recovery = Recovery(path, lambda: self._notifier.notify("recovery"))

    @classmethod
    def open(
        cls, path: str, *, abi: int | None = None, new_text: str | None = None, context: CompositionContext = _NOTHING
    ) -> "Workspace":
        """Open the policy file ``path``, or start a new draft if it does not exist.

        A new draft contains ``new_text``, by default a policy that handles everything and grants nothing. ``abi``
        simulates an older kernel, ``context`` is what the file is composed with. Raises PolicyError if the file cannot
        be read or parsed, or uses an undefined variable.
        """
        with gc_paused():
            kernel = probe()
            data = read_policy_file(path)
            text = first_text(path, data, kernel, new_text)
            return cls(path, text, data, kernel, enforced_abi(kernel, abi), context=context)

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
    def path(self) -> str:
        """The path of the policy file, as it was given."""
        return self._path

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

    # Status

    @property
    def has_edits(self) -> bool:
        """Whether the draft differs from the text last read or saved."""
        return self._state.document.text != self._file.base

    @property
    def is_dirty(self) -> bool:
        """Whether quitting would lose something: there are unsaved edits, or the file is gone from disk."""
        return self.has_edits or self.is_gone

    @property
    def is_new(self) -> bool:
        """Whether the file has never been on disk."""
        return self._file.expected is None

    @property
    def is_gone(self) -> bool:
        """Whether the file was removed from disk."""
        return self._file.is_gone

    @property
    def problem(self) -> PolicyError | None:
        """Why the file on disk, or the whole, cannot be shown. The last valid policy is shown instead."""
        return self._file.problem or self._state.problem

    @property
    def conflict(self) -> Conflict | None:
        """The change on disk that conflicts with unsaved edits."""
        return self._file.conflict

    @property
    def is_reloading(self) -> bool:
        """Whether a long file is being parsed again."""
        return self._reloading

    @property
    def report(self) -> Report | None:
        """The report of the last run."""
        return self._report

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

    def subscribe(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call ``callback`` after every change, in the thread that made it. Returns the function that unsubscribes."""
        return self._notifier.subscribe(callback)

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

    def _after_edit(self) -> None:
        # An edit can end a conflict by making the draft equal to the file on disk.
        conflict = self._file.conflict
        if conflict is not None and conflict.theirs == self._state.document.text:
            self.reload()
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

    # The file

    def watch(self) -> None:
        """Watch the file on disk, and reload it whenever it changes."""
        with self._lock:
            watcher = Watcher(self._path, self.reload, seen=self._file.seen)
            self._watcher, before = watcher, self._watcher
        if before is not None:
            before.stop()
        watcher.start()

    def close(self) -> None:
        """Stop watching and remove the recovery file: the user has decided what to do with unsaved edits."""
        with self._lock:
            watcher, self._watcher = self._watcher, None
            self._recovery.close()
        # Outside the lock: this waits for the watcher, which may be waiting for the lock.
        if watcher is not None:
            watcher.stop()

    def reload(self) -> None:
        """Reload the file from disk; with unsaved edits, this is a ``conflict`` instead.

        If the file cannot be read or parsed, the draft stays as it is and the error becomes the ``problem``.
        """
        self._announce_long_reload()
        with self._lock, gc_paused():
            changed = self._reload_from_disk()
            announced, self._reloading = self._reloading, False
            if changed:
                self._keep_draft()
        if changed:
            self._notifier.notify("disk", *changed)
        elif announced:
            self._notifier.notify("reloading")

    def _announce_long_reload(self) -> None:
        """Notify that a long file is about to be parsed. Called before taking the lock: nobody is notified under it."""
        try:
            data = read_policy_file(self._path)
        except PolicyError:
            return
        if data is None or len(data) <= _LONG or data == self._file.expected:
            return
        with self._lock:
            self._reloading = True
        self._notifier.notify("reloading")

    def _reload_from_disk(self) -> list[Topic]:
        """Reload the file. Returns the topics that changed; "disk" if only ``is_dirty`` did."""
        state, file, dirty = self._state, self._file, self.is_dirty
        self._file, document = file.reload(self._path, state.document.text, state.parse)
        if document is not None:
            self._replace_draft(document, "reload from disk")
        changed: list[Topic] = ["document"] if self._state is not state else []
        changed += ["problem"] if self._file.problem is not file.problem else []
        changed += ["conflict"] if self._file.conflict is not file.conflict else []
        return changed or (["disk"] if self.is_dirty != dirty else [])

    def _replace_draft(self, document: PolicyDocument, label: str) -> None:
        """Replace the draft with the document from disk, as a step that can be undone."""
        if document.text != self._state.document.text:
            self._state = self._state.reloaded(document)
            self._history.push(document.text, label)

    def keep_mine(self) -> None:
        """Resolve the conflict in favour of the draft: saving will overwrite the file on disk."""
        with self._lock:
            if self._file.conflict is None:
                return
            self._file = self._file.settled()
            self._keep_draft()
        self._notifier.notify("conflict", "problem")

    def take_theirs(self) -> None:
        """Resolve the conflict in favour of the file on disk; undo restores the draft.

        Raises PolicyError, and changes nothing, if the file does not parse.
        """
        with self._lock, gc_paused():
            conflict = self._file.conflict
            if conflict is None:
                return
            if conflict.problem is not None:
                raise conflict.problem
            document = self._state.parse(conflict.theirs)
            self._file = self._file.settled()
            self._replace_draft(document, "take the file on disk")
            self._keep_draft()
        self._notifier.notify("conflict", "document", "disk")

    def collisions(self) -> tuple[Collision, ...]:
        """Return what the file and the draft changed differently. If empty, ``merge`` needs no choices.

        Raises MergeError if the two cannot be merged at all.
        """
        with self._lock, gc_paused():
            base, theirs = self._file.sides(self._state.parse)
            return collisions(*(meaning_of(side.bound) for side in (base, theirs, self._state.document)))

    def merge(self, choices: Mapping[Unit, Side] | None = None) -> None:
        """Resolve the conflict by combining both sides' changes in the draft; undo restores it.

        ``choices`` resolves the collisions. Raises MergeConflict if it leaves any open and MergeError if the two cannot
        be merged; nothing changes then.
        """
        with self._lock, gc_paused():
            mine = self._state.document
            base, theirs = self._file.sides(self._state.parse)
            merged = merge(base, theirs, mine, choices)
            self._file = self._file.settled()
            if merged.text != mine.text:
                self._state = self._state.edited(merged)
                self._history.push(merged.text, "merge with the file on disk")
            self._keep_draft()
        self._notifier.notify("conflict", "document", "disk")

    def save_copy(self, text: str) -> str:
        """Save ``text``, the losing side, as FILE.orig (or FILE.orig.1, ...). Returns the path of the copy.

        Overwrites nothing and follows no symlink. Raises SaveError.
        """
        return write_copy(self._path, text.encode())

    def save(self, *, follow_symlink: bool = False, force: bool = False) -> Saved:
        """Save the draft to its file.

        Raises SymlinkedPolicy (ask the user, then pass ``follow_symlink``), ChangedOnDisk (``force`` overwrites the
        file anyway), or SaveError.
        """
        with self._lock:
            text = self._state.document.text
            data = text.encode()
            expected = None if self.is_gone else self._file.expected
            saved = write_file(self._path, data, expected=expected, follow_symlink=follow_symlink, force=force)
            self._file = FileState(text, data, data)
            self._keep_draft()
        self._notifier.notify("saved", "problem", "conflict")
        return saved

    # Crash recovery

    def start_recovery(self) -> None:
        """Start keeping unsaved edits in a recovery file, and look for one left by a crash: ``recoverable_draft``."""
        with self._lock:
            self._recovery.start()
            found = self._recovery.found
            if found is not None and found.text == self._state.document.text:
                self._recovery.discard_found()
            self._keep_draft()

    def _keep_draft(self) -> None:
        """Update the recovery file, or remove it if nothing is unsaved. Called under the lock after every change."""
        if self.is_dirty:
            file = self._file
            self._recovery.keep(self._state.document.text, file.base, base_on_disk=file.expected is not None)
        else:
            self._recovery.forget()

    @property
    def recovery_problem(self) -> str:
        """Why unsaved edits would not survive a crash, as a sentence; empty if they would."""
        return self._recovery.problem

    @property
    def recoverable_draft(self) -> UnsavedDraft | None:
        """The draft of this file that a crash left behind, until it is adopted or discarded."""
        return self._recovery.found

    def recover_draft(self) -> None:
        """Restore the draft that a crash left behind; undo restores the text of the file.

        If the file has changed since, there is a conflict. Raises PolicyError, and changes nothing, if the draft does
        not parse (another version wrote it).
        """
        with self._lock:
            draft = self._recovery.found
            if draft is None:
                return
            document = self._state.parse(draft.text)
            expected = draft.base.encode() if draft.base_on_disk else None
            if (draft.base, draft.base_on_disk) != (self._file.base, self._file.expected is not None):
                self._file = self._file._replace(base=draft.base, expected=expected)
            self._state = self._state.edited(document)
            self._history.push(document.text, "recover the unsaved draft")
            self._recovery.found = None
            self._keep_draft()
        self._notifier.notify("document", "recovery")
        self.reload()
        # Write before removing, so that a crash in between loses nothing. Outside the lock: flush notifies if it fails.
        if self._recovery.flush():
            with self._lock:
                self._recovery.discard_found()

    def discard_recoverable_draft(self) -> None:
        """Delete the draft that a crash left behind."""
        with self._lock:
            self._recovery.discard_found()

    def export(self, name: str) -> Exported:
        """Export the whole in the format ``name`` of ``editor.exchange``. Raises KeyError for an unknown format."""
        state = self._state
        alone = not (state.context.is_composed or state.context.given)
        source = Source(state.document.text, state.document.format) if alone else None
        return export_as(name, state.whole.policy, source)

    # Runs

    def set_report(self, report: Report | None) -> None:
        """Set the report of the last run."""
        self._report = report
        self._notifier.notify("report")
