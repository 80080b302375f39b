"""Every widget in every theme: styles resolve, and what matters is told from its background."""

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

# Contrast as WCAG counts it, for the two plain themes: 3 tells things apart; the light theme's own colour for warnings
# has 2.7 on a focused widget. Other themes choose for themselves: there it only must not vanish.
_LEAST_CONTRAST = {"textual-dark": 3.0, "textual-light": 2.6}
_NOT_VANISHED = 1.5
# The dashes of rights not granted, and line numbers, are meant to step back.
_MEANT_TO_STEP_BACK = frozenset("-0123456789")


class Root:
    """One directory with a file of every kind of rights."""

    def row(self, path: str) -> TreeRow:
        """A row by its path."""
        given = ("read_file", "make_reg") if path == "/b" else ()
        inherited = ("execute",) if path != "/" else ()
        kind = "missing" if path == "/c" else "dir" if path == "/" else "file"
        return TreeRow(path, path, kind, None, given, inherited, "/", "", path == "/")  # type: ignore[arg-type]  # a kind

    def children(self, path: str) -> list[TreeRow]:  # noqa: ARG002
        """Three files."""
        return [self.row(each) for each in ("/a", "/b", "/c")]


class Everything(App[None]):
    """All widgets below each other."""

    CSS = "PolicyTree, RightsPanel, HandledPanel, PortsPanel, PolicyText, AccessTable, OutputPane { height: 10; }"

    def compose(self) -> ComposeResult:
        """All of them."""
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
        """Give each something to show."""
        self.query_one(StatusLine).show(Status("policy.toml", True, "line 3: a problem", "ABI 7", "running"))
        self.query_one(PolicyTree).set_source(Root(), "/")
        self.query_one(RightsPanel).show("/usr", "directory", STATES)
        self.query_one(HandledPanel).show(ROWS)
        self.query_one(PortsPanel).show(PORTS)
        self.query_one(PolicyText).show(TOML, "toml", [2])
        self.query_one(AccessTable).put(row("a", confirmed=False))
        self.query_one(OutputPane).note("a note")


def contrast(style: Style) -> float:
    """How well the text of a style is told from what is behind it, as WCAG counts it."""
    if style.color is None or style.bgcolor is None or style.color.triplet is None or style.bgcolor.triplet is None:
        return 21.0  # the terminal's own colours: nobody knows here what they look like

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
                        if style is None or not text.strip() or set(text.strip()) <= _MEANT_TO_STEP_BACK:
                            continue
                        least = _LEAST_CONTRAST.get(theme, _NOT_VANISHED)
                        assert contrast(style) >= least, (theme, text, str(style))
