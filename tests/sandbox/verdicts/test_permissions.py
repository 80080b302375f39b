"""What file permissions refuse is not a denial by the policy; if both refuse, the row says so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.sandbox.verdicts.permissions import PermissionChecker, access_mask, credentials
from tests.sandbox.harness import ALL_FS, Outcome, policy, run, system_rules

_NOBODY = 65534
_IS_ROOT = os.geteuid() == 0


@pytest.fixture
def top(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Files that an ordinary user may not use, in directories that everyone may search."""
    path = Path(os.path.realpath(tmp_path_factory.mktemp("permissions")))
    for above in (path, *path.parents):
        if above.owner() == Path("~").expanduser().owner() and above != Path("/tmp"):
            above.chmod(above.stat().st_mode | 0o055)
        if above == Path("/tmp"):
            break
    for name in ("granted", "denied"):
        directory = path / name
        directory.mkdir()
        (directory / "secret").write_text("x")
        (directory / "secret").chmod(0)
        (directory / "closed").mkdir(mode=0)
        directory.chmod(0o555)
    yield str(path)
    for name in ("granted", "denied"):  # so that an ordinary user can remove everything
        (path / name).chmod(0o700)
        (path / name / "closed").chmod(0o700)


def _as_nobody(top: str, script: str) -> Outcome:
    """Run as an unprivileged user: this user, or as root another one through setpriv(1)."""
    rules = {**system_rules(), f"{top}/granted": ALL_FS}
    command: tuple[str, ...] = ("sh", "-c", script)
    if _IS_ROOT:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv to become an ordinary user")
        command = (
            "setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--inh-caps=-all", *command
        )  # fmt: skip
    return run(policy(rules), *command)


def test_refused_by_permissions_alone(top: str) -> None:
    done = _as_nobody(top, f"cat {top}/granted/secret; cat {top}/granted/closed/x; touch {top}/granted/new")
    secret, below, new = (
        done.rows(path=f"{top}/granted/{name}", errno="EACCES")[0] for name in ("secret", "closed/x", "new")
    )
    assert {row.verdict for row in (secret, below, new)} == {"failed"}
    assert "file permissions" in secret.reason
    assert "file permissions" in below.reason or _IS_ROOT  # root can see into the closed directory
    assert "file permissions" in new.reason
    assert all(row.missing == frozenset() for row in (secret, below, new))


def test_refused_by_permissions_and_policy(top: str) -> None:
    done = _as_nobody(top, f"cat {top}/denied/secret; mkdir {top}/denied/new")
    (secret,) = done.rows(path=f"{top}/denied/secret")
    assert secret.verdict == "failed"  # permissions come first: the kernel never asked Landlock
    assert "file permissions" in secret.reason and "policy would deny it too" in secret.reason
    (new,) = done.rows(path=f"{top}/denied/new")
    assert new.verdict == "denied"  # here Landlock comes first
    assert new.missing == {"make_dir"}
    assert "file permissions refuse it as well" in new.reason


def test_a_move_refused_on_one_name_is_not_denied_on_the_other(top: str) -> None:
    granted = Path(top, "granted")
    granted.chmod(0o755)
    (granted / "open").mkdir()
    (granted / "open").chmod(0o777)
    (granted / "open" / "from").write_text("x")
    granted.chmod(0o555)
    done = _as_nobody(
        top, f"cd {granted}; mv open/from kept; mv secret open/to; mv open/from closed/y; mv closed/x open/to"
    )
    rows = [row for row in done.report.accesses if row.errno == "EACCES" and row.syscall.startswith("rename")]
    assert {os.path.basename(row.path or "") for row in rows} >= {"from", "kept", "secret", "to", "y"}
    assert {(row.verdict, row.explained) for row in rows} == {("failed", True)}


def test_program_without_execute_permission(top: str) -> None:
    script = Path(top, "granted-program")
    script.write_text("#! /bin/true\n")
    script.chmod(0o644)
    done = run(policy({**system_rules(), top: ALL_FS}), "sh", "-c", f"{script}; true")
    (row,) = done.rows(path=str(script), syscall="execve")
    assert (row.verdict, row.errno, row.reason) == ("failed", "EACCES", "file permissions refuse it")


@pytest.mark.root
def test_mode_bits_are_evaluated_for_other_users(top: str) -> None:
    judge = PermissionChecker()
    sleeper = subprocess.Popen(
        ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--inh-caps=-all", "sleep", "100"]
    )
    try:
        while (who := credentials(sleeper.pid)) is None or who.uid != _NOBODY or who.capabilities:
            pass
        own = f"{top}/own"
        Path(own).write_text("")
        os.chown(own, _NOBODY, _NOBODY)
        os.chmod(own, 0o400)
        answers = {
            (path, right): judge.refuses(sleeper.pid, path, frozenset({right}))
            for path in (own, f"{top}/granted/secret", f"{top}/granted")
            for right in ("read_file", "write_file", "make_reg")
        }
    finally:
        sleeper.kill()
        sleeper.wait()
    assert [key for key, refused in answers.items() if not refused] == [
        (own, "read_file"),
        (f"{top}/granted", "read_file"),
    ]
    assert not judge.refuses(os.getpid(), f"{top}/granted/secret", frozenset({"read_file"}))


@pytest.mark.parametrize(
    ("rights", "mask"),
    [
        ({"read_file"}, os.R_OK),
        ({"write_file", "truncate"}, os.W_OK),
        ({"execute", "read_file"}, os.X_OK | os.R_OK),
        ({"make_reg"}, os.W_OK | os.X_OK),
        ({"refer", "remove_dir"}, os.W_OK | os.X_OK),
        ({"read_dir"}, os.R_OK),
        (set(), 0),
    ],
)
def test_access_mask_of_rights(rights: set[str], mask: int) -> None:
    assert access_mask(frozenset(rights)) == mask


def test_credentials_of_a_missing_process() -> None:
    assert credentials(2**30) is None
    own = credentials("self")
    assert own is not None
    assert own.uid == os.geteuid()
    assert sys.maxsize > own.capabilities >= 0
