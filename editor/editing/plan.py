"""Plan an edit: the steps that apply it."""

from editor.editing.edits import (
    Edit,
    EditTogether,
    NewRule,
    RuleEdit,
    SetHandled,
    SetRulePaths,
    SetScope,
    VariableEdit,
    check,
)
from editor.editing.plan_handled import set_handled, set_scope
from editor.editing.plan_new_rule import add_rule, set_rule_paths
from editor.editing.plan_rules import edit_rights, edit_rule
from editor.editing.plan_together import edit_together
from editor.editing.plan_variables import edit_variable
from editor.editing.steps import Step
from editor.policy.model import Policy


def plan(policy: Policy, edit: Edit) -> tuple[Step, ...]:
    """Return the changes to lists and tables of ``policy`` that apply ``edit``; none if it has no effect.

    Raises EditError with a sentence if the edit is impossible or would change more than intended.
    """
    check(edit)
    if isinstance(edit, SetHandled):
        return tuple(set_handled(policy, edit))
    if isinstance(edit, SetScope):
        return tuple(set_scope(policy, edit))
    if isinstance(edit, EditTogether):
        return tuple(edit_together(policy, edit))
    if isinstance(edit, NewRule):
        return (add_rule(edit),)
    if isinstance(edit, SetRulePaths):
        return tuple(set_rule_paths(policy, edit))
    if isinstance(edit, RuleEdit):
        return tuple(edit_rule(policy, edit))
    if isinstance(edit, VariableEdit):
        return tuple(edit_variable(policy, edit))
    return edit_rights(policy, edit)
