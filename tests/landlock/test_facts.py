"""The Landlock tables against this machine's kernel."""

import pytest

from editor.landlock import kernel
from editor.landlock.rights import LATEST_ABI
from tests.landlock import facts

KERNEL_ABI = kernel.query_abi()


@pytest.mark.skipif(KERNEL_ABI > LATEST_ABI, reason="a kernel newer than the tables knows more")
def test_kernel_accepts_the_tables_and_rejects_anything_beyond() -> None:
    assert facts.check(KERNEL_ABI) == []


@pytest.mark.skipif(KERNEL_ABI == 1, reason="there is no older version to take it for")
def test_wrong_abi_is_detected() -> None:
    assert facts.check(KERNEL_ABI - 1)


@pytest.mark.parametrize(
    ("release", "abi"),
    [
        ("5.13.0", 1),
        ("6.1.0-50-cloud-amd64", 2),
        ("6.12.117+deb13-cloud-amd64", 6),
        ("7.0", 8),
        ("7.3.4", 11),
        ("9.0", 11),
    ],
)
def test_abi_of_a_kernel_release(release: str, abi: int) -> None:
    assert facts.abi_of_release(release) == abi
