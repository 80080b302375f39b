"""The controllers of an open policy."""

from typing import NamedTuple, Protocol

from editor.screens.controllers.asking import Asking, AskingView
from editor.screens.controllers.dialogs import Dialogs, DialogsView
from editor.screens.controllers.disk import Disk, DiskView
from editor.screens.controllers.edits import Edits, EditsView
from editor.screens.controllers.files import OpenFiles
from editor.screens.controllers.gestures import Gestures, GesturesView
from editor.screens.controllers.learning import Learning, LearningView
from editor.screens.controllers.runs import Runs, RunsView


class OpenedView(EditsView, GesturesView, DiskView, DialogsView, RunsView, LearningView, AskingView, Protocol):
    """Everything that controllers need from the screen."""


class Controllers(NamedTuple):
    """The controllers that messages go to once the policy is open."""

    files: OpenFiles
    edits: Edits
    gestures: Gestures
    disk: Disk
    dialogs: Dialogs
    runs: Runs
    learning: Learning
    asking: Asking

    @classmethod
    def of(cls, files: OpenFiles, view: OpenedView, abi: int | None) -> "Controllers":
        """Return the controllers of ``files``. ``abi`` simulates an older kernel."""
        edits = Edits(files, view)
        gestures, disk = Gestures(files, edits, view), Disk(files, view)
        runs = Runs(files, edits, view, abi)
        learning = Learning(files, edits, runs, view)
        asking = Asking(files, edits, runs, view)
        return cls(files, edits, gestures, disk, Dialogs(files, edits, view, abi), runs, learning, asking)
