"""Seccomp filters of the program under test: each is reported, with the traced calls that it can answer first."""

import ctypes
import os
import struct
import sys
from collections.abc import Sequence

import pytest

from editor.sandbox import syscalls
from editor.sandbox.calls.filters import can_answer
from tests.sandbox.harness import ALL_NET, Outcome, everything, policy, run, system_rules

_ALLOW, _TRACE, _LOG, _ERRNO, _TRAP, _KILL, _SUPERVISOR = (
    0x7FFF0000, 0x7FF00000, 0x7FFC0000, 0x50001, 0x30000, 0x80000000, 0x7FC00000,
)  # fmt: skip
_X86 = syscalls.AUDIT_ARCH_X86_64


def _code(*instructions: tuple[int, ...]) -> bytes:
    return b"".join(struct.pack("=HBBI", code, *(jumps or (0, 0)), operand) for code, operand, *jumps in instructions)


def _number() -> tuple[int, ...]:
    return (0x20, 0)


def _return(action: int) -> tuple[int, ...]:
    return (0x06, action)


@pytest.mark.parametrize("action", [_ERRNO, _TRAP, _KILL, 0, _SUPERVISOR])
def test_answers_that_come_before_tracing(action: int) -> None:
    program = _code(_number(), (0x15, 42, 0, 1), _return(action), _return(_ALLOW))
    assert can_answer(program, _X86, 42)
    assert not can_answer(program, _X86, 41)


@pytest.mark.parametrize("action", [_ALLOW, _TRACE, _LOG])
def test_answers_that_leave_tracing_alone(action: int) -> None:
    assert not can_answer(_code(_return(action)), _X86, 42)


def test_filter_that_depends_on_arguments_can_answer() -> None:
    program = _code(
        _number(), (0x15, 41, 0, 3), (0x20, 16), (0x15, 2, 0, 1), _return(_ERRNO), _return(_ALLOW),
    )  # fmt: skip
    assert can_answer(program, _X86, 41)
    assert not can_answer(program, _X86, 42)


def test_list_of_allowed_calls_answers_all_others() -> None:
    program = _code(
        (0x20, 4), (0x15, _X86, 1, 0), _return(_KILL), _number(), (0x35, syscalls.X32_BIT, 3, 0), (0x15, 0, 1, 0),
        (0x15, 1, 0, 1), _return(_ALLOW), _return(_ERRNO),
    )  # fmt: skip
    assert not can_answer(program, _X86, 0)
    assert not can_answer(program, _X86, 1)
    assert can_answer(program, _X86, 42)
    assert can_answer(program, syscalls.AUDIT_ARCH_I386, 0)


def test_accumulator_as_answer_and_masks() -> None:
    assert can_answer(_code((0x20, 16), (0x16, 0)), _X86, 1)
    assert can_answer(_code((0x00, _ERRNO), (0x16, 0)), _X86, 1)
    assert not can_answer(_code((0x00, _ALLOW), (0x16, 0)), _X86, 1)
    masked = _code(_number(), (0x54, 0xF), (0x15, 0xA, 0, 1), _return(_ERRNO), _return(_ALLOW))
    assert can_answer(masked, _X86, 0x2A)
    assert not can_answer(masked, _X86, 0x2B)


def _answers(program: bytes, numbers: Sequence[int]) -> list[int]:
    """Return what the kernel answers to calls with invalid arguments under a filter: the errnos."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer))
        libc.prctl(38, 1, 0, 0, 0)
        libc.prctl(22, 2, header, 0, 0)
        found = []
        for number in numbers:
            libc.syscall(number, -1, -1, -1, -1, -1, -1)
            found.append(ctypes.get_errno())
        os.write(writer, bytes(found))
        os._exit(0)
    os.close(writer)
    answer = os.read(reader, 4096)
    os.close(reader)
    os.waitpid(child, 0)
    return list(answer)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86_64: the kernel of another machine")
def test_kernel_gives_the_predicted_answers() -> None:
    """A filter as libseccomp writes it, a tree of comparisons, with an errno that no call returns."""
    numbers = [3, 8, 42, 49, 72, 87, 257]  # close, lseek, connect, bind, fcntl, unlink, openat
    mine = 0x50000 | 200
    program = _code(
        (0x20, 4), (0x15, _X86, 0, 7), _number(), (0x35, 60, 0, 3), (0x15, 87, 0, 1), _return(mine), _return(_ALLOW),
        (0x25, 40, 0, 1), _return(mine), _return(_ALLOW),
    )  # fmt: skip
    kernel = [error == 200 for error in _answers(program, numbers)]
    assert [can_answer(program, _X86, number) for number in numbers] == kernel
    assert True in kernel and False in kernel


# Whole runs

_INSTALL = """
import ctypes, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
program = bytes.fromhex({program!r})
buffer = ctypes.create_string_buffer(program, len(program))
header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer))
"""
_WAYS = {
    "seccomp": "libc.syscall({seccomp}, 1, 0, header)",
    "seccomp for all threads": "libc.syscall({seccomp}, 1, 1, header)",
    "prctl": "libc.prctl(22, 2, header, 0, 0)",
}


def _install(how: str, program: bytes, then: str = "") -> Outcome:
    numbers = syscalls.numbers(syscalls.machine().native)
    script = _INSTALL.format(program=program.hex()) + f"assert not {_WAYS[how].format(seccomp=numbers['seccomp'])}\n"
    return run(policy(system_rules(), net=ALL_NET), sys.executable, "-I", "-S", "-c", script + then)


def _refusing(name: str) -> bytes:
    number = syscalls.numbers(syscalls.machine().native)[name]
    return _code(_number(), (0x15, number, 0, 1), _return(0x50000 | 13), _return(_ALLOW))


@pytest.mark.parametrize("how", _WAYS)
def test_call_that_a_filter_answers_is_named(how: str) -> None:
    connect = "try: socket.create_connection(('127.0.0.1', 9))\nexcept PermissionError: print('refused')"
    done = _install(how, _refusing("connect"), connect)
    assert done.out == "refused\n"
    assert done.rows(syscall="connect") == []
    (row,) = done.rows(syscall=how.split(maxsplit=1)[0])
    assert row.verdict == "uncontrolled"
    assert row.process.startswith("python")
    assert row.reason.endswith("before they are seen: connect")
    (note,) = [note for note in done.notices if "seccomp" in note]
    assert note.startswith(f"{row.process} installed a seccomp filter") and ": connect." in note


def test_filter_that_answers_nothing_reported_is_a_row_without_note() -> None:
    done = _install("seccomp", _code(_return(_ALLOW)))
    assert [row.verdict for row in done.rows(syscall="seccomp")] == ["uncontrolled"]
    assert done.notices == []


def test_filter_with_a_supervisor_is_named() -> None:
    """With SECCOMP_RET_USER_NOTIF, another process answers."""
    numbers = syscalls.numbers(syscalls.machine().native)
    program = _code(_number(), (0x15, numbers["connect"], 0, 1), _return(_SUPERVISOR), _return(_ALLOW))
    script = _INSTALL.format(program=program.hex()) + f"assert libc.syscall({numbers['seccomp']}, 1, 8, header) > 0"
    done = run(everything(), sys.executable, "-I", "-S", "-c", script)
    assert done.report.exit_code == 0, done.output
    assert any("through another process: connect." in note for note in done.notices)


def test_filters_of_an_emulator_are_named() -> None:
    """With SECCOMP_RET_TRAP the program itself answers, in its handler for SIGSYS."""
    number = syscalls.numbers(syscalls.machine().native)["openat"]
    program = _code(_number(), (0x15, number, 0, 1), _return(_TRAP), _return(_ALLOW))
    done = _install("prctl", program)
    assert any("openat" in note for note in done.notices)


@pytest.mark.parametrize("call", ["libc.prctl(22, 1, 0, 0, 0)", "libc.syscall({seccomp}, 0, 0, 0)"])
def test_strict_mode_fails_and_is_reported(call: str) -> None:
    seccomp = syscalls.numbers(syscalls.machine().native)["seccomp"]
    script = f"import ctypes; libc = ctypes.CDLL(None); print({call.format(seccomp=seccomp)})"
    done = run(everything(), sys.executable, "-I", "-S", "-c", script)
    assert done.out == "-1\n"
    assert [row.errno for row in done.rows(verdict="failed") if row.syscall in ("prctl", "seccomp")] == ["EINVAL"]
    assert any("strict mode" in note and "paddock run" in note for note in done.notices)
