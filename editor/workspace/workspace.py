"""The open draft: one document, its history, its file, and the last report; notifies others of what changed.

The document is the only truth: everything else that is shown is derived from it (``state``). See the package for what
may be called in which thread. Longer than other modules, since it is the whole interface of a draft: one property a
value, and one short method a thing that a person can do, each of which takes the lock, lets a part work, and notifies.
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
from editor.workspace.disk import Conflict, FileState, read_policy_file
from editor.workspace.draft_files import Draft
from editor.workspace.garbage import gc_paused
from editor.workspace.history import History
from editor.workspace.levels import level_rights, next_level
from editor.workspace.notifying import Changes, Notifier, Topic
from editor.workspace.opening import enforced_abi, first_text
from editor.workspace.recovery import Recovery
from editor.workspace.saving import Saved, write_beside, write_file
from editor.workspace.state import Applied, Snapshot
from editor.workspace.watching import Watcher

# Parsing a file of this many bytes again can take long enough that it should be announced.
_LONG: Final = 100_000

_NOTHING: Final = CompositionContext()


class Workspace:
    """One policy file, opened. Use ``Workspace.open``; ``close`` ends the watch."""

    def __init__(
        self, path: str, text: str, on_disk: bytes | None, kernel: KernelState, abi: int, *, beside: CompositionContext
    ) -> None:
        self._lock = threading.RLock()
        self._notifier = Notifier()
        self._watcher: Watcher | None = None
        self.kernel = kernel
        """What the kernel says of Landlock; asked once."""
        self.abi = abi
        """The ABI that verdicts are made for: the kernel's, or the older one to simulate."""
        self._path = path
        self._file = FileState(text, on_disk, on_disk)
        document = PolicyDocument.parse(text, path, format_of(path, text), given=beside.variables)
        self._state = Snapshot.of(document, beside, abi)
        self._history = History(text)
        self._reading = False
        self._report: Report | None = None
        self._recovery = Recovery(path, lambda: self._notifier.notify("drafts"))

    @classmethod
    def open(
        cls, path: str, *, abi: int | None = None, new_text: str | None = None, beside: CompositionContext = _NOTHING
    ) -> "Workspace":
        """Open the policy file ``path``; where there is none, a new draft.

        That says ``new_text``, by default that everything is handled and nothing granted. ``abi`` simulates an older
        kernel. ``beside`` is what the file is composed with. Raises PolicyError for a file that cannot be read or does
        not parse, or uses a variable that nothing defines.
        """
        with gc_paused():
            kernel = probe()
            data = read_policy_file(path)
            text = first_text(path, data, kernel, new_text)
            return cls(path, text, data, kernel, enforced_abi(kernel, abi), beside=beside)

    # What is derived

    def compose_with(self, context: Callable[[], CompositionContext]) -> None:
        """Make the draft a part of what it is together with ``context()`` from now on.

        ``context`` is called under the draft's lock: of several threads that call this, the last one composes with what
        is newest then.
        """
        with self._lock, gc_paused():
            before = self._state
            self._state = before.composed_with(context())
            problem = self._state.problem
        self._notifier.notify("document", *(("problem",) if str(problem) != str(before.problem) else ()))

    @property
    def path(self) -> str:
        """The policy file, as it was named."""
        return self._path

    @property
    def document(self) -> PolicyDocument:
        """The draft's text with its policy."""
        return self._state.document

    @property
    def policy(self) -> Policy:
        """What the draft says."""
        return self._state.document.policy

    @property
    def whole(self) -> Policy:
        """What the draft says together with the files and variables that it is composed with."""
        return self._state.whole.policy

    @property
    def composed(self) -> bool:
        """Whether the draft is one of several files."""
        return self._state.context.composed

    @property
    def resolved(self) -> ResolvedPolicy:
        """What the whole means on this machine."""
        return self._state.whole.resolved

    @property
    def decider(self) -> Decider:
        """Answers what the whole would allow."""
        return self._state.decider

    @property
    def policy_abi(self) -> int:
        """The ABI whose rights a step of the tree uses: the file's own, else the enforced one."""
        return min(self.policy.abi or self.abi, LATEST_ABI)

    def rule_at(self, path: str) -> ResolvedPath | None:
        """The whole's own path that names exactly the place ``path`` (absolute), whatever way it is written."""
        return self._state.rule_at(path)

    def own_rule_at(self, path: str) -> ResolvedPath | None:
        """As ``rule_at``, of the draft alone."""
        return self._state.own_rule_at(path)

    def own_rights(self, path: str) -> RightSet:
        """What the draft's own rules give that name ``path``, as it is written in any of the files."""
        return self._state.own_rights(path)

    def own_port_rights(self, port: int) -> RightSet:
        """What the draft's own rules give on ``port``."""
        return self._state.own_port_rights(port)

    # What happened

    @property
    def edited(self) -> bool:
        """Whether the draft differs from the text that was last read or written."""
        return self._state.document.text != self._file.base

    @property
    def dirty(self) -> bool:
        """Whether something would be lost by leaving: unsaved edits, or a file that is gone from disk."""
        return self.edited or self.gone

    @property
    def is_new(self) -> bool:
        """Whether the file was never on disk."""
        return self._file.expected is None

    @property
    def gone(self) -> bool:
        """Whether the file was there and is there no more."""
        return self._file.is_gone

    @property
    def problem(self) -> PolicyError | None:
        """Why the file as it is on disk now, or the whole, cannot be shown; the last good policy is shown instead."""
        return self._file.problem or self._state.problem

    @property
    def conflict(self) -> Conflict | None:
        """The change on disk that unsaved edits stand against."""
        return self._file.conflict

    @property
    def reading(self) -> bool:
        """Whether a long file is being read again."""
        return self._reading

    @property
    def report(self) -> Report | None:
        """The last run."""
        return self._report

    @property
    def undo_label(self) -> str | None:
        """What undo would take back."""
        return self._history.undo_label

    @property
    def redo_label(self) -> str | None:
        """What redo would do again."""
        return self._history.redo_label

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return self._history.undo_label is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is an edit to do again."""
        return self._history.redo_label is not None

    def subscribe(self, callback: Callable[[Changes], None]) -> Callable[[], None]:
        """Call ``callback`` after every change, see ``Notifier.subscribe``. Returns the function that ends it."""
        return self._notifier.subscribe(callback)

    # Editing

    def apply(self, *edits: Edit, reading: EditScope | None = None) -> Applied:
        """Change the draft by all of ``edits`` as one step of the history, or not at all.

        ``reading`` says what is meant where a variable leads to an edit's path and to others. Raises EditError, with a
        sentence, for the first one that cannot be done, SharedPath where it needs a reading.
        """
        with self._lock, gc_paused():
            applied = self._apply(edits, reading)
        if applied.changed:
            self._after_edit()
        return applied

    def _apply(self, edits: Sequence[Edit], reading: EditScope | None) -> Applied:
        self._state, applied = self._state.apply(edits, reading)
        if applied.changed:
            self._history.push(self._state.document.text, applied.label)
            self._keep_draft()
        return applied

    def step(self, path: str, direction: Literal[1, -1], reading: EditScope | None = None) -> Applied:
        """Move the rule on ``path`` (absolute) one level on: none, read, read+execute, read+write, all.

        ``reading`` and errors as of ``apply``.
        """
        with self._lock, gc_paused():
            rule = self.own_rule_at(path)
            now = rule.rights if rule is not None else NO_RIGHTS
            is_dir = os.path.isdir(path) or not os.path.exists(path)
            level = next_level(now, self.policy_abi, is_dir, direction)
            rights = level_rights(level, self.policy_abi, is_dir)
            edit = SetPathRights(rule.path if rule is not None else path, rights)
            applied = self._apply((edit,), reading)
        if applied.changed:
            self._after_edit()
        return applied._replace(label=applied.label.replace(describe(edit), f"{level} on {printable(path)}"))

    def undo(self) -> str | None:
        """Take the last edit back: its label, None where there is none. Raises EditError where it cannot be."""
        return self._travel(back=True)

    def redo(self) -> str | None:
        """Do the edit again that was taken back last: its label, None where there is none. Raises as ``undo``."""
        return self._travel(back=False)

    def _travel(self, *, back: bool) -> str | None:
        with self._lock, gc_paused():
            if not (self.can_undo if back else self.can_redo):
                return None
            label = self._history.undo() if back else self._history.redo()
            try:
                self._state = self._state.edited(self._state.parse(self._history.text))
            except PolicyError as error:  # it uses a variable that another file defines no more
                _ = self._history.redo() if back else self._history.undo()
                raise EditError(f"This cannot be done now: {printable(str(error))}.") from error
            self._keep_draft()
        self._after_edit()
        return label

    def _after_edit(self) -> None:
        # An edit can end a conflict: the draft says what the disk says.
        conflict = self._file.conflict
        if conflict is not None and conflict.theirs == self._state.document.text:
            self.disk_changed()
        self._notifier.notify("document")

    def look_again(self) -> None:
        """As ``refresh``, where some path of the draft leads elsewhere than when it was looked at.

        For some time after an edit: that looked only at the paths that it is about, so that nobody waits for it.
        """
        if not is_stable(self.resolved):
            self.refresh()

    def refresh(self) -> None:
        """Look at the filesystem again: a rule belongs to what its path leads to now."""
        with self._lock, gc_paused():
            self._state = self._state.reloaded(self._state.document)
        self._notifier.notify("document")

    # The file

    def watch(self) -> None:
        """Follow changes of the file on disk from now on."""
        with self._lock:
            watcher = Watcher(self._path, self.disk_changed, seen=self._file.seen)
            self._watcher, before = watcher, self._watcher
        if before is not None:
            before.stop()
        watcher.start()

    def close(self) -> None:
        """End the watch, and keep no draft any more: whoever leaves has decided what is lost."""
        with self._lock:
            watcher, self._watcher = self._watcher, None
            self._recovery.close()
        # Not under the lock: this waits for the watcher, and the watcher for the lock.
        if watcher is not None:
            watcher.stop()

    def disk_changed(self) -> None:
        """Read the file again: take it in where there are no unsaved edits, else there is a conflict.

        A file that cannot be read or does not parse leaves the draft as it is and becomes the ``problem``.
        """
        self._announce_reading()
        with self._lock, gc_paused():
            changed = self._reload_from_disk()
            announced, self._reading = self._reading, False
            if changed:
                self._keep_draft()
        if changed:
            self._notifier.notify("disk", *changed)
        elif announced:
            self._notifier.notify("reading")

    def _announce_reading(self) -> None:
        """Notify that a long file is about to be parsed. Before the lock is taken: nobody is notified under it."""
        try:
            data = read_policy_file(self._path)
        except PolicyError:
            return
        if data is None or len(data) <= _LONG or data == self._file.expected:
            return
        with self._lock:
            self._reading = True
        self._notifier.notify("reading")

    def _reload_from_disk(self) -> list[Topic]:
        """As ``disk_changed``: the topics that changed, "disk" if nothing but ``dirty`` did."""
        state, file, dirty = self._state, self._file, self.dirty
        self._file, document = file.reload(self._path, state.document.text, state.parse)
        if document is not None:
            self._take(document, "reload from disk")
        changed: list[Topic] = ["document"] if self._state is not state else []
        changed += ["problem"] if self._file.problem is not file.problem else []
        changed += ["conflict"] if self._file.conflict is not file.conflict else []
        return changed or (["disk"] if self.dirty != dirty else [])

    def _take(self, document: PolicyDocument, label: str) -> None:
        """Replace the draft by what is on disk; undo brings it back."""
        if document.text != self._state.document.text:
            self._state = self._state.reloaded(document)
            self._history.push(document.text, label)

    def keep_mine(self) -> None:
        """End the conflict in favour of the draft: saving will replace what is on disk."""
        with self._lock:
            if self._file.conflict is None:
                return
            self._file = self._file.settled()
            self._keep_draft()
        self._notifier.notify("conflict", "problem")

    def take_theirs(self) -> None:
        """End the conflict in favour of the file on disk; undo brings the draft back.

        Raises PolicyError where the file does not parse, and changes nothing then.
        """
        with self._lock, gc_paused():
            conflict = self._file.conflict
            if conflict is None:
                return
            if conflict.problem is not None:
                raise conflict.problem
            document = self._state.parse(conflict.theirs)
            self._file = self._file.settled()
            self._take(document, "take the file on disk")
            self._keep_draft()
        self._notifier.notify("conflict", "document", "disk")

    def collisions(self) -> tuple[Collision, ...]:
        """What both the disk and the draft changed, each in another way; nothing: ``merge`` needs no choices.

        Raises MergeError where the two cannot be merged at all.
        """
        with self._lock, gc_paused():
            base, theirs = self._file.sides(self._state.parse)
            return collisions(*(meaning_of(side.bound) for side in (base, theirs, self._state.document)))

    def merge(self, choices: Mapping[Unit, Side] | None = None) -> None:
        """End the conflict with what both sides changed; saving writes it, undo brings the draft back.

        ``choices`` decides the collisions. Raises MergeConflict where it leaves one open, MergeError where the two
        cannot be merged; nothing changes then.
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

    def keep_copy(self, text: str) -> str:
        """Write ``text``, the side that loses, beside the file as FILE.orig (FILE.orig.1, ...): its path.

        Nothing is overwritten, no symlink followed. Raises SaveError.
        """
        return write_beside(self._path, text.encode())

    def save(self, *, follow_symlink: bool = False, force: bool = False) -> Saved:
        """Write the draft to its file.

        Raises SymlinkedPolicy (ask, then ``follow_symlink``), ChangedOnDisk (there is a conflict; ``force`` writes all
        the same), SaveError.
        """
        with self._lock:
            text = self._state.document.text
            data = text.encode()
            expected = None if self.gone else self._file.expected
            saved = write_file(self._path, data, expected=expected, follow_symlink=follow_symlink, force=force)
            self._file = FileState(text, data, data)
            self._keep_draft()
        self._notifier.notify("saved", "problem", "conflict")
        return saved

    # Drafts that survive a crash

    def keep_drafts(self) -> None:
        """Keep unsaved edits outside the file from now on, and look for those that a crash left: ``recoverable``."""
        with self._lock:
            self._recovery.start()
            found = self._recovery.found
            if found is not None and found.text == self._state.document.text:
                self._recovery.discard_found()
            self._keep_draft()

    def _keep_draft(self) -> None:
        """Keep the draft for the case of a crash if it has unsaved edits. Called under the lock after every change."""
        if self.dirty:
            file = self._file
            self._recovery.keep(self._state.document.text, file.base, base_on_disk=file.expected is not None)
        else:
            self._recovery.forget()

    @property
    def drafts_problem(self) -> str:
        """Why unsaved edits would not survive a crash, as a sentence; empty where they would."""
        return self._recovery.problem

    @property
    def recoverable(self) -> Draft | None:
        """A draft of this file that a crash left, and that nobody has decided about."""
        return self._recovery.found

    def adopt_draft(self) -> None:
        """Go on with the draft that a crash left; undo brings the file's text back.

        Where the file was changed since, there is a conflict. Raises PolicyError where the draft does not parse (it
        was kept by another version), and changes nothing then.
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
        self._notifier.notify("document", "drafts")
        self.disk_changed()
        # In this order: a crash between the two must not lose it. Not under the lock: it notifies if writing fails.
        if self._recovery.flush():
            with self._lock:
                self._recovery.discard_found()

    def discard_draft(self) -> None:
        """Remove the draft that a crash left."""
        with self._lock:
            self._recovery.discard_found()

    def export(self, name: str) -> Exported:
        """The whole in the format ``name`` of ``editor.exchange``, and what was lost. Raises KeyError."""
        state = self._state
        alone = not (state.context.composed or state.context.given)
        source = Source(state.document.text, state.document.format) if alone else None
        return export_as(name, state.whole.policy, source)

    # Runs

    def set_report(self, report: Report | None) -> None:
        """Keep the report of the last run."""
        self._report = report
        self._notifier.notify("report")
