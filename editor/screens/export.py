"""Export the draft to a file or the clipboard, and show what the format loses."""

import asyncio
import os
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, RadioButton, RadioSet, Static

from editor.escape import printable
from editor.exchange import FORMAT_INFO, Exported, Loss
from editor.screens.dialogs import Ask
from editor.screens.questions import Choice, Question
from editor.workspace.saving import AlreadyExists, SaveError, SymlinkedPolicy, write_new
from editor.workspace.workspace import Workspace

_FORMATS = tuple(FORMAT_INFO)


def suggested_path(policy_path: str, name: str) -> str:
    """Return a path next to the policy for exporting it, never the policy itself."""
    stem = os.path.splitext(policy_path)[0]
    path = stem + FORMAT_INFO[name].suffix
    return path if path != policy_path else f"{stem}.export{FORMAT_INFO[name].suffix}"


class ExportScreen(ModalScreen[str | None]):
    """Chooses a format and writes it. Dismissed with a sentence about what was done, or None."""

    AUTO_FOCUS = "#path"

    DEFAULT_CSS = """
    ExportScreen {
        align: center middle;
        #box { width: 100; max-width: 98%; height: auto; max-height: 98%; background: $surface; border: round $primary;
               border-title-color: $text; border-title-style: bold; padding: 0 2; }
        #formats { border: none; width: 1fr; padding: 0; height: auto; background: $surface; }
        .label { color: $text-muted; margin-top: 1; }
        #losses { height: auto; max-height: 8; }
        #lost { width: 1fr; height: auto; }
        #answers { height: auto; margin: 1 0 0 0; align-horizontal: right; }
        #answers Button { margin-left: 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", show=False),
        Binding("ctrl+s", "write", "Write", show=False),
        Binding("f2", "copy", "Copy", show=False),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._format = next(name for name in _FORMATS if not name.endswith(workspace.document.format))
        self._exported: Exported | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content("Export all files as one" if self._workspace.is_composed else "Export the draft")
            yield Static(Content("Format"), classes="label")
            with RadioSet(id="formats", compact=True):
                for name in _FORMATS:
                    label = Content.assemble((name, "bold"), f"  {FORMAT_INFO[name].title}")
                    yield RadioButton(label, value=name == self._format, id=f"format-{name}", compact=True)
            yield Static(Content("What is lost"), classes="label")
            with VerticalScroll(id="losses", can_focus=False):
                yield Static(id="lost")
            yield Static(Content("File"), classes="label")
            yield Input(suggested_path(self._workspace.path, self._format), id="path", compact=True)
            with Horizontal(id="answers"):
                yield Button(self._label("Write the file", "ctrl+s"), id="write", variant="primary", compact=True)
                yield Button(self._label("Copy to the clipboard", "f2"), id="copy", compact=True)
                yield Button(self._label("Cancel", "esc"), id="cancel", compact=True)

    def _label(self, text: str, key: str) -> Content:
        return Content.assemble(text, " ", (f"[{key}]", "dim"))

    def on_mount(self) -> None:
        self._show_losses()

    @on(RadioSet.Changed)
    def _format_changed(self, event: RadioSet.Changed) -> None:
        event.stop()
        before = suggested_path(self._workspace.path, self._format)
        self._format = (event.pressed.id or "").removeprefix("format-")
        path = self.query_one("#path", Input)
        if path.value == before:  # a path that was typed is kept
            path.value = suggested_path(self._workspace.path, self._format)
        self._exported = None  # at once, so that no key uses the previous format
        self._show_losses()

    @work(exclusive=True, group="show losses")
    async def _show_losses(self) -> None:
        exported = await self._translate()
        self.query_one("#lost", Static).update(_losses(exported.lost))

    async def _translate(self) -> Exported:
        """Return the draft in the chosen format, translated only once."""
        if self._exported is None:
            wanted = self._format
            exported = await asyncio.to_thread(self._workspace.export, wanted)
            if wanted != self._format:
                return await self._translate()
            self._exported = exported
        return self._exported

    @on(Input.Submitted, "#path")
    @on(Button.Pressed, "#write")
    def _write_pressed(self) -> None:
        self.action_write()

    @on(Button.Pressed, "#copy")
    def _copy_pressed(self) -> None:
        self.action_copy()

    @on(Button.Pressed, "#cancel")
    def _cancel_pressed(self) -> None:
        self.dismiss(None)

    @work(exclusive=True, group="write")
    async def action_copy(self) -> None:
        """Copy the text to the clipboard of the terminal (OSC 52)."""
        self.app.copy_to_clipboard((await self._translate()).text)
        self.dismiss(f"Copied {self._format} to the clipboard, if your terminal supports that (OSC 52).")

    @work(exclusive=True, group="write")
    async def action_write(self) -> None:
        """Write the text to the file."""
        typed = self.query_one("#path", Input).value
        if not typed:
            return
        exported = await self._translate()
        path = _absolute(typed)
        overwrite = follow = False
        while True:
            try:
                saved = await asyncio.to_thread(
                    write_new, path, exported.text.encode(), overwrite=overwrite, follow_symlink=follow
                )
            except AlreadyExists as there:
                choices = [Choice("overwrite", "Overwrite", "o", "warning"), Choice("cancel", "Cancel", "c")]
                if await self.app.push_screen_wait(Ask(Question("File exists", str(there), choices))) != "overwrite":
                    return
                overwrite = True
            except SymlinkedPolicy as link:
                choices = [Choice("write", "Write to the target", "w", "warning"), Choice("cancel", "Cancel", "c")]
                if await self.app.push_screen_wait(Ask(Question("Symbolic link", str(link), choices))) != "write":
                    return
                follow = True
            except SaveError as error:
                self.app.notify(str(error), severity="error", markup=False, timeout=15)
                return
            else:
                self.dismiss("\n".join((f"Exported {self._format} to {printable(saved.path)}", *saved.notes)))
                return


def _absolute(typed: str) -> str:
    return os.path.abspath(os.path.expanduser(typed))


def _losses(lost: tuple[Loss, ...]) -> Content:
    if not lost:
        return Content.styled("Nothing is lost.", "$text-success")
    parts: list[tuple[str, str]] = []
    for loss in lost:
        if parts:
            parts.append(("\n", ""))
        mark = ("widens  ", "bold $text-error") if loss.widens else ("lost  ", "bold $text-warning")
        parts += [mark, (printable(loss.message), "")]
    return Content.assemble(*parts)
