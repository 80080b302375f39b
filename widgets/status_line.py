"""One line that says what is open and how it stands."""

from typing import NamedTuple

from textual.content import Content
from textual.widgets import Static

from widgets.cells import visible


class Status(NamedTuple):
    """What the line shows. ``problem`` is one sentence, empty where all is well; ``abi`` is for eyes ("ABI 7")."""

    file: str = ""
    dirty: bool = False
    problem: str = ""
    abi: str = ""
    running: str = ""


class StatusLine(Static):
    """File, unsaved mark, the Landlock version, what runs, and a problem if there is one."""

    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        color: $foreground;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None, disabled: bool = False
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled, markup=False)
        self.status = Status()
        """What is shown."""

    def show(self, status: Status) -> None:
        """Show ``status``."""
        if status == self.status:
            return
        self.status = status
        parts = [Content.assemble((visible(status.file), "bold"))]
        if status.dirty:
            parts.append(Content.assemble(("* unsaved", "bold $text-warning")))
        if status.abi:
            parts.append(Content.assemble((visible(status.abi), "$foreground 70%")))
        if status.running:
            parts.append(Content.assemble((visible(status.running), "$text-accent")))
        if status.problem:  # last: it may be long, and gives way at its end
            parts.append(Content.assemble((visible(status.problem), "bold $text-error")))
        self.update(Content("  ").join(parts), layout=False)  # it is one line, whatever it says
