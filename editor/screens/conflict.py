"""The file changed on disk under unsaved edits: see both, merge them rule by rule, keep mine, or take theirs."""

import difflib
from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from editor.editing.merge import Collision, describe_side
from editor.escape import printable
from editor.screens.dialogs import Ask, Choice
from editor.workspace.disk import Conflict

# Lines of a difference that are shown; two unrelated files of 25,000 lines would only be scrolled past.
_MOST_LINES = 4_000

KEEP_MINE = Choice("mine", "Keep mine", "m", "warning")
TAKE_THEIRS = Choice("theirs", "Take theirs", "t", "primary")
SEE_BOTH = Choice("both", "See both", "d")
MERGE = Choice("merge", "Merge", "g", "success")


def conflict_dialog(path: str, conflict: Conflict, collisions: tuple[Collision, ...] | None) -> Ask:
    """Ask what to do. ``collisions`` is what a merge would have to ask, None where the two cannot be merged.

    Answers: "mine", "theirs", "both", "merge", or None for later.
    """
    shown = printable(path)
    text = f"{shown} was changed on disk while you have unsaved edits.\n\nNothing is lost until you decide."
    choices = [SEE_BOTH, KEEP_MINE]
    if collisions is not None:
        choices.insert(1, MERGE)
        if collisions:
            number = f"{len(collisions)} rules" if len(collisions) > 1 else "one rule"
            text += f" Both changed {number}, which merging asks about."
        else:
            text += " The two changed different rules, so they can be merged."
    if conflict.problem is None:
        choices.append(TAKE_THEIRS)
        text += " After taking theirs, undo brings yours back."
    else:
        text += f"\n\nWhat is on disk does not parse, so it cannot be taken: {printable(str(conflict.problem))}"
    return Ask("Changed on disk", text, choices)


def collision_dialog(collision: Collision, number: int, total: int) -> Ask:
    """Ask which side of one collision stands, the ``number``th of ``total``. Answers: "mine", "theirs", or None."""
    sides = (("Before", collision.base), ("Theirs", collision.theirs), ("Mine", collision.mine))
    parts: list[str | tuple[str, str]] = [f"Both changed {collision.unit}.\n"]
    for name, value in sides:
        parts += ["\n", (f"{name:8}", "dim"), describe_side(value)]
    choices = [Choice("mine", "Mine", "m"), Choice("theirs", "Theirs", "t")]
    return Ask(f"Merge: {number} of {total}", Content.assemble(*parts), choices)


def difference(mine: str, theirs: str) -> Iterable[str]:
    """A unified difference from the draft to the file on disk."""
    return difflib.unified_diff(
        mine.splitlines(), theirs.splitlines(), "mine (unsaved draft)", "theirs (on disk)", lineterm="", n=4
    )


def _coloured(lines: list[str]) -> Content:
    parts: list[tuple[str, str]] = []
    for line in lines:
        style = "$text-muted"
        if line.startswith(("---", "+++")):
            style = "bold"
        elif line.startswith("@@"):
            style = "$text-accent"
        elif line.startswith("-"):
            style = "$text-error"
        elif line.startswith("+"):
            style = "$text-success"
        parts.append((printable(line) + "\n", style))
    return Content.assemble(*parts)


class DiffScreen(ModalScreen[str | None]):
    """Both texts as one difference.

    Dismissed with "mine", "theirs", "copy-mine" or "copy-theirs" (to keep that side beside the file), or None for
    later.
    """

    DEFAULT_CSS = """
    DiffScreen {
        background: $background;
        #diff { height: 1fr; border: round $primary; border-title-color: $text; padding: 0 1; }
        #lines { width: auto; height: auto; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "dismiss('mine')", "Keep mine"),
        Binding("t", "dismiss('theirs')", "Take theirs"),
        Binding("o", "dismiss('copy-theirs')", "Copy theirs to .orig"),
        Binding("O", "dismiss('copy-mine')", "Copy mine to .orig"),
        Binding("escape,q", "dismiss(None)", "Decide later"),
    ]

    def __init__(self, path: str, mine: str, conflict: Conflict) -> None:
        super().__init__()
        self._path = path
        self._mine = mine
        self._conflict = conflict

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="diff") as box:
            box.border_title = Content(f"{printable(self._path)}: - only mine, + only theirs")
            yield Static(id="lines")
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._compare, thread=True)

    def _compare(self) -> None:
        lines: list[str] = []
        for line in difference(self._mine, self._conflict.theirs):
            if len(lines) == _MOST_LINES:
                lines.append(f"... more than {_MOST_LINES} lines differ")
                break
            lines.append(line)
        self.app.call_from_thread(self.query_one("#lines", Static).update, _coloured(lines))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Theirs can only be taken when it parses."""
        return not (action == "dismiss" and parameters == ("theirs",) and self._conflict.problem is not None)
