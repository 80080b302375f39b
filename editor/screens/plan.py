"""The plan: everything that would allow what a run was denied, to tick and to grant at once."""

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, get_args

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from editor.screens.plan_rows import plan_rows
from editor.suggest.plan import Fold, Plan, Proposal
from widgets.proposal_list import ProposalList

_FOLDS: Final[tuple[Fold, ...]] = get_args(Fold)
_ABOUT: Final[dict[Fold, str]] = {
    "exact": "each path by itself",
    "balanced": "many entries of a directory become the directory",
    "broad": "few entries of a directory become the directory",
}


class PlanScreen(ModalScreen[tuple[Proposal, ...] | None]):
    """Shows a plan, needed proposals ticked. Dismissed with the proposals to grant, or None.

    ``make`` makes the plan for a fold; it is called in a thread.
    """

    DEFAULT_CSS = """
    PlanScreen {
        align: center middle;
        #box { width: 110; max-width: 98%; height: 90%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; padding: 0 1; }
        #fold { height: 1; color: $text-muted; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #proposals { height: 1fr; margin-top: 1; }
        #answers { height: auto; align-horizontal: right; }
        #answers Button { margin-left: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("G,g", "grant", "Grant", show=False),
        Binding("f", "fold", "Fold", show=False),
    ]

    def __init__(self, make: Callable[[Fold], Plan]) -> None:
        super().__init__()
        self._make = make
        self._fold: Fold = "balanced"
        self._plan = Plan(())
        self._ticked: set[int] = set()

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content("Grant what was denied")
            yield Static(id="fold")
            yield ProposalList(id="proposals")
            with Horizontal(id="answers"):
                yield Button(Content("Grant"), id="grant", variant="primary", compact=True)
                yield Button(Content.assemble("Fold ", ("[f]", "dim")), id="refold", compact=True)
                yield Button(Content.assemble("Cancel ", ("[esc]", "dim")), id="cancel", compact=True)

    def on_mount(self) -> None:
        self._show_plan()

    @work(exclusive=True, group="plan")
    async def _show_plan(self) -> None:
        self.query_one("#fold", Static).update(Content("working out the plan"))
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
        self.query_one("#fold", Static).update(Content(text if rows else f"There is nothing to grant. {text}"))
        label = Content.assemble(f"Grant {len(self._ticked)} ", ("[g]", "dim"))
        self.query_one("#grant", Button).label = label

    @on(ProposalList.Toggled)
    def _toggled(self, event: ProposalList.Toggled) -> None:
        event.stop()
        self._ticked ^= {int(event.name)}
        self._show_rows()

    @on(Button.Pressed, "#refold")
    def _refold_pressed(self) -> None:
        self.action_fold()

    @on(Button.Pressed, "#grant")
    def _grant_pressed(self) -> None:
        self.action_grant()

    @on(Button.Pressed, "#cancel")
    def _cancel_pressed(self) -> None:
        self.dismiss(None)

    def action_fold(self) -> None:
        """Fold further, or not at all after the last."""
        self._fold = _FOLDS[(_FOLDS.index(self._fold) + 1) % len(_FOLDS)]
        self._show_plan()

    def action_grant(self) -> None:
        """Grant what is ticked."""
        self.dismiss(tuple(each for number, each in enumerate(self._plan.proposals) if number in self._ticked))
