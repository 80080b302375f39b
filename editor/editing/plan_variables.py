"""Plan edits of variables and of the paths that use them."""

from collections.abc import Collection, Iterator
from itertools import product

from editor.editing.edits import EditError, ExpandEntry, InlineVariable, RemoveVariable, RenameVariable, VariableEdit
from editor.editing.meaning import variables_of
from editor.editing.steps import ChangeList, RemoveTable, ReplaceValue, Step
from editor.escape import printable
from editor.policy.compose import VAR_OPTION
from editor.policy.model import Policy
from editor.policy.variables import MAX_PATHS, Reference, expand, parse_template, quote


def edit_variable(policy: Policy, edit: VariableEdit) -> Iterator[Step]:
    """Yield steps that change a variable. Raises EditError if it is undefined, in use, or not defined in this file."""
    variables = variables_of(policy)
    if isinstance(edit, ExpandEntry):
        if not 0 <= edit.number < len(policy.path_rules):
            raise EditError(f"There is no rule {edit.number} in path_beneath.")
        rule = policy.path_rules[edit.number]
        if not 0 <= edit.entry < len(rule.parents):
            raise EditError(f"The rule on line {rule.location.line} has no entry {edit.entry}.")
        template = rule.parents[edit.entry].template
        if not any(isinstance(token, Reference) for token in parse_template(template)):
            return
        written = tuple(quote(path) for path in expand(template, variables))
        _check_not_empty(written, template)
        insert = tuple((edit.entry, path) for path in written)
        yield ChangeList("path_beneath", rule.number, "parent", frozenset({edit.entry}), insert)
        return
    if isinstance(edit, RemoveVariable):
        yield from remove_variables(policy, {edit.name})
        return
    name = edit.old if isinstance(edit, RenameVariable) else edit.name
    tables = _tables_of(policy, {name})
    if isinstance(edit, RenameVariable):
        if edit.new == edit.old:
            return
        if edit.new in variables:
            raise EditError(f"There already is a variable '{edit.new}'; choose another name.")
        yield from (ReplaceValue("variable", number, "name", None, edit.new) for number in tables)
    for rule in policy.path_rules:
        remove: dict[int, tuple[str, ...]] = {}
        for at, parent in enumerate(rule.parents):
            if name not in {token.name for token in parse_template(parent.template) if isinstance(token, Reference)}:
                continue
            if isinstance(edit, RenameVariable):
                (renamed,) = _substitute(parent.template, name, [f"${{{edit.new}}}"])
                yield ReplaceValue("path_beneath", rule.number, "parent", at, renamed)
                continue
            remove[at] = tuple(_substitute(parent.template, name, sorted(map(quote, variables[name]))))
            _check_not_empty(remove[at], parent.template)
        if remove:
            insert = tuple((at, text) for at, texts in remove.items() for text in texts)
            yield ChangeList("path_beneath", rule.number, "parent", frozenset(remove), insert)
    if isinstance(edit, InlineVariable):
        yield from (RemoveTable("variable", number) for number in tables)


def remove_variables(policy: Policy, names: Collection[str]) -> Iterator[Step]:
    """Yield steps that remove the definitions of variables.

    Raises EditError if one is undefined, in use, or not defined in this file.
    """
    tables = _tables_of(policy, names)
    for rule in policy.path_rules if names else ():
        for parent in rule.parents:
            for token in parse_template(parent.template):
                if isinstance(token, Reference) and token.name in names:
                    raise EditError(
                        f"Cannot remove the variable '{token.name}': the path on line {parent.location.line} uses it."
                    )
    yield from (RemoveTable("variable", number) for number in tables)


def _tables_of(policy: Policy, names: Collection[str]) -> list[int]:
    """Return the numbers of the tables that define variables. Raises EditError unless all are in this file."""
    tables = [number for number, variable in enumerate(policy.variables) if variable.name in names]
    unknown = {*names} - {policy.variables[number].name for number in tables}
    if unknown:
        raise EditError(f"This policy has no variable '{printable(min(unknown))}'.")
    for number in tables:
        variable = policy.variables[number]
        place = variable.location
        if place.file != policy.file:
            where = (
                f"given by {VAR_OPTION}"
                if place.file == VAR_OPTION
                else f"defined in {printable(place.file)}:{place.line}"
            )
            raise EditError(f"'{variable.name}' is {where}: change it there.")
    return tables


def _check_not_empty(written: tuple[str, ...], template: str) -> None:
    if not written:
        raise EditError(f"'{printable(template)}' expands to no path; remove it instead.")


def _substitute(template: str, name: str, values: list[str]) -> Iterator[str]:
    """Yield ``template`` with each reference to ``name`` replaced by each of ``values``, which are templates too."""
    choices: list[list[str]] = []
    position = 0
    for token in parse_template(template):
        if isinstance(token, Reference) and token.name == name:
            choices += [[template[position : token.position]], values]
            position = token.position + len(f"${{{name}}}")
    choices.append([template[position:]])
    if len(values) ** (len(choices) // 2) > MAX_PATHS:
        raise EditError(f"'{printable(template)}' would expand to more than {MAX_PATHS} paths.")
    return ("".join(parts) for parts in product(*choices))
