"""The table of rights against the kernel's header, and the groups against Landlock Config."""

import os
import re

import pytest

from editor.landlock import abi, kernel
from editor.landlock.rights import (
    FS_RIGHTS,
    LATEST_ABI,
    NET_RIGHTS,
    RIGHTS,
    SCOPES,
    bits_of,
    expand_element,
    group_rights,
    in_order,
    kind_of,
    mask_name,
    mask_of,
    named_bits,
    right_of,
    rights_of,
    to_mask,
    unnamed,
)

HEADER = "/usr/include/linux/landlock.h"
PREFIXES = {"LANDLOCK_ACCESS_FS_": "fs", "LANDLOCK_ACCESS_NET_": "net", "LANDLOCK_SCOPE_": "scope"}


@pytest.mark.skipif(not os.path.exists(HEADER), reason="needs linux/landlock.h (Debian: linux-libc-dev)")
def test_rights_match_the_kernel_header() -> None:
    with open(HEADER, encoding="utf-8") as file:
        defined = re.findall(
            r"#define\s+(LANDLOCK_(?:ACCESS_FS|ACCESS_NET|SCOPE)_)(\w+)\s+\(1ULL << (\d+)\)", file.read()
        )
    assert len(defined) >= 14
    for prefix, name, bit in defined:
        right = RIGHTS[name.lower()]
        assert (right.kind, right.bit) == (PREFIXES[prefix], int(bit))


@pytest.mark.parametrize("table", [FS_RIGHTS, NET_RIGHTS, SCOPES])
def test_bits_are_contiguous_and_abis_ascend(table: tuple[object, ...]) -> None:
    rights = [RIGHTS[right.name] for right in table]  # type: ignore[attr-defined]  # rows of one NamedTuple type
    assert [right.bit for right in rights] == list(range(len(rights)))
    assert [right.abi for right in rights] == sorted(right.abi for right in rights)


@pytest.mark.parametrize(
    ("version", "fs", "net", "scopes"),
    [
        *((1, 13, 0, 0), (2, 14, 0, 0), (3, 15, 0, 0), (4, 15, 2, 0), (5, 16, 2, 0), (6, 16, 2, 2), (7, 16, 2, 2)),
        *((8, 16, 2, 2), (9, 17, 2, 2), (10, 17, 4, 2), (11, 17, 4, 2), (12, 17, 4, 2)),
    ],
)
def test_number_of_rights_by_abi(version: int, fs: int, net: int, scopes: int) -> None:
    assert len(rights_of("fs", version)) == fs
    assert len(rights_of("net", version)) == net
    assert len(rights_of("scope", version)) == scopes


def test_groups_follow_landlock_config() -> None:
    assert group_rights("abi.read_execute", "fs", 1) == {"execute", "read_file", "read_dir"}
    assert group_rights("abi.read_execute", "fs", 5) == {"execute", "read_file", "read_dir", "refer"}
    assert group_rights("abi.all", "fs", 5) - group_rights("abi.read_write", "fs", 5) == {"execute"}
    assert group_rights("abi.all", "net", 3) == frozenset()
    assert group_rights("abi.all", "scope", 6) == {"abstract_unix_socket", "signal"}
    with pytest.raises(KeyError):
        group_rights("abi.read_write", "net", 5)


def test_order_and_mask_match_the_kernel() -> None:
    assert in_order({"signal", "bind_tcp", "truncate", "execute"}) == ["execute", "truncate", "bind_tcp", "signal"]
    assert to_mask({"execute", "truncate"}) == 0b100000000000001


def test_unnamed_right_is_its_bit() -> None:
    assert mask_name("net", 0x30) == "net.0x30" and mask_of("net.0x30") == 0x30
    assert bits_of("net.0x30") == expand_element("net.0x30", "net", None) == {"net.0x10", "net.0x20"}
    right = right_of("fs.0x20000")
    assert (right.kind, right.bit) == ("fs", 17) and right.abi > LATEST_ABI
    assert to_mask({"execute", "fs.0x20000"}) == 0x20001
    names = ["signal", "fs.0x20000", "net.0x10", "bind_tcp", "fs.0x400000000", "truncate"]
    assert in_order(names) == ["truncate", "fs.0x20000", "fs.0x400000000", "bind_tcp", "net.0x10", "signal"]
    assert unnamed(frozenset(names)) == {"fs.0x20000", "net.0x10", "fs.0x400000000"}
    assert named_bits("fs", 0x20006) == ["write_file", "read_file"]


@pytest.mark.parametrize(
    "name", ["fs.0x0", "fs.0x020000", "fs.0X20000", "fs.0x2_0", "fs.0x", "fs.0x-1", "fs.0x10000000000000000", "fd.0x1"]
)
def test_a_bit_has_one_spelling(name: str) -> None:
    assert mask_of(name) is None and kind_of(name) is None
    with pytest.raises(KeyError):
        right_of(name)


def test_kernel_knows_its_bits() -> None:
    known = min(kernel.query_abi(), LATEST_ABI)
    assert all(kernel.knows(right.kind, 1 << right.bit) for right in RIGHTS.values() if right.abi <= known)
    if kernel.query_abi() <= LATEST_ABI:
        assert not any(kernel.knows(right.kind, 1 << right.bit) for right in RIGHTS.values() if right.abi > known)
    assert not kernel.knows("fs", 1 << 63) and not kernel.knows("net", 1 << 63) and not kernel.knows("scope", 1 << 63)


def test_kernel_tells_what_it_handles_beyond_a_size() -> None:
    """Asked beyond the first members only, it lists the others: network rights at byte 8, scopes at byte 16."""
    known = min(kernel.query_abi(), LATEST_ABI)
    net = sum(1 << right.bit for right in NET_RIGHTS if right.abi <= known)
    scopes = sum(1 << right.bit for right in SCOPES if right.abi <= known)
    expected = [(8, net)] * bool(net) + [(16, scopes)] * bool(scopes)
    if kernel.query_abi() <= LATEST_ABI:
        # The three masks of what is not logged only modify the others.
        assert list(kernel.unknown_categories(known_size=8)) == expected
        assert kernel.unknown_categories() == ()


def test_kernel_agrees_with_the_table_at_its_abi() -> None:
    """Every right of the kernel's ABI is accepted; the first one beyond is rejected with EINVAL."""
    number = kernel.query_abi()
    known = min(number, LATEST_ABI)
    os.close(kernel.create_ruleset(to_mask(rights_of("fs", known)), 0, 0, number))
    beyond = [right for right in FS_RIGHTS if right.abi > known]
    if number <= LATEST_ABI and beyond:
        with pytest.raises(kernel.LandlockError, match="does not know one of the handled rights"):
            kernel.create_ruleset(1 << beyond[0].bit, 0, 0, number)


def test_abi_table_is_complete() -> None:
    assert [version.number for version in abi.ABI_VERSIONS] == list(range(1, LATEST_ABI + 1))
    assert {right.abi for right in RIGHTS.values()} <= {version.number for version in abi.ABI_VERSIONS}
    state = abi.probe()
    assert state.abi == kernel.query_abi()
    assert state.release == os.uname().release
