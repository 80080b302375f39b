"""The main screen: the filesystem with the draft laid over it, the panels to change it, and the runs under it."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Final, Literal, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Tab, Tabs

from editor.escape import printable
from editor.landlock.rights import NO_RIGHTS, in_order, right_of
from editor.policy.errors import PolicyError
from widgets.key_line import KeyLine
from widgets.policy_tree import PolicyTree
from widgets.status_line import Status, StatusLine
from widgets.tree_model import TreeSource

# All else is imported where it is used: half of the time to the first screen would go into modules that it does not
# need. A thread imports them while the person looks at it.
if TYPE_CHECKING:
    from editor.editing.edits import Edit
    from editor.editing.shared_paths import EditScope, SharedPath
    from editor.screens.dialogs import Severity
    from editor.screens.run_panel import RunPanel
    from editor.workspace.composition import Composition
    from editor.workspace.notifying import Changes
    from editor.workspace.opening import Opening
    from editor.workspace.state import Applied
    from editor.workspace.watching import Watcher
    from editor.workspace.workspace import Workspace
    from widgets.command_bar import CommandBar
    from widgets.handled_panel import HandledPanel
    from widgets.policy_text import PolicyText
    from widgets.ports_panel import PortsPanel
    from widgets.rights_panel import RightsPanel

    # What a job gives back: an edit's outcome, what must be asked first, or the label of what was undone.
    Result = Applied | SharedPath | str | None

# Longer than this, and the person is told that something is going on.
_PATIENCE_S: Final = 0.5
# So long after an edit, what is on the screen is settled, and the filesystem may be looked at again.
_QUIET_S: Final = 0.3

_REST: Final = (
    "editor.screens.run_panel",
    "widgets.rights_panel",
    "widgets.ports_panel",
    "widgets.handled_panel",
    "widgets.policy_text",
    "editor.screens.chooser",
    "editor.screens.dialogs",
    "editor.suggest.grant",
)

PANELS: Final = ("rights", "ports", "handled", "text")
# Together they must fit into half of 80 columns.
_TITLES: Final = {"rights": "Rights", "ports": "Ports", "handled": "Handled & scopes", "text": "Text"}


def _import_rest() -> None:
    """Import what the screen and its next actions need; called in a thread."""
    for name in _REST:
        import_module(name)


def _normal(path: str) -> str:
    return os.path.normpath(path)


class MainScreen(Screen[None]):
    """One policy, opened."""

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
        #panels { height: 1fr; }
        #tree, #panels > * { border: round $foreground 25%; border-title-color: $text; }
        #tree:focus, #panels > *:focus, #panels > *:focus-within { border: round $primary; }
        #tabs { height: 2; }
        #panels > * { display: none; width: 1fr; height: 1fr; }
        &.-show-rights #rights, &.-show-ports #ports, &.-show-handled #handled, &.-show-text #text { display: block; }
        &.-narrow #tree, &.-narrow #side { width: 1fr; }
        /* Two thirds of a wide screen hold a panel and the text side by side. */
        &.-rich #side { width: 7fr; }
        &.-rich #tree { width: 4fr; }
        &.-rich #text { display: block; }
        &.-narrow #results { layout: grid; grid-size: 2 2; grid-rows: 2fr 3fr; }
        &.-narrow #output { column-span: 2; }
        /* A small screen shows either what is edited or what ran. */
        &.-short.-view-run #upper { display: none; }
        &.-short.-view-run #lower { height: 1fr; }
        &.-short.-view-edit #lower { height: 1; }
        &.-short.-view-edit #results { display: none; }
        /* Every row counts: a line between the two halves instead of a frame around each. */
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
        Binding("ctrl+z,u", "undo", "Undo"),
        Binding("ctrl+y,ctrl+r", "redo", "Redo"),
        Binding("f3", "switch_view", "Edit/run"),
        Binding("ctrl+e", "export", "Export"),
        Binding("ctrl+o", "go_to", "Go to"),
        Binding("t", "app.toggle_dark", "Light/dark"),
        Binding("q", "app.quit", "Quit"),
        Binding("z", "maximize", "Zoom", show=False),
        Binding("f", "choose_file", "File", show=False),
        Binding("v", "variables", "Variables", show=False),
        Binding("p", "toggle_terminal", "Terminal", show=False),
        Binding("f8", "refresh", "Look at the disk again", show=False),
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

    class DraftChanged(Message):
        """The workspace changed; posted from whatever thread did it."""

        def __init__(self, workspace: "Workspace", change: "Changes") -> None:
            super().__init__()
            self.workspace = workspace
            """Whose draft."""
            self.change = change
            """What changed."""

    class Opened(Message):
        """The policy could be read."""

        def __init__(self, composition: "Composition", files: TreeSource) -> None:
            super().__init__()
            self.composition = composition
            """The drafts, mostly one."""
            self.files = files
            """The filesystem with the draft laid over it."""

    class Unreadable(Message):
        """The policy could not be read or does not parse, and there is no last good one."""

        def __init__(self, error: PolicyError) -> None:
            super().__init__()
            self.error = error
            """Why, with its place."""

    def __init__(self, opening: "Opening", *, root: str = "/", abi: int | None = None) -> None:
        super().__init__(classes="-show-rights -view-edit")
        self._opening = opening
        self._path = opening.paths[0]
        self._root = os.path.abspath(root)
        self._abi = abi
        self._composition: Composition | None = None
        self._workspace: Workspace | None = None
        self._subject = self._root
        self._jobs: asyncio.Queue[tuple[Callable[[], Result], Callable[[Result], None]]] = asyncio.Queue()
        self._deciding = False
        self._busy = ""
        self._looking: Timer | None = None
        self._slow: Timer | None = None
        self._line: int | None = None
        self._retry: Watcher | None = None
        self._complete = asyncio.Event()
        self._mounting = False
        self._possible = (False, False)
        self._wanted = ""

    def compose(self) -> ComposeResult:
        with Horizontal(id="upper"):
            tree = PolicyTree(id="tree")
            tree.border_title = Content(f"Files from {printable(self._root)}")
            yield tree
            yield Vertical(id="side")
        yield Vertical(id="lower")
        yield StatusLine(id="status")
        yield KeyLine(id="keys")

    @property
    def workspace(self) -> "Workspace":
        """The draft that edits go to; only once it is opened."""
        if self._workspace is None:
            raise RuntimeError("asked before the policy was read")
        return self._workspace

    @property
    def composition(self) -> "Composition":
        """All drafts that are shown; only once they are opened."""
        if self._composition is None:
            raise RuntimeError("asked before the policy was read")
        return self._composition

    @property
    def complete(self) -> bool:
        """Whether everything is on the screen, and not only what is seen first."""
        return self._complete.is_set()

    @property
    def run_panel(self) -> "RunPanel":
        """The lower half; only once the screen is complete."""
        return cast("RunPanel", self.query_one("#run"))

    @property
    def _text(self) -> "PolicyText":
        return cast("PolicyText", self.query_one("#text"))

    @property
    def _command_runs(self) -> bool:
        return self.complete and self.run_panel.running

    # Opening

    def on_mount(self) -> None:
        self.run_worker(self._work_jobs(), group="jobs")
        # What is slow to import or to read waits until the first screen stands.
        self.call_after_refresh(self._open)

    def _open(self) -> None:
        self.query_one(StatusLine).show(Status(printable(self._path), running="reading"))
        self.run_worker(self._read_policy, thread=True, group="open", exit_on_error=True)

    def _read_policy(self) -> None:
        from editor.screens import view_models
        from editor.workspace.composition import Composition

        opening, sample = self._opening, self._opening.sample
        new_text = sample.text if sample is not None else None
        try:
            composition = Composition.open(opening.paths, abi=self._abi, variables=opening.variables, new_text=new_text)
        except PolicyError as error:
            self.post_message(self.Unreadable(error))
        else:
            # Whichever is edited, all of them derive the same whole.
            self.post_message(self.Opened(composition, view_models.Filesystem(composition.workspaces[0])))

    @on(Opened)
    def _opened(self, event: Opened) -> None:
        composition = self._composition = event.composition
        self._workspace = composition.workspaces[0]
        self._path = self._workspace.path
        if self._retry is not None:
            self._retry.stop()
            self._retry = None
        for workspace in composition.workspaces:
            workspace.subscribe(partial(self._workspace_changed, workspace))
        tree = self.query_one(PolicyTree)
        tree.set_source(event.files, self._root)
        self._show_status()
        start = os.getcwd()
        if self._root == "/" or start.startswith(self._root.rstrip("/") + "/"):
            self._reveal(start)
        self._go_on()

    @work(group="complete")
    async def _go_on(self) -> None:
        """What comes after the policy was read, once the tree stands."""
        await self._mount_rest()
        from editor.screens.chooser import suggested_command

        workspace = self.workspace
        self._show_draft()
        self.run_panel.suggest(suggested_command(workspace.document.text))
        for each in self.composition.workspaces:
            each.watch()
        self._keep_drafts()
        if not workspace.kernel.abi:
            problem = printable(workspace.kernel.problem)
            self._say(f"This kernel enforces nothing: {problem}. Editing works, running does not.", "warning")
        if workspace.is_new:
            self._say(self._said_of_new())

    def _said_of_new(self) -> str:
        path, sample = printable(self._path), self._opening.sample
        if sample is None:
            return f"{path} is new: everything is handled, nothing granted. Saving creates it."
        taken = f"\n{printable(sample.taken)} exists already, hence the name." if sample.taken else ""
        return f"{path} is new: it starts as the sample policy {sample.name}. Saving creates it.{taken}"

    async def _mount_rest(self) -> None:
        """Import and mount what is not seen first: the panels beside the tree, and the lower half."""
        if self._mounting:
            await self._complete.wait()
            return
        self._mounting = True
        await self.query_one(PolicyTree).wait_until_read()
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()
        await asyncio.to_thread(_import_rest)
        from editor.screens.run_panel import RunPanel
        from widgets.handled_panel import HandledPanel
        from widgets.policy_text import PolicyText
        from widgets.ports_panel import PortsPanel
        from widgets.rights_panel import RightsPanel

        tabs = Tabs(*(Tab(Content(_TITLES[name]), id=f"tab-{name}") for name in PANELS), id="tabs")
        tabs.can_focus = False
        panels = Horizontal(
            RightsPanel(id="rights"),
            PortsPanel(id="ports"),
            HandledPanel(id="handled"),
            PolicyText(id="text"),
            id="panels",
        )
        with self.app.batch_update():
            await self.query_one("#side").mount(tabs, panels)
            await self.query_one("#lower").mount(RunPanel(id="run"))
        self._complete.set()
        if self._wanted:
            self.action_show(self._wanted)
        self.refresh_bindings()

    @work(group="drafts")
    async def _keep_drafts(self) -> None:
        """Let unsaved edits survive a crash, and offer those that one left."""
        for workspace in self.composition.workspaces:
            await self._keep_draft(workspace)

    async def _keep_draft(self, workspace: "Workspace") -> None:
        from editor.screens.dialogs import Ask, Choice

        await asyncio.to_thread(workspace.keep_drafts)
        draft = workspace.recoverable
        if draft is None:
            return
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(draft.written))
        text = (
            f"{printable(workspace.path)} has edits that were never saved: Paddock ended without being asked, after "
            f"{when}."
        )
        choices = [Choice("recover", "Recover them", "r", "primary"), Choice("discard", "Discard them", "d", "error")]
        answer = await self.app.push_screen_wait(Ask("Unsaved edits", text, choices))
        try:
            if answer == "recover":
                await asyncio.to_thread(workspace.adopt_draft)
                self._say("Recovered the unsaved edits. Undo brings the file's own text back.")
            elif answer == "discard":
                await asyncio.to_thread(workspace.discard_draft)
        except PolicyError as error:
            self._say(printable(str(error)), "error")

    def _workspace_changed(self, workspace: "Workspace", change: "Changes") -> None:
        """In whatever thread changed the draft."""
        self.post_message(self.DraftChanged(workspace, change))

    @on(Unreadable)
    def _unreadable(self, event: Unreadable) -> None:
        self._show_unreadable(event.error)

    @work(group="unreadable", exclusive=True)
    async def _show_unreadable(self, error: PolicyError) -> None:
        from editor.policy.files import format_of
        from editor.workspace.saving import read_file
        from editor.workspace.watching import Watcher

        await self._mount_rest()
        if error.file and error.file != self._path:  # another file of the composition
            self._path = error.file
            if self._retry is not None:
                await asyncio.to_thread(self._retry.stop)
                self._retry = None
        self.query_one(StatusLine).show(Status(printable(self._path), problem=printable(str(error))))
        self._say(f"{printable(str(error))}. It opens as soon as it is mended.", "error", timeout=15)
        try:
            data = await asyncio.to_thread(read_file, self._path)
        except OSError:
            data = None
        if data is not None:
            text = data.decode(errors="replace")
            self._text.show(text, format_of(self._path, text), (error.line,) if error.line else ())
            self.action_show("text")
            if error.line:
                self._text.goto(error.line)
        if self._retry is None:
            self._retry = Watcher(self._path, self._read_policy, seen=data)
            self._retry.start()

    async def leave(self) -> None:
        """End what runs beside the screen. For leaving it."""
        if self.complete:
            await self.run_panel.end()
        if self._retry is not None:
            await asyncio.to_thread(self._retry.stop)
        if self._composition is not None:
            await asyncio.to_thread(self._composition.close)

    # Showing

    @on(DraftChanged)
    def _draft_changed(self, event: DraftChanged) -> None:
        change, workspace = event.change, event.workspace
        self._follow_reading(workspace.reading)
        if change == {"reading"}:
            return
        self._path = self.workspace.path
        if "document" in change and workspace is self.workspace:
            self._show_draft()
        else:
            self._show_status()
        if "disk" in change and "document" in change:
            self._say(f"{printable(os.path.basename(workspace.path))} changed on disk and was read again.")
        problem = workspace.problem
        told_elsewhere = problem is not None and problem.file not in ("", workspace.path)  # by the draft of that file
        if "problem" in change and problem is not None and "saved" not in change and not told_elsewhere:
            self._say(f"{printable(str(problem))}. The last good policy is shown.", "error")
        if "conflict" in change and workspace.conflict is not None:
            self.decide_conflict()
        if "drafts" in change and workspace.drafts_problem:
            self._say(workspace.drafts_problem, "warning")
        possible = (self.workspace.can_undo, self.workspace.can_redo)
        if possible != self._possible:
            self._possible = possible
            self.refresh_bindings()

    def _follow_reading(self, reading: bool) -> None:
        """Say that a long file is being read again once that has taken a while."""
        if reading and self._slow is None:
            self._slow = self.set_timer(_PATIENCE_S, lambda: self._set_busy("reading"))
        elif not reading and self._slow is not None:
            self._slow.stop()
            self._slow = None
            self._set_busy("")

    def _show_draft(self) -> None:
        """Derive everything on the screen from the draft again."""
        from editor.screens import view_models

        workspace = self.workspace
        self.query_one(PolicyTree).refresh_rows()
        if self.complete:
            cast("PortsPanel", self.query_one("#ports")).show(view_models.port_rows(workspace))
            cast("HandledPanel", self.query_one("#handled")).show(view_models.handled_rows(workspace))
            self._show_subject()
        self._show_status()

    def _show_subject(self) -> None:
        """The rights of the highlighted row, and its rules marked in the text."""
        from editor.screens import view_models

        workspace = self.workspace
        path = self._subject
        states = view_models.right_states(workspace, path)
        is_dir = os.path.isdir(path) or not os.path.exists(path)
        cast("RightsPanel", self.query_one("#rights")).show(printable(path), "dir" if is_dir else "file", states)
        own = (source for state in states for source in state.sources if source.file in ("", workspace.path))
        self._show_text({source.line for source in own})

    def _show_status(self) -> None:
        workspace = self.workspace
        problem = next(filter(None, map(self._problem_of, (workspace, *self.composition.workspaces))), "")
        abi = f"ABI {workspace.abi}" if workspace.kernel.abi else "no Landlock"
        if workspace.abi < workspace.kernel.effective_abi:
            abi += " (simulated)"
        running = "running" if self._command_runs else self._busy
        name = printable(self._path) + (" (new)" if workspace.is_new else "") + self._place_in_composition()
        self.query_one(StatusLine).show(Status(name, workspace.dirty, problem, abi, running))

    def _problem_of(self, workspace: "Workspace") -> str:
        """What is wrong with one of the files, for the status."""
        if workspace.conflict is None:
            return printable(str(workspace.problem or ""))
        if workspace is self.workspace:
            return "changed on disk: ctrl+s decides"
        return f"{printable(workspace.path)} changed on disk: f chooses it, ctrl+s decides"

    def _place_in_composition(self) -> str:
        """Which of several files is edited, for the status; nothing where there is one only."""
        files, unsaved = self.composition.workspaces, self.composition.unsaved
        if len(files) == 1:
            return ""
        others = ", others unsaved" if any(each is not self.workspace for each in unsaved) else ""
        return f" ({files.index(self.workspace) + 1} of {len(files)} files{others})"

    def _say(self, text: str, severity: "Severity" = "information", timeout: float = 6) -> None:
        """A notification; its text is never markup."""
        self.app.notify(text, severity=severity, markup=False, timeout=timeout)

    # Jobs: edits in the order of the keys, off the screen's thread

    def _edit(self, job: Callable[[], "Result"], done: Callable[["Result"], None]) -> None:
        if self._workspace is None:
            self._say("The policy could not be read yet.", "warning")
            return
        self._jobs.put_nowait((job, done))

    async def _work_jobs(self) -> None:
        while True:
            job, done = await self._jobs.get()
            from editor.editing.edits import EditError

            waiting = self.set_timer(_PATIENCE_S, lambda: self._set_busy("working"))
            try:
                result = await asyncio.to_thread(job)
            except EditError as error:
                self._say(printable(str(error)), "error")
            else:
                # Telling takes a layout: what the job changed is painted first.
                self.call_after_refresh(done, result)
            finally:
                waiting.stop()
                self._set_busy("")
                self._jobs.task_done()
                self._look_again_soon()

    def _look_again_soon(self) -> None:
        """Once no edit has come for a while, see what else changed on the filesystem."""
        if self._looking is not None:
            self._looking.stop()
        look_again = self.composition.look_again
        self._looking = self.set_timer(_QUIET_S, lambda: self.run_worker(look_again, thread=True, group="look"))

    def _set_busy(self, text: str) -> None:
        if text != self._busy:
            self._busy = text
            self._show_status()

    def _apply(self, *edits: "Edit") -> None:
        self._edit(lambda: self.workspace.apply(*edits), self._applied)

    def _apply_path(self, *edits: "Edit") -> None:
        self._edit_path(lambda reading: self.workspace.apply(*edits, reading=reading), self._applied)

    def _edit_path(self, job: Callable[["EditScope | None"], "Applied"], done: Callable[["Result"], None]) -> None:
        """As ``_edit``; asks what is meant where a variable leads to the path and to others."""

        def asking() -> "Result":
            from editor.editing.shared_paths import SharedPath

            try:
                return job(None)
            except SharedPath as shared:
                return shared

        def answered(result: "Result") -> None:
            if isinstance(result, Exception):
                self._ask_what_is_meant(result, job, done)
            else:
                done(result)

        self._edit(asking, answered)

    @work(group="ask")
    async def _ask_what_is_meant(
        self,
        shared: "SharedPath",
        job: Callable[["EditScope | None"], "Applied"],
        done: Callable[["Result"], None],
    ) -> None:
        from editor.screens.sharing import sharing_dialog

        answer = await self.app.push_screen_wait(sharing_dialog(shared))
        if answer in ("all", "split"):
            reading = cast("EditScope", answer)
            self._edit(lambda: job(reading), done)

    def _applied(self, result: "Result") -> None:
        if isinstance(result, tuple):
            self._tell_applied(result)

    def _tell_applied(self, applied: "Applied", hint: str = "") -> None:
        text = applied.label if applied.changed else f"Nothing to change: {applied.label}"
        text = text[:1].upper() + text[1:]
        if self.workspace.composed:
            text += f", in {printable(self._path)}"
        if applied.newly_handled:
            names = ", ".join(in_order(applied.newly_handled))
            text += f"\nNewly handled, so denied wherever no rule grants it: {names}"
        if hint:
            text += f"\n{hint}"
        self._say(text, "warning" if applied.newly_handled else "information")

    # The tree and the rights of one row

    @on(PolicyTree.PathHighlighted)
    def _highlighted(self, event: PolicyTree.PathHighlighted) -> None:
        event.stop()
        if event.path == self._subject:
            return
        self._subject = event.path
        self._line = None
        if self._workspace is not None and self.complete:
            self._show_subject()

    @on(PolicyTree.LevelStep)
    def _stepped(self, event: PolicyTree.LevelStep) -> None:
        event.stop()
        if self._workspace is None:
            self._edit(lambda: None, self._applied)
            return
        from editor.screens import view_models

        path = event.path
        direction: Literal[1, -1] = 1 if event.step > 0 else -1
        # A step on in the only file needs no look at what is there: with thousands of rules, that would be felt.
        here = view_models.rules_here(self.workspace, path) if direction < 0 or self.workspace.composed else ()
        if direction < 0 and not here:
            self._only_inherited(path, None)
            return
        self._edit_file_of(grant.ref.file for grant in here)
        self._edit_path(
            lambda reading: self.workspace.step(path, direction, reading),
            lambda result: self._step_done(path, result),
        )

    def _step_done(self, path: str, result: "Result") -> None:
        if not isinstance(result, tuple):
            return
        from editor.screens import view_models

        hint = ""
        if not view_models.rules_here(self.workspace, path):
            above = self.workspace.decider.inherited(path)
            if above:
                hint = f"Still inherited from {', '.join(dict.fromkeys(printable(grant.path) for grant in above))}"
        self._tell_applied(result, hint)

    def on_rights_panel_right_toggled(self, event: "RightsPanel.RightToggled") -> None:
        event.stop()
        if self._workspace is None:
            return
        from editor.editing.edits import GrantPath, SetPathRights
        from editor.screens import view_models

        path, name = self._subject, event.name
        states = {state.name: state for state in view_models.right_states(self.workspace, path)}
        state = states[name]
        right = frozenset({name})
        here = view_models.rules_here(self.workspace, path)
        if state.state == "here":
            workspace = self._edit_file_of(grant.ref.file for grant in here if name in grant.rights)
            own = (grant.path for grant in here if name in grant.rights and grant.ref.file == workspace.path)
            self._apply_path(*(SetPathRights(each, workspace.own_rights(each) - right) for each in dict.fromkeys(own)))
        elif state.state == "inherited":
            self._only_inherited(path, name)
        elif not state.applicable:
            self._say(f"{name} cannot be granted on {printable(path)}: {state.why}.", "warning")
        else:
            rule = self._edit_file_of(grant.ref.file for grant in here).own_rule_at(path)
            self._apply_path(GrantPath(rule.path if rule is not None else path, right))

    @work(group="ask")
    async def _only_inherited(self, path: str, name: str | None) -> None:
        """Say that what is only inherited cannot be removed here, and offer to go to the rule."""
        from editor.screens.dialogs import Ask, Choice

        above = (grant for grant in self.workspace.decider.inherited(path) if not grant.here)
        grants = [grant for grant in above if name is None or name in grant.rights]
        if not grants:
            self._say(f"No rule grants anything on {printable(path)}.", "warning")
            return
        grant = grants[0]
        what = name or "What is granted here"
        of = f" of {printable(grant.ref.file)}" if self.workspace.composed else ""
        text = (
            f"{what} comes from the rule on {printable(grant.path)}, line {grant.ref.line}{of}, and reaches everything "
            f"below it.\n\nNo edit of {printable(path)} can take it away: a rule only ever adds."
        )
        choices = [Choice("go", "Go to the rule", "g", "primary"), Choice("stay", "Stay here", "s")]
        if await self.app.push_screen_wait(Ask("Inherited", text, choices)) == "go":
            self._go_to_rule(grant.path, grant.ref.line, grant.ref.file)

    def on_rights_panel_source_requested(self, event: "RightsPanel.SourceRequested") -> None:
        event.stop()
        source = event.source
        self._go_to_rule(source.path, source.line, source.file)

    @work(group="reveal", exclusive=True)
    async def _go_to_rule(self, path: str, line: int, file: str) -> None:
        """Show a rule in the text, and the row that it stands for in the tree."""
        await self.query_one(PolicyTree).reveal(_normal(self.workspace.resolved.absolute(path)))
        self._go_to_line(line, file)

    def _go_to_line(self, line: int, file: str = "") -> None:
        """Show one line of the text; it stays the marked one until the tree's cursor goes elsewhere."""
        if file and file != self.workspace.path:
            self._edit_file_of((file,), then=lambda: self._go_to_line(line))
            return
        self._line = line
        self.action_show("text")
        self._show_text(())

    def _show_text(self, lines: Iterable[int]) -> None:
        document, text = self.workspace.document, self._text
        text.border_title = Content(printable(self._path) if self.workspace.composed else "")
        text.show(document.text, document.format, lines if self._line is None else (self._line,))
        if self._line is not None:
            text.goto(self._line)

    @work(group="reveal", exclusive=True)
    async def _reveal(self, path: str) -> None:
        await self.query_one(PolicyTree).reveal(_normal(path))

    # Ports, handled rights, scopes

    def on_ports_panel_port_added(self, event: "PortsPanel.PortAdded") -> None:
        event.stop()
        from editor.screens.port_text import PortTextError, parse_port

        try:
            edit = parse_port(event.text)
        except PortTextError as error:
            self._say(str(error), "error")
        else:
            self._apply(edit)

    def on_ports_panel_port_removed(self, event: "PortsPanel.PortRemoved") -> None:
        event.stop()
        from editor.editing.edits import SetPortRights

        self._edit_file_of(self._files_of_port(event.port, None))
        self._apply(SetPortRights(event.port, NO_RIGHTS))

    def _files_of_port(self, port: int, right: str | None) -> list[str]:
        """The files with rules for ``port``, or with those that give ``right`` where there are any."""
        refs = [ref for each in self.workspace.resolved.ports if each.port == port for ref in each.refs]
        return [each.ref.file for each in refs if right in each.rights] or [each.ref.file for each in refs]

    def on_ports_panel_port_toggled(self, event: "PortsPanel.PortToggled") -> None:
        event.stop()
        port, right = event.port, frozenset({event.right})
        from editor.editing.edits import SetPortRights

        self._edit_file_of(self._files_of_port(port, event.right))

        def toggle() -> "Applied":
            return self.workspace.apply(SetPortRights(port, self.workspace.own_port_rights(port) ^ right))

        self._edit(toggle, self._applied)

    def on_handled_panel_handled_toggled(self, event: "HandledPanel.HandledToggled") -> None:
        event.stop()
        name = event.name
        from editor.editing.edits import SetHandled, SetScope

        # What is handled by some files only is handled once the others do it, too.
        files = [(each.path, each.policy) for each in self.composition.workspaces]
        lacking = [path for path, own in files if name not in own.handled_fs | own.handled_net | own.scoped]
        if len(lacking) < len(files):
            self._edit_file_of(lacking)

        def toggle() -> "Applied":
            resolved = self.workspace.resolved
            on_now = name in resolved.handled_fs | resolved.handled_net | resolved.scoped
            kind = right_of(name).kind
            return self.workspace.apply(SetScope(name, not on_now) if kind == "scope" else SetHandled(name, not on_now))

        self._edit(toggle, self._applied)

    # Variables

    @work(group="ask", exclusive=True)
    async def action_variables(self) -> None:
        """Show the variables, to rename them, write them out or remove them."""
        if self._workspace is None:
            return
        from editor.screens.variables import VariablesScreen

        def edit(file: str, edit: "Edit") -> None:
            self._edit_file_of((file,))
            self._apply(edit)

        place = await self.app.push_screen_wait(VariablesScreen(self.workspace, edit, self.action_undo))
        if place is not None and self.composition.of(place.file) is not None:
            self._go_to_line(place.line, place.file)

    # Several files

    @work(group="ask", exclusive=True)
    async def action_choose_file(self) -> None:
        """Choose the file that edits go to."""
        if self._composition is None:
            return
        if len(self._composition.workspaces) == 1:
            self._say("One file is open. paddock edit A B opens several as one policy.")
            return
        from editor.screens.files import FilesScreen

        chosen = await self.app.push_screen_wait(FilesScreen(self._composition, self.workspace))
        if chosen is not None:
            self._edit_file_of((chosen.path,))

    def _edit_file_of(self, files: Iterable[str], then: Callable[[], None] = lambda: None) -> "Workspace":
        """Let edits go to the first one of ``files`` from now on, unless they go to one of them already.

        That is in the order of the keys: edits of keys pressed before still go where they went. ``then`` comes after.
        Returns the draft that it will be.
        """
        places = [workspace for file in files if (workspace := self.composition.of(file)) is not None]
        if not places or self.workspace in places:
            then()
            return self.workspace
        chosen = places[0]

        def switch() -> None:
            # Here, and not when it is told: the next job is for the chosen one.
            self._workspace, self._path, self._line = chosen, chosen.path, None

        def switched(_: "Result") -> None:
            self._say(f"Editing {printable(chosen.path)}", timeout=3)
            self._show_draft()
            self.refresh_bindings()
            then()

        self._edit(switch, switched)
        return chosen

    # Undo, redo

    def action_undo(self) -> None:
        """Take the last edit back."""
        self._edit(self._undo, lambda label: self._travelled("Undone", label))

    def action_redo(self) -> None:
        """Do it again."""
        self._edit(self._redo, lambda label: self._travelled("Redone", label))

    def _undo(self) -> str | None:
        return self.workspace.undo()

    def _redo(self) -> str | None:
        return self.workspace.redo()

    def _travelled(self, word: str, label: "Result") -> None:
        self._say(f"{word}: {label}" if label is not None else f"Nothing to be {word.lower()}", timeout=3)

    # Saving and conflicts

    @work(group="ask", exclusive=True)
    async def action_save(self) -> None:
        """Write the draft to its file."""
        await self.save()

    async def save_all(self) -> bool:
        """Save every draft, as ``save``."""
        for workspace in self.composition.unsaved:
            if not await self.save(workspace):
                return False
        return True

    async def save(self, workspace: "Workspace | None" = None) -> bool:
        """Save one draft, by default the one that edits go to, asking what has to be asked.

        Whether it is on disk afterwards. Call it in a worker.
        """
        if self._workspace is None:
            self._say("There is nothing to save yet.", "warning")
            return False
        from editor.screens.dialogs import Ask, Choice
        from editor.workspace.saving import ChangedOnDisk, SaveError, SymlinkedPolicy

        workspace = workspace or self.workspace
        follow = force = False
        while True:
            if workspace.conflict is not None and not await self._settle_conflict(workspace):
                return False
            if not (workspace.dirty or workspace.is_new or workspace.problem):
                self._say("Nothing to save: the file holds this already.", timeout=3)
                return True
            try:
                saved = await asyncio.to_thread(workspace.save, follow_symlink=follow, force=force)
            except SymlinkedPolicy as link:
                text = f"{link}\n\nSaving writes the target; the link stays."
                choices = [Choice("write", "Write the target", "w", "primary"), Choice("cancel", "Cancel", "c")]
                if await self.app.push_screen_wait(Ask("Symbolic link", text, choices)) != "write":
                    return False
                follow = True
            except ChangedOnDisk as changed:
                await asyncio.to_thread(workspace.disk_changed)
                if workspace.conflict is not None:
                    continue
                text = f"{changed}\n\n{printable(str(workspace.problem or ''))}"
                choices = [Choice("overwrite", "Overwrite it", "o", "warning"), Choice("cancel", "Cancel", "c")]
                if await self.app.push_screen_wait(Ask("Changed on disk", text, choices)) != "overwrite":
                    return False
                force = True
            except SaveError as error:
                self._say(str(error), "error", timeout=15)
                return False
            else:
                self._say("\n".join((f"Saved {printable(saved.path)}", *saved.notes)), timeout=4)
                return True

    @work(group="conflict", exclusive=True)
    async def decide_conflict(self) -> None:
        """Ask about conflicts that have just come up."""
        for workspace in self.composition.workspaces:
            await self._settle_conflict(workspace)

    async def _settle_conflict(self, workspace: "Workspace") -> bool:
        """Ask until the conflict is decided; False where the person decides later."""
        if self._deciding:  # asked already: one dialog is enough
            return False
        from editor.screens.settling import settle

        self._deciding = True
        try:
            return await settle(self.app, workspace, self._say)
        finally:
            self._deciding = False

    @property
    def unsaved(self) -> str:
        """What would be lost by leaving, as a sentence; empty where nothing would."""
        unsaved = () if self._composition is None else self._composition.unsaved
        gone = [printable(each.path) for each in unsaved if each.gone]
        edited = [printable(each.path) for each in unsaved if not each.gone]
        sentences = [f"{' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone from disk."] if gone else []
        sentences += (
            [f"{' and '.join(edited)} {'has' if len(edited) == 1 else 'have'} unsaved edits."] if edited else []
        )
        return " ".join(sentences)

    # Running

    def on_command_bar_command_submitted(self, event: "CommandBar.CommandSubmitted") -> None:
        event.stop()
        self.action_run()

    @work(group="run", exclusive=True)
    async def action_run(self) -> None:
        """Run the command under the draft as it stands."""
        if self._workspace is None:
            self._say("The policy could not be read yet.", "warning")
            return
        from editor.screens.run_panel import CommandError, split_command

        await self._complete.wait()
        workspace, panel = self.workspace, self.run_panel
        if panel.running:
            self._say("A command is running. Stop it first (f6).", "warning")
            return
        if not workspace.kernel.abi:
            problem = printable(workspace.kernel.problem)
            self._say(f"Nothing can be run under this policy: {problem}.", "error")
            return
        try:
            command = split_command(panel.command)
        except CommandError as error:
            self._say(printable(str(error)), "error")
            self.action_show("command")
            return
        await self._jobs.join()  # edits of keys pressed before this one count
        # A rule belongs to what its path leads to at this moment, not to what it led to when the file was read.
        await asyncio.to_thread(self.composition.refresh)
        panel.start(command, workspace.resolved, self._abi)
        # The keys of what comes next (stop, grant, show the rule) must not be typed into the command.
        if panel.command_has_focus or self.has_class("-short"):
            self.action_show("denied")
        self._show_status()
        self.refresh_bindings()

    def action_stop(self) -> None:
        """End the running command and all that it started."""
        if not (self.complete and self.run_panel.stop()):
            self._say("Nothing is running.", timeout=3)

    def action_toggle_terminal(self) -> None:
        """Give commands a terminal of their own, or not."""
        if not self.complete:
            return
        panel = self.run_panel
        panel.terminal = not panel.terminal
        self._say("The next run gets a terminal of its own." if panel.terminal else "The next run gets no terminal.")

    def on_run_panel_ended(self, event: "RunPanel.Ended") -> None:
        event.stop()
        self.workspace.set_report(event.report)
        self._show_status()
        # What the command made or removed shows in the tree, also where a rule's path came or went by it.
        self.action_refresh()
        self.refresh_bindings()

    def on_run_panel_failed(self, event: "RunPanel.Failed") -> None:
        event.stop()
        self._say(f"The command did not run: {event.text}", "error", timeout=15)
        self.refresh_bindings()

    def action_grant(self) -> None:
        """Grant what the highlighted denied row lacked."""
        if not (self.complete and self.run_panel.grant_highlighted()):
            self._say("Run a command first: then g grants what a denied row lacked.", timeout=4)

    def on_run_panel_grant_wanted(self, event: "RunPanel.GrantWanted") -> None:
        event.stop()
        access, together = event.access, self.run_panel.accesses
        from editor.editing.edits import EditError
        from editor.suggest import grant as suggest

        def grant(reading: "EditScope | None") -> "Applied":
            try:
                edits = suggest.grant(access, self.workspace.resolved, together=together)
            except suggest.CannotGrant as error:
                raise EditError(str(error)) from error
            return self.workspace.apply(*edits, reading=reading)

        self._edit_path(grant, self._granted)

    def _granted(self, result: "Result") -> None:
        if isinstance(result, tuple):
            self._tell_applied(result, "r runs again")

    def on_run_panel_rule_wanted(self, event: "RunPanel.RuleWanted") -> None:
        event.stop()
        access = event.access
        if access.decided_by:
            self._go_to_line(access.decided_by[0].line, access.decided_by[0].file)
        else:
            self._say(printable(access.reason) or "No rule of the policy decided this.")

    # Export, going to a path

    @work(group="ask", exclusive=True)
    async def action_export(self) -> None:
        """Write the draft in another format."""
        if self._workspace is None:
            return
        from editor.screens.export import ExportScreen

        told = await self.app.push_screen_wait(ExportScreen(self.workspace))
        if told:
            self._say(told)

    @work(group="ask", exclusive=True)
    async def action_go_to(self) -> None:
        """Show a path in the tree."""
        from editor.screens.dialogs import AskLine

        start = self._subject if self._subject.endswith("/") else self._subject + "/"
        hint = "Absolute, or from the directory that Paddock was started in. ~ is your home directory."
        typed = await self.app.push_screen_wait(AskLine("Go to a path", start, hint))
        if typed is None:
            return
        path, shown = self._nearest_row(typed)
        if shown != path:
            self._say(f"{printable(path)} does not exist; this is as far as it goes.", "warning")
        self.action_show("tree")
        self._reveal(shown)

    def _nearest_row(self, typed: str) -> tuple[str, str]:
        """The path that was typed, and as much of it as has a row in the tree."""
        path = shown = os.path.abspath(os.path.expanduser(typed))
        while not os.path.lexists(shown) and not (self._workspace and self.workspace.rule_at(shown)):
            shown = os.path.dirname(shown)
        return path, shown

    def action_refresh(self) -> None:
        """Look at the filesystem again."""

        def refresh() -> None:
            self.composition.refresh()

        self._edit(refresh, lambda _: self.query_one(PolicyTree).reload(None))

    # Views

    def _view(self, name: Literal["edit", "run"]) -> None:
        self.set_class(name == "run", "-view-run")
        self.set_class(name == "edit", "-view-edit")

    def action_switch_view(self) -> None:
        """On a small screen, change between editing and running."""
        running = self.has_class("-view-run")
        self.action_show("tree" if running else "output" if self._command_runs else "denied")

    def action_show(self, name: str) -> None:
        """Bring a panel forward and put the focus on it."""
        if not self.complete and name != "tree":
            self._wanted = name  # it comes as soon as it is there
            return
        if name in PANELS:
            self.query_one(Tabs).active = f"tab-{name}"
            self._show_panel(name)
        self._view("run" if name in ("output", "denied", "allowed") else "edit")
        widget: Widget = self.query_one(f"#{name}")
        if not widget.can_focus:
            widget = next((child for child in widget.query("*") if child.can_focus), widget)
        # The panel may be hidden until the new classes have been applied.
        self.call_after_refresh(widget.focus)

    def action_leave_command(self) -> None:
        """From typing a command back to the keys."""
        self.action_show("denied" if self.has_class("-view-run") else "tree")

    @on(Tabs.TabActivated)
    def _tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        self._show_panel((event.tab.id or "").removeprefix("tab-"))

    def _show_panel(self, name: str) -> None:
        for each in PANELS:
            self.set_class(each == name, f"-show-{each}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing now are dim in the footer."""
        workspace = self._workspace
        if action == "leave_command":
            return self.complete and self.run_panel.command_has_focus
        if action == "stop":
            return True if self._command_runs else None
        if action == "undo" and workspace is not None:
            return True if workspace.can_undo else None
        if action == "redo" and workspace is not None:
            return True if workspace.can_redo else None
        return super().check_action(action, parameters)
