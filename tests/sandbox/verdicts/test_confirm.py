"""Denied rows compared with the kernel's records."""

from editor.sandbox import syscalls
from editor.sandbox.verdicts.audit import Denial
from editor.sandbox.verdicts.confirm import compare, matches
from editor.sandbox.verdicts.report import Access


def _access(**values: object) -> Access:
    plain = Access(
        verdict="denied", rights=frozenset({"read_file"}), missing=frozenset({"read_file"}), path="/a",
        object_path="/a", port=None, syscall="openat", errno="EACCES", process="x", pid=1, times=1,
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def _denial(serial: int, *blockers: str, path: str | None = "/a", port: int | None = None) -> Denial:
    return Denial(serial, "1", frozenset(blockers), path, "", 0, port, 0, "", None, None)


def test_match_requires_the_same_rights_and_object() -> None:
    assert matches(_access(), _denial(1, "read_file"))
    assert not matches(_access(), _denial(1, "read_file", path="/b"))
    assert not matches(_access(), _denial(1, "write_file"))
    assert not matches(_access(), _denial(1, "read_file", "write_file"))
    emptied = _access(missing=frozenset({"write_file", "truncate"}))
    assert matches(emptied, _denial(1, "write_file"))
    assert not matches(emptied, _denial(1, "truncate"))
    connected = _access(missing=frozenset({"connect_tcp"}), object_path=None, port=80)
    assert matches(connected, _denial(1, "connect_tcp", path=None, port=80))
    assert not matches(connected, _denial(1, "connect_tcp", path=None, port=81))


def test_match_requires_the_same_call_and_process() -> None:
    numbers = syscalls.numbers(syscalls.machine().native)
    row = _access(rights=frozenset(), missing=frozenset(), path="process 12 (x)", object_path=None, syscall="ptrace")
    record = _denial(1, "ptrace", path=None)._replace(target=12, call=numbers["ptrace"])
    assert matches(row, record)
    assert matches(row, record._replace(call=None))
    assert not matches(row, record._replace(call=numbers["pidfd_getfd"]))
    assert not matches(row, record._replace(target=13))
    read = row._replace(path="/proc/12/mem", syscall="openat")
    assert matches(read, record._replace(call=numbers["openat"]))
    assert not matches(read, record._replace(call=numbers["openat"], target=13))
    assert matches(row._replace(path="process group 5", syscall="kill"), record._replace(call=numbers["kill"]))


def test_one_confirmed_row_does_not_hide_other_denials() -> None:
    numbers = syscalls.numbers(syscalls.machine().native)
    row = _access(rights=frozenset(), missing=frozenset(), path="process 12 (x)", object_path=None, syscall="ptrace")
    record = _denial(1, "ptrace", path=None)._replace(target=12, pid=1, call=numbers["ptrace"])
    others = [record._replace(serial=2, call=numbers["pidfd_getfd"]), record._replace(serial=3, target=13)]
    found = compare([row], [record, *others])
    assert found.confirmed == (True,)
    assert list(found.unmatched) == others


def test_comparison_finds_unmatched_rows_and_records() -> None:
    recorded, unrecorded = _access(), _access(object_path="/c")
    found = compare(
        [recorded, unrecorded], [_denial(1, "read_file"), _denial(2, "read_file"), _denial(3, "read_file", path="/d")]
    )
    assert found.confirmed == (True, False)
    assert [denial.path for denial in found.unmatched] == ["/d"]


def test_denial_that_is_not_explained_is_settled_by_the_audit() -> None:
    row = _access(rights=frozenset({"read_file", "truncate"}), missing=frozenset(), explained=False)
    assert matches(row, _denial(1, "read_file"))
    assert not matches(row, _denial(1, "execute"))
    assert row.settled() == row
    assert row._replace(confirmed=True).settled().verdict == "denied"
    refuted = row._replace(confirmed=False).settled()
    assert (refuted.verdict, refuted.explained) == ("failed", True)
    assert "audit has no record" in refuted.reason


def test_name_that_ends_like_that_of_a_removed_file() -> None:
    record = _denial(1, "read_file", path="/a (deleted)")
    for name in ("/a", "/a (deleted)"):
        found = compare([_access(object_path=name)], [record])
        assert found.confirmed == (True,)
        assert found.unmatched == ()
