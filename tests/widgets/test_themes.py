"""Every widget in every theme: styles resolve, and text stands out from its background."""

from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color

from tests.widgets.test_access_table import row
from tests.widgets.test_panels import PORTS, ROWS, STATES
from tests.widgets.test_policy_text import TOML
from widgets.access_table import AccessTable
from widgets.command_bar import CommandBar
from widgets.handled_panel import HandledPanel
from widgets.output_pane import OutputPane
from widgets.policy_text import PolicyText
from widgets.policy_tree import PolicyTree
from widgets.ports_panel import PortsPanel
from widgets.rights_panel import RightsPanel
from widgets.status_line import Status, StatusLine
from widgets.tree_model import TreeRow

# WCAG contrast for the two default themes: 3 is readable; the light theme's warning colour has 2.7 on a focused widget.
# Other themes choose their own colours: there, text must only be visible.
_MIN_CONTRAST = {"textual-dark": 3.0, "textual-light": 2.6}
_VISIBLE = 1.5
# The dashes for rights not granted, and line numbers, are meant to be dim.
_MEANT_TO_BE_DIM = frozenset("-0123456789")


class Root:
    """A source of one directory with three files: given, inherited and missing."""

    def row(self, path: str) -> TreeRow:
        """Return the row of a path."""
        given = ("read_file", "make_reg") if path == "/b" else ()
        inherited = ("execute",) if path != "/" else ()
        kind = "missing" if path == "/c" else "dir" if path == "/" else "file"
        return TreeRow(path, path, kind, None, given, inherited, "/", "", path == "/")  # type: ignore[arg-type]  # a kind

    def children(self, path: str) -> list[TreeRow]:  # noqa: ARG002
        """Return three files."""
        return [self.row(each) for each in ("/a", "/b", "/c")]


class Everything(App[None]):
    """An app with all widgets below each other."""

    CSS = "PolicyTree, RightsPanel, HandledPanel, PortsPanel, PolicyText, AccessTable, OutputPane { height: 10; }"

    def compose(self) -> ComposeResult:
        """Yield all widgets."""
        yield StatusLine()
        yield PolicyTree()
        yield RightsPanel()
        yield HandledPanel()
        yield PortsPanel()
        yield PolicyText()
        yield AccessTable()
        yield OutputPane()
        yield CommandBar()

    def on_mount(self) -> None:
        """Fill every widget."""
        self.query_one(StatusLine).show(Status("policy.toml", True, "line 3: a problem", "ABI 7", "running"))
        self.query_one(PolicyTree).set_source(Root(), "/")
        self.query_one(RightsPanel).show("/usr", "directory", STATES)
        self.query_one(HandledPanel).show(ROWS)
        self.query_one(PortsPanel).show(PORTS)
        self.query_one(PolicyText).show(TOML, "toml", [2])
        self.query_one(AccessTable).put(row("a", confirmed=False))
        self.query_one(OutputPane).note("a note")


def contrast(style: Style) -> float:
    """Return the WCAG contrast between the text and the background of a style."""
    if style.color is None or style.bgcolor is None or style.color.triplet is None or style.bgcolor.triplet is None:
        return 21.0  # the terminal's own colours, unknown here

    def luminance(color: Color) -> float:
        parts = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in color.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    text, behind = (luminance(Color.from_rich_color(each)) for each in (style.color, style.bgcolor))
    return (max(text, behind) + 0.05) / (min(text, behind) + 0.05)


async def test_every_theme() -> None:
    app = Everything()
    async with app.run_test(size=(80, 90)) as pilot:
        await app.query_one(PolicyTree).wait_until_read()
        await pilot.pause(0.1)
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
            for widget in app.query("PolicyTree, PolicyText, OutputPane, AccessTable LineList"):
                for strip in widget.render_lines(widget.size.region):
                    for text, style, _ in strip:
                        if style is None or not text.strip() or set(text.strip()) <= _MEANT_TO_BE_DIM:
                            continue
                        minimum = _MIN_CONTRAST.get(theme, _VISIBLE)
                        assert contrast(style) >= minimum, (theme, text, str(style))
