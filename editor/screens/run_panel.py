"""The lower half of the main screen: a command, its output, and what it was denied and allowed."""

import os
import signal
import time
from collections.abc import Mapping
from typing import ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from editor.escape import printable
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.events import AccessUpdate, Answer, Event, Finished, Lingering, Notice, Output, Question, Withdrawn
from editor.sandbox.runner import RunRequest
from editor.sandbox.verdicts.report import Access, Mode, Report, Verdict, listed_processes
from editor.screens.live_run import LiveRun
from editor.screens.run_rows import access_row
from widgets.access_rows import AccessRow
from widgets.access_table import AccessTable
from widgets.command_bar import CommandBar
from widgets.output_pane import OutputPane

_CLOCK_S = 0.1
# Shown together with what was allowed, but counted separately.
_NEITHER: Final[tuple[Verdict, ...]] = ("failed", "uncontrolled")
_NO_COUNTS: Final[dict[Verdict, int]] = {"denied": 0, "allowed": 0, "failed": 0, "uncontrolled": 0}
_DENIED: Final[dict[Mode, str]] = {"enforce": "Denied", "observe": "Would be denied", "ask": "Asked about"}
# The smallest terminal (rows, columns) that a command gets, however small its pane is.
_MIN_TERMINAL = (8, 40)


def outcome(exit_code: int) -> str:
    """Return how a run ended, in a few words. ``exit_code`` is as in a shell."""
    if exit_code > 128:
        try:
            return f"killed by {signal.Signals(exit_code - 128).name}"
        except ValueError:
            pass
    return f"exit {exit_code}"


def allowed_title(counts: Mapping[Verdict, int], width: int) -> str:
    """Return the title of the pane of allowed accesses: the count of each verdict, in ``width`` cells if possible."""
    others: dict[str, int] = {name: counts[name] for name in _NEITHER if counts[name]}
    titles = [others]
    if len(others) > 1:
        titles += [{"failed": counts["failed"], "other": counts["uncontrolled"]}, {"other": sum(others.values())}]
    for each in titles:
        title = " · ".join((f"Allowed {counts['allowed']}", *(f"{name} {count}" for name, count in each.items())))
        if len(title) <= width:
            break
    return title


class RunPanel(Vertical):
    """Runs one command at a time, and shows its output and what it accessed."""

    DEFAULT_CSS = """
    RunPanel {
        height: 1fr;
        #run-bar { height: 1; }
        #run-mark { width: auto; padding: 0 1; color: $text-accent; text-style: bold; }
        #run-bar CommandBar { width: 1fr; height: 1; }
        #run-state { width: 34; padding: 0 1; color: $text-muted; text-align: right; text-wrap: nowrap; }
        #results { height: 1fr; }
        #output { width: 1fr; }
        #denied { width: 1fr; }
        #allowed { width: 1fr; }
        #output, #denied, #allowed { border: round $foreground 25%; border-title-color: $text; height: 1fr; }
        #output:focus, #denied:focus-within, #allowed:focus-within { border: round $primary; }
        #denied { border-title-color: $text-error; }
        #allowed { border-title-color: $text-success; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = []

    class Ended(Message):
        """Posted when a run ended."""

        def __init__(self, report: Report) -> None:
            super().__init__()
            self.report = report
            """Everything that the run accessed."""

    class Failed(Message):
        """Posted when a run could not be started or followed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text
            """A sentence, printable."""

    class GrantWanted(Message):
        """Posted when a person asks to grant a denied access."""

        def __init__(self, access: Access) -> None:
            super().__init__()
            self.access = access
            """The denied access."""

    class Asked(Message):
        """Posted when a call of the command waits for an answer."""

        def __init__(self, question: Question) -> None:
            super().__init__()
            self.question = question
            """What is asked; answer it with ``RunPanel.answer``."""

    class QuestionWithdrawn(Message):
        """Posted when a question needs no answer any more."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number
            """The number of the question."""

    class RuleWanted(Message):
        """Posted when a person asks for the rule that decided an access."""

        def __init__(self, access: Access) -> None:
            super().__init__()
            self.access = access
            """The access."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._live: LiveRun | None = None
        self._accesses: dict[tuple[object, ...], Access] = {}
        self._started = 0.0
        self._clock: Timer | None = None
        self._stopping = False
        self._lingering = False
        self._counts = dict(_NO_COUNTS)
        self._mode: Mode = "enforce"
        self._titled: dict[str, str] = {}
        self.terminal = False
        """Whether commands get a terminal. Without one, their input is empty and they write to pipes."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="run-bar"):
            yield Static(Content("Run"), id="run-mark")
            yield CommandBar(id="command")
            yield Static(id="run-state")
        with Horizontal(id="results"):
            yield OutputPane(id="output")
            yield AccessTable(id="denied", empty="Nothing was denied")
            yield AccessTable(id="allowed", grants=False, empty="Nothing was allowed")

    def on_mount(self) -> None:
        self._title_tables()
        self.query_one("#output", OutputPane).border_title = Content("Output")

    def on_unmount(self) -> None:
        """Stop the command, so that none outlives the screen."""
        if self._live is not None:
            self._live.abandon()

    @property
    def running(self) -> bool:
        """Whether a command is running."""
        return self._live is not None

    @property
    def command(self) -> str:
        """The text in the command bar."""
        return self.query_one(CommandBar).value

    @property
    def accesses(self) -> tuple[Access, ...]:
        """What the last run accessed so far."""
        return tuple(self._accesses.values())

    @property
    def output(self) -> str:
        """What the last run wrote so far, as shown."""
        return self.query_one("#output", OutputPane).text

    @property
    def command_has_focus(self) -> bool:
        """Whether keys are typed into the command bar."""
        return self.query_one(CommandBar).has_focus

    def suggest(self, command: str) -> None:
        """Put ``command`` into the command bar if that is empty, without running it."""
        bar = self.query_one(CommandBar)
        if command and not bar.value:
            bar.value = command

    def note(self, text: str) -> None:
        """Add a line of Paddock's own, printable, to the output of the last run."""
        self.query_one("#output", OutputPane).note(text)

    # Running

    def start(
        self, command: tuple[str, ...], resolved: ResolvedPolicy, abi: int | None, mode: Mode = "enforce"
    ) -> None:
        """Run ``command`` under ``resolved``, or observe it. Raises RuntimeError while another runs."""
        if self._live is not None:
            raise RuntimeError("a command is running")
        self._mode = mode
        self._clear()
        request = RunRequest(
            resolved=resolved,
            command=command,
            mode=mode,
            abi=abi,
            cwd=os.getcwd(),
            pty=self.terminal,
            size=self._terminal_size(),
            wait=True,
        )
        live = LiveRun(request, self._take, self._fail)
        try:
            live.start()
        except (OSError, ValueError) as error:
            self._fail(error)
            return
        self._live = live
        self._started = time.monotonic()
        self._stopping = False
        self._lingering = False
        self._clock = self.set_interval(_CLOCK_S, self._show_clock)
        self._show_clock()

    def stop(self) -> bool:
        """Stop the running command and everything it started. Return whether there was one."""
        if self._live is None:
            return False
        self._stopping = True
        self._show_clock()
        self._live.stop()
        return True

    def answer(self, number: int, answer: Answer) -> None:
        """Answer a question of the running command; nothing happens if it was withdrawn."""
        if self._live is not None:
            self._live.answer(number, answer)

    async def end(self) -> None:
        """Stop the running command and wait until it is gone."""
        live, self._live = self._live, None
        if live is not None:
            await live.end()

    def _terminal_size(self) -> tuple[int, int]:
        size = self.query_one("#output", OutputPane).size
        return max(size.height, _MIN_TERMINAL[0]), max(size.width, _MIN_TERMINAL[1])

    def on_resize(self) -> None:
        """Pass the new size on to the terminal of the command, and fit the titles."""
        self.call_after_refresh(self._title_tables)
        if self._live is not None and self.terminal:
            self._live.resize(*self._terminal_size())

    def _clear(self) -> None:
        self._accesses.clear()
        self._counts = dict(_NO_COUNTS)
        self.query_one("#output", OutputPane).clear()
        for table in self.query(AccessTable):
            table.clear()
        self._title_tables()

    def _show_clock(self) -> None:
        state = "stopping" if self._stopping else "lingering" if self._lingering else "running"
        how = ", emulated" if self._mode == "ask" else ""
        self._show_state(f"{state} {time.monotonic() - self._started:.1f} s{how}", "$text-warning")

    def _show_state(self, text: str, style: str) -> None:
        # The width is fixed: the clock must not cause a layout of the screen ten times a second.
        self.query_one("#run-state", Static).update(Content.styled(text, style), layout=False)

    def _take(self, events: list[Event]) -> None:
        output = self.query_one("#output", OutputPane)
        for event in events:
            match event:
                case Output(stream=stream, data=data):
                    output.feed(data, stream)
                case AccessUpdate(access=access):
                    self._add(access)
                case Notice(text=text):
                    output.note(printable(text))
                case Lingering(exit_code=exit_code, processes=processes):
                    self._lingering = True
                    left = printable(listed_processes(processes))
                    output.note(
                        f"The command has ended ({outcome(exit_code)}), but not {left}; Stop ends what is left."
                    )
                case Question():
                    self.post_message(self.Asked(event))
                case Withdrawn(number=number):
                    self.post_message(self.QuestionWithdrawn(number))
                case Finished(report=report):
                    self._finish(report)
        self._title_tables()

    def _add(self, access: Access) -> None:
        self._counts[access.verdict] += access.times
        key = access.key()
        before = self._accesses.get(key)
        total = access if before is None else access._replace(times=before.times + access.times)
        self._accesses[key] = total
        table = self.query_one("#denied" if access.verdict == "denied" else "#allowed", AccessTable)
        table.put(access_row(total))

    def _show_settled(self, report: Report) -> None:
        """Show the rows again: the kernel's audit has changed what some of them say."""
        self._accesses.clear()
        self._counts = dict(_NO_COUNTS)
        for table in self.query(AccessTable):
            table.clear()
        for access in report.accesses:
            self._add(access)

    def _title_tables(self) -> None:
        allowed = self.query_one("#allowed", AccessTable)
        titles = {
            "denied": f"{_DENIED[self._mode]} {self._counts['denied']}",
            # The border and a blank on each side take four cells.
            "allowed": allowed_title(self._counts, allowed.size.width - 4),
        }
        for name, title in titles.items():
            if self._titled.get(name) != title:  # setting a title redraws the whole table
                self._titled[name] = title
                self.query_one(f"#{name}", AccessTable).border_title = Content(title)

    def _end_live(self) -> None:
        self._live = None
        if self._clock is not None:
            self._clock.stop()
            self._clock = None

    def _finish(self, report: Report) -> None:
        self._end_live()
        if any(access.key() not in self._accesses for access in report.accesses):
            self._show_settled(report)
        counts = report.counts()
        denied = _DENIED[report.mode].lower()
        text = f"{outcome(report.exit_code)}, {report.duration_s:.2f} s, {counts['denied']} {denied}"
        if report.unexplained:
            text += f" ({report.unexplained} not explained)"
        self._show_state(text, "$text-error" if counts["denied"] or report.exit_code else "$text-success")
        self.post_message(self.Ended(report))

    def _fail(self, error: Exception) -> None:
        self._end_live()
        self._show_state("not started", "$text-error")
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.post_message(self.Failed(printable(text) or type(error).__name__))

    # Rows

    def grant_highlighted(self) -> bool:
        """Ask to grant the highlighted denied access. Return whether there is one."""
        row = self.query_one("#denied", AccessTable).highlighted
        if row is None:
            return False
        self.post_message(self.GrantWanted(_access_of(row)))
        return True

    @on(AccessTable.GrantRequested)
    def _grant(self, event: AccessTable.GrantRequested) -> None:
        event.stop()
        self.post_message(self.GrantWanted(_access_of(event.row)))

    @on(AccessTable.RuleRequested)
    def _rule(self, event: AccessTable.RuleRequested) -> None:
        event.stop()
        self.post_message(self.RuleWanted(_access_of(event.row)))


def _access_of(row: AccessRow) -> Access:
    return cast("Access", row.access)
