"""Crash recovery: unsaved edits are written to a separate file, and offered again after a crash."""

import threading
import time
from collections.abc import Callable
from typing import Final

from editor.escape import printable
from editor.workspace import draft_files
from editor.workspace.draft_files import UnsavedDraft

# Drafts are written this long after the last edit, and at most this long after the first unwritten one: a crash loses
# no more than that.
_QUIET_S: Final = 0.2
_LONGEST_WAIT_S: Final = 1.0


class DraftKeeper:
    """Writes the draft of one policy file in a thread of its own, shortly after each edit.

    If drafts cannot be written, ``failed`` is called once, in that thread, with a sentence. Editing can continue; a
    crash would just lose more.
    """

    def __init__(self, path: str, failed: Callable[[str], None]) -> None:
        self._path = path
        self._failed = failed
        self._has_failed = False
        self._kept = True
        self._wanted: tuple[str, str, bool] | None = None
        self._first = 0.0
        self._closed = False
        self._changed = threading.Condition()
        # Held while writing or removing, so that a removed draft is never written again.
        self._disk = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, text: str, base: str, *, base_on_disk: bool) -> None:
        """Write ``text``, edited from ``base``, soon."""
        with self._changed:
            if self._wanted is None:
                self._first = time.monotonic()
            self._wanted = (text, base, base_on_disk)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="draft-keeper", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def forget(self) -> None:
        """Delete the draft: nothing is unsaved any more."""
        with self._changed:
            self._wanted = None
        with self._disk:
            draft_files.remove_own(self._path)

    def close(self) -> None:
        """Delete the draft, and write nothing from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.forget()

    def flush(self) -> bool:
        """Write any pending draft now. Returns whether the latest draft is safely written."""
        problem = None
        with self._disk:
            with self._changed:
                wanted, self._wanted = self._wanted, None
            if wanted is not None:
                try:
                    draft_files.write(self._path, *wanted)
                except OSError as error:
                    problem = error
                self._kept = problem is None
            kept = self._kept
        if problem is not None:
            self._fail(problem)
        return kept

    def _run(self) -> None:
        while self._wait():
            self.flush()

    def _wait(self) -> bool:
        """Wait until a draft is due. Returns False if closed."""
        with self._changed:
            while not self._closed:
                wanted = self._wanted
                if wanted is None:
                    self._changed.wait()
                elif time.monotonic() - self._first >= _LONGEST_WAIT_S:
                    return True
                else:
                    self._changed.wait(_QUIET_S)
                    if self._wanted is wanted:
                        return True
        return False

    def _fail(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            reason = error.strerror or str(error)
            place = printable(error.filename) if isinstance(error.filename, str) else "the state directory"
            self._failed(f"A crash would lose unsaved edits: {place} cannot be written ({reason}).")


class Recovery:
    """Crash recovery of one policy: writes its draft, and finds the one that an earlier crash left behind.

    Does nothing before ``start``. Except for ``flush``, methods are called under the workspace's lock.
    """

    def __init__(self, path: str, failed: Callable[[], None]) -> None:
        self._path = path
        self._failed = failed
        self._keeper: DraftKeeper | None = None
        self.found: UnsavedDraft | None = None
        """The draft that a crash left behind, until it is adopted or discarded."""
        self.problem = ""
        """Why unsaved edits would not survive a crash, as a sentence; empty if they would."""

    def start(self) -> None:
        """Write drafts from now on, and look for one that a crash left behind."""
        self.close()
        self._keeper = DraftKeeper(self._path, self._fail)
        self.found = draft_files.find_abandoned(self._path)

    def keep(self, text: str, base: str, *, base_on_disk: bool) -> None:
        """Write ``text``, edited from ``base``, soon in another thread."""
        if self._keeper is not None:
            self._keeper.keep(text, base, base_on_disk=base_on_disk)

    def forget(self) -> None:
        """Delete the draft: nothing is unsaved any more."""
        if self._keeper is not None:
            self._keeper.forget()

    def flush(self) -> bool:
        """Write any pending draft now. Returns whether the latest draft is safely written, or none is wanted."""
        return self._keeper is None or self._keeper.flush()

    def discard_found(self) -> None:
        """Delete the draft that a crash left behind."""
        self.found = None
        draft_files.discard_abandoned(self._path)

    def close(self) -> None:
        """Delete the draft, and write nothing from now on."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _fail(self, problem: str) -> None:
        self.problem = problem
        self._failed()
