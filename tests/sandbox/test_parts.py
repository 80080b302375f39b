"""The small parts: what a program asks for, rows that add up, requests on their way."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from editor.policy.model import RuleRef
from editor.sandbox.calls.execchain import NOTHING, Image, ImageReader
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.rows import Rows
from editor.sandbox.wire import Spec
from tests.sandbox.harness import everything, policy


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#!/bin/sh\n", Image("/bin/sh", None)),
        (b"#!  /usr/bin/env   python3 -x\nrest", Image("/usr/bin/env", None)),
        (b"#!\t/bin/sh\t-e", Image("/bin/sh", None)),
        (b"#!relative\n", Image("relative", None)),
        (b"#!\n", NOTHING),
        (b"#! \n/bin/sh", NOTHING),
        (b"#!/\xff\n", Image("/\udcff", None)),
        (b"", NOTHING),
        (b"echo no interpreter\n", NOTHING),
        (b"\x7fELF", NOTHING),
        (b"\x7fELF" + bytes(200), NOTHING),
        (b"\x7fELF\x02\x01" + b"\xff" * 300, NOTHING),
    ],
    ids=range(12),
)
def test_what_a_program_asks_for(content: bytes, expected: Image, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(content)
    assert ImageReader().read(str(program)) == expected


def test_loader_of_a_real_program_and_of_a_small_one(tmp_path: Path) -> None:
    loader = ImageReader().read(os.path.realpath("/bin/sh")).loader
    assert loader is not None
    assert os.path.exists(loader)
    header = b"\x7fELF\x01\x01" + bytes(22) + struct.pack("<I", 64) + bytes(10) + struct.pack("<HH", 32, 1)
    program = tmp_path / "small"  # 32 bits, one PT_INTERP header
    program.write_bytes(header.ljust(64, b"\0") + struct.pack("<II8xI12x", 3, 96, 8) + b"/lib/ld\0")
    assert ImageReader().read(str(program)) == Image(None, "/lib/ld")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert ImageReader().read(str(tmp_path / "fifo")) == NOTHING
    assert ImageReader().read(str(tmp_path)) == NOTHING
    assert ImageReader().read(str(tmp_path / "none")) == NOTHING


def test_program_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    reader = ImageReader()
    program = tmp_path / "program"
    program.write_text("#!/bin/one\n")
    assert reader.read(str(program)).script == "/bin/one"
    program.write_text("#!/bin/other\n")
    assert reader.read(str(program)).script == "/bin/other"


def _access(path: str, **values: object) -> Access:
    plain = Access(
        verdict="allowed", rights=frozenset({"read_file"}), missing=frozenset(), path=path, object_path=path, port=None,
        syscall="openat", errno=None, process="cat", pid=7, times=1,
        decided_by=(RuleRef("p.toml", 3, 'path_beneath "/"'),), reason="because",
    )  # fmt: skip
    return plain._replace(**values)  # type: ignore[arg-type]  # test values by name


def test_rows_tell_only_what_is_new() -> None:
    rows = Rows()
    first, second = rows.find(_access("/a")), rows.find(_access("/b"))
    assert rows.find(_access("/a", pid=8)) is first
    for row in (first, first, second):
        rows.count(row)
    told = [json.loads(line) for line in rows.tell()]
    assert [(event["row"], event["access"]["path"], event["access"]["count"]) for event in told] == [
        (0, "/a", 2),
        (1, "/b", 1),
    ]
    assert rows.tell() == []
    rows.count(second)
    assert [json.loads(line) for line in rows.tell()] == [{"more": [[1, 1]]}]


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editor.sandbox.verdicts.rows._MAX_ROWS", 10)
    rows = Rows()
    for number in range(100):
        rows.count(rows.find(_access(f"/{number}")))
    assert len(rows) == 11
    assert rows.overflowed
    told = [Access.from_json(json.loads(line)["access"]) for line in rows.tell()]
    assert sum(access.times for access in told) == 100
    assert told[-1].path is None


def test_access_travels_whole() -> None:
    access = _access("/\udcff\n", verdict="denied", missing=frozenset({"read_file"}), errno="EACCES", confirmed=True)
    assert Access.from_json(json.loads(json.dumps(access.to_json()))) == access
    assert access._replace(pid=9, times=4, confirmed=None).key() == access.key()


def test_request_travels_whole(tmp_path: Path) -> None:
    name = os.path.join(tmp_path, os.fsdecode(b"\xff\n"))
    os.mkdir(name)
    for resolved in (
        everything(),
        policy(
            {str(tmp_path): ["read_file"], "/none": ["execute"]},
            net=["bind_tcp"],
            ports={80: ["bind_tcp"]},
            scoped=["signal"],
        ),
    ):
        spec = Spec(
            resolved=resolved, command=("echo", "\udcff", ""), mode="observe", abi=3, cwd=name, env={"A": "\udcfe"},
            stdin=1, stdout=2, stderr=3, session=True, terminal=False, timeout=1.5, die_with_parent=True, confirm=None,
        )  # fmt: skip
        assert Spec.from_text(spec.to_text()) == spec
        assert hash(Spec.from_text(spec.to_text()).resolved) == hash(resolved)


def test_tracer_imports_little() -> None:
    """Each run pays for what the tracer imports."""
    code = "import sys; import editor.sandbox.tracing.tracer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"dataclasses", "inspect", "asyncio", "textual", "tomlkit", "tomllib", "watchdog", "subprocess", "socket"}
    assert not heavy & set(loaded)
