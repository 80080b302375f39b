"""The plan: everything that would allow what a run was denied, to tick and to grant at once."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, get_args

from textual import on, work
from textual.binding import Binding, BindingType

from editor.screens.list_dialog import CANCEL, Answer, ListDialog
from editor.screens.plan_rows import plan_rows
from editor.suggest.plan import Fold, Plan, Proposal
from widgets.proposal_list import ProposalList

_FOLDS: Final[tuple[Fold, ...]] = get_args(Fold)
_ABOUT: Final[dict[Fold, str]] = {
    "exact": "each path by itself",
    "balanced": "many entries of a directory become the directory",
    "broad": "few entries of a directory become the directory",
}


class PlanScreen(ListDialog[tuple[Proposal, ...]]):
    """Shows a plan, needed proposals ticked. Dismissed with the proposals to grant, or None.

    ``make`` makes the plan for a fold; it is called in a thread.
    """

    HEADING = "Grant what was denied"
    ANSWERS = (Answer("grant", "Grant", "g"), Answer("fold", "Fold", "f"), CANCEL)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("G,g", "grant", "Grant", show=False),
        Binding("f", "fold", "Fold", show=False),
    ]

    def __init__(self, make: Callable[[Fold], Plan]) -> None:
        super().__init__()
        self._make = make
        self._fold: Fold = "balanced"
        self._plan = Plan(())
        self._ticked: set[int] = set()

    def make_list(self) -> ProposalList:
        """Return the list."""
        return ProposalList(id="list")

    def on_mount(self) -> None:
        self._show_plan()

    @work(exclusive=True, group="plan")
    async def _show_plan(self) -> None:
        self.show_about("working out the plan")
        self._plan = await asyncio.to_thread(self._make, self._fold)
        needed = {id(proposal) for proposal in self._plan.needed}
        self._ticked = {number for number, each in enumerate(self._plan.proposals) if id(each) in needed}
        self._show_rows()
        self.query_one(ProposalList).focus()

    def _show_rows(self) -> None:
        rows = plan_rows(self._plan, self._ticked)
        self.query_one(ProposalList).show_rows(rows)
        hopeless = sum(not each.edits for each in self._plan.proposals)
        text = f"Fold {self._fold}: {_ABOUT[self._fold]}"
        text += f" · {hopeless} that no rule can allow" if hopeless else ""
        self.show_about(text if rows else f"There is nothing to grant. {text}")
        self.show_label(f"Grant {len(self._ticked)}")

    @on(ProposalList.Toggled)
    def _toggled(self, event: ProposalList.Toggled) -> None:
        event.stop()
        self._ticked ^= {int(event.name)}
        self._show_rows()

    def action_fold(self) -> None:
        """Fold further, or not at all after the last."""
        self._fold = _FOLDS[(_FOLDS.index(self._fold) + 1) % len(_FOLDS)]
        self._show_plan()

    def action_grant(self) -> None:
        """Grant what is ticked."""
        self.dismiss(tuple(each for number, each in enumerate(self._plan.proposals) if number in self._ticked))
