"""The table of rights against the kernel's own header, and the groups against what Landlock Config says of them."""

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
    group_rights,
    in_order,
    rights_of,
    to_mask,
)

HEADER = "/usr/include/linux/landlock.h"
PREFIXES = {"LANDLOCK_ACCESS_FS_": "fs", "LANDLOCK_ACCESS_NET_": "net", "LANDLOCK_SCOPE_": "scope"}


@pytest.mark.skipif(not os.path.exists(HEADER), reason="needs linux/landlock.h (Debian: linux-libc-dev)")
def test_every_right_of_the_kernel_header_has_its_name_and_bit() -> None:
    with open(HEADER, encoding="utf-8") as file:
        defined = re.findall(
            r"#define\s+(LANDLOCK_(?:ACCESS_FS|ACCESS_NET|SCOPE)_)(\w+)\s+\(1ULL << (\d+)\)", file.read()
        )
    assert len(defined) >= 14
    for prefix, name, bit in defined:
        right = RIGHTS[name.lower()]
        assert (right.kind, right.bit) == (PREFIXES[prefix], int(bit))


@pytest.mark.parametrize("table", [FS_RIGHTS, NET_RIGHTS, SCOPES])
def test_bits_are_dense_and_abis_rise_with_them(table: tuple[object, ...]) -> None:
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
def test_each_abi_knows_so_many_rights(version: int, fs: int, net: int, scopes: int) -> None:
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


def test_order_and_mask_are_the_kernels() -> None:
    assert in_order({"signal", "bind_tcp", "truncate", "execute"}) == ["execute", "truncate", "bind_tcp", "signal"]
    assert to_mask({"execute", "truncate"}) == 0b100000000000001


def test_the_kernel_agrees_with_the_table_about_its_own_abi() -> None:
    """Every right of the kernel's ABI is accepted; the first one beyond it is refused with EINVAL."""
    number = kernel.query_abi()
    known = min(number, LATEST_ABI)
    os.close(kernel.create_ruleset(to_mask(rights_of("fs", known)), 0, 0, number))
    beyond = [right for right in FS_RIGHTS if right.abi > known]
    if number <= LATEST_ABI and beyond:
        with pytest.raises(kernel.LandlockError, match="does not know one of the handled rights"):
            kernel.create_ruleset(1 << beyond[0].bit, 0, 0, number)


def test_the_abi_table_is_complete() -> None:
    assert [version.number for version in abi.ABI_VERSIONS] == list(range(1, LATEST_ABI + 1))
    assert {right.abi for right in RIGHTS.values()} <= {version.number for version in abi.ABI_VERSIONS}
    state = abi.probe()
    assert state.abi == kernel.query_abi()
    assert state.release == os.uname().release
