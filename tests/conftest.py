"""What every test shares: which capabilities it needs, and what happens where one is missing.

A test says what it needs with a marker: ``root``, ``audit``, ``tmux``, ``namespaces``, or ``program("gcc", ...)``.
Where that is missing the test is skipped with the reason, except in continuous integration (``CI`` is set), where it
fails: there, a skip would hide a check that nobody runs. Any other skip fails there too when root runs the tests,
unless its reason names the kernel or an ABI: another kernel is not to be had. An ordinary user cannot become root: for
them, tests that need root skip in any case.
"""

import contextlib
import fcntl
import functools
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Generator

import pytest

_NETLINK_AUDIT = 9
_AUDIT_GET = 1000
_NLM_F_REQUEST = 1
_IS_ROOT = os.geteuid() == 0
_IN_CI = bool(os.environ.get("CI"))

# A shell starts what it runs in the background with these ignored; every program under test would inherit that, and
# could not be interrupted by its own terminal.
for _number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Unsaved drafts are kept where the tests can do as they like, also by the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@functools.cache
def _audit_answers() -> bool:
    """Whether the kernel's audit subsystem answers this process (asking for its status needs CAP_AUDIT_CONTROL)."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_AUDIT) as audit:
        audit.settimeout(2)
        audit.send(struct.pack("=IHHII", 16, _AUDIT_GET, _NLM_F_REQUEST, 1, 0))
        kind = struct.unpack_from("=IH", audit.recv(4096))[1]
        return bool(kind == _AUDIT_GET)
    return False


@functools.cache
def _can_unshare() -> bool:
    """Whether this process can have a network of its own; an ordinary user needs user namespaces for it."""
    as_user = [] if _IS_ROOT else ["--map-root-user"]
    return (
        subprocess.run(["unshare", "--net", "--mount", *as_user, "true"], capture_output=True, check=False).returncode
        == 0
    )


def _missing(item: pytest.Item) -> list[str]:
    """What the test's markers ask for and this process does not have."""
    lacks = []
    if (item.get_closest_marker("root") or item.get_closest_marker("audit")) and not _IS_ROOT:
        lacks.append("root")
    elif item.get_closest_marker("audit") and not _audit_answers():
        lacks.append("the kernel's audit")
    if item.get_closest_marker("namespaces") and not _can_unshare():
        lacks.append("network namespaces")
    programs = [name for marker in item.iter_markers("program") for name in marker.args]
    if item.get_closest_marker("tmux"):
        programs.append("tmux")
    lacks += [name for name in programs if shutil.which(name) is None]
    return lacks


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in continuous integration fail, a test whose needs are not met."""
    lacks = _missing(item)
    if not lacks:
        return
    reason = f"needs {', '.join(lacks)}"
    if _IN_CI and lacks != ["root"]:
        pytest.fail(f"{reason}: nothing may be skipped in continuous integration", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _audit_alone(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Tests that turn the kernel's audit on and off again take turns: there is one for the whole machine."""
    if request.node.get_closest_marker("audit") is None:
        yield
        return
    with open(os.path.join(tempfile.gettempdir(), "paddock-tests-audit"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In continuous integration as root, a skip that is not the kernel's doing is a failure."""
    report = yield
    if _IN_CI and _IS_ROOT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if "kernel" not in reason and "ABI" not in reason:
            report.outcome = "failed"
            report.longrepr = f"{reason}: nothing may be skipped in continuous integration"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests recorded as ``told``: what repeats a random run, and how much it compared."""
    reports = [report for each in terminalreporter.stats.values() for report in each]
    for report in reports:
        told = [str(value) for name, value in getattr(report, "user_properties", ()) if name == "told"]
        if told and report.when == "call":
            terminalreporter.write_line(f"{report.nodeid}: {'; '.join(told)}")
