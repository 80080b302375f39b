"""Choose which policy of a directory to open."""

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
from editor.policy.files import is_policy_name
from editor.workspace.saving import read_file

# Lines to show of the comment at the top of a policy.
_HEAD_LINES = 2
_TRY = re.compile(r"#\s*Try:\s*(?P<command>.+?)\s*")


class Listed(NamedTuple):
    """A policy file of the directory: its path, and the first lines of its comment."""

    path: str
    head: tuple[str, ...]


def comment_head(text: str) -> tuple[str, ...]:
    """Return the lines of the comment at the top of a TOML policy, without the ``#``."""
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("#").strip())
    return tuple(head)


def suggested_command(text: str) -> str:
    """Return the command of a ``# Try: ...`` line in the comment at the top, empty if there is none."""
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if found := _TRY.fullmatch(line):
            return found["command"]
    return ""


def policies_in(directory: str) -> list[Listed]:
    """Return the policy files in ``directory``, sorted by name. Raises OSError if it cannot be listed."""
    found = []
    for name in sorted(os.listdir(directory)):
        path = os.path.join(directory, name)
        if not is_policy_name(name) or not os.path.isfile(path):
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
    """Lists the policies of a directory. The chosen one is opened on top of this screen."""

    DEFAULT_CSS = """
    ChooserScreen {
        #title { padding: 1 2 0 2; text-style: bold; }
        OptionList { height: 1fr; margin: 1 1; border: round $primary; padding: 0 1; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "open_all", "Open all as one"),
        Binding("t", "app.toggle_dark", "Light/dark"),
        Binding("question_mark,f1", "app.help", "Help", key_display="?"),
        Binding("q,escape", "app.quit", "Quit"),
    ]

    class Chosen(Message):
        """Posted when a policy was chosen."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path
            """The policy file, or the directory for all of its policies."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory
        self._listed: list[Listed] = []

    def compose(self) -> ComposeResult:
        yield Static(Content(f"Policies in {printable(self._directory)} (enter to open)"), id="title")
        yield OptionList(id="policies")
        yield Footer()

    def on_mount(self) -> None:
        self.run_worker(self._load, thread=True)

    def on_screen_resume(self) -> None:
        """List the policies again: one may have been saved."""
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
            self._show_problem(f"No policies (*.toml, *.json) in {printable(self._directory)}")
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
        """Open all policies of the directory as one."""
        if self._listed:
            self.post_message(self.Chosen(self._directory))
