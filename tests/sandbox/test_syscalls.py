"""The system call tables, and the filter built from them, without running anything."""

import os
import re
import struct

import pytest

from editor.sandbox import syscalls
from editor.sandbox.calls import table as decode
from editor.sandbox.tracing import seccomp

_HEADERS = {
    syscalls.AUDIT_ARCH_X86_64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    syscalls.AUDIT_ARCH_I386: "/usr/include/x86_64-linux-gnu/asm/unistd_32.h",
    syscalls.AUDIT_ARCH_AARCH64: "/usr/include/asm-generic/unistd.h",
}
_ALLOW, _TRACE, _ERRNO = 0x7FFF0000, 0x7FF00000, 0x00050000


@pytest.mark.parametrize("arch", _HEADERS, ids=["x86_64", "i386", "aarch64"])
def test_tables_equal_the_kernels_headers(arch: int) -> None:
    header = _HEADERS[arch]
    if not os.path.exists(header):
        pytest.skip("the kernel headers are not installed")
    with open(header, encoding="ascii") as file:
        found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", file.read())
    theirs: dict[str, int] = {}
    for name, number in found:
        theirs.setdefault(name, int(number))
    ours = syscalls.numbers(arch)
    known = {name: number for name, number in ours.items() if name in theirs}
    assert known == {name: theirs[name] for name in known}
    assert len(known) >= len(ours) - 5  # the newest calls may be missing from older headers


def test_aarch64_lacks_legacy_calls() -> None:
    table = syscalls.numbers(syscalls.AUDIT_ARCH_AARCH64)
    assert not {"open", "creat", "mkdir", "rename", "unlink", "link", "symlink", "rmdir", "chmod", "utime"} & set(table)
    assert {"openat": 56, "execve": 221, "renameat2": 276, "bind": 200, "connect": 203}.items() <= table.items()


@pytest.mark.parametrize("arch", _HEADERS, ids=["x86_64", "i386", "aarch64"])
def test_numbers_are_unique(arch: int) -> None:
    table = syscalls.numbers(arch)
    assert len(set(table.values())) == len(table)
    names = syscalls.names(arch)
    assert {number: name for number, name in names.items() if number < syscalls.X32_BIT} == {
        number: name for name, number in table.items()
    }


def test_x32_numbers_equal_the_kernels_headers() -> None:
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_x32.h"
    if not os.path.exists(header):
        pytest.skip("the kernel headers are not installed")
    with open(header, encoding="ascii") as file:
        found = re.findall(r"#define __NR_(\w+) \(__X32_SYSCALL_BIT \+ (\d+)\)", file.read())
    theirs = {name: syscalls.X32_BIT | int(number) for name, number in found}
    ours = syscalls.x32_numbers()
    assert {name: number for name, number in ours.items() if name in theirs} == {
        name: theirs[name] for name in ours if name in theirs
    }
    assert len(set(ours) - set(theirs)) <= 5  # the newest calls
    names = syscalls.names(syscalls.AUDIT_ARCH_X86_64)
    assert {names[number]: number for number in names if number & syscalls.X32_BIT} == ours


def test_decoders_and_tables_match() -> None:
    known = set().union(*(syscalls.numbers(arch) for arch in _HEADERS))
    assert set(decode.DECODERS) <= known
    # and every call of a table is handled
    assert known - set(decode.DECODERS) == decode.ALWAYS_TRACED


def test_unknown_machine_is_an_error() -> None:
    with pytest.raises(syscalls.UnsupportedMachine, match="riscv64"):
        syscalls.machine("riscv64")


def _decide(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """Interpret the filter's few instructions; return its answer."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=iIQ6Q", number, arch, 0, *padded)
    code = list(struct.iter_unpack("=HBBI", program))
    position, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = code[position]
        position += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif operation == 0x06:
            return int(operand)
        elif operation == 0x05:
            position += operand
        else:
            test = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}
            position += if_true if test[operation] else if_false


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_filter_traces_only_the_wanted_calls(name: str) -> None:
    machine = syscalls.machine(name)
    wanted = decode.traced_calls(frozenset({"ioctl_dev", "signal"}))
    program = seccomp.build_filter(machine, wanted)
    assert len(program) // 8 <= 4096  # BPF_MAXINSNS
    for arch in (machine.native, machine.compat):
        if arch is None:
            continue
        names = syscalls.names(arch)
        for number in range(600):
            known = names.get(number, "")
            expected = _TRACE if known in wanted - {"prctl", "bpf", "fcntl", "fcntl64", "clone", "sendto"} else _ALLOW
            assert _decide(program, arch, number) == expected, (known, number)


def test_filter_checks_arguments() -> None:
    machine = syscalls.machine("x86_64")
    table = syscalls.numbers(machine.native)
    program = seccomp.build_filter(machine, decode.traced_calls(frozenset()))

    def answer(name: str, *arguments: int) -> int:
        return _decide(program, machine.native, table[name], *arguments)

    assert answer("prctl", 15) == _TRACE
    assert answer("prctl", 38, 1) == _ALLOW
    assert answer("clone", 0x11) == _ALLOW
    assert answer("clone", 0x00800011) == _ERRNO | 1
    assert answer("sendto", 3, 1, 1, 0, 0, 0) == _ALLOW
    assert answer("sendto", 3, 1, 1, 0, 0x7FFE00001000, 16) == _TRACE
    assert answer("sendto", 3, 1, 1, 0, 0x700000000000, 16) == _TRACE
    restricting = seccomp.build_filter(machine, decode.traced_calls(frozenset({"bind_udp"})))
    assert _decide(restricting, machine.native, table["sendto"], 3, 1, 1, 0, 0, 0) == _TRACE
    assert answer("prctl", 62, 1, 77) == _TRACE
    assert answer("bpf", 6, 0x7FFE00001000, 128) == _TRACE
    assert answer("bpf", 5, 0x7FFE00001000, 128) == _ALLOW
    assert answer("ioctl", 1, 0x5401) == _ALLOW  # on demand only
    assert answer("ioctl", 1, 0x5441) == _TRACE
    assert [answer("ioctl", 1, number) == _TRACE for number in range(0xFF00, 0xFF0C)] == [False, *[True] * 10, False]
    assert answer("kill", 1, 9) == _ALLOW
    assert answer("prctl", 22, 2) == _TRACE
    assert answer("fcntl", 3, 8, 1) == _ALLOW  # for the scope of signals only
    scoped = seccomp.build_filter(machine, decode.traced_calls(frozenset({"signal"})))
    wanted = {number for number in range(1100) if _decide(scoped, machine.native, table["fcntl"], 3, number) == _TRACE}
    assert wanted == {8, 15}  # F_SETOWN, F_SETOWN_EX


def test_calls_of_an_unknown_instruction_set_are_traced() -> None:
    program = seccomp.build_filter(syscalls.machine("aarch64"), decode.traced_calls(frozenset()))
    assert _decide(program, 0x40000028, 5) == _TRACE  # 32-bit ARM
    program = seccomp.build_filter(syscalls.machine("x86_64"), decode.traced_calls(frozenset()))
    assert _decide(program, syscalls.AUDIT_ARCH_X86_64, syscalls.X32_BIT | 2) == _TRACE
    assert _decide(program, syscalls.AUDIT_ARCH_X86_64, syscalls.X32_BIT | 56, 0x11) == _ALLOW
    assert _decide(program, syscalls.AUDIT_ARCH_X86_64, syscalls.X32_BIT | 56, 0x00800011) == _ERRNO | 1
    assert _decide(program, syscalls.AUDIT_ARCH_I386, 5) == _TRACE
