"""Choose which of several open files to edit."""

import os
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from editor.escape import printable
from editor.workspace.composition import Composition
from editor.workspace.workspace import Workspace

_ABOUT = (
    "Together they are one policy: a right is handled if all files handle it, and their rules add up. New rules go to "
    "the chosen file, changes to the file with the rule. Each file is saved on its own (ctrl+s)."
)


class FilesScreen(ModalScreen[Workspace | None]):
    """Lists the open files. Dismissed with the chosen one, or None."""

    DEFAULT_CSS = """
    FilesScreen {
        align: center middle;
        #box { width: 76; max-width: 98%; height: auto; max-height: 94%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; border-subtitle-color: $text-muted;
               padding: 1 1 0 1; }
        OptionList { height: auto; max-height: 14; border: none; padding: 0; background: $surface; text-wrap: nowrap;
                     text-overflow: ellipsis; &:focus { border: none; } }
        #about { height: auto; padding: 1 1; color: $foreground 70%; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,f", "dismiss(None)", "Close", show=False)]

    def __init__(self, composition: Composition, chosen: Workspace) -> None:
        super().__init__()
        self._files = composition.workspaces
        self._chosen = chosen

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content("Choose the file to edit")
            box.border_subtitle = Content("enter to choose")
            yield OptionList(*(Option(self._line(each)) for each in self._files), id="files")
            yield Static(Content(_ABOUT), id="about")

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = self._files.index(self._chosen)

    def _line(self, file: Workspace) -> Content:
        rules = len(file.policy.path_rules) + len(file.policy.port_rules)
        summary = f"{rules} {'rule' if rules == 1 else 'rules'}"
        variables = len({each.name for each in file.policy.variables})
        summary += f", {variables} {'variable' if variables == 1 else 'variables'}" if variables else ""
        directory, name = os.path.split(printable(file.path))
        return Content.assemble(
            ("* " if file is self._chosen else "  ", "bold $text-accent"),
            f"{directory}/" if directory else "",
            (name, "bold"),
            (f"  {summary}", "$foreground 70%"),
            ("  unsaved" if file.is_dirty else "", "$text-warning"),
        )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self._files[event.option_index])
