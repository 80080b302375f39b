"""The checks of the policy: their last results under the draft, to run again and to add to."""

import asyncio
from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from editor.analysis.verify.checks import Check
from editor.analysis.verify.running import Result
from editor.escape import printable
from editor.screens.list_dialog import CLOSE, Answer, ListDialog
from editor.workspace.checks import Checks, ChecksError
from widgets.check_list import CheckList, CheckRow, State


class ChecksScreen(ListDialog[None]):
    """Lists ``checks`` and runs them, one after the other, under the draft as it is."""

    HEADING = "Checks"
    ANSWERS = (
        Answer("run_all", "Run all", "a"), Answer("run_touched", "Run touched", "t"),
        Answer("add", "Add the last run", "n"), CLOSE,
    )  # fmt: skip

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "run_all", "Run all", show=False),
        Binding("t", "run_touched", "Run touched", show=False),
        Binding("n", "add", "New check", show=False),
        Binding("s", "stop", "Stop", show=False),
    ]

    def __init__(self, checks: Checks) -> None:
        super().__init__()
        self._checks = checks
        self._under_way: str | None = None

    def make_list(self) -> CheckList:
        """Return the list."""
        return CheckList(id="list")

    def on_mount(self) -> None:
        self._read()

    def on_unmount(self) -> None:
        self._checks.stop()

    @work(exclusive=True, group="read checks")
    async def _read(self) -> None:
        await asyncio.to_thread(self._checks.read)
        await self._show_rows()
        self.query_one(CheckList).focus()

    async def _show_rows(self) -> None:
        checks = self._checks
        outdated = {check.name for check in await asyncio.to_thread(checks.touched)}
        rows = [self._row(check, checks.results.get(check.name), check.name in outdated) for check in checks.known]
        self.query_one(CheckList).show_rows(rows)
        lines = [f"In {printable(checks.path)}, run under the draft. Enter runs the highlighted one, s stops it."]
        if not checks.known and not checks.problems:
            lines = ["There are no checks yet. Run a command, then press n here: its outcome becomes the first check."]
        lines += [printable(str(problem)) for problem in checks.problems[:2]]
        self.show_about("\n".join(lines))

    def _row(self, check: Check, result: Result | None, outdated: bool) -> CheckRow:
        name = printable(check.name)
        command = printable(" ".join(check.command)) if check.command else "accesses that Paddock tries itself"
        place = f"{printable(check.location.file)}:{check.location.line}"
        if self._under_way == check.name:
            return CheckRow(name, "running", False, "", (command, place))
        if result is None:
            return CheckRow(name, "not run", False, "", (command, place))
        state: State = result.outcome
        reasons = tuple(printable(reason) for reason in (*result.reasons, *result.left_out, *result.notes))
        summary = reasons[0] if state != "held" and reasons else f"{result.duration_s:.2f} s"
        output = tuple(f"| {printable(line)}" for line in result.output.splitlines()[-3:]) if state != "held" else ()
        return CheckRow(name, state, outdated, summary, (*reasons, *output, command, place))

    @on(CheckList.RunRequested)
    def _run_requested(self, event: CheckList.RunRequested) -> None:
        event.stop()
        self._run([check for check in self._checks.known if printable(check.name) == event.name])

    def action_run_all(self) -> None:
        """Run all checks."""
        self._run(self._checks.known)

    @work(group="touched", exclusive=True)
    async def action_run_touched(self) -> None:
        """Run the checks that have no result under the draft as it is now."""
        self._run(await asyncio.to_thread(self._checks.touched))

    def action_stop(self) -> None:
        """Stop the check that is running, and begin no other."""
        self._checks.stop()

    @work(group="add", exclusive=True)
    async def action_add(self) -> None:
        """Add a check that the last run fulfils."""
        try:
            name = await asyncio.to_thread(self._checks.add)
        except ChecksError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        await self._show_rows()
        self.notify(f"Added the check {printable(name)}.", markup=False)

    @work(group="run checks", exclusive=True)
    async def _run(self, checks: Iterable[Check]) -> None:
        """Run ``checks`` in order, and show each result as it comes."""
        waiting = list(checks)
        if not waiting:
            self.notify("Nothing to run: all results are of the draft as it is.", markup=False)
        self._checks.begin()
        try:
            for check in waiting:
                self._under_way = check.name
                await self._show_rows()
                if not await asyncio.to_thread(self._checks.run, check):
                    break
        finally:
            self._under_way = None
        if self.is_attached:
            await self._show_rows()
