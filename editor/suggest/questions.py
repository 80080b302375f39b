"""What a person is shown about a question of a run: what would be denied, by whose doing, and what would allow it."""

from collections.abc import Sequence

from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import listed
from editor.sandbox.events import Question
from editor.sandbox.verdicts.report import Access
from editor.suggest.plan import Proposal
from editor.suggest.planning import make_plan

EMULATED = "emulated: nothing is enforced, and a program that means to can get around it"
"""What everybody who is asked has to know."""


def described(access: Access) -> str:
    """Return what a denied access is, and why it is denied."""
    on = f"port {access.port}" if access.port is not None else printable(access.object_path or access.path or "itself")
    what = f"{listed(access.missing)} on {on} ({access.syscall})" if access.missing else f"{access.syscall} on {on}"
    return f"{what}: {printable(access.reason)}"


def callers(question: Question) -> str:
    """Return which process makes the call, and which started it."""
    return ", started by ".join(f"{printable(name)} ({pid})" for pid, name in question.tree)


def proposals(question: Question, layers: Sequence[ResolvedPolicy]) -> list[tuple[int, Proposal]]:
    """Return what would allow what ``question`` is about, each with the position of the layer that it is for.

    ``layers`` are the policies of the run, the oldest first.
    """
    found = []
    for at, resolved in enumerate(layers):
        layer = 0 if len(layers) == 1 else at + 1
        plan = make_plan(question.accesses, resolved, layer, fold="exact", promises=False)
        found += [(at, proposal) for proposal in plan.proposals]
    return found
