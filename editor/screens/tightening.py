"""What the last run did not use of the draft, to take away."""

import asyncio
from typing import ClassVar, Final

from textual import on, work
from textual.binding import Binding, BindingType

from editor.editing.document import PolicyDocument
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.verdicts.report import Report
from editor.screens.list_dialog import CANCEL, Answer, ListDialog
from editor.suggest import score
from editor.suggest.tightening import Step, StepKind, Tightening, tighten
from editor.suggest.usage import Recorded
from widgets.proposal_list import ProposalList, ProposalRow

_GROUPS: Final[dict[StepKind, str]] = {
    "rule": "Rules that nothing used",
    "path": "Paths that nothing used",
    "port": "Ports that nothing used",
    "right": "Rights that nothing used",
    "down": "Rules that could move down the tree",
    "scope": "Scopes that cost nothing",
}
_TRY = "A run under the tightened policy has to show whether this breaks anything: press r afterwards."


class TighteningScreen(ListDialog[tuple[Step, ...]]):
    """Shows the steps that tighten ``document`` to what ``report`` shows. Dismissed with those to take, or None."""

    HEADING = "Tighten to what was used"
    ANSWERS = (Answer("take", "Tighten", "T"), CANCEL)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "take", "Tighten", show=False),
    ]

    def __init__(self, document: PolicyDocument, resolved: ResolvedPolicy, report: Report) -> None:
        super().__init__()
        self._document = document
        self._resolved = resolved
        self._report = report
        self._steps: tuple[Step, ...] = ()
        self._ticked: set[int] = set()

    def make_list(self) -> ProposalList:
        """Return the list."""
        return ProposalList(id="list")

    def on_mount(self) -> None:
        self.show_about("working out what was used")
        self._work_out()

    @work(exclusive=True, group="tighten")
    async def _work_out(self) -> None:
        found, about = await asyncio.to_thread(self._find)
        self._steps = found.steps
        self._ticked = {number for number, step in enumerate(self._steps) if not step.must_be_tried}
        self.show_about(about)
        self._show_rows()
        self.query_one(ProposalList).focus()

    def _find(self) -> tuple[Tightening, str]:
        recorded = Recorded(self._report.accesses, self._report.abi.enforced)
        found = tighten(self._document, self._resolved, (recorded,))
        about = f"Granted: {score.granted(self._resolved)}. Used in the last run: {score.used(found.usage)}."
        return found, about if found.steps else f"{about} There is nothing to tighten."

    def _show_rows(self) -> None:
        self.query_one(ProposalList).show_rows(
            ProposalRow(
                str(number), number in self._ticked, f"line {step.ref.line:<4}", printable(step.sentence),
                _GROUPS[step.kind], (printable(step.sentence), *_instead(step), _TRY if step.must_be_tried else ""),
            )
            for number, step in sorted(enumerate(self._steps), key=lambda each: tuple(_GROUPS).index(each[1].kind))
        )  # fmt: skip
        self.show_label(f"Tighten by {len(self._ticked)}")

    @on(ProposalList.Toggled)
    def _toggled(self, event: ProposalList.Toggled) -> None:
        event.stop()
        self._ticked ^= {int(event.name)}
        self._show_rows()

    def action_take(self) -> None:
        """Take the steps that are ticked."""
        self.dismiss(tuple(step for number, step in enumerate(self._steps) if number in self._ticked))


def _instead(step: Step) -> tuple[str, ...]:
    return tuple(f"Instead: {', '.join(map(printable, each.paths))}" for each in step.instead)
