"""Plan whole rules: a new one under a comment, and other paths for one that is there."""

from collections.abc import Iterator

from editor.editing.edits import AddPathRule, EditError, NewRule, SetRulePaths
from editor.editing.rights_list import written
from editor.editing.steps import AddTable, ChangeList, Step, Value
from editor.policy.model import Policy, path_key
from editor.policy.variables import quote


def add_rule(edit: NewRule) -> Step:
    """Return the step that adds the rule, each path or port once, in the order given."""
    if isinstance(edit, AddPathRule):
        paths: tuple[Value, ...] = tuple(dict.fromkeys(quote(path_key(path)) for path in edit.paths))
        return AddTable("path_beneath", (("allowed_access", written(edit.rights)), ("parent", paths)), edit.comment)
    ports: tuple[Value, ...] = tuple(dict.fromkeys(edit.ports))
    return AddTable("net_port", (("allowed_access", written(edit.rights)), ("port", ports)), edit.comment)


def set_rule_paths(policy: Policy, edit: SetRulePaths) -> Iterator[Step]:
    """Yield the step that leaves the rule with exactly the paths of ``edit``; entries that stay are not touched."""
    if not 0 <= edit.number < len(policy.path_rules):
        raise EditError(f"There is no rule {edit.number} in path_beneath.")
    rule = policy.path_rules[edit.number]
    wanted = dict.fromkeys(quote(path_key(path)) for path in edit.paths)
    kept: set[str] = set()
    removed: set[int] = set()
    for at, parent in enumerate(rule.parents):
        template = parent.template if "$" in parent.template else path_key(parent.template)
        if template in wanted and template not in kept:
            kept.add(template)
        else:
            removed.add(at)
    added = tuple((len(rule.parents), path) for path in wanted if path not in kept)
    if removed or added:
        yield ChangeList("path_beneath", rule.number, "parent", frozenset(removed), added)
