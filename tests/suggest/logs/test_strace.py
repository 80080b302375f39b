"""A log of strace(1) gives the plan that an observed run of the same program gives."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from editor.editing.edits import AddPathRule, Edit, GrantPort
from editor.evaluation.resolve import ResolvedPolicy
from editor.sandbox.verdicts.report import Access
from editor.suggest.logs.reading import Log, LogError, read_log
from editor.suggest.planning import make_plan
from tests.sandbox.harness import ALL_FS, ALL_NET, PLAIN_ENV, policy, run

SCRIPT = r"""
cd "sub dir"
cat in > out
cat < 'li"nk' >> out
mkdir made
cat in > made/first
mv made/first made/second
mv made/second ../moved
rm out
ln -s in pointer
ls .. > /dev/null
chmod 600 in
(cd made && cat ../in)
exec cat /etc/hostname missing
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def furnish(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    (place / "sub dir").mkdir(parents=True)
    (place / "sub dir" / "in").write_text("x\n", encoding="ascii")
    (place / "sub dir" / 'li"nk').symlink_to("in")


def traced(place: Path, log: Path, *options: str) -> Log:
    furnish(place)
    command = ["strace", "-f", *options, "-o", str(log), "/bin/sh", "-c", SCRIPT]
    subprocess.run(command, cwd=place, env=PLAIN_ENV, check=False, capture_output=True)
    return read_log(log.read_bytes(), cwd=str(place))


def edits(rows: tuple[Access, ...], resolved: ResolvedPolicy) -> set[Edit]:
    plan = make_plan(rows, resolved, fold="exact", promises=False)
    return {edit for proposal in plan.proposals for edit in proposal.edits}


@pytest.mark.parametrize("options", [["-y"], [], ["-tt", "-T"], ["-r"], ["-y", "-s", "4096", "-v"]], ids=" ".join)
def test_log_gives_the_plan_of_an_observed_run(options: list[str], place: Path, tmp_path: Path) -> None:
    nothing = policy({}, fs=ALL_FS, net=ALL_NET)
    furnish(place)
    observed = run(nothing, "/bin/sh", "-c", SCRIPT, mode="observe", cwd=str(place))
    log = traced(place, tmp_path / "log", *options)
    assert log.source == "strace"
    live, read = (
        {
            edit
            for proposal in make_plan(rows, nothing, fold="exact", promises=False).proposals
            for edit in proposal.edits
        }
        for rows in (observed.report.accesses, log.accesses)
    )
    assert len(live) > 8
    assert read == live


def test_ports_and_names_in_octal() -> None:
    text = (
        '5 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("127.0.0.1")}, 16) = 0\n'
        '[pid    7] openat(AT_FDCWD, "/etc/n\\303\\244me", O_RDONLY|O_CLOEXEC) = 4\n'
        '5 openat(9, "unknown", O_RDONLY) = 4\n'
        '5 openat(AT_FDCWD, "/etc/absent", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
        '5 openat(AT_FDCWD, "/cut'
    )
    found = edits(read_log(text.encode()).accesses, policy({}, fs=ALL_FS, net=ALL_NET))
    assert GrantPort(443, frozenset({"connect_tcp"})) in found
    (named,) = [edit for edit in found if isinstance(edit, AddPathRule)]
    assert named.paths == ("/etc",) and named.rights == {"read_file"}  # the file does not exist here


@pytest.mark.parametrize("data", [b"", b"hello\n", b"\xff\0\n", b'{"a": 1}', b"[1, 2]"])
def test_what_is_no_log_is_refused(data: bytes) -> None:
    with pytest.raises(LogError, match="neither"):
        read_log(data)


def test_damaged_report_is_refused() -> None:
    with pytest.raises(LogError, match="damaged"):
        read_log(b'{"accesses": [{"verdict": "denied", "rights": [], "missing": [], "object": "/x"}]}')
    with pytest.raises(LogError, match="line 1 is not JSON"):
        read_log(b'{"accesses": [')


def test_own_reports_are_read_whole_and_by_lines(place: Path) -> None:
    furnish(place)
    done = run(policy({}, fs=ALL_FS), "/bin/sh", "-c", SCRIPT, mode="observe", cwd=os.fspath(place))
    rows = [access.to_json() for access in done.report.accesses]
    whole = read_log(json.dumps({"accesses": rows}).encode())
    lines = read_log("".join(json.dumps(row) + "\n" for row in (*rows, {"summary": 1})).encode())
    assert whole.accesses == lines.accesses == done.report.accesses
