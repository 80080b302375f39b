"""A list of checks with their last results; the reasons for the highlighted one are below."""

from typing import Final, Literal, NamedTuple

from textual.content import Content
from textual.message import Message

from widgets.toggle_list import ToggleList

State = Literal["not run", "running", "held", "failed", "skipped", "error"]

_LOOKS: Final[dict[State, tuple[str, str]]] = {
    "not run": ("not run", "dim"),
    "running": ("running", "$text-accent"),
    "held": ("held", "$text-success"),
    "failed": ("failed", "bold $text-error"),
    "skipped": ("skipped", "$text-warning"),
    "error": ("not tried", "bold $text-warning"),
}


class CheckRow(NamedTuple):
    """One check. All texts are printable.

    ``name`` is unique. An ``outdated`` result is of a policy that an edit has changed since in a way that matters to
    the check. ``summary`` stands on the row, ``details`` are lines below the list.
    """

    name: str
    state: State
    outdated: bool
    summary: str
    details: tuple[str, ...]


class CheckList(ToggleList[CheckRow]):
    """Shows checks; enter or space on one asks to run it."""

    DEFAULT_CSS = """
    CheckList > .toggle-list--detail {
        max-height: 9;
    }
    """

    class RunRequested(Message):
        """Posted when a check is to be run."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            """The check's name."""

    def prompt(self, row: CheckRow) -> Content:
        """Return the state, the name and the summary."""
        word, style = _LOOKS[row.state]
        mark = ("* ", "$text-warning") if row.outdated else "  "
        return Content.assemble(mark, (f"{word:<10}", style), row.name, "  ", (row.summary, "dim"))

    def detail(self, row: CheckRow) -> Content:
        """Return the reasons."""
        lines = [Content(line) for line in row.details]
        if row.outdated:
            lines.insert(0, Content.styled("An edit since this result touches the check.", "$text-warning"))
        return Content("\n").join(lines)

    def toggled(self, row: CheckRow) -> Message:
        """Return the message for ``row``."""
        return self.RunRequested(row.name)
