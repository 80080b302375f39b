"""Plan how to allow what a run was denied: each edit once, with the accesses that it answers."""

import os
from collections.abc import Iterable, Sequence

from editor.editing.edits import Edit, GrantPath, GrantPort, SetScope
from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock.rights import listed
from editor.sandbox.verdicts.report import Access
from editor.suggest.grant import ALL_PROCESSES, COMMANDS_OWN, CannotGrant, Grants, lasting_place
from editor.suggest.plan import Fold, Plan, Proposal

_MAX_EXAMPLES = 3


def make_plan(
    accesses: Iterable[Access],
    resolved: ResolvedPolicy,
    layer: int = 0,
    *,
    fold: Fold = "balanced",  # noqa: ARG001
    promises: bool = True,  # noqa: ARG001
    exit_code: int | None = None,  # noqa: ARG001
    output: str = "",  # noqa: ARG001
) -> Plan:
    """Return how to allow every denial by the policy ``resolved``, which is number ``layer`` of the run's layers.

    ``accesses`` are all accesses of the run, or of several, in the order in which the program came upon them. There is
    one proposal for each path, port or scope; what no edit can allow comes last, one proposal for each reason.
    """
    accesses = tuple(accesses)
    denied = [access for access in accesses if access.verdict == "denied" and access.layer == layer]
    if not denied:
        return Plan(())
    grants = Grants(resolved, accesses)
    granted: dict[str | int, Edit] = {}
    answered: dict[str | int, list[Access]] = {}
    hopeless: dict[str, list[Access]] = {}
    for access in denied:
        try:
            edits = grants.edits(access)
        except CannotGrant as error:
            hopeless.setdefault(str(error), []).append(access)
            continue
        for edit in edits:
            subject = _subject(edit)
            granted[subject] = _united(granted.get(subject), edit)
            answered.setdefault(subject, []).append(access)
    proposals = [
        Proposal((edit,), tuple(answered[subject]), "exact", describe(edit, answered[subject]))
        for subject, edit in granted.items()
    ]
    proposals += [
        Proposal((), tuple(refused), "exact", f"{', '.join(dict.fromkeys(map(_shown, refused)))}: {reason}")
        for reason, refused in hopeless.items()
    ]
    return Plan(tuple(proposals))


def describe(edit: Edit, accesses: Sequence[Access]) -> str:
    """Return a sentence on what ``edit``, which answers ``accesses``, allows, and why it may be more than they need."""
    if isinstance(edit, SetScope):
        return (
            f"No longer restrict {edit.scope}. This widens the policy: a scope has no rules, so programs under it may "
            "then reach every process outside the sandbox this way."
        )
    if isinstance(edit, GrantPort):
        return f"Grant {listed(edit.rights)} on port {edit.port}, for any address."
    if isinstance(edit, GrantPath):
        beneath = " and everything beneath it" if os.path.isdir(edit.path) else ""
        sentence = f"Grant {listed(edit.rights)} on {printable(edit.path)}{beneath}."
        passing = dict.fromkeys(
            printable(access.object_path)
            for access in accesses
            if access.object_path is not None and access.object_path != lasting_place(access)
        )
        if not passing:
            return sentence
        itself = "itself" if len(passing) == 1 else "themselves"
        sentence += f" A rule for {_named(passing)} {itself} would not last"
        if edit.path == COMMANDS_OWN:
            return f"{sentence}, but {COMMANDS_OWN} is the command's own process in each run."
        if edit.path == ALL_PROCESSES:
            return f"{sentence}, and one for {COMMANDS_OWN} would cover the command's own process alone."
        return f"{sentence}."
    raise TypeError(f"no grant is a {type(edit).__name__}")


def _subject(edit: Edit) -> str | int:
    """Return what ``edit`` is about: edits of the same subject are one proposal."""
    if isinstance(edit, GrantPath):
        return f"path {edit.path}"
    if isinstance(edit, GrantPort):
        return edit.port
    if isinstance(edit, SetScope):
        return f"scope {edit.scope}"
    raise TypeError(f"no grant is a {type(edit).__name__}")


def _united(known: Edit | None, edit: Edit) -> Edit:
    """Return the edit that does what ``known`` and ``edit``, about the same subject, do."""
    if isinstance(edit, GrantPath) and isinstance(known, GrantPath):
        return GrantPath(edit.path, known.rights | edit.rights)
    if isinstance(edit, GrantPort) and isinstance(known, GrantPort):
        return GrantPort(edit.port, known.rights | edit.rights)
    return edit


def _shown(access: Access) -> str:
    if access.port is not None:
        return f"port {access.port}"
    return printable(access.object_path or access.path or access.syscall)


def _named(names: Iterable[str]) -> str:
    """Return the first ``names`` in words, and the number of all others."""
    known = list(names)
    if len(known) > _MAX_EXAMPLES:
        return f"{', '.join(known[:_MAX_EXAMPLES])} and {len(known) - _MAX_EXAMPLES} others"
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"
