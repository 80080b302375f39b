"""Counts accesses as they come, and reports only what changed since the last time."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from editor.sandbox.verdicts.report import Access

# More rows than anyone can read, and some hundred megabytes: beyond that, accesses are counted without paths.
_MAX_ROWS = 200_000
_DENIED_LAST = 100


class Row:
    """One row: the access as first seen, its number, and how often it happened since it was last reported."""

    __slots__ = ("access", "is_new", "number", "unreported")

    def __init__(self, access: Access, number: int) -> None:
        self.access = access
        self.number = number
        self.unreported = 0
        self.is_new = True


class Rows:
    """All rows of a run."""

    def __init__(self) -> None:
        self._rows: dict[tuple[object, ...], Row] = {}
        self._changed: list[Row] = []
        self._denied: dict[int, None] = {}  # numbers of rows, the one denied last at the end
        self.overflowed = False

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def row_for(self, access: Access) -> Row:
        """Return the row of ``access``, created if needed; its count stays as it is."""
        key = access.key()
        row = self._rows.get(key)
        if row is not None:
            return row
        if len(self._rows) >= _MAX_ROWS:
            self.overflowed = True
            access = access._replace(
                path=None, object_path=None, port=None, decided_by=(), reason="", old_path=None, made_in=None
            )
            row = self._rows.get(access.key())
            if row is not None:
                return row
        row = self._rows[access.key()] = Row(access, len(self._rows))
        return row

    def increment(self, row: Row) -> None:
        """Count one more access of this row."""
        if not row.unreported:
            self._changed.append(row)
        row.unreported += 1
        if row.access.verdict == "denied" and row.access.observed == "call":
            self._denied.pop(row.number, None)
            self._denied[row.number] = None

    @property
    def denied_last(self) -> list[int]:
        """The numbers of the rows of calls that were denied last, the last one at the end."""
        return [*islice(reversed(self._denied), _DENIED_LAST)][::-1]

    @property
    def has_changes(self) -> bool:
        """Whether there are changes to report."""
        return bool(self._changed)

    def take_changes(self) -> list[str]:
        """Return the changes since the last call as JSON lines: new rows in full, known ones by number and increase."""
        lines: list[str] = []
        more: list[list[int]] = []
        for row in self._changed:
            if row.is_new:
                row.is_new = False
                event: dict[str, Any] = {
                    "row": row.number,
                    "access": row.access._replace(times=row.unreported).to_json(),
                }
                lines.append(json.dumps(event, separators=(",", ":")))
            else:
                more.append([row.number, row.unreported])
            row.unreported = 0
        if more:
            lines.append(json.dumps({"more": more}, separators=(",", ":")))
        self._changed = []
        return lines
