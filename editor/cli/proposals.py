"""The plan of a run: what would allow what was denied, as lines of text and as JSON."""

from typing import Any

from editor.cli.console import Console
from editor.cli.text import edit_command
from editor.editing.edits import AddPathRule, AddPortRule, Edit, GrantPath, GrantPort, SetRulePaths, SetScope
from editor.landlock.rights import in_order
from editor.policy.model import Policy
from editor.suggest.plan import Plan, Proposal


def plan_lines(plan: Plan, policy: Policy, console: Console) -> list[str]:
    """Return all proposals of ``plan`` for ``policy``, the needed ones first, those for what was tolerated apart."""
    lines = []
    needed = [each for each in plan.proposals if not each.tolerated]
    tolerated = [each for each in plan.proposals if each.tolerated]
    if needed:
        lines += ["", f"To allow what was denied ({edit_command(policy)}):"]
        lines += [line for each in needed for line in _proposal_lines(each, console)]
    if tolerated:
        lines += ["", f"Tolerated in this run; to allow it all the same ({edit_command(policy)}):"]
        lines += [line for each in tolerated for line in _proposal_lines(each, console)]
    return lines


def _proposal_lines(proposal: Proposal, console: Console) -> list[str]:
    lines = [f"  {proposal.sentence}"]
    if proposal.confirm:
        lines.append(f"      {console.paint('You have to agree:', 'warning')} this opens {proposal.confirm}.")
    if proposal.edits:
        purpose = proposal.purpose
        details = " ".join(filter(None, (f"{purpose[0].upper()}{purpose[1:]}." if purpose else "", proposal.why)))
        lines += [f"      {console.paint(details, 'dim')}"] if details else []
    if proposal.beyond:
        lines.append(f"      {console.paint(f'It would also allow {proposal.beyond}.', 'dim')}")
    return lines


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """Return the element of ``proposals`` in a report, without the accesses."""
    return {
        "kind": proposal.kind,
        "edits": [_edit_json(edit) for edit in proposal.edits],
        "sentence": proposal.sentence,
        "why": proposal.why,
        "purpose": proposal.purpose,
        "beyond": proposal.beyond,
        "tolerated": proposal.tolerated,
        "confirm": proposal.confirm,
        "count": len(proposal.accesses),
    }


def _edit_json(edit: Edit) -> dict[str, Any]:
    if isinstance(edit, GrantPath):
        return {"path": edit.path, "rights": in_order(edit.rights)}
    if isinstance(edit, GrantPort):
        return {"port": edit.port, "rights": in_order(edit.rights)}
    if isinstance(edit, SetScope):
        return {"scope": edit.scope, "restricted": edit.on}
    if isinstance(edit, AddPathRule):
        return {"paths": list(edit.paths), "rights": in_order(edit.rights), "comment": edit.comment}
    if isinstance(edit, AddPortRule):
        return {"ports": list(edit.ports), "rights": in_order(edit.rights), "comment": edit.comment}
    if isinstance(edit, SetRulePaths):
        return {"rule": edit.number, "paths": list(edit.paths)}
    raise TypeError(f"no proposal has a {type(edit).__name__}")
