"""Run every check on a policy, and put the edits that fix its findings in order."""

import sys
from collections.abc import Iterable

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.handled import lint_handled, start_of
from editor.analysis.lint.machine import lint_machine
from editor.analysis.lint.own_process import lint_own_process
from editor.analysis.lint.reference import lint_reference
from editor.analysis.lint.rules import lint_rules
from editor.editing.edits import RemoveEntry, SetRuleRights, TidyingEdit
from editor.evaluation.resolve import ResolvedPolicy
from editor.policy.model import Policy


def lint(policy: Policy, resolved: ResolvedPolicy, *, target_abi: int | None = None) -> tuple[Finding, ...]:
    """Return the findings about ``policy`` by place; ``resolved`` must be the same policy on this machine.

    ``target_abi`` is the Landlock version that the policy is written for, by default the file's own ``abi``.
    """
    start = start_of(policy)
    findings = (
        *lint_handled(policy, target_abi),
        *lint_rules(policy, resolved),
        *lint_own_process(policy, resolved),
        *lint_reference(policy, resolved, start),
        *lint_machine(policy, start, for_this_kernel=target_abi is None),
    )
    return tuple(sorted(findings, key=lambda each: (each.location, each.id)))


def fixes(findings: Iterable[Finding]) -> tuple[TidyingEdit, ...]:
    """Return the edits that fix ``findings``, all of one policy, in the order in which to apply them.

    They go from the last rule to the first, so that removing one does not renumber those still to be changed.
    """

    def place(edit: TidyingEdit) -> tuple[int, int]:
        if isinstance(edit, RemoveEntry):
            return -edit.number, -edit.entry
        return (-edit.number, -sys.maxsize) if isinstance(edit, SetRuleRights) else (1, 0)

    return tuple(sorted((edit for each in findings for edit in each.fix), key=place))
