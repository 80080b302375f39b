"""The difference between the draft and its file on disk."""

import difflib
from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from editor.escape import printable
from editor.workspace.disk import Conflict

# Lines of a difference to show at most: nobody reads through two unrelated files of 25,000 lines.
_MOST_LINES = 4_000


def difference(mine: str, theirs: str) -> Iterable[str]:
    """Return the unified difference from the draft to the file on disk."""
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
    """Shows both texts as one difference.

    Dismissed with "mine", "theirs", "copy-mine" or "copy-theirs" (save that side to FILE.orig), or None to decide
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
        """Offer to take theirs only if it parses."""
        return not (action == "dismiss" and parameters == ("theirs",) and self._conflict.problem is not None)
