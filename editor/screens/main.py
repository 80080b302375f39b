"""The main screen: the filesystem with the rights of the draft, panels to edit them, and runs of a command.

Here are its layout, its keys and its messages. What they do is in `controllers`, what is shown in `main_view`.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content

from editor.escape import printable
from editor.screens.policy_screen import PolicyScreen
from widgets.key_line import KeyLine
from widgets.policy_tree import PolicyTree
from widgets.status_line import StatusLine

# Everything else is imported where it is used, see `main_view`.
if TYPE_CHECKING:
    from editor.editing.edits import Edit
    from editor.screens.controllers.opened import Controllers
    from editor.screens.run_panel import RunPanel
    from widgets.command_bar import CommandBar
    from widgets.handled_panel import HandledPanel
    from widgets.ports_panel import PortsPanel
    from widgets.rights_panel import RightsPanel


class MainScreen(PolicyScreen):
    """Shows and edits one policy, which may be composed of several files."""

    AUTO_FOCUS = "#tree"
    # ClassVar in App, but not in Screen, which overrides them: mypy takes these for attributes of the instance.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide"), (170, "-rich")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (36, "-tall")]  # noqa: RUF012

    DEFAULT_CSS = """
    MainScreen {
        #upper { height: 3fr; }
        #lower { height: 2fr; }
        #tree { width: 2fr; height: 1fr; }
        #side { width: 3fr; height: 1fr; }
        #tree, #panels > * { border: round $foreground 25%; border-title-color: $text; }
        #tree:focus, #panels > *:focus, #panels > *:focus-within { border: round $primary; }
        &.-narrow #tree, &.-narrow #side { width: 1fr; }
        /* On a wide screen, two thirds are for a panel and the text next to it. */
        &.-rich #side { width: 7fr; }
        &.-rich #tree { width: 4fr; }
        &.-rich #text { display: block; }
        &.-narrow #results { layout: grid; grid-size: 2 2; grid-rows: 2fr 3fr; }
        &.-narrow #output { column-span: 2; }
        /* A short screen shows either the editor or the run. */
        &.-short.-view-run #upper { display: none; }
        &.-short.-view-run #lower { height: 1fr; }
        &.-short.-view-edit #lower { height: 1; }
        &.-short.-view-edit #results { display: none; }
        /* To save rows, a line between the two halves replaces the frames. */
        &.-short #tree, &.-short #panels > * { border: none; }
        &.-short #side { border-left: solid $foreground 25%; }
        &.-short.-view-edit #upper { height: 1fr; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r,f5", "run", "Run"),
        Binding("s,f6", "stop", "Stop"),
        Binding("ctrl+s", "save", "Save"),
        Binding("question_mark,f1", "app.help", "Help", key_display="?"),
        Binding("g", "grant", "Grant"),
        Binding("G", "grant_plan", "Grant all", key_display="G"),
        Binding("l", "learn", "Learn"),
        Binding("A", "ask", "Run and ask", show=False),
        Binding("ctrl+z,u", "undo", "Undo"),
        Binding("ctrl+y,ctrl+r", "redo", "Redo"),
        Binding("f3", "switch_view", "Edit/run"),
        Binding("ctrl+e", "export", "Export"),
        Binding("ctrl+o", "go_to", "Go to"),
        Binding("t", "app.toggle_dark", "Light/dark"),
        Binding("q", "app.quit", "Quit"),
        Binding("z", "maximize", "Zoom", show=False),
        Binding("f", "choose_file", "File", show=False),
        Binding("x", "except", "Except this", show=False),
        Binding("P", "promises", "Promises", show=False),
        Binding("T", "tighten", "Tighten", show=False),
        Binding("c", "checks", "Checks", show=False),
        Binding("v", "variables", "Variables", show=False),
        Binding("p", "toggle_terminal", "Terminal", show=False),
        Binding("f8", "refresh", "Refresh files", show=False),
        Binding("escape", "leave_command", show=False),
        Binding("1", "show('tree')", show=False),
        Binding("2", "show('rights')", show=False),
        Binding("3", "show('ports')", show=False),
        Binding("4", "show('handled')", show=False),
        Binding("5", "show('text')", show=False),
        Binding("6", "show('command')", show=False),
        Binding("7", "show('output')", show=False),
        Binding("8", "show('denied')", show=False),
        Binding("9", "show('allowed')", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            tree = PolicyTree(id="tree")
            tree.border_title = Content(f"Files from {printable(self._root)}")
            yield tree
            yield Vertical(id="side")
        yield Vertical(id="lower")
        yield StatusLine(id="status")
        yield KeyLine(id="keys")

    # Edits

    def _edit(self, edit: Callable[["Controllers"], Coroutine[None, None, None]]) -> None:
        """Start an edit; it runs after those of earlier keys."""
        if self._controllers is None:
            self._view.show_message("Cannot edit: the policy is not open yet.", "warning")
        else:
            self.run_worker(edit(self._controllers), group="edits")

    @on(PolicyTree.LevelStep)
    def _stepped(self, event: PolicyTree.LevelStep) -> None:
        event.stop()
        direction: Literal[1, -1] = 1 if event.step > 0 else -1
        self._edit(lambda to: to.gestures.step(event.path, direction))

    def on_rights_panel_right_toggled(self, event: "RightsPanel.RightToggled") -> None:
        event.stop()
        path = self.subject
        self._edit(lambda to: to.gestures.toggle_right(path, event.name))

    def on_rights_panel_source_requested(self, event: "RightsPanel.SourceRequested") -> None:
        event.stop()
        self._edit(lambda to: to.gestures.show_rule(event.source.path, event.source.line, event.source.file))

    def on_ports_panel_port_added(self, event: "PortsPanel.PortAdded") -> None:
        event.stop()
        self._edit(lambda to: to.gestures.add_port(event.text))

    def on_ports_panel_port_removed(self, event: "PortsPanel.PortRemoved") -> None:
        event.stop()
        self._edit(lambda to: to.gestures.remove_port(event.port))

    def on_ports_panel_port_toggled(self, event: "PortsPanel.PortToggled") -> None:
        event.stop()
        self._edit(lambda to: to.gestures.toggle_port(event.port, event.right))

    def on_handled_panel_handled_toggled(self, event: "HandledPanel.HandledToggled") -> None:
        event.stop()
        self._edit(lambda to: to.gestures.toggle_handled(event.name))

    def action_except(self) -> None:
        """Grant all that the rule above the highlighted path covers, except that path."""
        path = self.subject
        self._edit(lambda to: to.gestures.except_path(path))

    def action_undo(self) -> None:
        """Undo the last edit."""
        self._edit(lambda to: to.edits.undo())

    def action_redo(self) -> None:
        """Redo the edit that was undone last."""
        self._edit(lambda to: to.edits.redo())

    def action_refresh(self) -> None:
        """Check the filesystem again."""
        self._edit(self._refresh)

    async def _refresh(self, to: "Controllers") -> None:
        await to.edits.refresh_filesystem()
        await self._view.painted()
        self.query_one(PolicyTree).reload(None)

    # Running

    def on_command_bar_command_submitted(self, event: "CommandBar.CommandSubmitted") -> None:
        event.stop()
        self.action_run()

    @work(group="run", exclusive=True)
    async def action_run(self) -> None:
        """Run the command under the draft as it is now."""
        if self._controllers is None:
            self._view.show_message("Cannot run: the policy is not open yet.", "warning")
            return
        await self._view.wait_complete()
        await self._controllers.runs.run()

    def action_stop(self) -> None:
        """Stop the running command and everything it started."""
        if self.is_complete:
            self._open.learning.stop()
            self._open.runs.stop()

    @work(group="run", exclusive=True)
    async def action_learn(self) -> None:
        """Learn what the command needs: observe it, extend the draft, and run it again."""
        if self._controllers is None:
            self._view.show_message("Cannot learn: the policy is not open yet.", "warning")
            return
        await self._view.wait_complete()
        await self._controllers.learning.start()

    @work(group="run", exclusive=True)
    async def action_ask(self) -> None:
        """Run the command so that it waits, and asks, before what the draft denies."""
        if self._controllers is None:
            self._view.show_message("Cannot run: the policy is not open yet.", "warning")
            return
        await self._view.wait_complete()
        await self._controllers.asking.start()

    def on_run_panel_asked(self, event: "RunPanel.Asked") -> None:
        event.stop()
        self.run_worker(self._open.asking.add(event.question), group="questions")

    def on_run_panel_question_withdrawn(self, event: "RunPanel.QuestionWithdrawn") -> None:
        event.stop()
        self._open.asking.withdraw(event.number)

    def action_toggle_terminal(self) -> None:
        """Switch whether commands get a terminal of their own."""
        if self.is_complete:
            self._open.runs.toggle_terminal()

    def action_grant(self) -> None:
        """Grant what the highlighted denied access needs."""
        if self.is_complete:
            self._open.runs.grant_highlighted()

    @work(group="ask", exclusive=True)
    async def action_grant_plan(self) -> None:
        """Show the plan for all that was denied, to grant several proposals at once."""
        if self.is_complete:
            await self._open.runs.grant_plan()

    def on_run_panel_ended(self, event: "RunPanel.Ended") -> None:
        event.stop()
        self._open.runs.keep_report(event.report)
        self._view.show_status()
        # The command may have created or removed files, and with them the paths of rules.
        self.action_refresh()
        self.run_worker(self._open.learning.run_ended(event.report), group="learn")
        self.refresh_bindings()

    def on_run_panel_failed(self, event: "RunPanel.Failed") -> None:
        event.stop()
        self._view.show_message(f"Cannot run the command: {event.text}", "error", timeout=15)
        self.refresh_bindings()

    def on_run_panel_grant_wanted(self, event: "RunPanel.GrantWanted") -> None:
        event.stop()
        self._edit(lambda to: to.runs.grant(event.access))

    def on_run_panel_rule_wanted(self, event: "RunPanel.RuleWanted") -> None:
        event.stop()
        self._edit(lambda to: to.runs.show_rule(event.access))

    # Dialogs

    @work(group="save", exclusive=True)
    async def action_save(self) -> None:
        """Save the draft to its file, with the edits of earlier keys."""
        if self._controllers is None:
            self._view.show_message("Cannot save: the policy is not open yet.", "warning")
        else:
            await self._controllers.edits.finished()
            await self._controllers.disk.save(self.workspace)

    async def save_all(self) -> bool:
        """Save every draft. Return whether all are on disk now. Call it in a worker."""
        await self._open.edits.finished()
        return await self._open.disk.save_all()

    @work(group="ask", exclusive=True)
    async def action_variables(self) -> None:
        """Show the variables, to rename, inline or remove them."""

        def edit(file: str, edit: "Edit") -> None:
            self._edit(lambda to: to.edits.apply(edit, files=(file,)))

        if self._controllers is not None:
            await self._controllers.dialogs.variables(edit, self.action_undo)

    @work(group="ask", exclusive=True)
    async def action_choose_file(self) -> None:
        """Choose the file to edit."""
        if self._controllers is not None:
            await self._controllers.dialogs.choose_file()

    @work(group="ask", exclusive=True)
    async def action_tighten(self) -> None:
        """Show what the last run did not use of the draft, to take it away."""
        if self.is_complete:
            await self._open.runs.tighten()

    @work(group="ask", exclusive=True)
    async def action_checks(self) -> None:
        """Show the checks of the policy, to run them and to add one."""
        if self._controllers is not None:
            await self._controllers.dialogs.checks()

    @work(group="ask", exclusive=True)
    async def action_promises(self) -> None:
        """Show the promises of this system, to add them to the draft."""
        if self._controllers is not None:
            await self._controllers.dialogs.promises()

    @work(group="ask", exclusive=True)
    async def action_export(self) -> None:
        """Export the draft to another format."""
        if self._controllers is not None:
            await self._controllers.dialogs.export()

    @work(group="ask", exclusive=True)
    async def action_go_to(self) -> None:
        """Go to a path in the tree."""
        if self._controllers is not None:
            await self._controllers.dialogs.go_to()

    # Views

    def action_show(self, name: str) -> None:
        """Show a panel and focus it."""
        self._view.show_panel(name)

    def action_switch_view(self) -> None:
        """Switch between editing and running on a small screen."""
        running = self.has_class("-view-run")
        self._view.show_panel("tree" if running else "output" if self._view.command_runs else "denied")

    def action_leave_command(self) -> None:
        """Leave the command bar, so that keys are commands again."""
        self._view.show_panel("denied" if self.has_class("-view-run") else "tree")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Dim keys in the footer that would do nothing now."""
        if action == "leave_command":
            return self._view.is_complete and self.run_panel.command_has_focus
        if action == "stop":
            return True if self._view.command_runs else None
        if action == "undo" and self._controllers is not None:
            return True if self.workspace.can_undo else None
        if action == "redo" and self._controllers is not None:
            return True if self.workspace.can_redo else None
        return super().check_action(action, parameters)
