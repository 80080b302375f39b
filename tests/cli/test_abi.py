"""``paddock abi`` reports what the kernel reports."""

import ctypes
import io
import os
import sys

from editor.cli.abi import kernel_json, kernel_lines
from editor.cli.console import Console
from editor.landlock import kernel
from editor.landlock.abi import probe
from editor.landlock.rights import LATEST_ABI, RIGHTS
from tests.cli.harness import json_of, paddock

WITHOUT_LANDLOCK = (sys.executable, os.path.join(os.path.dirname(__file__), "without_landlock.py"))


def kernel_abi() -> int:
    """Return the kernel's own answer: landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION)."""
    libc = ctypes.CDLL(None)
    libc.syscall.restype = ctypes.c_long
    version: int = libc.syscall(ctypes.c_long(444), None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return version


def test_json() -> None:
    done = paddock("abi", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    said = json_of(done)
    assert list(said) == [
        "kernel",
        "abi",
        "problem",
        "errata",
        "lsms",
        "rights",
        "restrict_flags",
        "unknown_categories",
    ]
    assert (said["kernel"], said["abi"], said["problem"]) == (os.uname().release, kernel_abi(), "")
    assert all(list(right) == ["name", "kind", "abi", "since", "enforced", "meaning"] for right in said["rights"])
    assert [right["name"] for right in said["rights"]] == list(RIGHTS)
    assert all(right["enforced"] == (right["abi"] <= kernel_abi()) for right in said["rights"])
    assert said["rights"][0]["since"] == "5.13"
    assert all(list(flag) == ["name", "abi", "known", "meaning"] for flag in said["restrict_flags"])
    if kernel_abi() <= LATEST_ABI:
        assert said["unknown_categories"] == []


def test_active_lsms_match_securityfs() -> None:
    try:
        with open("/sys/kernel/security/lsm", encoding="ascii") as file:
            expected = file.read().strip().split(",")
    except OSError:
        expected = None
    assert json_of(paddock("abi", "--format", "json"))["lsms"] == expected


def test_text_lists_every_right_with_its_abi() -> None:
    lines = [line.split() for line in paddock("abi").stdout.splitlines()]
    for right in RIGHTS.values():
        mark = "yes" if right.abi <= kernel_abi() else "no"
        assert any(words[:4] == [mark, right.name, "ABI", str(right.abi)] for words in lines), right.name


def test_categories_of_a_later_kernel_are_listed() -> None:
    later = probe()._replace(unknown=kernel.unknown_categories(known_size=8))
    assert kernel_json(later)["unknown_categories"][0] == {"offset": 8, "handled": later.unknown[0].handled}
    text = "\n".join(kernel_lines(later, Console(io.StringIO())))
    assert "Handled by this kernel, unknown to Paddock" in text
    assert "byte 8 of the ruleset" in text and f"bits {later.unknown[0].handled:#x}" in text


def test_kernel_without_landlock() -> None:
    done = paddock("abi", before=WITHOUT_LANDLOCK)
    assert (done.returncode, done.stderr) == (1, "")
    assert "off: this kernel is built without Landlock" in done.stdout
    done = paddock("abi", "--format", "json", before=WITHOUT_LANDLOCK)
    said = json_of(done)
    assert (done.returncode, said["abi"], said["errata"]) == (1, 0, [])
    assert said["problem"].startswith("this kernel is built without Landlock")
    assert not any(right["enforced"] for right in said["rights"])
