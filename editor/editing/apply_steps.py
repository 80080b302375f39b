"""Apply planned changes to the text of a policy."""

from collections.abc import Sequence

from editor.editing.edits import EditError
from editor.editing.splice import OverlapError, Splice, apply_splices, difference, sort_splices
from editor.editing.splice_json import JsonSplicer
from editor.editing.splice_toml import TomlSplicer
from editor.editing.steps import AddMember, AddTable, ChangeList, RemoveMember, RemoveTable, ReplaceValue, Section, Step
from editor.policy.locate import Format, Node, locate


def apply_steps(text: str, format: Format, root: Node, steps: Sequence[Step]) -> tuple[Splice, ...]:
    """Return the splices of ``text``, whose tree is ``root``, that apply ``steps``. Raises EditError if impossible."""
    try:
        found = sort_splices(_splices(text, format, root, steps))
        return tuple(difference(*splice) for splice in found)
    except OverlapError:
        pass
    # Nested changes, such as to a table and to the inline array around it: apply one level at a time.
    edited = text
    lists = [step for step in steps if isinstance(step, ChangeList | ReplaceValue)]
    tables = [step for step in steps if isinstance(step, AddTable | RemoveTable)]
    members = [step for step in steps if isinstance(step, AddMember | RemoveMember)]
    for level in (lists, members, tables):
        if level:
            located = locate(edited, format, "")
            try:
                edited = apply_splices(edited, sort_splices(_splices(edited, format, located, level)))
            except OverlapError as error:
                raise EditError("This edit would change unrelated parts of the file; edit the text instead.") from error
    return (difference(0, text, edited),)


def _splices(text: str, format: Format, root: Node, steps: Sequence[Step]) -> list[Splice]:
    splicer = JsonSplicer(text, root) if format == "json" else TomlSplicer(text, root)
    found: list[Splice] = []
    removed: dict[Section, dict[int, bool]] = {}
    added: dict[Section, AddTable] = {}
    for step in steps:
        if isinstance(step, RemoveTable):
            removed.setdefault(step.section, {})[step.number] = step.with_comment
        elif isinstance(step, AddTable):
            added[step.section] = step
        else:
            found += splicer.edit_table(step)
    return found + splicer.edit_sections(removed, added)
