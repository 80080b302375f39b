"""The editor's Landlock tables against the running kernel: versions, structure sizes, rights, and flags.

Plain functions, for tests on this machine's kernel and inside a guest. Each returns problems as sentences. Expected
errors: security/landlock/syscalls.c.
"""

import ctypes
import errno
import os
import re
import struct
from collections.abc import Callable
from functools import partial

from editor.landlock import kernel
from editor.landlock.abi import ABI_VERSIONS
from editor.landlock.rights import FILE_RIGHTS, FS_RIGHTS, NET_RIGHTS, SCOPES, Right

_libc = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _NET_PORT = 1, 2
# struct landlock_ruleset_attr: its size by the first version that has it, and the first version of each eight bytes.
_SIZES = {1: 8, 4: 16, 6: 24, 10: 48}
_FS, _NET, _SCOPED, _QUIET_FS, _QUIET_NET, _QUIET_SCOPED = range(6)


def abi_of_release(release: str) -> int:
    """Return the Landlock version of a mainline kernel release, by the table of versions."""
    number = tuple(int(part) for part in re.findall(r"\d+", release)[:2])
    return max(each.number for each in ABI_VERSIONS if tuple(int(part) for part in each.kernel.split(".")) <= number)


def _syscall(number: int, *arguments: object) -> int:
    """Return the result, or a negative errno."""
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    return result if result >= 0 else -ctypes.get_errno()


def _create(*words: int, size: int | None = None) -> int:
    attr = struct.pack(f"={len(words)}Q", *words)
    length = ctypes.c_size_t(len(attr) if size is None else size)
    return _syscall(_CREATE_RULESET, attr, length, ctypes.c_uint32(0))


def _add_path(ruleset: int, access: int, parent: int, flags: int = 0) -> int:
    rule = struct.pack("=Qi", access, parent)
    return _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(flags))


def _add_port(ruleset: int, access: int, port: int, flags: int = 0, kind: int = _NET_PORT) -> int:
    rule = struct.pack("=QQ", access, port)
    return _syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), rule, ctypes.c_uint32(flags))


class _Findings:
    """Collects unexpected results."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def expect(self, what: str, result: int, expected: int = 0) -> None:
        """Check a result; ``expected`` is 0 for success, else an errno. A returned descriptor is closed."""
        outcome = 0 if result >= 0 else -result
        if outcome != expected:
            names = [errno.errorcode.get(number, "success") for number in (outcome, expected)]
            self.problems.append(f"{what}: {names[0]} instead of {names[1]}")
        if result > 2:
            os.close(result)


def _check_ruleset(findings: _Findings, abi: int) -> None:
    size = max(size for first, size in _SIZES.items() if first <= abi)
    words = size // 8
    top = 1 << 63
    last_unknown = [1] * (words > 1) + [0] * (words - 2) + [top]
    findings.expect("a ruleset of 7 bytes", _create(1, size=7), errno.EINVAL)
    findings.expect(f"a bit in the last of {size} bytes", _create(*last_unknown), errno.EINVAL)
    findings.expect(f"something after {size} bytes", _create(1, *(0,) * (words - 1), 1), errno.E2BIG)
    findings.expect("zeros after what is known", _create(1, *(0,) * 20))
    findings.expect("nothing handled", _create(0), errno.ENOMSG)

    tables: tuple[tuple[int, tuple[Right, ...]], ...] = ((_FS, FS_RIGHTS), (_NET, NET_RIGHTS), (_SCOPED, SCOPES))
    for word, rights in tables:
        if word >= words:
            continue
        known = [right for right in rights if right.abi <= abi]
        for right in known:
            findings.expect(f"handling {right.name}", _create(*(0,) * word, 1 << right.bit))
        findings.expect("handling all together", _create(*(0,) * word, (1 << len(known)) - 1))
        for bit in range(len(known), 64):
            findings.expect(f"handling bit {bit} of word {word}", _create(*(0,) * word, 1 << bit), errno.EINVAL)
    if words > _QUIET_SCOPED:
        handled = [(1 << len(rights)) - 1 for _, rights in tables]
        findings.expect("keeping all quiet", _create(*handled, *handled))
        for word in (_QUIET_FS, _QUIET_NET, _QUIET_SCOPED):
            quiet = [0, 0, 0]
            quiet[word - _QUIET_FS] = 2
            findings.expect(f"quiet and not handled, word {word}", _create(1, 1, 1, *quiet), errno.EINVAL)


def _check_rules(findings: _Findings, abi: int) -> None:
    fs = sum(1 << right.bit for right in FS_RIGHTS if right.abi <= abi)
    net = sum(1 << right.bit for right in NET_RIGHTS if right.abi <= abi)
    ruleset = _create(fs, net) if net else _create(fs)
    directory, file = (os.open(path, os.O_PATH) for path in ("/", "/etc/passwd"))
    for right in FS_RIGHTS:
        on_directory = 0 if right.abi <= abi else errno.EINVAL
        on_file = on_directory if right.name in FILE_RIGHTS else errno.EINVAL
        findings.expect(f"{right.name} on a directory", _add_path(ruleset, 1 << right.bit, directory), on_directory)
        findings.expect(f"{right.name} on a file", _add_path(ruleset, 1 << right.bit, file), on_file)
    findings.expect("a rule without rights", _add_path(ruleset, 0, directory), errno.ENOMSG)
    findings.expect("a rule for a ruleset", _add_path(ruleset, 1, ruleset), errno.EBADFD)
    for right in NET_RIGHTS:
        on_port = 0 if right.abi <= abi else errno.EINVAL
        findings.expect(f"{right.name} on a port", _add_port(ruleset, 1 << right.bit, 443), on_port)
    if net:
        findings.expect("port 65535", _add_port(ruleset, 1, 65535))
        findings.expect("port 65536", _add_port(ruleset, 1, 65536), errno.EINVAL)
        findings.expect("a port without rights", _add_port(ruleset, 0, 443), errno.ENOMSG)
    findings.expect("a rule of an unknown kind", _add_port(ruleset, 1, 443, kind=3), errno.EINVAL)
    os.close(ruleset)

    quiet = [flag for flag in kernel.RULE_FLAGS if flag.abi <= abi]
    attr = (1, 1, 0, 1, 1, 0) if quiet else (1,)
    ruleset = _create(*attr)
    for flag in quiet:
        findings.expect(f"{flag.name} on a path", _add_path(ruleset, 0, directory, 1 << flag.bit))
        findings.expect(f"{flag.name} on a port", _add_port(ruleset, 0, 443, 1 << flag.bit))
    for bit in range(len(quiet), 32):
        findings.expect(f"rule flag {bit}", _add_path(ruleset, 1, directory, 1 << bit), errno.EINVAL)
    for fd in (ruleset, directory, file):
        os.close(fd)


def _in_child(action: Callable[[], int]) -> int:
    """Return what ``action`` returns in a child process: a result or a negative errno."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            code = max(0, -action())
        finally:
            os._exit(code)
    return -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _restrict(flags: int) -> int:
    """Restrict this process, with no_new_privs set."""
    kernel.set_no_new_privs()
    return _syscall(_RESTRICT_SELF, ctypes.c_int(_create(1)), ctypes.c_uint32(flags))


def _restrict_ordinary(flags: int) -> int:
    """Restrict this process as an ordinary user without no_new_privs."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    return _syscall(_RESTRICT_SELF, ctypes.c_int(_create(1)), ctypes.c_uint32(flags))


def _check_restrict(findings: _Findings, abi: int) -> None:
    known = [flag for flag in kernel.RESTRICT_FLAGS if flag.abi <= abi]
    for flag in known:
        findings.expect(f"restrict flag {flag.name}", _in_child(partial(_restrict, 1 << flag.bit)))
    findings.expect("all restrict flags", _in_child(partial(_restrict, sum(1 << flag.bit for flag in known))))
    for bit in range(len(known), 32):
        findings.expect(f"restrict flag {bit}", _in_child(partial(_restrict, 1 << bit)), errno.EINVAL)
    findings.expect("an ordinary process", _in_child(partial(_restrict_ordinary, 0)), errno.EPERM)
    if any(flag.name == "no_new_privs" for flag in known):
        ordinary = partial(_restrict_ordinary, kernel.SELF_NO_NEW_PRIVS)
        findings.expect("an ordinary process with the flag no_new_privs", _in_child(ordinary))


def check(abi: int) -> list[str]:
    """Return what is wrong in the tables for this kernel, whose Landlock version is ``abi``."""
    findings = _Findings()
    _check_ruleset(findings, abi)
    _check_rules(findings, abi)
    _check_restrict(findings, abi)
    return findings.problems
