"""The panels beside the tree: rights, ports, handled rights and text, of which one or two are shown."""

import os
from collections.abc import Iterable
from typing import Final, Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Tab, Tabs

from editor.escape import printable
from editor.screens.panel_rows import handled_rows, port_rows, right_states
from editor.workspace.workspace import Workspace
from widgets.handled_panel import HandledPanel
from widgets.policy_text import PolicyText
from widgets.ports_panel import PortsPanel
from widgets.rights_panel import RightsPanel

PANELS: Final = ("rights", "ports", "handled", "text")
# Together these must fit into half of 80 columns.
_TITLES: Final = {"rights": "Rights", "ports": "Ports", "handled": "Handled & scopes", "text": "Text"}


class SidePanel(Vertical):
    """Shows the draft in four panels: one at a time, with the text next to it if the screen is wide."""

    DEFAULT_CSS = """
    SidePanel {
        #tabs { height: 2; }
        #panels { height: 1fr; }
        #panels > * { display: none; width: 1fr; height: 1fr; }
        &.-show-rights #rights, &.-show-ports #ports, &.-show-handled #handled, &.-show-text #text { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__(classes="-show-rights")

    def compose(self) -> ComposeResult:
        tabs = Tabs(*(Tab(Content(_TITLES[name]), id=f"tab-{name}") for name in PANELS), id="tabs")
        tabs.can_focus = False
        yield tabs
        with Horizontal(id="panels"):
            yield RightsPanel(id="rights")
            yield PortsPanel(id="ports")
            yield HandledPanel(id="handled")
            yield PolicyText(id="text")

    def show_panel(self, name: str) -> None:
        """Bring one of ``PANELS`` forward."""
        self.query_one(Tabs).active = f"tab-{name}"
        self._show(name)

    @on(Tabs.TabActivated)
    def _tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self._show((event.tab.id or "").removeprefix("tab-"))

    def _show(self, name: str) -> None:
        for each in PANELS:
            self.set_class(each == name, f"-show-{each}")

    def show_draft(self, draft: Workspace) -> None:
        """Show the ports and the handled rights of ``draft``."""
        self.query_one(PortsPanel).show(port_rows(draft))
        self.query_one(HandledPanel).show(handled_rows(draft))

    def show_path(self, draft: Workspace, path: str, line: int | None) -> None:
        """Show the rights on ``path``, and mark ``line`` in the text, or if None the lines of the rules on ``path``."""
        states = right_states(draft, path)
        is_dir = os.path.isdir(path) or not os.path.exists(path)
        self.query_one(RightsPanel).show(printable(path), "dir" if is_dir else "file", states)
        own = (source for state in states for source in state.sources if source.file in ("", draft.path))
        self.show_text(draft, {source.line for source in own}, line)

    def show_text(self, draft: Workspace, lines: Iterable[int], line: int | None) -> None:
        """Show the text of ``draft`` with ``lines`` marked, or scrolled to ``line`` with only that marked."""
        text = self.query_one(PolicyText)
        text.border_title = Content(printable(draft.path) if draft.is_composed else "")
        text.show(draft.document.text, draft.document.format, lines if line is None else (line,))
        if line is not None:
            text.goto(line)

    def show_broken(self, text: str, format: Literal["toml", "json"], line: int | None) -> None:
        """Show the text of a file that does not parse, scrolled to ``line`` if known."""
        panel = self.query_one(PolicyText)
        panel.show(text, format, (line,) if line else ())
        if line:
            panel.goto(line)
