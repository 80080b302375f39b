"""Which denials mattered: what real runs gave up for, got along without, and complained about."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from editor.editing.document import PolicyDocument
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.sandbox.events import Finished, Output
from editor.sandbox.runner import RunRequest, start
from editor.sandbox.verdicts.report import Access, Report
from editor.suggest.needed import GAVE_UP, NEEDED, TOLERATED, Standing, probed, standings, standings_in_runs
from editor.suggest.plan import Plan
from editor.suggest.planning import make_plan, plan_of

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
POLICY = """\
abi = 3
[[ruleset]]
handled_access_fs = ["read_file", "execute"]
[[path_beneath]]
allowed_access = ["read_file", "execute"]
parent = ["/usr", "/etc/ld.so.cache", "/etc/locale.alias", "{more}"]
"""


def resolved_policy(more: str = "/usr") -> ResolvedPolicy:
    return resolve(PolicyDocument.parse(POLICY.format(more=more), "policy.toml", "toml").policy)


def run(command: tuple[str, ...], place: Path, more: str = "/usr", **options: Any) -> tuple[Report, str]:
    """Run ``command`` and return the report and all that it printed."""
    request = RunRequest(resolved_policy(more), command, cwd=os.fspath(place), env=ENVIRONMENT, timeout=60)
    running = start(request._replace(**options))
    printed = b""
    while True:
        for event in running.read_events():
            if isinstance(event, Output):
                printed += event.data
            if isinstance(event, Finished):
                return event.report, printed.decode()


def sh(script: str) -> tuple[str, ...]:
    return ("/usr/bin/sh", "-c", script)


def by_name(plan: Plan) -> dict[str, tuple[bool, str]]:
    """Return whether each proposal on paths is tolerated and why it is there, by the last part of the object."""
    return {os.path.basename(each.accesses[0].object_path or ""): (each.tolerated, each.why) for each in plan.proposals}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text("content\n")
    return tmp_path


def test_a_run_that_ended_well_needed_nothing(place: Path) -> None:
    report, printed = run(sh("read x < one; cat two; true"), place)
    assert report.exit_code == 0
    plan = plan_of([report], resolved_policy(), fold="exact", output=printed)
    assert plan.proposals
    assert plan.needed == ()
    assert all(each.tolerated and "ended with status 0" in each.why for each in plan.proposals)
    assert "It said: cat: two: Permission denied" in by_name(plan)["two"][1]


def test_the_last_denial_before_a_failure_comes_first(place: Path) -> None:
    report, _ = run(sh("read x < one; read x < two; exec 2> /dev/null; exec cat three"), place)
    assert report.exit_code == 1
    plan = plan_of([report], resolved_policy(), fold="exact")
    assert [os.path.basename(each.accesses[0].object_path or "") for each in plan.proposals] == ["three", "one", "two"]
    assert by_name(plan)["three"] == (
        False,
        "Nothing else was denied before the run ended with status 1. Used by cat.",
    )
    assert len(plan.needed) == 3


def test_what_is_denied_again_counts_where_it_is_denied_last(place: Path) -> None:
    script = "for name in one two one; do read x < $name; done; exit 3"
    report, _ = run(sh(script), place)
    rows = [access for access in report.accesses if access.verdict == "denied"]
    assert [row.times for row in rows] == [2, 1]
    assert [report.accesses[number] for number in report.denied_last] == [rows[1], rows[0]]
    plan = plan_of([report], resolved_policy(), fold="exact")
    assert plan.proposals[0].accesses == (rows[0],)


def test_what_the_program_complains_about_comes_first(place: Path) -> None:
    report, printed = run(sh("cat ./one; read x < two; read x < three; exit 1"), place)
    plan = plan_of([report], resolved_policy(), fold="exact", output=printed.replace("sh:", "").replace("two", ""))
    found = by_name(plan)
    assert found["one"][1].startswith("The program said: cat: ./one: Permission denied")
    assert [os.path.basename(each.accesses[0].object_path or "") for each in plan.proposals] == ["one", "three", "two"]


def test_a_run_that_was_denied_less_shows_what_was_fatal(place: Path) -> None:
    command = sh("cat one 2> /dev/null; cat two 2> /dev/null || exit 1; cat three 2> /dev/null; true")
    failed, _ = run(command, place)
    worked, _ = run(command, place, more=f"{place}/two")
    assert (failed.exit_code, worked.exit_code) == (1, 0)
    # The one that worked was denied three as well, to which the other never came.
    found = by_name(plan_of([failed, worked], resolved_policy(), fold="exact"))
    assert found["one"][0] and found["three"][0]
    assert not found["two"][0]
    command = sh("cat one two 2> /dev/null; cat two 2> /dev/null")
    failed, _ = run(command, place)
    worked, _ = run(command, place, more=f"{place}/two")
    plan = plan_of([failed, worked], resolved_policy(), fold="exact")
    assert by_name(plan)["two"][1].startswith("A run to which this was not denied ended with status 0.")
    assert by_name(plan)["one"] == (True, "Another run was denied this, too, and ended with status 0. Used by cat.")


def test_other_layers_do_not_count(place: Path) -> None:
    report, _ = run(sh("cat one"), place, layers=(resolved_policy(),))
    assert report.exit_code == 1
    layers = {access.layer for access in report.accesses if access.verdict == "denied"}
    for layer in (1, 2):
        assert bool(plan_of([report], resolved_policy(), layer).needed) == (layer in layers)
    assert plan_of([report], resolved_policy()) == Plan(())


@pytest.mark.program("/usr/bin/python3")
@pytest.mark.parametrize(
    "command",
    [
        ("/usr/bin/python3", "-I", "-c", "import os, concurrent.futures; print(os.cpu_count())"),
        ("/usr/bin/ls", "-l", "."),
        ("/usr/bin/sort", "one"),
        ("/usr/bin/node", "-e", "require('os').cpus(); require('fs').readFileSync('one')"),
        ("/usr/bin/java", "-version"),
    ],
    ids=lambda command: os.path.basename(command[0]),
)
def test_programs_do_without_what_they_probe(command: tuple[str, ...], place: Path) -> None:
    """What an observed run only probes is not needed: denied that alone, the program ends as it does bare."""
    if not os.path.exists(command[0]):
        pytest.skip(f"needs {command[0]}")
    text = 'abi = 3\n[[ruleset]]\nhandled_access_fs = ["read_file", "read_dir"]\n'
    document = PolicyDocument.parse(text, "policy.toml", "toml")
    request = RunRequest(
        resolve(document.policy), command, mode="observe", cwd=os.fspath(place), env=ENVIRONMENT, timeout=60
    )
    plan = plan_of([start(request).wait()], resolve(document.policy), fold="exact", promises=False)
    for proposal in plan.proposals:
        if not proposal.tolerated:
            for edit in proposal.edits:
                document = document.apply(edit)
    report = start(request._replace(resolved=resolve(document.policy), mode="enforce")).wait()
    assert report.exit_code == 0
    denied = [access for access in report.accesses if access.verdict == "denied"]
    assert [access for access in denied if not probed(access)] == []


def access(path: str, *rights: str, asked: str | None = None, of_command: bool = False, **more: Any) -> Access:
    missing = frozenset(rights or ("read_file",))
    row = Access("denied", missing, missing, asked or path, path, None, "openat", "EACCES", "x", 100, 1)
    return row._replace(of_command=of_command, **more)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (access("/sys/fs/cgroup/memory.max"), "limits of memory and processors"),
        (access("/proc/100/cgroup", of_command=True), "limits of memory and processors"),
        (access("/proc/100/cgroup", asked="/proc/self/cgroup"), "limits of memory and processors"),
        (access("/sys/devices/system/cpu", "read_dir"), "the number of processors"),
        (access("/proc/7/stat"), "other processes"),
        (access("/proc/100/stat"), ""),
        (access("/proc/100/task/101/comm", asked="/proc/self/task/101/comm"), ""),
        (access("/proc/sys/vm/overcommit_memory"), "settings of the memory management"),
        (access("/proc/sys/vm/overcommit_memory", "write_file"), ""),
        (access("/proc/sys/vmx"), ""),
        (access("/etc/locale.alias", asked="/usr/share/locale/locale.alias"), ""),
        (access("/dev/null", "ioctl_dev"), "a terminal"),
        (access("/dev/null", "ioctl_dev", "write_file"), ""),
        (access("/dev/tty", "ioctl_dev"), ""),
        (access("/etc/hosts"), ""),
    ],
)
def test_known_probes(row: Access, what: str) -> None:
    assert probed(row) == what


PROBE = access("/sys/fs/cgroup/memory.max")
FILE = access("/etc/hosts")


def ranks(found: list[Standing]) -> list[int]:
    return [each.rank for each in found]


def test_probes_are_needed_if_nothing_else_explains_the_failure() -> None:
    assert ranks(standings([PROBE, FILE], 1)) == [TOLERATED, GAVE_UP]
    assert ranks(standings([FILE, PROBE], 1)) == [GAVE_UP, TOLERATED]
    assert ranks(standings([PROBE, PROBE], 1)) == [NEEDED, GAVE_UP]
    assert ranks(standings([PROBE], None)) == [TOLERATED]
    assert ranks(standings([PROBE], 1, "cat: /sys/fs/cgroup/memory.max: Permission denied")) == [GAVE_UP]


def test_what_prints_the_message_is_not_what_the_program_gave_up_for() -> None:
    message = access("/etc/locale.alias")
    assert ranks(standings([FILE, message], 1)) == [GAVE_UP, NEEDED]
    assert ranks(standings([message, message], 1)) == [NEEDED, GAVE_UP]


def test_an_observed_run_needs_all_but_probes_however_it_ended() -> None:
    rows = [row._replace(predicted=True) for row in (PROBE, FILE)]
    for status in (None, 0, 1):
        assert ranks(standings(rows, status, "/etc/hosts: Permission denied")) == [TOLERATED, NEEDED]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cat: /etc/hosts: Permission denied", True),
        ("cat: '/etc/hosts': Permission denied", True),
        ("PermissionError: [Errno 13] Permission denied: '/etc/hosts'", True),
        ('nginx: [emerg] open() "/etc/hosts" failed (13: Permission denied)', True),
        ("Error: EACCES: permission denied, open '/etc/hosts'", True),
        ("cannot open etc/hosts.", True),
        ("reading /etc/hosts", False),
        ("cat: /tmp/etc/hosts: Permission denied", False),
        ("cat: /etc/hosts.allow: Permission denied", False),
        ("", False),
    ],
)
def test_complaints(line: str, named: bool) -> None:
    found = standings([FILE, access("/etc/other")], 1, f"starting\n{line}\nbye\n")
    assert ranks(found) == [GAVE_UP if named else NEEDED, GAVE_UP]


def test_complaints_are_escaped_and_cut() -> None:
    (found,) = standings([FILE], 1, "\x1b[31m/etc/hosts: denied " + "x" * 1000)
    assert "\x1b" not in found.why
    assert len(found.why) < 250


def test_what_a_needed_grant_covers_is_no_proposal_of_its_own() -> None:
    own = access("/proc/100/maps", of_command=True, predicted=True)
    group = access("/proc/100/cgroup", of_command=True, predicted=True)
    (proposal,) = make_plan((own, group), resolved_policy()).proposals
    assert proposal.accesses == (own, group)
    assert not proposal.tolerated


def test_equal_rows_of_several_runs_are_one(place: Path) -> None:
    reports = [run(sh("cat one"), place)[0] for _ in range(2)]
    assert len(standings_in_runs(reports)) == 1
    shutil.rmtree(place)
