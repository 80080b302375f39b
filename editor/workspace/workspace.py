"""The open draft: one document, its history, the file it came from, and the last report; tells others what changed.

The document is the only truth. Policy, resolved policy and decider are derived from it, all at once: whoever reads
them between two edits sees one state, never a mixture. Methods may be called in any thread, one at a time (a lock sees
to it); subscribers are called in that thread.
"""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from editor.editing.document import NEW_POLICY_ABI, PolicyDocument, new_policy_text
from editor.editing.edits import Edit, EditError, SetPathRights
from editor.editing.labels import describe
from editor.editing.meaning import meaning_of, newly_handled
from editor.editing.merge import Collision, MergeError, Side, Unit, collisions, merge
from editor.editing.shared_paths import Reading, edits_of
from editor.escape import printable
from editor.evaluation.decider import Decider
from editor.evaluation.resolve import (
    Resolution,
    ResolvedPath,
    ResolvedPolicy,
    holds_still,
    resolution_of,
    resolve_again,
)
from editor.exchange import Exported, Source, export_as
from editor.landlock.abi import KernelState, probe
from editor.landlock.rights import LATEST_ABI, NO_RIGHTS, RightSet
from editor.policy.compose import Beside
from editor.policy.errors import PolicyError
from editor.policy.model import Policy, path_key
from editor.policy.parse import decode, format_of
from editor.policy.reference import REFERENCE_MAX_ABI
from editor.sandbox.verdicts.report import Report
from editor.workspace import recovery as drafts
from editor.workspace.garbage import gc_paused
from editor.workspace.history import History
from editor.workspace.levels import level_rights, next_level
from editor.workspace.notifying import Changes, Notifier, Topic
from editor.workspace.saving import Saved, read_file, write_beside, write_file
from editor.workspace.watching import Watcher

# Reading a text of so many characters anew can take long enough that it should be said.
_LONG = 100_000

_NOTHING = Beside()


class Conflict(NamedTuple):
    """The file changed on disk while the draft has unsaved edits. ``problem`` says why ``theirs`` cannot be taken."""

    theirs: str
    problem: PolicyError | None


class Applied(NamedTuple):
    """What an edit did: a label for it, and the rights and scopes that it made newly handled, so denied elsewhere."""

    label: str
    newly_handled: RightSet
    changed: bool


class _State(NamedTuple):
    """All that is derived from a draft and from what it is composed with; ``problem`` says why that is not up to date.

    ``own`` is what the draft means alone, ``whole`` what it is a part of.
    """

    document: PolicyDocument
    own: Resolution
    whole: Resolution
    decider: Decider
    problem: PolicyError | None

    @classmethod
    def of(cls, document: PolicyDocument, beside: Beside, abi: int) -> "_State":
        """All that is derived from ``document``. Raises PolicyError where it does not fit to what is ``beside`` it."""
        own = resolution_of(document.bound)
        whole = resolution_of(beside.around(document.policy)) if beside.composed else own
        return cls(document, own, whole, Decider(whole.resolved, abi), None)

    def after(self, document: PolicyDocument, beside: Beside) -> "_State":
        """As ``of`` for a document much like this one; of the filesystem, only what it says anew is looked at."""
        own = resolve_again(self.own, document.bound)
        whole = resolve_again(self.whole, beside.around(document.policy)) if beside.composed else own
        return _State(document, own, whole, Decider(whole.resolved, self.decider.abi, near=self.decider), None)


class Workspace:
    """One policy file, opened. Use ``Workspace.open``; ``close`` ends the watch."""

    def __init__(
        self, path: str, text: str, on_disk: bytes | None, kernel: KernelState, abi: int, *, beside: Beside
    ) -> None:
        self._lock = threading.RLock()
        self._notifier = Notifier()
        self._watcher: Watcher | None = None
        self.kernel = kernel
        """What the kernel says of Landlock; asked once."""
        self.abi = abi
        """The ABI that verdicts are made for: the kernel's, or the older one to simulate."""
        self._path = path
        self._base = text
        self._on_disk = on_disk
        self._seen = on_disk
        self._beside = beside
        document = PolicyDocument.parse(text, path, format_of(path, text), given=beside.variables)
        self._state = _State.of(document, beside, abi)
        self._history = History(text)
        self._problem: PolicyError | None = None
        self._conflict: Conflict | None = None
        self._reading = False
        self._report: Report | None = None
        self._keeper: drafts.DraftKeeper | None = None
        self._left: drafts.Draft | None = None
        self._drafts_problem = ""

    @classmethod
    def open(
        cls, path: str, *, abi: int | None = None, new_text: str | None = None, beside: Beside = _NOTHING
    ) -> "Workspace":
        """Open the policy file ``path``; where there is none, a new draft.

        That says ``new_text``, by default that everything is handled and nothing granted. ``abi`` simulates an older
        kernel. ``beside`` is what the file is composed with. Raises PolicyError for a file that cannot be read or does
        not parse, or uses a variable that nothing defines.
        """
        with gc_paused():
            return cls._open(path, abi, new_text, beside)

    @classmethod
    def _open(cls, path: str, abi: int | None, new_text: str | None, beside: Beside) -> "Workspace":
        kernel = probe()
        enforced = kernel.effective_abi or LATEST_ABI
        enforced = enforced if abi is None else min(enforced, abi)
        data = _read(path)
        if data is None:
            abi_of_new = min(kernel.effective_abi or NEW_POLICY_ABI, REFERENCE_MAX_ABI)
            text = new_text if new_text is not None else new_policy_text(abi_of_new, format_of(path))
            return cls(path, text, None, kernel, enforced, beside=beside)
        return cls(path, decode(data, path), data, kernel, enforced, beside=beside)

    # What is derived

    def _derive(self, document: PolicyDocument, *, anew: bool = False) -> _State:
        """What comes of ``document``; where that does not fit to the other files, the whole stays as it was.

        Unless ``anew``, only those paths are looked at on which something changed.
        """
        try:
            return _State.of(document, self._beside, self.abi) if anew else self._state.after(document, self._beside)
        except PolicyError as error:
            own = resolve_again(self._state.own, document.bound)
            return self._state._replace(document=document, own=own, problem=error)

    def compose_with(self, beside: Beside) -> None:
        """From now on the draft is a part of what it makes together with ``beside``."""
        with self._lock, gc_paused():
            before = self._state
            self._beside = beside
            try:
                self._adopt(before.document.beside(beside.variables))
            except PolicyError as error:
                self._state = before._replace(problem=error)
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
        return self._beside.composed

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
        return _named(self._state.whole.resolved, path)

    def own_rule_at(self, path: str) -> ResolvedPath | None:
        """As ``rule_at``, of the draft alone."""
        return _named(self._state.own.resolved, path)

    def own_rights(self, path: str) -> RightSet:
        """What the draft's own rules give that name ``path``, as it is written in any of the files."""
        key = path_key(path)
        return next((each.rights for each in self._state.own.resolved.paths if path_key(each.path) == key), NO_RIGHTS)

    def own_port_rights(self, port: int) -> RightSet:
        """What the draft's own rules give on ``port``."""
        return next((each.rights for each in self._state.own.resolved.ports if each.port == port), NO_RIGHTS)

    # What happened

    @property
    def edited(self) -> bool:
        """Whether the draft differs from the text that was last read or written."""
        return self._state.document.text != self._base

    @property
    def dirty(self) -> bool:
        """Whether something would be lost by leaving: unsaved edits, or a file that is gone from disk."""
        return self.edited or self.gone

    @property
    def is_new(self) -> bool:
        """Whether the file was never on disk."""
        return self._on_disk is None

    @property
    def gone(self) -> bool:
        """Whether the file was there and is there no more."""
        return self._on_disk is not None and self._seen is None

    @property
    def problem(self) -> PolicyError | None:
        """Why the file as it is on disk now, or the whole, cannot be shown; the last good policy is shown instead."""
        return self._problem or self._state.problem

    @property
    def conflict(self) -> Conflict | None:
        """The change on disk that unsaved edits stand against."""
        return self._conflict

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

    def apply(self, *edits: Edit, reading: Reading | None = None) -> Applied:
        """Change the draft by all of ``edits`` as one step of the history, or not at all.

        ``reading`` says what is meant where a variable leads to an edit's path and to others. Raises EditError, with a
        sentence, for the first one that cannot be done, SharedPath where it needs a reading.
        """
        with self._lock, gc_paused():
            applied = self._apply(edits, reading)
        if applied.changed:
            self._after_edit()
        return applied

    def _apply(self, edits: tuple[Edit, ...], reading: Reading | None) -> Applied:
        before = self._state.document
        document = before
        label = "; ".join(describe(edit) for edit in edits)
        for edit in edits:
            carried_out = edits_of(document.bound, edit, reading)
            if reading == "all" and len(carried_out) > 1:
                label += ", and on all that its rule names"
            for each in carried_out:
                document = document.apply(each)
        if document.text == before.text:
            return Applied(label, NO_RIGHTS, False)
        state = self._derive(document)
        if state.problem is not None and self._state.problem is None:
            raise EditError(f"The files could not be composed then: {printable(str(state.problem))}.")
        handled = newly_handled(self.whole, state.whole.policy)
        self._state = state
        self._history.push(document.text, label)
        return Applied(label, handled, True)

    def step(self, path: str, direction: Literal[1, -1], reading: Reading | None = None) -> Applied:
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
                self._adopt_text(self._history.text)
            except PolicyError as error:  # it uses a variable that another file defines no more
                _ = self._history.redo() if back else self._history.undo()
                raise EditError(f"This cannot be done now: {printable(str(error))}.") from error
        self._after_edit()
        return label

    def _adopt(self, document: PolicyDocument) -> None:
        self._state = self._derive(document)

    def _parse(self, text: str) -> PolicyDocument:
        """The document of ``text``, which mostly has much in common with the draft. Raises PolicyError."""
        format, near = format_of(self._path, text), self._state.document
        return PolicyDocument.parse(text, self._path, format, near=near, given=self._beside.variables)

    def _adopt_text(self, text: str) -> None:
        self._adopt(self._parse(text))

    def _after_edit(self) -> None:
        self._keep_draft()
        # An edit can end a conflict: the draft says what the disk says.
        if self._conflict is not None and self._conflict.theirs == self._state.document.text:
            self.disk_changed()
        self._notifier.notify("document")

    def look_again(self) -> None:
        """As ``refresh``, where some path of the draft leads elsewhere than when it was looked at.

        For some time after an edit: that looked only at the paths that it is about, so that nobody waits for it.
        """
        if not holds_still(self.resolved):
            self.refresh()

    def refresh(self) -> None:
        """Look at the filesystem again: a rule belongs to what its path leads to now."""
        with self._lock, gc_paused():
            self._state = self._derive(self._state.document, anew=True)
        self._notifier.notify("document")

    # The file

    def watch(self) -> None:
        """Follow changes of the file on disk from now on."""
        watcher = Watcher(self._path, self.disk_changed, seen=self._seen)
        self._watcher, before = watcher, self._watcher
        if before is not None:
            before.stop()
        watcher.start()

    def close(self) -> None:
        """End the watch, and keep no draft any more: whoever leaves has decided what is lost."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    # Drafts that survive a crash

    def keep_drafts(self) -> None:
        """Keep unsaved edits outside the file from now on, and look for those that a crash left: ``recoverable``."""
        with self._lock:
            if self._keeper is not None:
                self._keeper.close()
            self._keeper = drafts.DraftKeeper(self._path, self._drafts_failed)
            self._left = drafts.recoverable(self._path)
            if self._left is not None and self._left.text == self._state.document.text:
                self.discard_draft()
            self._keep_draft()

    def _drafts_failed(self, problem: str) -> None:
        self._drafts_problem = problem
        self._notifier.notify("drafts")

    def _keep_draft(self) -> None:
        if self._keeper is None:
            return
        if self.dirty:
            self._keeper.keep(self._state.document.text, self._base, base_on_disk=self._on_disk is not None)
        else:
            self._keeper.forget()

    @property
    def drafts_problem(self) -> str:
        """Why unsaved edits would not survive a crash, as a sentence; empty where they would."""
        return self._drafts_problem

    @property
    def recoverable(self) -> drafts.Draft | None:
        """A draft of this file that a crash left, and that nobody has decided about."""
        return self._left

    def adopt_draft(self) -> None:
        """Go on with the draft that a crash left; undo brings the file's text back.

        Where the file was changed since, there is a conflict. Raises PolicyError where the draft does not parse (it
        was kept by another version), and changes nothing then.
        """
        with self._lock:
            draft = self._left
            if draft is None:
                return
            document = self._parse(draft.text)
            if draft.base != self._base or draft.base_on_disk != (self._on_disk is not None):
                self._base = draft.base
                self._on_disk = draft.base.encode() if draft.base_on_disk else None
            self._adopt(document)
            self._history.push(document.text, "recover the unsaved draft")
            self._left = None
            self._keep_draft()
        self._notifier.notify("document", "drafts")
        self.disk_changed()
        with self._lock:
            # In this order: a crash between the two must not lose it.
            if self._keeper is None or self._keeper.flush():
                drafts.forget_left(self._path)

    def discard_draft(self) -> None:
        """Remove the draft that a crash left."""
        self._left = None
        drafts.forget_left(self._path)

    def disk_changed(self) -> None:
        """Read the file again: take it in where there are no unsaved edits, else there is a conflict.

        A file that cannot be read or does not parse leaves the draft as it is and becomes the ``problem``.
        """
        with self._lock, gc_paused():
            changed = self._take_in()
            told, self._reading = self._reading, False
        if changed:
            self._keep_draft()
            self._notifier.notify("disk", *changed)
        elif told:
            self._notifier.notify("reading")

    def _take_in(self) -> list[Topic]:
        """As ``disk_changed``: what is another one now, "disk" where nothing but ``dirty`` is."""
        before = self._state, self._problem, self._conflict, self.dirty
        self._take_in_disk()
        names: tuple[Topic, ...] = ("document", "problem", "conflict")
        after = self._state, self._problem, self._conflict
        changed = [name for name, old, new in zip(names, before[:3], after, strict=True) if old is not new]
        return changed or (["disk"] if before[3] != self.dirty else [])

    def _take_in_disk(self) -> None:
        try:
            data = _read(self._path)
        except PolicyError as error:
            self._problem = error
            return
        self._seen = data
        if data == self._on_disk:
            self._problem = self._conflict = None
            return
        if data is None:
            self._conflict = None
            self._problem = PolicyError("is gone from disk", file=self._path, hint="saving writes it anew")
            return
        try:
            text = decode(data, self._path)
            if len(text) > _LONG:
                self._reading = True
                self._notifier.notify("reading")
            document = self._parse(text)
        except PolicyError as error:
            if self.edited:
                self._conflict = Conflict(data.decode(errors="replace"), error)
            self._problem = error
            return
        self._problem = None
        if text != self._state.document.text and self.edited:
            self._conflict = Conflict(text, None)
            return
        self._accept(document, data, "reload from disk")

    def _accept(self, document: PolicyDocument, data: bytes, label: str) -> None:
        self._conflict = None
        self._base = document.text
        self._on_disk = data
        if document.text != self._state.document.text:
            self._state = self._derive(document, anew=True)
            self._history.push(document.text, label)

    def keep_mine(self) -> None:
        """End the conflict in favour of the draft: saving will replace what is on disk."""
        with self._lock:
            if self._conflict is None:
                return
            self._on_disk = self._seen
            self._base = self._conflict.theirs
            self._conflict = self._problem = None
            self._keep_draft()
        self._notifier.notify("conflict", "problem")

    def take_theirs(self) -> None:
        """End the conflict in favour of the file on disk; undo brings the draft back.

        Raises PolicyError where the file does not parse, and changes nothing then.
        """
        with self._lock, gc_paused():
            if self._conflict is None:
                return
            if self._conflict.problem is not None:
                raise self._conflict.problem
            text = self._conflict.theirs
            document = self._parse(text)
            self._accept(document, text.encode(), "take the file on disk")
            self._keep_draft()
        self._notifier.notify("conflict", "document", "disk")

    def _sides(self) -> tuple[PolicyDocument, PolicyDocument, PolicyDocument]:
        """Of a conflict: the document before both changes, the one on disk, the draft. Raises MergeError."""
        if self._conflict is None:
            raise MergeError("There is no conflict: nothing is to be merged.")
        if self._conflict.problem is not None:
            raise MergeError("What is on disk does not parse, so it cannot be merged.") from self._conflict.problem
        try:
            base, theirs = (self._parse(text) for text in (self._base, self._conflict.theirs))
        except PolicyError as error:
            raise MergeError("The text before both changes does not parse, so nothing can be merged.") from error
        return base, theirs, self._state.document

    def collisions(self) -> tuple[Collision, ...]:
        """What both the disk and the draft changed, each in another way; nothing: ``merge`` needs no choices.

        Raises MergeError where the two cannot be merged at all.
        """
        with self._lock, gc_paused():
            base, theirs, mine = (meaning_of(side.bound) for side in self._sides())
        return collisions(base, theirs, mine)

    def merge(self, choices: Mapping[Unit, Side] | None = None) -> None:
        """End the conflict with what both sides changed; saving writes it, undo brings the draft back.

        ``choices`` decides the collisions. Raises Collides where it leaves one open, MergeError where the two cannot be
        merged; nothing changes then.
        """
        with self._lock, gc_paused():
            base, theirs, mine = self._sides()
            merged = merge(base, theirs, mine, choices)
            self._base = theirs.text
            self._on_disk = self._seen
            self._conflict = self._problem = None
            if merged.text != mine.text:
                self._adopt(merged)
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
            expected = None if self.gone else self._on_disk
            saved = write_file(self._path, data, expected=expected, follow_symlink=follow_symlink, force=force)
            self._written(text, data)
        self._notifier.notify("saved", "problem", "conflict")
        return saved

    def _written(self, text: str, data: bytes) -> None:
        self._base = text
        self._on_disk = self._seen = data
        self._problem = None
        self._conflict = None
        self._keep_draft()

    def export(self, name: str) -> Exported:
        """The whole in the format ``name`` of ``editor.exchange``, and what was lost. Raises KeyError."""
        document, alone = self._state.document, not (self.composed or self._beside.given)
        return export_as(name, self.whole, Source(document.text, document.format) if alone else None)

    # Runs

    def set_report(self, report: Report | None) -> None:
        """Keep the report of the last run."""
        self._report = report
        self._notifier.notify("report")


def _named(resolved: ResolvedPolicy, path: str) -> ResolvedPath | None:
    wanted = os.path.normpath(path)
    for each in resolved.paths:
        if each.path and os.path.normpath(resolved.absolute(each.path)) == wanted:
            return each
    return None


def _read(path: str) -> bytes | None:
    try:
        return read_file(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise PolicyError(f"cannot be read: {reason}", file=path) from error
