"""Show the variables of the policy: their values and uses. Rename, inline or remove them."""

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from editor.editing.edits import Edit, InlineVariable, RemoveVariable, RenameVariable
from editor.escape import printable
from editor.policy.compose import VAR_OPTION
from editor.policy.model import Location, Policy
from editor.policy.variables import Reference, parse_template
from editor.screens.dialogs import AskLine
from editor.workspace.notifying import Changes
from editor.workspace.workspace import Workspace

_MOST_VALUES = 8
_MOST_USES = 6

_EMPTY = """\
No variables are defined. To define one, add to the policy:

  [[variable]]
  name = "home"
  literal = ["/home/me"]

Then ${home}/mail in a rule means /home/me/mail."""


class Use(NamedTuple):
    """A path of a rule that uses a variable, and its place in the file."""

    template: str
    place: Location


class VariableRow(NamedTuple):
    """One variable: its values, where it is defined, and where it is used."""

    name: str
    values: tuple[str, ...]
    places: tuple[Location, ...]
    uses: tuple[Use, ...]


def variable_rows(policy: Policy) -> tuple[VariableRow, ...]:
    """Return the variables of ``policy``, in the order of their definitions."""
    values: dict[str, dict[str, None]] = {}
    places: dict[str, list[Location]] = {}
    uses: dict[str, list[Use]] = {}
    for variable in policy.variables:
        values.setdefault(variable.name, {}).update(dict.fromkeys(variable.literals))
        places.setdefault(variable.name, []).append(variable.location)
    for rule in policy.path_rules:
        for parent in rule.parents:
            if "${" in parent.template:
                names = {token.name for token in parse_template(parent.template) if isinstance(token, Reference)}
                for name in names:
                    uses.setdefault(name, []).append(Use(parent.template, parent.location))
    return tuple(
        VariableRow(name, tuple(of), tuple(places[name]), tuple(uses.get(name, ()))) for name, of in values.items()
    )


class VariablesScreen(ModalScreen[Location | None]):
    """Lists the variables. Dismissed with the place of a definition to go to, or None.

    ``edit`` starts an edit of a file; ``undo`` undoes the last one. The list is updated when the draft changes.
    """

    DEFAULT_CSS = """
    VariablesScreen {
        align: center middle;
        #box { width: 84; max-width: 98%; height: auto; max-height: 94%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; border-subtitle-color: $text-muted;
               padding: 1 1 0 1; }
        OptionList { height: auto; max-height: 12; border: none; padding: 0; background: $surface; text-wrap: nowrap;
                     text-overflow: ellipsis; &:focus { border: none; } }
        #about { height: auto; padding: 1 1; border-top: solid $panel; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "rename", "Rename"),
        Binding("i", "inline", "Inline"),
        Binding("d,delete", "remove", "Remove"),
        Binding("u,ctrl+z", "undo", show=False),
        Binding("escape,q,v", "dismiss(None)", "Close"),
    ]

    class Changed(Message):
        """Posted when the draft changed."""

    def __init__(self, workspace: Workspace, edit: Callable[[str, Edit], None], undo: Callable[[], None]) -> None:
        super().__init__()
        self._workspace = workspace
        self._edit = edit
        self._undo = undo
        self._rows: tuple[VariableRow, ...] = ()
        self._unsubscribe: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content("Variables")
            box.border_subtitle = Content("enter to go to the definition")
            yield OptionList(id="variables")
            yield Static(id="about")
        yield Footer()

    def on_mount(self) -> None:
        self._unsubscribe = self._workspace.subscribe(self._follow)
        self._show()

    def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _follow(self, change: Changes) -> None:
        """Called in the thread that changed the draft."""
        if "document" in change:
            self.post_message(self.Changed())

    def on_variables_screen_changed(self) -> None:
        self._show()

    def _show(self) -> None:
        self._rows = variable_rows(self._workspace.whole)
        options = self.query_one(OptionList)
        before = options.highlighted or 0
        options.display = bool(self._rows)
        options.set_options(Option(_line(row)) for row in self._rows)
        if self._rows:
            options.highlighted = min(before, len(self._rows) - 1)
            options.focus()
        self._show_about()
        self.refresh_bindings()

    @property
    def _highlighted(self) -> VariableRow | None:
        number = self.query_one(OptionList).highlighted
        return self._rows[number] if number is not None and number < len(self._rows) else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._show_about()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_go()

    def _show_about(self) -> None:
        row = self._highlighted
        self.query_one("#about", Static).update(Content(_EMPTY) if row is None else _about(row, self._place))

    def _place(self, place: Location) -> str:
        """Return a place in words, with its file if there are several."""
        if place.file == VAR_OPTION:
            return f"set by {VAR_OPTION}"
        return f"{printable(place.file)}:{place.line}" if self._workspace.is_composed else f"line {place.line}"

    # Keys

    def action_go(self) -> None:
        """Go to the definition in the text."""
        row = self._highlighted
        if row is not None:
            self.dismiss(row.places[0])

    @work(exclusive=True)
    async def action_rename(self) -> None:
        """Ask for a new name."""
        row = self._highlighted
        if row is None:
            return
        hint = "A letter, then letters, digits and _. All uses are renamed, too."
        name = await self.app.push_screen_wait(AskLine(f"Rename {printable(row.name)}", row.name, hint))
        if name is not None:
            self._edit(row.places[0].file, RenameVariable(row.name, name))

    def action_inline(self) -> None:
        """Replace the variable by its values wherever it is used."""
        row = self._highlighted
        if row is not None:
            self._edit(row.places[0].file, InlineVariable(row.name))

    def action_remove(self) -> None:
        """Remove the definition, if nothing uses it."""
        row = self._highlighted
        if row is not None:
            self._edit(row.places[0].file, RemoveVariable(row.name))

    def action_undo(self) -> None:
        """Undo the last edit."""
        self._undo()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer only undo and closing if there are no variables."""
        return bool(self._rows) or action in ("dismiss", "undo")


def _line(row: VariableRow) -> Content:
    first = printable(row.values[0]) if row.values else "no value"
    more = f" and {len(row.values) - 1} more" if len(row.values) > 1 else ""
    uses = {0: "not used", 1: "used once"}.get(len(row.uses), f"used {len(row.uses)} times")
    return Content.assemble((f"${{{printable(row.name)}}}", "bold"), f"  {first}{more}  ", (uses, "$foreground 70%"))


def _about(row: VariableRow, describe: Callable[[Location], str]) -> Content:
    """Return the values and uses of a variable, as many as there is room for."""
    parts: list[str | tuple[str, str]] = [("values\n", "$foreground 70%")]
    parts += [f"  {printable(value)}\n" for value in row.values[:_MOST_VALUES]]
    if len(row.values) > _MOST_VALUES:
        parts.append((f"  and {len(row.values) - _MOST_VALUES} more\n", "$foreground 70%"))
    parts.append(("used in\n" if row.uses else "not used\n", "$foreground 70%"))
    for use in row.uses[:_MOST_USES]:
        parts += [f"  {printable(use.template)}", (f"  {describe(use.place)}\n", "$foreground 70%")]
    if len(row.uses) > _MOST_USES:
        parts.append((f"  and {len(row.uses) - _MOST_USES} more\n", "$foreground 70%"))
    parts.append((f"defined at: {', '.join(map(describe, row.places))}", "$foreground 70%"))
    return Content.assemble(*parts)
