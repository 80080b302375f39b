"""Tries one way under a policy that denies it, and compares the report with what the kernel did."""

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock import kernel
from editor.landlock.rights import DIRECTORY_RIGHTS, RIGHTS
from editor.policy.parse import parse_policy
from editor.sandbox import events, runner
from editor.sandbox.hooks import HOOKS, Hook, Way
from editor.sandbox.verdicts.permissions import credentials
from editor.sandbox.verdicts.report import Access, Mode
from tests.sandbox.hooks.programs import PROGRAMS, Program, attempt
from tests.sandbox.hooks.stage import leave_mounts, staged
from tests.sandbox.hooks.system import Missing, Place

_SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
# Imported, so that it is compiled once and not in each process: a guest takes a second for that.
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tests.sandbox.hooks.programs import main; main()"
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_LIMIT_S = 120.0  # a guest on a busy machine is slow
_AUDIT_ABI = 7
_CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2, "CAP_SYS_ADMIN": 21, "CAP_SYS_PACCT": 20, "CAP_PERFMON": 38, "CAP_AUDIT_CONTROL": 30,
}  # fmt: skip

# What the interpreter needs to start, whatever the policy handles.
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", sys.base_prefix, sys.prefix, _SOURCES)

WAYS = tuple((hook, way) for hook in HOOKS for way in hook.ways)
"""Every way of the table, with its hook."""


class Skipped(Exception):
    """The way cannot be tried here; the message says what is missing."""


def may(capability: str) -> bool:
    """Whether this process has a capability ("": none, which everybody has)."""
    if not capability:
        return True
    own = credentials("self")
    return own is not None and own.has(_CAPABILITIES[capability])


def _policy(program: Program, place: Place) -> ResolvedPolicy:
    kinds: dict[str, list[str]] = {"fs": [], "net": [], "scope": []}
    for right in program.rights:
        kinds[RIGHTS[right].kind].append(right)
    keys = {"fs": "handledAccessFs", "net": "handledAccessNet", "scope": "scoped"}
    data: dict[str, Any] = {"ruleset": [{keys[kind]: rights for kind, rights in kinds.items() if rights}]}
    granted = [path if path.startswith("/") else f"{place.path}/{path}".rstrip("/") for path in program.granted]
    rules = []
    for path in dict.fromkeys((*_SYSTEM, *granted)):
        rights = [each for each in kinds["fs"] if os.path.isdir(path) or each not in DIRECTORY_RIGHTS]
        if rights and os.path.exists(path):
            rules.append({"allowedAccess": rights, "parent": [path]})
    if rules:
        data["pathBeneath"] = rules
    return resolve(parse_policy(json.dumps(data), "policy.json", "json"))


class _Outcome(NamedTuple):
    """What the program said, the report's rows, and its notes."""

    result: str
    accesses: tuple[Access, ...]
    notes: tuple[str, ...]


def _result(output: bytes) -> str:
    if not output:
        return "ended without a word"
    said = json.loads(output)
    if said["result"] == "missing":
        raise Skipped(f"needs {said['missing']}")
    return str(said["result"])


def _run_free(hook: Hook, way: Way, place: Place) -> str:
    """Run the program without a sandbox; return its result. It runs in a fork, which has all modules already."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            leave_mounts()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what it executes may complain about its name
            os.write(writer, attempt(hook.name, way.name, place).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as said:
        ended = bool(select.select([said], [], [], _LIMIT_S)[0])
        if not ended:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not ended:
            raise TimeoutError(f"the program did not end within {_LIMIT_S:.0f} seconds without a sandbox")
        return _result(said.read())


def _run(hook: Hook, way: Way, place: Place, *, audited: bool = False, mode: Mode = "enforce") -> _Outcome:
    policy = _policy(PROGRAMS[hook.name, way.name], place)
    words = (_SOURCES, hook.name, way.name, place.path, str(place.outsider))
    command = (sys.executable, "-B", "-I", "-S", "-c", _BOOT, *words)
    request = runner.RunRequest(policy, command, env=_ENV, confirm=audited, mode=mode)
    run = runner.start(request)
    output, until = b"", time.monotonic() + _LIMIT_S
    while run.report is None:
        if time.monotonic() > until:
            run.stop()
            raise TimeoutError(f"the run did not end within {_LIMIT_S:.0f} seconds")
        select.select([run.fileno()], [], [], 1.0)
        for event in run.read_events():
            if isinstance(event, events.Output) and event.stream == "stdout":
                output += event.data
    return _Outcome(_result(output), run.report.accesses, run.report.notes)


@contextlib.contextmanager
def _audit_alone(*, needed: bool) -> Iterator[None]:
    """Take turns with the tests that turn the kernel's audit on and off (tests/conftest.py): it is the machine's."""
    if not needed:
        yield
        return
    with open(os.path.join(tempfile.gettempdir(), "paddock-tests-audit"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need(hook: Hook, way: Way, program: Program) -> None:
    """Raise Skipped if this kernel or user cannot try the way."""
    try:
        abi = kernel.query_abi()
    except kernel.LandlockUnavailable as error:
        raise Skipped("the kernel has no Landlock") from error
    needed = max(hook.abi, *(RIGHTS[right].abi for right in program.rights))
    if abi < needed:
        raise Skipped(f"the kernel has Landlock ABI {abi}, this needs {needed}")
    if way.first and not may(way.first):
        raise Skipped(f"needs root: the kernel asks for {way.first} first")


def try_way(hook: Hook, way: Way) -> list[str]:
    """Try a way; return what is wrong with the report of it. Raises Skipped."""
    program = PROGRAMS[hook.name, way.name]
    _need(hook, way, program)
    audited = may("CAP_AUDIT_CONTROL") and kernel.query_abi() >= _AUDIT_ABI
    free = ""
    try:
        if program.free:
            with staged(program.prepared) as place:
                free = _run_free(hook, way, place)
        with staged(program.prepared) as place, _audit_alone(needed=audited):
            outcome = _run(hook, way, place, audited=audited)
    except Missing as error:
        raise Skipped(f"needs {error}") from error
    except TimeoutError as error:
        return [str(error)]
    if free == outcome.result and not _is_equal_anyway(hook, way):
        return [f"the same happens without a sandbox: {free}"]
    return _compare(hook, way, program, outcome, audited=audited)


def denials_in(hook: Hook, way: Way, mode: Mode) -> list[tuple[object, ...]]:
    """Return what is denied of a way, without the numbers and names that differ from run to run. Raises Skipped."""
    program = PROGRAMS[hook.name, way.name]
    _need(hook, way, program)
    try:
        with staged(program.prepared) as place:
            rows = _run(hook, way, place, mode=mode).accesses
    except Missing as error:
        raise Skipped(f"needs {error}") from error
    own = {str(place.outsider): "PID", place.name: "PLACE"}
    return [
        (
            row.syscall,
            re.sub("|".join(own), lambda found: own[found[0]], row.path or ""),
            row.errno,
            sorted(row.missing),
        )
        for row in rows
        if row.verdict == "denied"
    ]


def _is_equal_anyway(hook: Hook, way: Way) -> bool:
    """Whether this process gets the same result in a sandbox and outside, although Landlock refuses it."""
    return way.seen == "unseen" or _may_pass(way) or not may(_AFTERWARDS.get(hook.name, ""))


def _may_pass(way: Way) -> bool:
    """Whether it is right if the kernel lets the program through."""
    return way.lately or (bool(way.around) and may(way.around))


def _compare(hook: Hook, way: Way, program: Program, outcome: _Outcome, *, audited: bool) -> list[str]:
    denied = [row for row in outcome.accesses if row.verdict == "denied"]
    shown = "; ".join(f"{row.syscall} {row.path} {row.errno} {sorted(row.missing)}" for row in denied)
    shown = f"{shown or 'no denied row'}; notes: {outcome.notes}"
    if way.seen == "unseen":
        return [] if not denied else [f"denied rows where none can be: {shown}"]
    if outcome.result == "done" and _may_pass(way):
        return [] if not denied else [f"the kernel let it through, but: {shown}"]
    refused = outcome.result in hook.errnos
    if not refused and not (way.seen == "audit" and outcome.result == "dropped"):
        return [f"the kernel did not deny it: {outcome.result}; {shown}"]
    if way.seen == "audit":
        found = [row for row in denied if row.observed == "audit"]
        return [] if found or not audited else [f"no row from audit: {shown}"]
    rights = {right for right in program.rights if hook.name not in _WITHOUT_RIGHTS}
    rows = [row for row in denied if row.syscall in way.shown_as and row.errno == outcome.result]
    rows = [row for row in rows if row.missing & rights or not rights or "refer" in row.missing]
    if not rows:
        return [f"no denied row for {outcome.result}: {shown}"]
    if audited and any(row.confirmed is not True for row in rows):
        return [f"the kernel's audit does not confirm it: {shown}"]
    return [f"audit knows more: {note}" for note in outcome.notes if audited and "not listed" in note]


# What the kernel asks for after Landlock, so that without it the result is the same in a sandbox and outside.
_AFTERWARDS = {"sb_mount": "CAP_SYS_ADMIN"}

# Hooks that no right is for: any domain denies them.
_WITHOUT_RIGHTS = frozenset(
    {"ptrace_access_check", "sb_mount", "move_mount", "sb_umount", "sb_remount", "sb_pivotroot"}
)
