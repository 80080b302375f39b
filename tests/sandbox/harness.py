"""Runs commands under policies as the screen does, and collects all events."""

import json
import os
import select
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest

from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock import kernel
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, SCOPES
from editor.policy.parse import parse_policy
from editor.sandbox import events, runner
from editor.sandbox.verdicts.report import Access, Report

CALLER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "caller.py")
PLAIN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LC_ALL": "C", "TERM": "dumb"}
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LIMIT_S = 60.0


def require_abi(needed: int) -> None:
    """Skip the test if this kernel's Landlock is older."""
    try:
        abi = kernel.query_abi()
    except kernel.LandlockUnavailable as error:
        pytest.skip(f"the kernel: {error.strerror}")
    if abi < needed:
        pytest.skip(f"the kernel has Landlock ABI {abi}, this needs {needed}")


def policy(
    rules: dict[str, Iterable[str]],
    *,
    fs: Iterable[str] | None = None,
    net: Iterable[str] = (),
    scoped: Iterable[str] = (),
    ports: dict[int, Iterable[str]] | None = None,
    base: str | None = None,
) -> ResolvedPolicy:
    """Return a policy from plain values; ``fs`` None handles every filesystem right up to ABI 7."""
    handled = [right.name for right in FS_RIGHTS if right.abi <= 7] if fs is None else list(fs)
    data: dict[str, Any] = {
        "ruleset": [
            {
                key: value
                for key, value in (
                    ("handledAccessFs", handled),
                    ("handledAccessNet", list(net)),
                    ("scoped", list(scoped)),
                )
                if value
            }
        ]
    }
    if rules:
        data["pathBeneath"] = [
            {"allowedAccess": sorted(rights), "parent": [path.replace("$", "$$")]} for path, rights in rules.items()
        ]
    if ports:
        data["netPort"] = [{"allowedAccess": sorted(rights), "port": [port]} for port, rights in ports.items()]
    return resolve(parse_policy(json.dumps(data), "policy.json", "json"), base=base)


ALL_FS = tuple(right.name for right in FS_RIGHTS if right.abi <= 7)
ALL_NET = tuple(right.name for right in NET_RIGHTS if right.abi <= 7)
ALL_SCOPES = tuple(right.name for right in SCOPES)
READING = ("execute", "read_file", "read_dir")

# What any program needs to start, including the interpreter that runs the tests.
SYSTEM = tuple(
    path
    for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/proc", "/dev", sys.base_prefix, sys.prefix)
    if os.path.exists(path)
)


def system_rules() -> dict[str, Iterable[str]]:
    """Return rules that let programs start and read the system."""
    return {path: READING if os.path.isdir(path) else ("read_file",) for path in dict.fromkeys((*SYSTEM, REPOSITORY))}


def everything() -> ResolvedPolicy:
    """Return a policy that handles everything and allows all files."""
    return policy({"/": ALL_FS})


class Outcome(NamedTuple):
    """The result of a run: its report, its output by stream, its notices, and its access updates."""

    report: Report
    output: dict[str, bytes]
    notices: list[str]
    updates: list[Access]

    @property
    def out(self) -> str:
        """Standard output as text."""
        return os.fsdecode(self.output.get("stdout", b""))

    def rows(self, **wanted: object) -> list[Access]:
        """Return the rows with the given field values."""
        return [
            access
            for access in self.report.accesses
            if all(getattr(access, name) == value for name, value in wanted.items())
        ]


def collect(run: runner.Run, limit: float = _LIMIT_S) -> Outcome:
    """Collect everything until ``run`` ends."""
    output: dict[str, bytes] = {}
    notices: list[str] = []
    updates: list[Access] = []
    until = time.monotonic() + limit
    while run.report is None:
        assert time.monotonic() < until, "the run does not end"
        select.select([run.fileno()], [], [], 1.0)
        for event in run.read_events():
            if isinstance(event, events.Output):
                output[event.stream] = output.get(event.stream, b"") + event.data
            elif isinstance(event, events.Notice):
                notices.append(event.text)
            elif isinstance(event, events.AccessUpdate):
                updates.append(event.access)
    return Outcome(run.report, output, notices, updates)


def start(resolved: ResolvedPolicy, *command: str, **options: Any) -> runner.Run:
    """Start ``command`` under ``resolved`` with a plain environment; audit is left alone."""
    options.setdefault("env", PLAIN_ENV)
    options.setdefault("confirm", False)
    return runner.start(runner.RunRequest(resolved, command, **options))


def run(resolved: ResolvedPolicy, *command: str, **options: Any) -> Outcome:
    """Run ``command`` under ``resolved`` to its end."""
    return collect(start(resolved, *command, **options))


def call(resolved: ResolvedPolicy, *calls: Sequence[Any], **options: Any) -> tuple[list[int], Outcome]:
    """Let a process make raw system calls (see ``caller.py``); return what each returned, and the run."""
    outcome = run(resolved, sys.executable, "-I", "-S", CALLER, json.dumps(calls), **options)
    assert outcome.report.exit_code == 0, (outcome.output, outcome.notices)
    results: list[int] = json.loads(outcome.out)
    return results, outcome


def alive(marker: str) -> list[int]:
    """Return the processes with ``marker`` in their command line, except zombies."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read()
        except OSError:
            continue
        if marker.encode() in words and int(name) != os.getpid():
            found.append(int(name))
    return found
