"""``paddock test`` from end to end: one program that tries every right, and the report it must give.

Plain functions, for this machine's kernel and for others. The expected denials are known beforehand: each right has a
directory of its own on which all others are granted.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from typing import Any, NamedTuple

from editor.landlock.rights import FS_RIGHTS, RIGHTS, RightSet, in_order
from tests.landlock.matrix import ALL_FS, ALL_NET, ALL_SCOPES, NEEDS_ROOT, Ports, denial, make_tree, operation_for

_TRACED_FROM = 11  # the ABI whose checks are in the kernel's trace events
_BY_RULES = ("path_beneath", "net_port")
_DECIDED_AT_OPEN = frozenset({"ftruncate", "ioctl"})


class Expectation(NamedTuple):
    """An operation, its expected errno name, and the right and objects (path or port) of its denied rows."""

    operation: list[Any]
    errno: str | None
    missing: str
    subjects: tuple[str | int | None, ...]


def _rule(kind: str, key: str, rights: RightSet, value: str | int) -> str:
    return f"[[{kind}]]\nallowed_access = {json.dumps(in_order(rights))}\n{key} = [{json.dumps(value)}]\n"


def _policy(paths: dict[str, RightSet], ports: list[tuple[int, str]]) -> str:
    text = "[[ruleset]]\n"
    text += f"handled_access_fs = {json.dumps(in_order(ALL_FS))}\n"
    text += f"handled_access_net = {json.dumps(in_order(ALL_NET))}\n"
    text += f"scoped = {json.dumps(in_order(ALL_SCOPES))}\n"
    text += "".join(_rule("path_beneath", "parent", rights, path) for path, rights in paths.items())
    return text + "".join(_rule("net_port", "port", frozenset({right}), port) for port, right in ports)


def _operation(right: str, root: str) -> list[Any]:
    if right == "execute":
        return [right, f"{root}/true"]
    if right == "ioctl_dev":
        return [right, f"{root}/null"]
    operation = operation_for(right, root)
    return [right, f"{root}/{right}"] if operation[1:] == [f"{root}/new"] else operation


def _objects(right: str, root: str) -> tuple[str, ...]:
    """The objects of the denied rows."""
    on_directory = right.startswith(("make_", "remove_")) or right == "read_dir"
    if right == "refer":
        return root, f"{root}/dir"
    return (root if on_directory else _operation(right, root)[1],)


def _take_connections(server: socket.socket) -> None:
    """Accept and close connections until the listening socket is closed.

    A connection left in the queue would keep its creator's domain alive, and delay the kernel's last record of it.
    """
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


class _Scene:
    """Directories, ports and an abstract socket below ``root`` for the program to try."""

    def __init__(self, root: str, abi: int, stack: contextlib.ExitStack) -> None:
        self.abi = abi
        self.expectations: list[Expectation] = []
        # Everything but the directory for temporary files, where the program must not get any right by accident.
        self.paths = {f"/{name}": ALL_FS for name in os.listdir("/") if name not in ("tmp", "sys")}
        rights = [right.name for right in FS_RIGHTS if os.geteuid() == 0 or right.name not in NEEDS_ROOT]
        rights = [right for right in rights if right != "ioctl_dev" or os.geteuid() == 0]  # its device must be created
        for name in ("open", *rights):
            directory = f"{root}/{name}"
            os.mkdir(directory)
            server = stack.enter_context(make_tree(directory))
            threading.Thread(target=_take_connections, args=(server,), daemon=True).start()
            shutil.copy(shutil.which("true") or "/bin/true", f"{directory}/true")
            if os.geteuid() == 0:
                os.mknod(f"{directory}/null", 0o20666, os.makedev(1, 3))
            self.paths[directory] = ALL_FS - {name}
        # The tree's file leaves with refer, so that comes last.
        for right in sorted(rights, key=lambda right: right == "refer"):
            self._expect(
                _operation(right, f"{root}/{right}"), denial(right, abi), right, *_objects(right, f"{root}/{right}")
            )
            self._expect(_operation(right, f"{root}/open"), None, right)
        # Sockets created inside the domain need no right.
        self._expect(["resolve_own_unix", f"{root}/resolve_unix/own"], None, "resolve_unix")
        self.granted, self.other = Ports(), Ports()
        stack.callback(self.granted.close)
        stack.callback(self.other.close)
        self._expect_scopes(stack)

    def _expect(self, operation: list[Any], errno: str | None, missing: str, *subjects: str | int | None) -> None:
        self.expectations.append(Expectation(operation, errno, missing, subjects))

    def _expect_scopes(self, stack: contextlib.ExitStack) -> None:
        name = f"paddock-tester-{os.getpid()}"
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind("\0" + name)
        server.listen(1)
        threading.Thread(target=_take_connections, args=(server,), daemon=True).start()
        known = "EPERM" if RIGHTS["signal"].abi <= self.abi else None
        self._expect(["signal", os.getpid()], known, "signal", None)
        self._expect(["abstract_unix_socket", name], known, "abstract_unix_socket", f"@{name}")

    def net(self, *, autobind: bool) -> tuple[list[tuple[int, str]], list[Expectation]]:
        """Return port rules and their expected results. ``autobind`` grants binding UDP sockets to a free port."""
        granted, other = self.granted, self.other
        rules = [(granted.free, "bind_tcp"), (granted.tcp, "connect_tcp"), (granted.free, "bind_udp")]
        rules += [(granted.udp, "connect_send_udp")] + [(0, "bind_udp")] * autobind
        tried = [
            (["bind_tcp", granted.free], "", 0),
            (["bind_tcp", other.free], "bind_tcp", other.free),
            (["connect_tcp", granted.tcp], "", 0),
            (["connect_tcp", other.tcp], "connect_tcp", other.tcp),
            (["bind_udp", granted.free], "", 0),
            (["bind_udp", other.free], "bind_udp", other.free),
        ]
        for name in ("connect_send_udp", "send_udp"):
            tried.append(([name, granted.udp], "" if autobind else "bind_udp", 0))
            tried.append(([name, other.udp], "connect_send_udp", other.udp))
        found = [
            Expectation(operation, "EACCES" if right and RIGHTS[right].abi <= self.abi else None, right, (port,))
            for operation, right, port in tried
        ]
        knows_udp = RIGHTS["bind_udp"].abi <= self.abi
        if knows_udp and not autobind:
            found.append(Expectation(["send_udp_nowhere"], "EACCES", "bind_udp", (0,)))
        else:
            found.append(Expectation(["send_udp_nowhere"], "EDESTADDRREQ", "", ()))
        if knows_udp:
            found.append(Expectation(["send_udp_without_family"], "EACCES", "connect_send_udp", (None,)))
        return rules, found


def _subject(access: dict[str, Any]) -> str | int | None:
    if "signal" in access["missing"]:
        return None
    subject: str | int | None = access["port"] if access["port"] is not None else access["object"] or access["path"]
    return subject


def _run(
    directory: str, policy: str, expectations: list[Expectation], *, audited: bool, layers: tuple[str, ...] = ()
) -> list[str]:
    """Run the program under the policy, with ``layers`` on top; return what is wrong in its results or the report."""
    output = f"{directory}/report.json"
    files = [f"{directory}/policy-{number}.toml" for number in range(1 + len(layers))]
    for file, text in zip(files, (policy, *layers), strict=True):
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(text)
    request = {"spec": None, "abi": None, "operations": [each.operation for each in expectations]}
    on_top = [word for file in files[1:] for word in ("--layer", file)]
    command = [sys.executable, "-m", "editor", "test", files[0], *on_top, "--format", "json", "-o", output]
    done = subprocess.run(
        [*command, "--", sys.executable, "-m", "tests.landlock.attempt"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return [f"status {done.returncode}: {done.stderr}"]
    problems = [
        f"{each.operation}: {result} instead of {each.errno}"
        for each, result in zip(expectations, json.loads(done.stdout), strict=True)
        if result != each.errno
    ]
    with open(output, encoding="utf-8") as stream:
        report = json.load(stream)
    denied = [access for access in report["accesses"] if access["verdict"] == "denied"]
    found = {(",".join(access["missing"]), _subject(access)) for access in denied}
    expected = {(each.missing, subject) for each in expectations if each.errno is not None for subject in each.subjects}
    problems += [f"no denied row: {each}" for each in sorted(expected - found, key=str)]
    problems += [f"a denied row too many: {each}" for each in sorted(found - expected, key=str)]
    if report["abi"]["kernel"] >= _TRACED_FROM and os.geteuid() == 0:
        problems += _check_confirmed(report)
    right = (True,) if audited else (True, None)
    problems += [f"confirmed is {each['confirmed']}: {each}" for each in denied if each["confirmed"] not in right]
    problems += [f"a note: {note}" for note in report["notes"] if "audit" in note or "could not be" in note]
    return problems


def _check_confirmed(report: dict[str, Any]) -> list[str]:
    """Check that the kernel's trace events agree with every row, also with the rules that allowed it."""
    found = [f"the kernel disagrees: {each}" for each in report["accesses"] if each["confirmed"] is False]
    return found + [
        f"the kernel's trace events say nothing of it: {each}"
        for each in report["accesses"]
        if each["verdict"] == "allowed"
        and each["confirmed"] is None
        and any(each["rule"].startswith(_BY_RULES) for each in each["decided_by"])
        and each["syscall"] not in _DECIDED_AT_OPEN
    ]


def _check_layers(root: str, abi: int, *, audited: bool) -> tuple[int, list[str]]:
    """A layer that handles no filesystem right denies moving between directories if another one handles any."""
    if abi < RIGHTS["signal"].abi:
        return 0, []
    files = f"[[ruleset]]\nhandled_access_fs = {json.dumps(in_order(ALL_FS))}\n"
    files += _rule("path_beneath", "parent", ALL_FS, "/")
    ports = f"[[ruleset]]\nhandled_access_net = {json.dumps(in_order(ALL_NET))}\n"
    scopes = f"[[ruleset]]\nscoped = {json.dumps(in_order(ALL_SCOPES))}\n"
    tried, problems = 0, []
    for below, above, error in ((files, ports, "EXDEV"), (scopes, files, "EXDEV"), (ports, scopes, None)):
        directory = f"{root}/layers-{tried}"
        os.makedirs(f"{directory}/dir")
        with open(f"{directory}/file", "w", encoding="ascii"):
            moving = ["refer", f"{directory}/file", f"{directory}/dir/file"]
        expected = Expectation(moving, error, "refer", (directory, f"{directory}/dir"))
        problems += _run(directory, below, [expected], audited=audited, layers=(above,))
        tried += 1
    return tried, problems


def check(abi: int, *, audited: bool) -> tuple[int, list[str]]:
    """Try everything on this kernel, whose version is ``abi``.

    ``audited``: the kernel's audit is on and readable, so that every denial must be confirmed.
    """
    with contextlib.ExitStack() as stack:
        root = os.path.realpath(stack.enter_context(tempfile.TemporaryDirectory()))
        scene = _Scene(root, abi, stack)
        rules, net = scene.net(autobind=True)
        expectations = scene.expectations + net
        problems = _run(root, _policy(scene.paths, rules), expectations, audited=audited)
        rules, net = scene.net(autobind=False)
        problems += _run(root, _policy(scene.paths, rules), net, audited=audited)
        tried, found = _check_layers(root, abi, audited=audited)
        return len(expectations) + len(net) + tried, problems + found
