"""Probes on this kernel: each right is found allowed and denied, outside control runs count, nothing is left behind."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from editor.analysis.verify.attempts import WAYS
from editor.analysis.verify.expected import Expected
from editor.analysis.verify.probes import ProbeError, ProbeRequest, ProbeResult, Stopped, try_probes
from editor.evaluation.resolve import ResolvedPolicy
from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI, RIGHTS
from tests.analysis.verify import rights
from tests.analysis.verify.rights import expected, policy

ABI = min(kernel.query_abi(), LATEST_ABI)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """Create a directory with a file, a program and a listening socket."""
    directory = os.path.realpath(tmp_path)
    with rights.objects_in(directory):
        yield directory


def probe(
    resolved: ResolvedPolicy, *, allowed: tuple[Expected, ...] = (), denied: tuple[Expected, ...] = ()
) -> tuple[ProbeResult, ...]:
    return rights.probe(resolved, ABI, allowed=allowed, denied=denied)


@pytest.mark.parametrize("right", rights.rights_at(ABI))
def test_right_is_found_denied_and_nothing_changes(right: str, place: str) -> None:
    assert rights.problems_if_denied(right, ABI, place) == []


def test_rights_are_found_allowed_and_nothing_changes(place: str) -> None:
    assert rights.problems_if_allowed(rights.rights_at(ABI), ABI, place) == []


def test_every_right_can_be_tried() -> None:
    assert set(WAYS) == set(RIGHTS)


def test_rule_that_allows_is_named(place: str) -> None:
    (result,) = probe(policy(place), denied=(expected("read_file file"),))
    assert result.reason == "read_file file is allowed by p.toml:8"


def test_access_that_fails_without_the_policy_proves_nothing(place: str) -> None:
    missing = os.path.join(place, "missing")
    (result,) = probe(policy(place, lacking="read_file"), denied=(expected(f"read_file {missing}"),))
    assert result.outside == "ENOENT"
    assert result.reason.startswith(f"read_file {missing} proves nothing: it fails with ENOENT without the policy too")


def test_mark_unproven_asks_the_rules_instead(place: str) -> None:
    marked = expected("read_file missing", unproven=True)
    (result,) = probe(policy(place, lacking="read_file"), denied=(marked,))
    assert result.reason == ""
    (result,) = probe(policy(place), denied=(marked,))
    assert result.reason == "read_file missing is allowed by the policy by p.toml:8"
    (result,) = probe(policy(place), allowed=(marked,))
    assert result.reason == ""
    (result,) = probe(policy(place, lacking="read_file"), allowed=(marked,))
    assert result.reason.startswith("read_file missing is denied by the policy")


def test_secret_of_root_proves_something_to_root_only(place: str) -> None:
    (result,) = probe(policy(place, lacking="read_file"), denied=(expected("read_file /etc/shadow"),))
    if os.geteuid() == 0:
        assert (result.outside, result.inside, result.reason) == (None, "EACCES", "")
    else:
        assert result.outside == "EACCES"
        assert "proves nothing" in result.reason


def test_port_in_use_and_privileged_port_can_be_probed(place: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        results = probe(policy(place), denied=tuple(expected(f"bind_tcp,connect_tcp {each}") for each in (port, 80)))
    assert [(result.outside, result.inside, result.reason) for result in results] == [(None, "EACCES", "")] * 4


@pytest.mark.skipif(ABI < 4, reason="this kernel's ABI does not restrict TCP")
def test_probe_takes_no_port(place: str) -> None:
    """Binding goes to an address of no machine, so a service that starts meanwhile finds its port free."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 4242))
        (result,) = probe(policy(place), allowed=(expected("bind_tcp 4242"),))
        assert result.reason == ""


def test_named_pipe_is_not_opened(place: str) -> None:
    os.mkfifo(os.path.join(place, "pipe"))
    with pytest.raises(ProbeError, match="opening a named pipe can have an effect"):
        probe(policy(place), denied=(expected("read_file pipe"),))


def test_directory_stands_for_a_name_in_it(place: str) -> None:
    (result,) = probe(policy(place, lacking="make_reg"), denied=(expected("make_reg new"),))
    assert result.reason == ""
    assert not os.path.exists(os.path.join(place, "new"))


def test_stop_ends_probes(place: str) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(Stopped):
        try_probes(ProbeRequest((), (expected("make_reg ."),), policy(place), ABI, 60), reader)
    os.close(reader)
    assert sorted(os.listdir(place)) == ["file", "program", "socket"]
