"""The checks of a draft and their last results. Its methods may take a while: call them in a thread."""

import contextlib
import os
from typing import TYPE_CHECKING

from editor.analysis.verify.checks import Check, checks_path, parse_checks, read_checks
from editor.analysis.verify.probes import Stopped
from editor.analysis.verify.running import Job, Result, run_check
from editor.analysis.verify.touched import touched
from editor.analysis.verify.writing import check_of
from editor.escape import printable
from editor.policy.errors import PolicyError
from editor.workspace.saving import SaveError, read_file, write_file, write_new

if TYPE_CHECKING:
    from editor.evaluation.resolve import ResolvedPolicy
    from editor.workspace.workspace import Workspace


class ChecksError(ValueError):
    """What was asked for cannot be done. The message is a sentence, printable."""


class Checks:
    """The checks next to the file of ``draft``. One at a time runs, under the draft as it is then."""

    def __init__(self, draft: "Workspace", abi: int | None) -> None:
        self._draft = draft
        self._abi = abi
        self.path = checks_path(draft.path)
        """The file of the checks, which need not exist."""
        self.known: tuple[Check, ...] = ()
        """The valid checks in the file."""
        self.problems: tuple[PolicyError, ...] = ()
        """What is wrong with the file."""
        self.results: dict[str, Result] = {}
        """The last result of each check that has run, by name."""
        self._under: dict[str, ResolvedPolicy] = {}
        self._stopped, self._stop = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def read(self) -> None:
        """Read the file."""
        self.known, self.problems = read_checks(self.path) if os.path.exists(self.path) else ((), ())

    def touched(self) -> tuple[Check, ...]:
        """Return the checks that have no result, or may end otherwise under the draft than when they ran last."""
        now = self._draft.resolved
        reports = {name: result.report for name, result in self.results.items() if result.report is not None}
        found = []
        for check in self.known:
            under = self._under.get(check.name)
            if under is None or touched((check,), under, now, self._draft.abi, reports):
                found.append(check)
        return tuple(found)

    def begin(self) -> None:
        """Forget an earlier ``stop``."""
        while True:
            try:
                os.read(self._stopped, 64)
            except BlockingIOError:
                return

    def stop(self) -> None:
        """End the check that is running, with all that it started."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._stop, b"\0")

    def run(self, check: Check) -> bool:
        """Run one check and keep its result. Return False if it was stopped."""
        resolved = self._draft.resolved
        try:
            result = run_check(Job(self._draft.whole, check, self._abi), self._stopped)
        except Stopped:
            return False
        self.results[check.name] = result
        self._under[check.name] = resolved
        return True

    def add(self) -> str:
        """Add a check that the last run of the draft fulfils, and return its name. Raises ChecksError."""
        report = self._draft.report
        if report is None:
            raise ChecksError("Run a command first: its outcome becomes the check.")
        names = {check.name for check in self.known}
        name = command = " ".join(report.command)
        number = 1
        while name in names:
            number += 1
            name = f"{command} ({number})"
        try:
            before = read_file(self.path)
            text = check_of(report, os.getcwd(), name)
            if before is None:
                write_new(self.path, text.encode(), overwrite=False)
            else:
                known = before.decode()
                text = f"{known.rstrip()}\n\n{text}" if known.strip() else text
                parse_checks(text, self.path)
                write_file(self.path, text.encode(), expected=before)
        except (SaveError, PolicyError, ValueError, OSError) as error:
            raise ChecksError(f"Cannot add the check to {printable(self.path)}: {printable(str(error))}") from error
        self.read()
        return name
