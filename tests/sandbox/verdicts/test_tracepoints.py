"""Rows compared with the kernel's trace events. The lines are those of Linux 7.3.4; `make test-kernels` runs it."""

import os

import pytest

from editor.evaluation.resolve import GrantRef, ResolvedPath, ResolvedPolicy, ResolvedPort
from editor.landlock.rights import LATEST_ABI
from editor.policy.model import RuleRef
from editor.sandbox.verdicts.checks import Checks, denial_of, describe
from editor.sandbox.verdicts.report import Access
from editor.sandbox.verdicts.tracepoints import Trace, TracepointReader, TracepointsUnavailable, parse_event

TMP, USR, WEB = (RuleRef("p.toml", line, f"rule {line}") for line in (1, 2, 3))
READ = frozenset({"read_file"})

_STARTING = (
    "landlock_create_ruleset: ruleset=13793aed7.0 handled_fs=write_file|read_file handled_net=connect_tcp scoped=",
    "landlock_add_rule_path_beneath: ruleset=13793aed7.1 access_rights=read_file dev=0:27 ino=12 path=/tmp",
    "landlock_add_rule_path_beneath: ruleset=13793aed7.2 access_rights=read_file dev=0:3 ino=56 path=/usr\\040x",
    "landlock_add_rule_net_port: ruleset=13793aed7.3 access_rights=connect_tcp port=443",
    "landlock_create_domain: domain=13793aedf parent=0 ruleset=13793aed7.3",
)


def _line(text: str, tid: int = 157) -> bytes:
    return f"      python3.11-{tid}     [000] .....    16.161645: {text}\n".encode()


def _mark(*rows: int, tid: int = 157) -> bytes:
    return _line(f"tracing_mark_write: paddock {tid} {' '.join(map(str, rows))}", 156)


def _check(inode: str, grants: str, domain: str = "13793aedf") -> str:
    return f"landlock_check_rule_inode: domain={domain} access_request=read_file|truncate {inode} grants={grants}"


def _policy() -> ResolvedPolicy:
    def path(name: str, ref: RuleRef, identity: tuple[int, int]) -> ResolvedPath:
        return ResolvedPath(name, READ, (GrantRef(ref, READ),), (name,), name, identity, True)

    web = ResolvedPort(443, frozenset({"connect_tcp"}), (GrantRef(WEB, frozenset({"connect_tcp"})),))
    # stat(2) shows another device for the second one, as on btrfs.
    paths = (path("/tmp", TMP, (os.makedev(0, 27), 12)), path("/usr x", USR, (os.makedev(0, 99), 56)))
    return ResolvedPolicy(
        "p.toml", 11, READ | {"write_file"}, frozenset({"connect_tcp"}), frozenset(), paths, (web,), "/"
    )


def _access(verdict: str = "allowed", *decided_by: RuleRef, **values: object) -> Access:
    plain = Access(
        verdict="allowed", rights=READ, missing=frozenset(), path="/tmp/a", object_path="/tmp/a", port=None,
        syscall="openat", errno=None, process="x", pid=157, times=1, decided_by=decided_by,
    )  # fmt: skip
    missing = READ if verdict == "denied" else frozenset[str]()
    return plain._replace(verdict=verdict, missing=missing, **values)  # type: ignore[arg-type]  # test values by name


def _answers(accesses: list[Access], *lines: bytes) -> dict[int, bool]:
    trace = Trace()
    # In pieces that end anywhere, as trace_pipe gives them.
    data = b"".join(map(_line, _STARTING)) + b"".join(lines)
    for start in range(0, len(data), 100):
        trace.feed(data[start : start + 100])
    assert not trace.lost
    return Checks([_policy()], LATEST_ABI, trace).answers(accesses, trace.calls())


def test_allowed_row_is_confirmed_by_the_rule_that_granted() -> None:
    granted = _line(_check("dev=0:27 ino=12", "{read_file}"))
    assert _answers([_access("allowed", TMP)], granted, _mark(0)) == {0: True}
    assert _answers([_access("allowed", USR)], granted, _mark(0)) == {0: False}
    assert _answers([_access("allowed", TMP, USR)], granted, _mark(0)) == {0: False}
    assert _answers([_access("allowed", TMP)], _line(_check("dev=0:27 ino=12", "{truncate}")), _mark(0)) == {}


def test_rule_is_found_by_its_path_if_the_device_differs() -> None:
    assert _answers([_access("allowed", USR)], _line(_check("dev=0:3 ino=56", "{read_file}")), _mark(0)) == {0: True}


def test_every_wanted_right_must_be_granted() -> None:
    both = _access("allowed", TMP, rights=frozenset({"read_file", "write_file"}))
    assert _answers([both], _line(_check("dev=0:27 ino=12", "{read_file}")), _mark(0)) == {0: False}
    assert _answers([both], _line(_check("dev=0:27 ino=12", "{read_file|write_file}")), _mark(0)) == {0: True}


def test_events_belong_to_the_next_mark_of_their_thread() -> None:
    rows = [_access("allowed", TMP), _access("allowed", USR)]
    lines = (
        _line(_check("dev=0:27 ino=12", "{read_file}"), 157),
        _line(_check("dev=0:3 ino=56", "{read_file}"), 158),
        _mark(0, tid=157),
        _mark(1, tid=158),
    )
    assert _answers(rows, *lines) == {0: True, 1: True}
    assert _answers(rows, *lines[:2], _mark(1, tid=157), _mark(0, tid=158)) == {0: False, 1: False}


def test_layers_of_the_program_and_of_others_do_not_count() -> None:
    nested = _line("landlock_create_domain: domain=13793aee0 parent=13793aedf ruleset=13793aed9.1")
    inside = _line(_check("dev=0:27 ino=12", "{read_file,}", "13793aee0"))
    assert _answers([_access("allowed", TMP)], nested, inside, _mark(0)) == {0: True}
    wrapped = _line(_check("dev=0:27 ino=12", "{,read_file}"))  # the test itself ran in a domain
    assert _answers([_access("allowed", TMP)], wrapped, _mark(0)) == {0: True}
    foreign = _line(_check("dev=0:27 ino=12", "{read_file}", "1"))
    assert _answers([_access("allowed", TMP)], foreign, _mark(0)) == {}


def test_denials() -> None:
    denied = _line(
        "landlock_deny_access_fs: domain=13793aedf same_exec=0 logged=1 blockers=read_file dev=0:27 ino=29 path=/tmp/a"
    )
    assert _answers([_access("denied")], denied, _mark(0)) == {0: True}
    assert _answers([_access("denied")], _mark(0)) == {0: False}
    assert _answers([_access("denied", path="/b", object_path="/b")], denied, _mark(0)) == {0: False}
    assert _answers([_access("failed")], denied, _mark(0)) == {0: False}
    detached = denied.replace(b"path=/tmp/a", b"path=<unreachable>")
    assert _answers([_access("denied", path="/b", object_path="/b")], detached, _mark(0)) == {0: True}
    assert _answers([_access("failed")], detached, _mark(0)) == {0: False}
    assert _answers([_access("failed", path="/b", object_path="/b")], denied, _mark(0)) == {}


def test_ports() -> None:
    row = _access("allowed", WEB, rights=frozenset({"connect_tcp"}), path=None, object_path=None, port=443)
    event = "landlock_check_rule_net_port: domain=13793aedf access_request=connect_tcp port=443 grants={connect_tcp}"
    assert _answers([row], _line(event), _mark(0)) == {0: True}
    assert _answers([row._replace(decided_by=(TMP,))], _line(event), _mark(0)) == {0: False}
    refused = "landlock_deny_access_net: domain=13793aedf same_exec=0 logged=1 blockers=connect_tcp port=80"
    denied = row._replace(verdict="denied", missing=row.rights, port=80, decided_by=())
    assert _answers([denied], _line(refused), _mark(0)) == {0: True}


def test_unlisted_denials() -> None:
    trace = Trace()
    dump = "landlock_deny_access_fs: domain=13793aedf same_exec=0 logged=1 blockers=make_reg dev=0:2 ino=9 path=/core"
    read = "landlock_deny_ptrace: domain=13793aedf same_exec=0 logged=1 tracee_domain=0 tracee_pid=1 tracee_comm=init"
    trace.feed(b"".join(map(_line, (*_STARTING, dump, read))))
    found = Checks([_policy()], LATEST_ABI, trace).unlisted([], trace.calls())
    assert list(map(describe, found)) == ["make_reg on /core"]


def test_denials_without_blockers() -> None:
    head = "domain=1 same_exec=0 logged=1"
    signal = denial_of(parse_event("deny_scope_signal", f"{head} target_domain=0 target_pid=100 target_comm=a\\040b"))
    assert signal.blockers == {"signal"} and signal.process == "process 100 (a b)"
    later = denial_of(parse_event("deny_capability", f"{head} blockers=use capability=21"))
    assert later.port is None and later.path is None
    mount = denial_of(parse_event("deny_access_fs", f"{head} blockers=change_topology dev=0:9 ino=1 path=/"))
    assert mount.path is None
    anywhere = denial_of(parse_event("deny_access_net", f"{head} blockers=connect_send_udp port=-1"))
    assert anywhere.port is None


def test_lost_events_are_noticed() -> None:
    trace = Trace()
    trace.feed(b"CPU:0 [LOST 12 EVENTS]\n")
    assert trace.lost


@pytest.mark.skipif(os.path.isdir("/sys/kernel/tracing/events/landlock"), reason="this kernel has the events")
def test_kernel_without_the_events() -> None:
    with pytest.raises(TracepointsUnavailable):
        TracepointReader()
