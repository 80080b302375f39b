"""Rows of a report: counted as accesses come, and unchanged by JSON."""

import json

import pytest

from editor.policy.model import RuleRef
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.rows import Rows


def _access(path: str, **values: object) -> Access:
    plain = Access(
        verdict="allowed", rights=frozenset({"read_file"}), missing=frozenset(), path=path, object_path=path, port=None,
        syscall="openat", errno=None, process="cat", pid=7, times=1,
        decided_by=(RuleRef("p.toml", 3, 'path_beneath "/"'),), reason="because",
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def test_rows_report_only_changes() -> None:
    rows = Rows()
    first, second = rows.row_for(_access("/a")), rows.row_for(_access("/b"))
    assert rows.row_for(_access("/a", pid=8)) is first
    for row in (first, first, second):
        rows.increment(row)
    changes = [json.loads(line) for line in rows.take_changes()]
    assert [(event["row"], event["access"]["path"], event["access"]["count"]) for event in changes] == [
        (0, "/a", 2),
        (1, "/b", 1),
    ]
    assert rows.take_changes() == []
    rows.increment(second)
    assert [json.loads(line) for line in rows.take_changes()] == [{"more": [[1, 1]]}]


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editor.sandbox.verdicts.rows._MAX_ROWS", 10)
    rows = Rows()
    for number in range(100):
        rows.increment(rows.row_for(_access(f"/{number}")))
    assert len(rows) == 11
    assert rows.overflowed
    changes = [Access.from_json(json.loads(line)["access"]) for line in rows.take_changes()]
    assert sum(access.times for access in changes) == 100
    assert changes[-1].path is None


def test_access_survives_json() -> None:
    access = _access("/\udcff\n", verdict="denied", missing=frozenset({"read_file"}), errno="EACCES", confirmed=True)
    assert Access.from_json(json.loads(json.dumps(access.to_json()))) == access
    assert access._replace(pid=9, times=4, confirmed=None).key() == access.key()
