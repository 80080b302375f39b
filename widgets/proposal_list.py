"""A list of proposals to tick, with the reasons for the highlighted one below."""

from typing import NamedTuple

from textual.content import Content
from textual.message import Message

from widgets.toggle_list import ToggleList


class ProposalRow(NamedTuple):
    """One proposal. All texts are printable.

    ``name`` is unique; ``rights`` and ``subject`` are what it grants and on what; ``group`` is the heading above it.
    ``details`` are paragraphs on why, what else it allows, and what to confirm; ``alarming`` are those to stand out.
    """

    name: str
    ticked: bool
    rights: str
    subject: str
    group: str
    details: tuple[str, ...] = ()
    alarming: str = ""


class ProposalList(ToggleList[ProposalRow]):
    """Shows proposals, each ticked or not."""

    DEFAULT_CSS = """
    ProposalList > .toggle-list--detail {
        max-height: 7;
    }
    """

    class Toggled(Message):
        """Posted when a proposal is to be ticked, or not any more."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name
            """The proposal's name."""

    def prompt(self, row: ProposalRow) -> Content:
        """Return the mark, the rights and the subject."""
        mark = ("[x] ", "bold $text-success") if row.ticked else ("[ ] ", "dim")
        subject = (row.subject, "$text-warning" if row.alarming else "")
        return Content.assemble(mark, (f"{row.rights} ", "$text-accent"), subject)

    def detail(self, row: ProposalRow) -> Content:
        """Return the reasons."""
        lines = [Content(text) for text in row.details if text]
        if row.alarming:
            lines.append(Content.styled(row.alarming, "$text-warning"))
        return Content("\n").join(lines)

    def heading(self, row: ProposalRow) -> str:
        """Return the group."""
        return row.group

    def toggled(self, row: ProposalRow) -> Message:
        """Return the message for ``row``."""
        return self.Toggled(row.name)
