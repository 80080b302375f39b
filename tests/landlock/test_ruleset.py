"""Rulesets against the real kernel: every right at every ABI that can be simulated here, notes, and errors."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editor.landlock import kernel
from editor.landlock.rights import FS_RIGHTS, LATEST_ABI, RIGHTS, in_order
from editor.landlock.ruleset import PathGrant, PortGrant, RulesetSpec, build, degrade
from tests.landlock.matrix import (
    ALL_FS,
    ALL_NET,
    ALL_SCOPES,
    NEEDS_ROOT,
    Ports,
    denial,
    everything_but,
    make_tree,
    net_cases,
    net_spec,
    operation_for,
)

KERNEL_ABI = kernel.query_abi()


def attempt(spec: RulesetSpec | None, operations: list[list[Any]], abi: int | None = None) -> list[str | None]:
    """Return each operation's errno name (None: it worked) in a process restricted by ``spec``."""
    request = {"spec": spec and spec.to_json(), "abi": abi, "operations": operations}
    done = subprocess.run(
        [sys.executable, "-m", "tests.landlock.attempt"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[str | None] = json.loads(done.stdout)
    return results


@pytest.fixture
def tree(tmp_path: Any) -> Iterator[str]:
    """The directory that `matrix.make_tree` fills, while its socket listens."""
    with make_tree(str(tmp_path)):
        yield str(tmp_path)


@pytest.mark.parametrize("abi", range(1, KERNEL_ABI + 1))
@pytest.mark.parametrize("right", [right.name for right in FS_RIGHTS if right.abi <= KERNEL_ABI])
def test_right_is_denied_from_its_first_abi(right: str, abi: int, tree: str) -> None:
    if right in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"{right}: only root may make device files")
    assert attempt(everything_but(right, ("/",)), [operation_for(right, tree)], abi) == [denial(right, abi)]


@pytest.mark.parametrize("right", [right.name for right in FS_RIGHTS if right.abi <= KERNEL_ABI])
def test_same_operation_works_when_granted(right: str, tree: str) -> None:
    if right in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip(f"{right}: only root may make device files")
    granted = RulesetSpec(ALL_FS, frozenset(), frozenset(), (PathGrant("/", ALL_FS),), ())
    assert attempt(granted, [operation_for(right, tree)]) == [None]


def test_only_granted_ports_are_allowed() -> None:
    ports = Ports()
    cases = net_cases(ports)
    assert {right for case in cases for _, right in case.needs} == ALL_NET
    operations = [case.operation for case in cases]
    granted = net_spec(tuple(need for case in cases for need in case.needs))
    assert attempt(granted, operations) == [None] * len(cases)
    for abi in range(1, KERNEL_ABI + 1):
        denied = ["EACCES" if any(RIGHTS[right].abi <= abi for _, right in case.needs) else None for case in cases]
        assert attempt(net_spec(()), operations, abi) == denied
    ports.close()


@pytest.mark.skipif(KERNEL_ABI < 6, reason="scopes came with ABI 6")
def test_scopes_deny_with_eperm() -> None:
    spec = RulesetSpec(frozenset(), frozenset(), ALL_SCOPES, (), ())
    with socket.socket(socket.AF_UNIX) as server:
        name = f"paddock-{os.getpid()}"
        server.bind("\0" + name)
        server.listen(1)
        operations: list[list[Any]] = [["signal", os.getpid()], ["abstract_unix_socket", name]]
        assert attempt(spec, operations) == ["EPERM", "EPERM"]
        assert attempt(None, operations) == [None, None]


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_mounting_fails_with_eperm_whatever_is_granted(tree: str) -> None:
    granted = RulesetSpec(
        frozenset({"execute"}), frozenset(), frozenset(), (PathGrant("/", frozenset({"execute"})),), ()
    )
    assert attempt(granted, [["mount", f"{tree}/dir"]]) == ["EPERM"]


def test_notes_list_what_a_rule_could_not_grant(tree: str) -> None:
    wanted = frozenset({"read_file", "read_dir", "make_reg"})
    spec = RulesetSpec(
        ALL_FS,
        frozenset(),
        frozenset(),
        (
            PathGrant(f"{tree}/file", wanted),
            PathGrant(f"{tree}/file", frozenset({"read_dir"})),
            PathGrant(f"{tree}/nowhere", wanted),
            PathGrant(f"{tree}/file/below", wanted),
            PathGrant(tree, wanted),
            PathGrant("/proc/self/ns/net", frozenset({"read_file"})),
            PathGrant("a\0b", wanted),
        ),
        (),
    )
    built = build(spec)
    assert built.fd is not None
    os.close(built.fd)
    notes = [(note.kind, note.subject, note.rights) for note in built.notes if note.kind != "abi_lost"]
    assert notes == [
        ("not_for_file", f"{tree}/file", {"read_dir", "make_reg"}),
        ("not_for_file", f"{tree}/file", {"read_dir"}),
        ("missing_path", f"{tree}/nowhere", wanted),
        ("missing_path", f"{tree}/file/below", wanted),
        ("unreadable", "/proc/self/ns/net", {"read_file"}),
        ("unreadable", "a\0b", wanted),
    ]
    assert built.spec.paths == (PathGrant(f"{tree}/file", frozenset({"read_file"})), PathGrant(tree, wanted))


def test_kernel_rejects_a_directory_right_on_a_file(tree: str) -> None:
    """This is what ``build`` works around: the whole call fails, not only the unsuitable right."""
    ruleset = kernel.create_ruleset(1 << 2 | 1 << 3, 0, 0, KERNEL_ABI)
    parent = os.open(f"{tree}/file", os.O_PATH)
    with pytest.raises(kernel.LandlockError, match="does not apply to this object"):
        kernel.add_path_rule(ruleset, parent, 1 << 2 | 1 << 3)
    os.close(parent)
    os.close(ruleset)


def test_nothing_to_enforce_gives_a_note_and_no_ruleset() -> None:
    built = build(RulesetSpec(frozenset(), ALL_NET, ALL_SCOPES, (), ()), abi=3)
    assert built.fd is None
    assert [note.kind for note in built.notes] == ["abi_lost"]
    assert "bind_tcp (ABI 4)" in built.notes[0].message


def test_unknown_bit_is_dropped_with_a_note(tree: str) -> None:
    bit = frozenset({"fs.0x8000000000000000"})
    spec = RulesetSpec(ALL_FS | bit, frozenset(), frozenset(), (PathGrant(tree, bit | {"read_file"}),), ())
    built = build(spec, min(KERNEL_ABI, LATEST_ABI))
    assert built.fd is not None
    os.close(built.fd)
    assert built.spec.paths == (PathGrant(tree, frozenset({"read_file"})),)
    assert not built.spec.handled_fs & bit
    (note,) = (note for note in built.notes if note.rights & bit)
    assert note.kind == "abi_lost" and "fs.0x8000000000000000 (no ABI known to Paddock)" in note.message
    nothing = build(RulesetSpec(bit, frozenset(), frozenset(), (PathGrant(tree, bit),), ()))
    assert nothing.fd is None


def test_bit_known_to_the_kernel_is_enforced_with_a_note(tree: str) -> None:
    """As on a kernel newer than the table: bits that have names in the table stand for unnamed ones."""
    read_file, read_dir = frozenset({"fs.0x4"}), frozenset({"fs.0x8"})
    spec = RulesetSpec(
        read_file | read_dir,
        frozenset(),
        frozenset(),
        (PathGrant(f"{tree}/file", read_file | read_dir), PathGrant(f"{tree}/dir", read_dir)),
        (),
    )
    built = build(spec)
    assert built.fd is not None
    os.close(built.fd)
    assert built.spec.handled_fs == spec.handled_fs
    assert [(note.kind, note.subject, note.rights) for note in built.notes] == [
        ("unnamed", "", read_file | read_dir),
        ("not_for_file", f"{tree}/file", read_dir),
    ]
    operations = [["read_file", f"{tree}/file"], ["read_file", f"{tree}/gone"], ["read_dir", f"{tree}/dir"]]
    assert attempt(spec, [*operations, ["read_dir", f"{tree}/empty"]]) == [None, "EACCES", None, "EACCES"]
    # A simulated kernel of an older ABI knows none.
    assert build(spec, abi=KERNEL_ABI - 1).fd is None


def test_sixteen_layers_are_the_limit() -> None:
    script = (
        "from editor.landlock import kernel\n"
        "kernel.set_no_new_privs()\n"
        "for layer in range(17):\n"
        "    try: kernel.restrict_self(kernel.create_ruleset(1, 0, 0, kernel.query_abi()))\n"
        "    except kernel.LandlockError as error: print(layer, error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "16 landlock_restrict_self: this process already has 16 layers\n"


def test_missing_no_new_privs_is_reported() -> None:
    script = (
        "import os\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "try: kernel.restrict_self(kernel.create_ruleset(1, 0, 0, kernel.query_abi()))\n"
        "except kernel.LandlockError as error: print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", "from editor.landlock import kernel\n" + script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "landlock_restrict_self: no_new_privs is not set\n"


names = st.frozensets(st.sampled_from(in_order(ALL_FS)))
nets = st.frozensets(st.sampled_from(in_order(ALL_NET)))
specs = st.builds(
    RulesetSpec,
    names,
    nets,
    st.frozensets(st.sampled_from(in_order(ALL_SCOPES))),
    st.lists(st.builds(PathGrant, st.sampled_from(["/", "/usr", "x\udcff"]), names)).map(tuple),
    st.lists(st.builds(PortGrant, st.integers(0, 65535), nets)).map(tuple),
)


@given(specs)
def test_ruleset_spec_survives_json(spec: RulesetSpec) -> None:
    assert RulesetSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@given(specs, st.integers(1, LATEST_ABI), st.integers(1, LATEST_ABI))
def test_degrade_is_idempotent_and_drops_only_newer_rights(spec: RulesetSpec, abi: int, other: int) -> None:
    kept, notes = degrade(spec, abi)
    assert degrade(kept, abi) == (kept, ())
    lost = frozenset().union(*(note.rights for note in notes))
    assert lost == {right for right in spec.handled_fs | spec.handled_net | spec.scoped if RIGHTS[right].abi > abi}
    assert degrade(kept, other)[0] == degrade(spec, min(abi, other))[0]
    assert all(path.rights for path in kept.paths)
    assert all(port.rights for port in kept.ports)
