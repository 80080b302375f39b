"""The files that are open as one policy, and which of them is being edited."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from editor.escape import printable

if TYPE_CHECKING:
    from editor.workspace.composition import Composition
    from editor.workspace.workspace import Workspace


class OpenFiles:
    """The open files, at least one. Edits go to ``current``."""

    def __init__(self, composition: "Composition") -> None:
        self.composition = composition
        """The drafts of all files."""
        self.current: Workspace = composition.workspaces[0]
        """The draft that edits go to."""

    def choose(self, files: Iterable[str]) -> bool:
        """Make the first open file of ``files`` the current one, unless one of them is. Return whether it changed."""
        drafts = [draft for file in files if (draft := self.composition.workspace_of(file)) is not None]
        if not drafts or self.current in drafts:
            return False
        self.current = drafts[0]
        return True

    @property
    def unsaved(self) -> str:
        """What quitting would lose, as a sentence; empty if nothing."""
        unsaved = self.composition.unsaved
        gone = [printable(each.path) for each in unsaved if each.is_gone]
        edited = [printable(each.path) for each in unsaved if not each.is_gone]
        sentences = [f"{' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone from disk."] if gone else []
        sentences += (
            [f"{' and '.join(edited)} {'has' if len(edited) == 1 else 'have'} unsaved edits."] if edited else []
        )
        return " ".join(sentences)
