"""Finds what a valid policy most likely does not mean, and puts the edits that fix it in order."""

import sys
from collections.abc import Iterable

from editor.analysis.lint.catalogue import Finding
from editor.analysis.lint.handled import lint_handled
from editor.analysis.lint.rules import lint_rules
from editor.editing.edits import Edit, RemoveEntry, SetRuleRights
from editor.evaluation.resolve import ResolvedPolicy
from editor.policy.model import Policy


def lint(policy: Policy, resolved: ResolvedPolicy, *, target_abi: int | None = None) -> tuple[Finding, ...]:
    """The findings about ``policy`` in the order of their places; ``resolved`` must be the same policy on this machine.

    ``target_abi`` is the Landlock version the policy is meant for, by default the file's own ``abi``.
    """
    findings = (*lint_handled(policy, target_abi), *lint_rules(policy, resolved))
    return tuple(sorted(findings, key=lambda each: (each.location, each.id)))


def fixes(findings: Iterable[Finding]) -> tuple[Edit, ...]:
    """The edits that mend ``findings``, which must be of one policy, in an order in which they can be applied.

    From the last rule to the first: taking one away then does not move those that are still to be changed.
    """

    def place(edit: Edit) -> tuple[int, int]:
        if isinstance(edit, RemoveEntry):
            return -edit.number, -edit.entry
        return (-edit.number, -sys.maxsize) if isinstance(edit, SetRuleRights) else (1, 0)

    return tuple(sorted((edit for each in findings for edit in each.fix), key=place))
