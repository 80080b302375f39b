"""All keys on one page, in the words of the screen."""

from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from widgets.rights_letters import LEGEND


class Key(NamedTuple):
    """A key as a person presses it, and what it does."""

    keys: str
    does: str


SECTIONS: tuple[tuple[str, tuple[Key, ...]], ...] = (
    (
        "Everywhere",
        (
            Key("tab  shift+tab", "next, previous panel"),
            Key("1 2 3 4 5", "files, rights, ports, handled & scopes, policy text"),
            Key("6 7 8 9", "command, output, denied, allowed"),
            Key("f3", "small screen: between editing and running"),
            Key("z", "the focused panel alone; escape brings others back"),
            Key("ctrl+s", "save"),
            Key("ctrl+z  u", "undo"),
            Key("ctrl+y  ctrl+r", "redo"),
            Key("ctrl+o", "go to a path"),
            Key("ctrl+e", "export: to a file or the clipboard"),
            Key("v", "variables: values; rename, write out, remove"),
            Key("f", "several files: choose the one that edits go to"),
            Key("t", "light or dark"),
            Key("ctrl+p", "all commands by name"),
            Key("q  ctrl+q", "quit; asks when something is not saved"),
        ),
    ),
    (
        "Files",
        (
            Key("space", "one step: none, read, read+execute, read+write, all"),
            Key("backspace", "one step back"),
            Key("enter", "open, close a directory"),
            Key("right  left", "open and go in, close and go out"),
        ),
    ),
    (
        "Rights, ports, handled & scopes",
        (
            Key("space  enter", "switch the row on or off"),
            Key("g", "to the rule that grants it"),
            Key("a", "add a port, by number or name; delete removes it"),
        ),
    ),
    (
        "Run",
        (
            Key("r  f5", "run the command under the draft as it stands"),
            Key("enter  escape", "in the command: run it; leave it"),
            Key("s  f6", "stop it, with everything that it started"),
            Key("p", "give it a terminal or not"),
            Key("g", "on a denied row: grant exactly what was missing"),
            Key("enter", "on a row: to the line of the policy that decided"),
        ),
    ),
)

_LETTERS = (
    "Letters of a row: "
    + ", ".join(f"{letter} {meaning}" for letter, meaning in LEGEND)
    + "; a capital for a part of these. Bright ones, with a star, are given by a rule on that row, dim ones are "
    "inherited from a rule above. What no rule grants is denied, as far as the policy handles it."
)

_FILES = (
    "The file is followed on disk. When it changes under unsaved edits, you choose: keep yours, take theirs, or merge "
    "the two rule by rule; the side that loses can be kept as FILE.orig. Unsaved edits outlive a crash and are offered "
    "again.\n"
    "Several files (paddock edit A B, or a directory) are one policy: what all of them handle is handled, their rules "
    "add up. An edit goes to the file that has the rule, else to the chosen one; each is saved by itself.\n"
    "A ${variable} in a path stays when the path is edited. Where it stands for several paths, you choose: all, or one."
)


class HelpScreen(ModalScreen[None]):
    """Keys and what they do."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        #box { width: 84; max-width: 98%; height: auto; max-height: 96%; background: $surface; border: round $primary;
               border-title-color: $text; border-subtitle-color: $text-muted; padding: 0 1; }
        #scroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
        #text { width: 1fr; height: auto; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "dismiss(None)", "Close", show=False)
    ]

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content("Keys")
            box.border_subtitle = Content("escape closes")
            with VerticalScroll(id="scroll"):
                yield Static(self._text(), id="text")

    def _text(self) -> Content:
        parts: list[str | tuple[str, str]] = []
        for title, keys in SECTIONS:
            parts.append((f"\n{title}\n", "bold $text-accent"))
            for key in keys:
                parts += [("  " + f"{key.keys:<17}", "bold"), f" {key.does}\n"]
        parts.append((f"\n{_LETTERS}\n\n{_FILES}\n", "$foreground 70%"))
        return Content.assemble(*parts)
