"""The open draft and its file: watching, reloading, conflicts, saving, and recovery after a crash.

The whole interface of an open policy file: a ``Draft``, kept in step with the disk. It also keeps the last report.
"""

from collections.abc import Mapping
from typing import Final

from editor.editing.document import PolicyDocument
from editor.editing.meaning import meaning_of
from editor.editing.merge import Collision, Side, Unit, collisions, merge
from editor.landlock.abi import KernelState, probe
from editor.policy.compose import CompositionContext
from editor.policy.errors import PolicyError
from editor.policy.files import format_of
from editor.sandbox.verdicts.report import Report
from editor.workspace.defaults import enforced_abi, first_text
from editor.workspace.disk import Conflict, FileState, read_policy_file
from editor.workspace.draft import Draft
from editor.workspace.draft_files import UnsavedDraft
from editor.workspace.garbage import gc_paused
from editor.workspace.notifying import Topic
from editor.workspace.recovery import Recovery
from editor.workspace.saving import Saved, write_copy, write_file
from editor.workspace.watching import Watcher

# Parsing a file of this many bytes again can take long enough that it should be announced.
_LONG: Final = 100_000

_NOTHING: Final = CompositionContext()


class Workspace(Draft):
    """One open policy file. Create it with ``Workspace.open``; ``close`` stops watching the file."""

    def __init__(
        self, path: str, text: str, on_disk: bytes | None, kernel: KernelState, abi: int, *, context: CompositionContext
    ) -> None:
        document = PolicyDocument.parse(text, path, format_of(path, text), given=context.variables)
        super().__init__(document, kernel, abi, context)
        self._path = path
        self._file = FileState(text, on_disk, on_disk)
        self._watcher: Watcher | None = None
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

    # Status

    @property
    def path(self) -> str:
        """The path of the policy file, as it was given."""
        return self._path

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

    def _after_edit(self) -> None:
        # An edit can end a conflict by making the draft equal to the file on disk.
        conflict = self._file.conflict
        if conflict is not None and conflict.theirs == self._state.document.text:
            self.reload()
        super()._after_edit()

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

    # Runs

    @property
    def report(self) -> Report | None:
        """The report of the last run."""
        return self._report

    def set_report(self, report: Report | None) -> None:
        """Set the report of the last run."""
        self._report = report
        self._notifier.notify("report")
