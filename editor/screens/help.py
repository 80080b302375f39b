"""All keys on one page."""

from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from widgets.rights_letters import LEGEND


class Key(NamedTuple):
    """One or more keys, and what they do."""

    keys: str
    does: str


SECTIONS: tuple[tuple[str, tuple[Key, ...]], ...] = (
    (
        "Everywhere",
        (
            Key("tab  shift+tab", "next, previous panel"),
            Key("1 2 3 4 5", "files, rights, ports, handled & scopes, policy text"),
            Key("6 7 8 9", "command, output, denied, allowed"),
            Key("f3", "small screen: switch between editing and running"),
            Key("z", "zoom the focused panel; escape brings the others back"),
            Key("ctrl+s", "save"),
            Key("ctrl+z  u", "undo"),
            Key("ctrl+y  ctrl+r", "redo"),
            Key("ctrl+o", "go to a path"),
            Key("ctrl+e", "export: to a file or the clipboard"),
            Key("v", "variables: show, rename, inline, remove"),
            Key("P", "promises: bundles such as dns and python, found on this system"),
            Key("f", "several files: choose the one to edit"),
            Key("t", "light or dark"),
            Key("ctrl+p", "all commands by name"),
            Key("q  ctrl+q", "quit; asks if there are unsaved edits"),
        ),
    ),
    (
        "Files",
        (
            Key("space", "next level: none, read, read+execute, read+write, all"),
            Key("backspace", "previous level"),
            Key("x", "except this: the rule above covers all other entries instead"),
            Key("enter", "open or close a directory"),
            Key("right  left", "open and enter, close and leave a directory"),
        ),
    ),
    (
        "Rights, ports, handled & scopes",
        (
            Key("space  enter", "switch the row on or off"),
            Key("g", "go to the rule that grants it"),
            Key("a", "add a port by number or name; delete removes one"),
        ),
    ),
    (
        "Run",
        (
            Key("r  f5", "run the command under the draft"),
            Key("enter  escape", "in the command bar: run; leave"),
            Key("s  f6", "stop it and everything it started"),
            Key("p", "run it with or without a terminal"),
            Key("g", "on a denied row: grant exactly what was missing"),
            Key("G", "the plan: everything that was denied, to grant at once"),
            Key("l", "learn: observe the command, extend the draft, run it again until nothing is missing"),
            Key("A", "ask: run it, held at what the draft denies until you answer"),
            Key("T", "tighten: take away what the run did not use"),
            Key("c", "checks: run them under the draft, make one of the last run"),
            Key("enter", "on a row: go to the rule that decided"),
        ),
    ),
)

_LETTERS = (
    "Letters of a row: "
    + ", ".join(f"{letter} {meaning}" for letter, meaning in LEGEND)
    + "; a capital letter means only some of these. Bright letters with a star are granted by a rule on that row, dim "
    "ones are inherited from a rule above. Handled rights that no rule grants are denied."
)

_FILES = (
    "When the file changes on disk, it is reloaded. If you have unsaved edits, you choose: keep yours, take theirs, or "
    "merge the two rule by rule; either side can be copied to FILE.orig. Unsaved edits survive a crash and are offered "
    "again.\n"
    "Several files (paddock edit A B, or a directory) are one policy: a right is handled if all files handle it, and "
    "their rules add up. An edit goes to the file with the rule, or to the chosen one; each is saved on its own.\n"
    "A ${variable} in a path is kept when the path is edited. If it has several values, you choose: all paths, or one."
)


class HelpScreen(ModalScreen[None]):
    """Shows all keys and what they do."""

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
            box.border_subtitle = Content("escape to close")
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
