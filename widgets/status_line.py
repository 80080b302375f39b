"""One line with the open file and its state."""

from typing import NamedTuple

from textual.content import Content
from textual.widgets import Static

from widgets.cells import visible


class Status(NamedTuple):
    """What the line shows. ``problem`` is one sentence, or empty; ``abi`` is display text ("ABI 7")."""

    file: str = ""
    dirty: bool = False
    problem: str = ""
    abi: str = ""
    running: str = ""


class StatusLine(Static):
    """The file, whether it is unsaved, the Landlock ABI, what is running, and a problem if there is one."""

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
        """What is currently shown."""

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
        if status.problem:  # last, since it may be long and is cut at the end
            parts.append(Content.assemble((visible(status.problem), "bold $text-error")))
        self.update(Content("  ").join(parts), layout=False)  # always one line
