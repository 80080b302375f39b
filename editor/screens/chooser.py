"""Which policy of a directory to open."""

import os
import re
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from editor.escape import printable
from editor.workspace.saving import read_file

# Lines of a policy's comment head that are shown.
_HEAD_LINES = 2
_SUFFIXES = (".toml", ".json")
_TRY = re.compile(r"#\s*Try:\s*(?P<command>.+?)\s*")


class Listed(NamedTuple):
    """One policy file of the directory: its path, and the first lines of its comment head."""

    path: str
    head: tuple[str, ...]


def comment_head(text: str) -> tuple[str, ...]:
    """The lines of the comment that a TOML policy starts with, without their signs."""
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("#").strip())
    return tuple(head)


def suggested_command(text: str) -> str:
    """The command of a ``# Try: ...`` line in the comment head, empty where there is none."""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if found := _TRY.fullmatch(line):
            return found["command"]
    return ""


def policies_in(directory: str) -> list[Listed]:
    """The policy files of ``directory`` by name. Raises OSError where it cannot be listed."""
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if name.startswith(".") or not name.endswith(_SUFFIXES) or not os.path.isfile(path):
            continue
        try:
            text = (read_file(path) or b"").decode(errors="replace")
        except OSError as error:
            found.append(Listed(path, (error.strerror or str(error),)))
            continue
        head = tuple(line for line in comment_head(text) if line and not line.startswith("Try:"))
        found.append(Listed(path, head[:_HEAD_LINES]))
    return found


class ChooserScreen(Screen[None]):
    """A list of policies; enter opens one, which is then laid over this screen: leaving it comes back here."""

    DEFAULT_CSS = """
    ChooserScreen {
        #title { padding: 1 2 0 2; text-style: bold; }
        OptionList { height: 1fr; margin: 1 1; border: round $primary; padding: 0 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "open_all", "All as one policy"),
        Binding("t", "app.toggle_dark", "Light/dark"),
        Binding("question_mark,f1", "app.help", "Help", key_display="?"),
        Binding("q,escape", "app.quit", "Quit"),
    ]

    class Chosen(Message):
        """A policy was chosen."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path
            """The policy file, or the directory for all in it."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory
        self._listed: list[Listed] = []

    def compose(self) -> ComposeResult:
        yield Static(Content(f"Policies in {printable(self._directory)} (enter opens one)"), id="title")
        yield OptionList(id="policies")
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._load, thread=True)

    def on_screen_resume(self) -> None:
        """A policy may have been saved since."""
        if self._listed:
            self.run_worker(self._load, thread=True, exclusive=True)

    def _load(self) -> None:
        try:
            listed = policies_in(self._directory)
        except OSError as error:
            self.app.call_from_thread(self._show_problem, f"{printable(self._directory)}: {error.strerror}")
            return
        self.app.call_from_thread(self._show, listed)

    def _show_problem(self, text: str) -> None:
        self.query_one("#title", Static).update(Content(text))

    def _show(self, listed: list[Listed]) -> None:
        self._listed = listed
        if not listed:
            self._show_problem(f"No *.toml or *.json policy in {printable(self._directory)}")
        options = self.query_one(OptionList)
        highlighted = options.highlighted
        options.clear_options()
        for each in listed:
            parts: list[tuple[str, str]] = [(printable(os.path.basename(each.path)), "bold")]
            parts += [(f"\n  {printable(line)}", "$text-muted") for line in each.head]
            options.add_option(Option(Content.assemble(*parts, "\n")))
        options.highlighted = highlighted if highlighted is not None and highlighted < len(listed) else 0
        options.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._open(event.option_index)

    def _open(self, number: int) -> None:
        self.post_message(self.Chosen(self._listed[number].path))

    def action_open_all(self) -> None:
        """Open all policies of the directory as the one that they make together."""
        if self._listed:
            self.post_message(self.Chosen(self._directory))
