"""Seccomp filters that a program installs on itself: which traced calls they can answer before the tracer sees them.

The kernel runs all filters of a thread and takes the strictest answer (seccomp(2)). An error, a signal and a supervisor
come before tracing, so a call answered that way leaves no row. Each call is followed through the filter's program with
unknown arguments: what is found is every call that the filter *can* answer.
"""

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox import syscalls
from editor.sandbox.calls.attempt import AccessRequest, Args, Attempt, Caller, Decoder

PR_SET_SECCOMP = 22
_STRICT, _FILTER = 0, 1  # operations of seccomp(2)
_MODE_STRICT, _MODE_FILTER = 1, 2  # of prctl(2)
_MAX_INSTRUCTIONS = 4096
_MAX_SHOWN = 8

_TRACE = 0x7FF00000
_KILL_PROCESS = 0x80000000
_ACTION = 0xFFFF0000
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4

# Classes and operations of classic BPF (include/uapi/linux/bpf_common.h).
_LOAD, _LOAD_X, _STORE, _STORE_X, _ALU, _JUMP, _RETURN, _MISC = range(8)
_ABSOLUTE = 0x20
_IMMEDIATE = 0x00
_RETURN_A = 0x10
_FROM_X = 0x08
_TAKE_X = 0x80  # A = X

_UNKNOWN = None
_Value = int | None


def _compare(operation: int, value: int, operand: int) -> bool:
    if operation == 0x10:
        return value == operand
    if operation == 0x20:
        return value > operand
    return value >= operand if operation == 0x30 else bool(value & operand)


def _compute(operation: int, value: int, operand: int) -> _Value:
    if operation == 0x50:
        return value & operand
    return value | operand if operation == 0x40 else _UNKNOWN


def can_answer(program: bytes, arch: int, number: int) -> bool:
    """Whether a filter can answer a call, for some arguments, with more than tracing, logging or allowing it."""
    code = list(struct.iter_unpack("=HBBI", program))
    seen: set[tuple[int, _Value]] = set()
    pending: list[tuple[int, _Value]] = [(0, 0)]
    while pending:
        state = pending.pop()
        if state in seen or state[0] >= len(code):
            continue
        seen.add(state)
        at, value = state
        operation, if_true, if_false, operand = code[at]
        kind, next_at = operation & 7, at + 1
        if kind == _RETURN:
            action = operand & _ACTION
            if operation & 0x18 == _RETURN_A and value is not None:
                action = value & _ACTION
            if (operation & 0x18 == _RETURN_A and value is None) or action < _TRACE or action == _KILL_PROCESS:
                return True
        elif kind == _JUMP and operation & 0xF0 == 0:
            pending.append((next_at + operand, value))
        elif kind == _JUMP:
            known = value is not None and not operation & _FROM_X
            truth = _compare(operation & 0xF0, value, operand) if known and value is not None else None
            if truth is not False:
                pending.append((next_at + if_true, value))
            if truth is not True:
                pending.append((next_at + if_false, value))
        else:
            pending.append((next_at, _next_value(operation, operand, value, (arch, number))))
    return False


def _next_value(operation: int, operand: int, value: _Value, call: tuple[int, int]) -> _Value:
    """Return what the accumulator contains after an instruction that neither jumps nor returns."""
    kind = operation & 7
    if kind == _LOAD and operation & 0xE0 == _ABSOLUTE:
        return {_OFFSET_NUMBER: call[1], _OFFSET_ARCH: call[0]}.get(operand)
    if kind == _LOAD:
        return operand if operation & 0xE0 == _IMMEDIATE else _UNKNOWN
    if kind == _ALU:
        known = value is not None and not operation & _FROM_X
        return _compute(operation & 0xF0, value, operand) if known and value is not None else _UNKNOWN
    return _UNKNOWN if kind == _MISC and operation & 0xF8 == _TAKE_X else value


@lru_cache(64)
def _answered(program: bytes, arch: int, names: frozenset[str]) -> tuple[str, ...]:
    numbers = syscalls.numbers(arch)
    return tuple(sorted(name for name in names & set(numbers) if can_answer(program, arch, numbers[name])))


def _read_program(caller: Caller, address: int) -> bytes:
    if caller.pointer_size == 4:
        count, start = struct.unpack("=H2xI", caller.read_memory(address, 8))
    else:
        count, start = struct.unpack("=H6xQ", caller.read_memory(address, 16))
    return caller.read_memory(start, 8 * min(count, _MAX_INSTRUCTIONS))


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _MAX_SHOWN
    shown = ", ".join(names[:_MAX_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _install(caller: Caller, address: int, names: frozenset[str]) -> Attempt:
    machine = syscalls.machine()
    arch = machine.compat if caller.pointer_size == 4 and machine.compat is not None else machine.native
    answered = _answered(_read_program(caller, address), arch, names)
    if not answered:
        return Attempt("plain", AccessRequest(NO_RIGHTS), reason="this seccomp filter leaves all reported calls alone")
    return Attempt(
        "plain",
        AccessRequest(NO_RIGHTS),
        reason=f"this seccomp filter can answer calls before they are seen: {', '.join(answered)}",
        notice=(
            f"{caller.comm} installed a seccomp filter, which can answer calls itself or through another process:"
            f" {_listed(answered)}. What it answers is not in the report."
        ),
    )


def _strict(caller: Caller) -> Attempt:
    notice = (
        f"{caller.comm} asked for seccomp's strict mode, which fails in a test because the tracer's filter is there"
        " first; it works under paddock run, with the same policy."
    )
    reason = "a process with a seccomp filter, which the test installs, cannot enter strict mode"
    return Attempt("plain", AccessRequest(NO_RIGHTS), reason=reason, notice=notice)


def decoders(reported: Iterable[str]) -> Mapping[str, Decoder]:
    """Return the decoders of seccomp(2) and of prctl(2) with PR_SET_SECCOMP; ``reported`` are the calls to look for."""
    names = frozenset(reported)

    def decode(caller: Caller, mode: int, address: int, modes: tuple[int, int]) -> Attempt | None:
        if mode == modes[0]:
            return _strict(caller)
        return _install(caller, address, names) if mode == modes[1] else None

    def seccomp(caller: Caller, args: Args) -> Attempt | None:
        return decode(caller, args[0] & 0xFFFFFFFF, args[2], (_STRICT, _FILTER))

    def prctl(caller: Caller, args: Args) -> Attempt | None:
        return decode(caller, args[1], args[2], (_MODE_STRICT, _MODE_FILTER))

    return MappingProxyType({"seccomp": seccomp, "prctl": prctl})
