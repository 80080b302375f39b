"""The question about one call of a run that asks."""

from textual.content import Content

from editor.sandbox.events import Choice as Answer
from editor.sandbox.events import Question as Asked
from editor.screens.dialogs import Ask
from editor.screens.questions import Choice, Question
from editor.suggest.plan import Proposal
from editor.suggest.questions import EMULATED, callers, described

WITHDRAWN = "withdrawn"
"""The answer to a question that needs none any more."""

_CHOICES: tuple[tuple[Answer, str, str], ...] = (
    ("allow", "Allow once", "a"),
    ("allow-for-run", "Allow for this run", "r"),
    ("grant", "Grant in the draft", "g"),
    ("deny", "Deny (escape)", "d"),
    ("deny-always", "Deny always", "D"),
    ("kill", "Kill the run", "k"),
)


class AskAccess(Ask):
    """Asks about a call that the draft denies something of. Dismissed with the answer, or None for escape."""

    AUTO_FOCUS = "#answer-deny"  # for an enter that was meant for something else
    DEFAULT_CSS = """
    AskAccess {
        #box { border: round $warning; }
        #answers { layout: vertical; align-horizontal: left; }
        #answers Button { margin-left: 0; width: 32; content-align: left middle; text-align: left; }
    }
    """

    def __init__(self, question: Asked, proposals: list[Proposal], waiting: int) -> None:
        lines = [described(access) for access in question.accesses]
        lines.append(f"by {callers(question)}")
        lines += [f"g: {proposal.sentence}" for proposal in proposals if proposal.edits]
        more = f" ({waiting} more wait{'s' if waiting == 1 else ''})" if waiting else ""
        text = Content.assemble("\n".join(lines), "\n\n", (EMULATED[:1].upper() + EMULATED[1:] + ".", "$text-warning"))
        choices = [Choice(name, label, key) for name, label, key in _CHOICES]
        super().__init__(Question(f"The program waits: denied by the draft{more}", text, choices))
