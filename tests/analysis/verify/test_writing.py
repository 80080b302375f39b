"""A check written from a run: the next run fulfils it, and a policy that denies less or more does not."""

import os
from pathlib import Path

import pytest

from editor.analysis.verify.checks import Check, parse_checks
from editor.analysis.verify.judging import judge
from editor.analysis.verify.writing import check_of
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.policy.parse import parse_policy
from editor.sandbox.verdicts.report import Mode, Report
from tests.cli.harness import POLICY
from tests.sandbox.harness import run


def policy(*granted: str, text: str = POLICY) -> ResolvedPolicy:
    rules = "".join(f'\n[[path_beneath]]\nallowed_access = ["abi.all"]\nparent = ["{path}"]\n' for path in granted)
    return resolve(parse_policy(text + rules, "p.toml", "toml"))


def written(report: Report, directory: str) -> Check:
    checks, problems = parse_checks(check_of(report, directory), "p.checks.toml")
    assert problems == ()
    (check,) = checks
    return check


def texts(check: Check) -> tuple[list[str], list[str]]:
    return [each.text for each in check.denied], [each.text for each in check.may_be_denied]


SCRIPT = """
import os, socket, sys
for attempt in (
    lambda: open("secret"),
    lambda: os.mkdir("new"),
    lambda: socket.create_connection(("127.0.0.1", 25)),
    lambda: os.kill(int(sys.argv[1]), 0),
    lambda: open("/proc/1/comm"),
    lambda: os.listdir("/proc/%d/fd" % os.getpid()),
):
    try:
        attempt()
    except OSError:
        pass
os._exit(5)
"""


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "secret").write_text("")
    return os.path.realpath(tmp_path)


@pytest.mark.parametrize("mode", ["enforce", "observe"])
def test_next_run_fulfils_the_check(place: str, mode: Mode) -> None:
    command = ("/usr/bin/python3", "-I", "-S", "-c", SCRIPT, str(os.getpid()))
    resolved = policy(text=POLICY.replace(', "/proc"', ""))
    report = run(resolved, *command, cwd=place, mode=mode).report
    check = written(report, place)
    assert (check.command, check.directory, check.mode, check.exit_status) == (command, place, mode, 5)
    denied, may_be_denied = texts(check)
    assert {f"read_file {place}/secret", f"make_dir {place}", "connect_tcp 25", "signal outside"} <= set(denied)
    assert "read_dir /proc/**" in may_be_denied
    if mode == "observe":
        os.rmdir(os.path.join(place, "new"))
    again = run(resolved, *command, cwd=place, mode=mode).report
    assert judge(check, again, place) == ((), ())


def test_policy_that_allows_more_or_less_fails_the_check(place: str) -> None:
    command = ("/bin/sh", "-c", "cat secret; cat /etc/hostname; exit 0")
    check = written(run(policy(), *command, cwd=place).report, place)
    assert texts(check) == ([f"read_file {place}/secret"], [])
    wider = judge(check, run(policy(place), *command, cwd=place).report, place)
    assert wider.reasons == (f"not denied: read_file {place}/secret (allowed by p.toml:26)",)
    less = policy(text=POLICY.replace('"/etc", ', '"/etc/ld.so.cache", '))
    (reason,) = judge(check, run(less, *command, cwd=place).report, place).reasons
    assert reason.startswith("denied, but not expected: read_file /etc/hostname by cat")


def test_names_that_a_check_cannot_name_exactly(place: str) -> None:
    for name in ("a*b", "b ", " c", 'quote"\n"', "\u202e"):
        Path(place, name).write_text("")
    command = ("/usr/bin/cat", *sorted(os.listdir(place)))
    resolved = policy()
    report = run(resolved, *command, cwd=place).report
    check = written(report, place)
    denied, may_be_denied = texts(check)
    assert set(denied) == {f"read_file {place}/{name}" for name in ("secret", " c", 'quote"\n"', "\u202e")}
    assert may_be_denied == [f"read_file {place}/**"]
    assert "\u202e" not in check_of(report, place)  # escaped: it would reorder the text
    assert judge(check, run(resolved, *command, cwd=place).report, place) == ((), ())


def test_run_that_asked_is_refused(place: str) -> None:
    report = run(policy(text=POLICY), "/usr/bin/true", cwd=place, mode="ask", ask_timeout=0.01).report
    with pytest.raises(ValueError, match="the last run asked"):
        check_of(report, place)


def test_command_that_is_not_utf8_is_refused(place: str) -> None:
    report = run(policy(), "/usr/bin/cat", os.fsdecode(b"\xff"), cwd=place).report
    with pytest.raises(ValueError, match="surrogates not allowed"):
        check_of(report, place)
