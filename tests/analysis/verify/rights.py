"""Try to probe every right that the kernel knows, allowed and denied. Plain functions, also for guests.

Each right is probed on objects in a directory with ``file``, ``program`` and a listening ``socket``.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from editor.analysis.verify.expected import Expected, parse_expected
from editor.analysis.verify.probes import ProbeRequest, ProbeResult, try_probes
from editor.evaluation.resolve import ResolvedPolicy, resolve
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, RIGHTS
from editor.policy.model import Location
from editor.policy.parse import parse_policy
from tests.landlock.matrix import NEEDS_ROOT

PORT = 4242
_TIMEOUT_S = 60.0


def rights_at(abi: int) -> list[str]:
    """Return the rights that this user can use and ABI ``abi`` restricts."""
    return [
        right.name
        for right in RIGHTS.values()
        if right.abi <= abi and (right.name not in NEEDS_ROOT or not os.geteuid())
    ]


@contextmanager
def objects_in(directory: str) -> Iterator[None]:
    """Create the file, the program and the listening socket in ``directory``."""
    for name, text, mode in (("file", "content", 0o644), ("program", "#!/bin/sh\n: >executed\n", 0o755)):
        path = os.path.join(directory, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.join(directory, "socket"))
        server.listen(8)
        yield


def expected(text: str, *, unproven: bool = False) -> Expected:
    """Return the access that ``text`` names."""
    return parse_expected(text, Location("p.checks.toml", 1, 1), unproven=unproven)


def access_for(right: str) -> Expected:
    """Return an access that needs ``right``."""
    objects = {
        "execute": "program",
        "ioctl_dev": "/dev/null",
        "resolve_unix": "socket",
        **dict.fromkeys(("read_file", "write_file", "truncate"), "file"),
        **dict.fromkeys((each.name for each in NET_RIGHTS), str(PORT)),
        **dict.fromkeys(("signal", "abstract_unix_socket"), "outside"),
    }
    return expected(f"{right} {objects.get(right, '.')}")


def policy(base: str, lacking: str = "") -> ResolvedPolicy:
    """Return a policy that handles everything and grants all of it but the right ``lacking``."""
    files = ", ".join(f'"{right.name}"' for right in FS_RIGHTS if right.name != lacking)
    ports = ", ".join(f'"{right.name}"' for right in NET_RIGHTS if right.name != lacking)
    scoped = f'scoped = ["{lacking}"]' if lacking and RIGHTS[lacking].kind == "scope" else ""
    text = f"""abi = 11
[[ruleset]]
handled_access_fs = ["abi.all"]
handled_access_net = ["abi.all"]
{scoped}
[[path_beneath]]
allowed_access = [{files}]
parent = ["/"]
[[net_port]]
allowed_access = [{ports}]
port = [0, {PORT}]
"""
    return resolve(parse_policy(text, "p.toml", "toml"), base=base)


def probe(
    resolved: ResolvedPolicy, abi: int, *, allowed: tuple[Expected, ...] = (), denied: tuple[Expected, ...] = ()
) -> tuple[ProbeResult, ...]:
    """Return the results of probing under ``resolved`` at ``abi``."""
    reader, writer = os.pipe()
    try:
        return try_probes(ProbeRequest(allowed, denied, resolved, abi, _TIMEOUT_S), reader)
    finally:
        os.close(reader)
        os.close(writer)


def state(directory: str) -> dict[str, tuple[int, int, int]]:
    """Return what a probe must not change: the entries of ``directory``, their sizes, times and inodes."""
    return {
        name: (status.st_size, status.st_mtime_ns, status.st_ino)
        for name in os.listdir(directory)
        for status in (os.lstat(os.path.join(directory, name)),)
    }


def problems_if_denied(right: str, abi: int, directory: str) -> list[str]:
    """Probe ``right`` under a policy that denies only this; return what is wrong with the results."""
    access = access_for(right)
    before = state(directory)
    wrong, denied = probe(policy(directory, lacking=right), abi, allowed=(access,), denied=(access,))
    found = []
    if denied.outside is not None or denied.reason:
        found.append(f"{denied.outside} outside, {denied.inside} inside: {denied.reason}")
    if "is denied" not in wrong.reason:
        found.append(f"expected to be allowed: {wrong.reason or 'holds'}")
    if state(directory) != before:
        found.append("something in the directory changed")
    return [f"{right} denied at ABI {abi}: {problem}" for problem in found]


def problems_if_allowed(rights: list[str], abi: int, directory: str) -> list[str]:
    """Probe ``rights`` under a policy that allows all; return what is wrong with the results."""
    accesses = tuple(map(access_for, rights))
    before = state(directory)
    results = probe(policy(directory), abi, allowed=accesses, denied=accesses)
    found = [
        f"{result.right}: {result.outside} outside, {result.inside} inside: {result.reason}"
        for result in results[: len(rights)]
        if result.outside is not None or result.inside is not None or result.reason
    ]
    found += [
        f"{result.right} expected to be denied: {result.reason or 'holds'}"
        for result in results[len(rights) :]
        if "is allowed" not in result.reason
    ]
    if state(directory) != before:  # the program was executed, for example
        found.append("something in the directory changed")
    return [f"allowed at ABI {abi}: {problem}" for problem in found]


def run(abi: int) -> tuple[int, list[str]]:
    """Probe every right at ``abi``; return how many, and what is wrong."""
    rights = rights_at(abi)
    with tempfile.TemporaryDirectory() as directory, objects_in(directory):
        found = problems_if_allowed(rights, abi, directory)
        return len(rights), [*found, *(each for right in rights for each in problems_if_denied(right, abi, directory))]
