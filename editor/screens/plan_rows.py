"""The rows of a plan of grants."""

from collections.abc import Container

from editor.editing.edits import AddPathRule, AddPortRule, Edit, GrantPath, GrantPort, SetScope
from editor.escape import printable
from editor.landlock.rights import in_order
from editor.suggest.plan import Plan, Proposal
from widgets.proposal_list import ProposalRow

_NEEDED, _ASKS, _TOLERATED = (
    "Needed",
    "Opens a protected place: yours to decide",
    "Tolerated: the command got along without",
)
_MAX_SUBJECTS = 2


def plan_rows(plan: Plan, ticked: Container[int]) -> tuple[ProposalRow, ...]:
    """Return a row for each proposal that can be granted, named by its number in the plan."""
    rows = [
        ProposalRow(
            str(number), number in ticked, *_grant(proposal.edits), _group(proposal),
            (proposal.sentence, proposal.why, _sentence("Also allows", proposal.beyond)),
            proposal.confirm,
        )
        for number, proposal in enumerate(plan.proposals)
        if proposal.edits
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (_NEEDED, _ASKS, _TOLERATED).index(row.group)))


def _group(proposal: Proposal) -> str:
    if proposal.confirm:
        return _ASKS
    return _TOLERATED if proposal.tolerated else _NEEDED


def _grant(edits: tuple[Edit, ...]) -> tuple[str, str]:
    """Return the rights that ``edits`` grant, and on what."""
    rights: dict[str, None] = {}
    subjects: dict[str, None] = {}
    for edit in edits:
        if isinstance(edit, SetScope):
            return "unrestrict", edit.scope
        if isinstance(edit, GrantPath | GrantPort | AddPathRule | AddPortRule):
            rights |= dict.fromkeys(in_order(edit.rights))
        if isinstance(edit, GrantPath):
            subjects[printable(edit.path)] = None
        elif isinstance(edit, AddPathRule):
            subjects |= dict.fromkeys(map(printable, edit.paths))
        elif isinstance(edit, GrantPort):
            subjects[f"port {edit.port}"] = None
        elif isinstance(edit, AddPortRule):
            subjects |= dict.fromkeys(f"port {port}" for port in edit.ports)
    names = list(subjects)
    more = len(names) - _MAX_SUBJECTS
    shown = ", ".join(names[:_MAX_SUBJECTS]) + (f" and {more} more" if more > 0 else "")
    return ",".join(rights), shown


def _sentence(opening: str, text: str) -> str:
    return f"{opening} {text}." if text else ""
