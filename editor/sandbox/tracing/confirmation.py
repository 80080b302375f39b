"""What the kernel itself records of a run, its audit and its trace events, and whether that agrees with the rows."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from editor.evaluation.layers import Deciders
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.channel import Channel
from editor.sandbox.verdicts.core_dumps import Crash, prevented_dump
from editor.sandbox.verdicts.permissions import credentials
from editor.sandbox.verdicts.rows import Row, Rows
from editor.sandbox.wire import Spec

if TYPE_CHECKING:
    from editor.sandbox.verdicts.audit import AuditReader
    from editor.sandbox.verdicts.tracepoints import TracepointReader

_AUDIT_ABI = 7  # the first ABI whose denials are in the kernel's audit
_CAP_AUDIT_READ = 37
_TRACEPOINTS_ABI = 11  # the first ABI whose checks are in the kernel's trace events


class Confirmation:
    """Reads the kernel's records of one run, if it may, and compares the rows with them at the end.

    The readers' modules are only imported where the kernel has records and the process may have them.
    """

    def __init__(self, spec: Spec, channel: Channel) -> None:
        self._spec = spec
        self._channel = channel
        self._audit: AuditReader | None = None
        self._tracepoints: TracepointReader | None = None
        self._reason = ""  # why denials are not confirmed although that was requested or expected
        self._answers: dict[int, bool] = {}  # of the kernel, by row: whether it agrees

    @property
    def has_audit(self) -> bool:
        """Whether the kernel's audit is read: it then has a row for each denial that no call shows."""
        return self._audit is not None

    def open_tracepoints(self, kernel_abi: int) -> None:
        """Record what the kernel checks, before the rules are built; only root can, where tracefs is mounted."""
        if not self._is_wanted() or kernel_abi < _TRACEPOINTS_ABI:
            return
        from editor.sandbox.verdicts import tracepoints  # noqa: PLC0415

        try:
            self._tracepoints = tracepoints.TracepointReader()
        except tracepoints.TracepointsUnavailable:
            return

    def open_audit(self, kernel_abi: int) -> None:
        """Read the kernel's audit from now on, if possible."""
        if not self._is_wanted():
            return
        if kernel_abi < _AUDIT_ABI:
            self._explain_if_asked("this kernel's audit does not record Landlock's denials")
            return
        own = credentials("self")
        if own is None or not own.has(_CAP_AUDIT_READ):
            self._explain_if_asked("reading the kernel's audit requires CAP_AUDIT_READ")
            return
        from editor.sandbox.verdicts import audit  # noqa: PLC0415

        try:
            self._audit = audit.AuditReader(enable=bool(self._spec.confirm))
        except audit.AuditInOtherNamespace as error:
            self._explain(str(error.strerror))
        except audit.AuditUnavailable as error:
            self._explain_if_asked(str(error.strerror))

    def _is_wanted(self) -> bool:
        return self._spec.mode == "enforce" and self._spec.confirm is not False

    def _explain_if_asked(self, why: str) -> None:
        if self._spec.confirm:
            self._explain(why)

    def _explain(self, why: str) -> None:
        self._reason = f"Denials are not confirmed: {why}."

    def read(self) -> None:
        """Read what the kernel has recorded since the last time."""
        if self._audit is not None:
            self._audit.read()
        if self._tracepoints is not None:
            self._tracepoints.read()

    def mark(self, tid: int, rows: Sequence[Row]) -> None:
        """Note in the trace that thread ``tid`` is at the exit of the call that made ``rows``."""
        if self._tracepoints is not None:
            self._tracepoints.mark(tid, [row.number for row in rows])

    def conclude(
        self,
        rows: Rows,
        deciders: Deciders,
        policies: Sequence[ResolvedPolicy],
        crashes: Sequence[Crash],
        *,
        root: int,
        abi: int,
    ) -> None:
        """Send the kernel's answers, rows for denials that only it knows, and notices. ``root``: the command's pid."""
        if self._audit is not None:
            self._compare_audit(self._audit, rows, deciders, crashes, root)
        if self._tracepoints is not None:
            self._compare_trace(self._tracepoints, rows, policies, abi)
        if self._audit is None:
            self._report_unconfirmed(rows, deciders, crashes)

    def _compare_audit(
        self, reader: "AuditReader", rows: Rows, deciders: Deciders, crashes: Sequence[Crash], root: int
    ) -> None:
        """Compare the denied rows with the kernel's audit records, and add rows for what only these show."""
        from editor.sandbox.verdicts.confirm import confirm  # noqa: PLC0415
        from editor.sandbox.verdicts.recorded import row_of  # noqa: PLC0415

        found = confirm([row for row in rows if row.access.verdict == "denied"], reader, root)
        self._send(dict(found.answers), rows)
        deciders.forget()
        for denial in found.unlisted:
            access = row_of(denial, deciders, crashes)
            if access is not None:
                rows.increment(rows.row_for(access))
        self._channel.send(rows.take_changes())
        for text in found.notices:
            self._channel.notice(text)
        reader.close()

    def _compare_trace(
        self, reader: "TracepointReader", rows: Rows, policies: Sequence[ResolvedPolicy], abi: int
    ) -> None:
        """Compare the rows, also the allowed ones, with the kernel's trace events."""
        from editor.sandbox.verdicts.checks import Checks, describe  # noqa: PLC0415

        reader.read()
        reader.close()
        trace = reader.trace
        if trace.lost:
            self._channel.notice("Some of the kernel's trace events were lost: they confirm nothing.")
            return
        accesses = [row.access for row in rows]
        checks = Checks(policies, abi, trace)
        found = checks.answers(accesses, trace.calls())
        self._send({row: agrees and self._answers.get(row, True) for row, agrees in found.items()}, rows)
        if self._audit is None:
            for denial in checks.unlisted(accesses, trace.calls()):
                self._channel.notice(f"The kernel's trace events show a denial that is not listed: {describe(denial)}.")

    def _send(self, answers: dict[int, bool], rows: Rows) -> None:
        if answers:
            self._answers.update(answers)
            self._channel.send([*rows.take_changes(), json.dumps({"confirmed": [*answers.items()]})])

    def _report_unconfirmed(self, rows: Rows, deciders: Deciders, crashes: Sequence[Crash]) -> None:
        """Report what audit would have shown."""
        if self._spec.mode == "enforce":
            for crash in crashes:
                self._channel.notice(prevented_dump(crash, deciders))
        if self._reason and any(row.access.verdict == "denied" and row.number not in self._answers for row in rows):
            self._channel.notice(self._reason)

    def close(self) -> None:
        """Leave nothing behind in the kernel."""
        if self._tracepoints is not None:
            self._tracepoints.close()
