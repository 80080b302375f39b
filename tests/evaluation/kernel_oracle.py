"""Run as a program: compare `Decider` with the kernel on random trees, policies and operations.

Usage: kernel_oracle.py SEED COUNT. Prints one JSON object: how many operations were compared, how many of them the
kernel denied, and every disagreement. It is a separate process because it changes its mounts (as root) and forks
children that restrict themselves permanently.

Each round creates many copies of one random tree, writes one random policy for all of them, and tries random
operations, without Landlock on the first half of the copies and with it on the second half. Each operation that changes
the tree gets its own copy; all others share one.
"""

import contextlib
import ctypes
import errno
import json
import os
import random
import shutil
import socket
import stat
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from fcntl import ioctl
from typing import Any, NamedTuple

from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.evaluation.refer import RENAME_EXCHANGE, make_right
from editor.evaluation.resolve import resolve
from editor.landlock.kernel import query_abi, query_errata
from editor.landlock.rights import FS_RIGHTS, NET_RIGHTS, SCOPES, RightSet, rights_of
from editor.landlock.ruleset import RulesetSpec, build, enforce
from editor.policy.parse import parse_policy

CHANGES = 12  # operations of a round that change their copy of the tree
COPIES = CHANGES + 1
MEMORY = "/dev/shm"  # a tmpfs, where creating hundreds of files is cheap; everything else goes to TMPDIR
MOUNTED = 0.25  # of the rounds, as root: mounting costs more than everything else
ROOT = os.geteuid() == 0
_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 0x20000, 0x1000, 0x4000, 1 << 18, 2
RENAME_NOREPLACE, RENAME_WHITEOUT = 1, 4
_AT_FDCWD = -100


class Operation(NamedTuple):
    """One operation: its kind, its paths relative to the copy of the tree, and a number (flags, mode or port)."""

    kind: str
    path: str = ""
    other: str = ""
    number: int = 0


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), kind.encode() if kind else None, flags, None))


# Trees


class Tree(NamedTuple):
    """How to create a tree: steps (kind, path, argument) in order; and its content by kind."""

    steps: tuple[tuple[str, str, str], ...]
    directories: tuple[str, ...]
    files: tuple[str, ...]
    others: tuple[str, ...]


def random_tree(rng: random.Random, *, mounts: bool) -> Tree:
    """A few nested directories with files, symbolic and hard links, special files (devices as root), and mounts."""
    steps: list[tuple[str, str, str]] = []
    directories = [""]
    files: list[str] = []
    others: list[str] = []

    def fresh() -> str:
        parent = rng.choice(directories)
        return f"{parent}/{rng.choice('abcdefgh')}{len(steps)}".lstrip("/")

    for _ in range(rng.randint(2, 6)):
        path = fresh()
        steps.append(("directory", path, ""))
        directories.append(path)
    for _ in range(rng.randint(2, 6)):
        path = fresh()
        steps.append(("file", path, ""))
        files.append(path)
    for _ in range(rng.randint(0, 4)):
        path = fresh()
        kind = rng.choice(["symlink", "symlink", "link", "fifo", "socket", "device", "whiteout"])
        if kind == "symlink":
            steps.append((kind, path, rng.choice([*directories, *files, "nothing", "nothing/there"])))
            others.append(path)
        elif kind == "link":
            steps.append((kind, path, rng.choice(files)))
            files.append(path)
        elif kind != "device" or ROOT:
            steps.append((kind, path, ""))
            others.append(path)
    if mounts:
        for _ in range(rng.choice([0, 1, 2, 3])):
            kind = rng.choice(["bind", "bind", "tmpfs", "bindfile"])
            if kind == "bindfile":
                steps.append((kind, rng.choice(files), rng.choice(files)))
            elif len(directories) > 1:
                steps.append((kind, rng.choice(directories[1:]), rng.choice(directories)))
    return Tree(tuple(steps), tuple(directories), tuple(files), tuple(others))


def make_tree(root: str, tree: Tree, server: "Server") -> None:
    """Create ``tree`` below the existing directory ``root``; ``server`` listens on its sockets."""
    for kind, name, argument in tree.steps:
        path = os.path.join(root, name)
        source = os.path.join(root, argument)
        if kind == "directory":
            os.mkdir(path)
        elif kind == "file":
            # Executable but of unknown format: an allowed execve(2) fails with ENOEXEC and needs no other file.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "wb") as file:
                file.write(b"\0\0\0\0 not a program")
        elif kind == "symlink":
            # Relative links only lead down: after a rename, a link upwards could leave this copy.
            relative = os.path.relpath(source, os.path.dirname(path))
            os.symlink(source if relative.startswith("..") else relative, path)
        elif kind == "link":
            os.link(source, path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            server.listen(path)
        elif kind == "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        elif kind == "whiteout":
            os.mknod(path, 0o600 | stat.S_IFCHR)
        else:
            # An earlier mount may have hidden it: then there is nothing to mount.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if kind == "tmpfs":
                    _mount("none", path, "tmpfs", 0)
                else:
                    _mount(source, path, None, _MS_BIND)


# Policies


def random_policy(
    rng: random.Random, tree: Tree, base: str, ports: tuple[int, ...], operations: list["Operation"]
) -> str:
    """Return the text of a policy with rules on the tree, above it, and on paths that do not exist.

    Half of the rules are where one of the operations happens, and two of five policies grant most rights at the top, so
    that one missing right decides.
    """
    spots = [
        path for each in operations for path in (each.path, each.other) if path and each.kind in ("rename", "link")
    ]
    spots += [os.path.dirname(path) for path in spots]
    fs_names = [right.name for right in FS_RIGHTS]
    net_names = [right.name for right in NET_RIGHTS]
    # Rights that nearly suffice test more than uniform noise, so most rules get most rights.
    density = rng.choice([0.2, 0.5, 0.8, 0.95])

    def some(names: list[str], chance: float) -> list[str]:
        return [name for name in names if rng.random() < chance] or [rng.choice(names)]

    lines = ["[[variable]]", 'name = "copy"', f"literal = {json.dumps([f'{index:02}' for index in range(2 * COPIES)])}"]
    lines += ["[[ruleset]]", f"handled_access_fs = {json.dumps(some(fs_names, rng.choice([0.1, 0.6, 1.0])))}"]
    if rng.random() < 0.5:
        lines.append(f"handled_access_net = {json.dumps(some(net_names, 0.7))}")
    if rng.random() < 0.5:
        lines.append(f"scoped = {json.dumps(some([scope.name for scope in SCOPES], 0.5))}")
    if rng.random() < 0.4:
        # Not all: if both directories permit everything handled, the kernel compares nothing.
        given = [name for name in fs_names if name == "refer" or rng.random() < 0.9]
        lines += ["[[path_beneath]]", f"allowed_access = {json.dumps(given)}", f'parent = ["{base}/${{copy}}/tree"]']
    for _ in range(rng.randint(0, 6)):
        where = rng.choice([*tree.directories, *tree.directories, *tree.files, *tree.others, "missing", "a/missing"])
        if spots and rng.random() < 0.5:
            where = rng.choice(spots)
        spelled = rng.choice(["{}", "{}", "{}/", "./{}", "{}/.", "{}//"]).format(where) if where else ""
        paths = [f"{base}/${{copy}}/tree/{spelled}"]
        if rng.random() < (0.4 if any(kind == "tmpfs" or "bind" in kind for kind, _, _ in tree.steps) else 0.15):
            paths.append(rng.choice([base, "/", os.path.dirname(base), "/nothing/there"]))
        lines += ["[[path_beneath]]", f"allowed_access = {json.dumps(some(fs_names, density))}"]
        lines.append(f"parent = {json.dumps(paths)}")
    for _ in range(rng.randint(0, 2)):
        lines += ["[[net_port]]", f"allowed_access = {json.dumps(some(net_names, 0.5))}"]
        lines.append(f"port = {json.dumps([rng.choice([*ports, 0])])}")
    return "\n".join(lines) + "\n"


# Operations

_OPEN_FLAGS = (
    os.O_RDONLY,
    os.O_WRONLY,
    os.O_RDWR,
    os.O_RDONLY | os.O_TRUNC,
    os.O_WRONLY | os.O_TRUNC,
    os.O_RDWR | os.O_TRUNC,
    os.O_WRONLY | os.O_CREAT,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    os.O_RDONLY | os.O_CREAT,
    os.O_WRONLY | os.O_TMPFILE,
    os.O_RDWR | os.O_TMPFILE,
    os.O_RDONLY | os.O_DIRECTORY,
    os.O_RDONLY | os.O_NOFOLLOW,
    os.O_PATH,
)
_KINDS = (
    *("open",) * 8,
    *("rename",) * 8,
    *("link",) * 4,
    *("mknod",) * 2,
    *("mkdir", "unlink", "rmdir", "symlink", "bind_unix", "truncate", "ftruncate", "execute", "ioctl", "list"),
    "whiteout",
    *("bind_tcp", "connect_tcp", "bind_udp", "connect_udp", "send_udp", "connect_unix", "connect_unix"),
    *("abstract", "signal", "stat", "pipe"),
)


_CHANGING = frozenset({"rename", "link", "mknod", "mkdir", "unlink", "rmdir", "symlink", "whiteout", "bind_unix"})


def _changes(operation: Operation) -> bool:
    """Whether it creates or removes names; the content of files matters to no other operation."""
    return operation.kind in _CHANGING or (operation.kind == "open" and bool(operation.number & os.O_CREAT))


def random_operations(rng: random.Random, tree: Tree, ports: tuple[int, ...]) -> list[tuple[Operation, int]]:
    """Return the operations of a round, each with the number of the copy to try it on."""
    found: list[tuple[Operation, int]] = []
    changing = 0
    while changing < CHANGES:
        operation = random_operation(rng, tree, ports)
        if _changes(operation):
            found.append((operation, changing))
            changing += 1
        else:
            found.append((operation, CHANGES))
    return found


def random_operation(rng: random.Random, tree: Tree, ports: tuple[int, ...]) -> Operation:
    """Return an operation on the tree, mostly on existing files."""

    def existing() -> str:
        return rng.choice([*tree.files, *tree.files, *tree.directories, *tree.others])

    def new() -> str:
        parent = rng.choice([*tree.directories, *tree.directories, *tree.others, "missing"])
        return f"{parent}/new".lstrip("/")

    def spell(path: str) -> str:
        style = rng.random()
        if style < 0.1 and "/" in path:
            head, _, tail = path.rpartition("/")
            return f"{head}//./{tail}"
        if style < 0.2 and tree.directories[1:]:
            # ".." after a symbolic link is the parent of its target.
            detour = rng.choice([*tree.directories[1:], *tree.others])
            return f"{detour}/../{rng.choice([path, os.path.basename(path)])}"
        return path

    kind = rng.choice(_KINDS)
    path = spell(existing() if rng.random() < 0.75 else new())
    if kind == "open":
        return Operation(kind, path, number=rng.choice(_OPEN_FLAGS))
    if kind == "rename":
        flags = rng.choice([0, 0, 0, RENAME_NOREPLACE, RENAME_WHITEOUT, RENAME_EXCHANGE, RENAME_EXCHANGE])
        fresh = flags != RENAME_EXCHANGE and rng.random() < 0.7
        sibling = f"{os.path.dirname(path)}/new".lstrip("/")
        target = rng.choice([new(), new(), sibling]) if fresh else existing()
        return Operation(kind, path, target, flags)
    if kind == "link":
        return Operation(kind, path, new() if rng.random() < 0.9 else existing(), rng.choice([0, 0x400]))
    if kind == "mknod":
        return Operation(kind, new(), number=rng.choice([stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, 0]))
    if kind in ("mkdir", "symlink", "bind_unix", "whiteout"):
        return Operation(kind, spell(new()))
    if kind in ("bind_tcp", "bind_udp"):
        return Operation(kind, number=rng.choice([*ports[1:], 0]))
    if kind in ("connect_tcp", "connect_udp", "send_udp"):
        return Operation(kind, number=rng.choice(ports))
    if kind == "connect_unix":
        sockets = [name for each, name, _ in tree.steps if each == "socket"]
        return Operation(kind, spell(rng.choice(sockets)) if sockets and rng.random() < 0.9 else path)
    return Operation(kind, path)


def attempt(operation: Operation, root: str, server: "Server") -> str | None:
    """Try ``operation`` on the tree at ``root``; return the name of the error, or None."""
    path = os.path.join(root, operation.path)
    try:
        _attempt(operation, path, os.path.join(root, operation.other), server)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def _attempt(operation: Operation, path: str, other: str, server: "Server") -> None:
    match operation.kind:
        case "open":
            os.close(os.open(path, operation.number | os.O_NONBLOCK, 0o600))
        case "list":
            os.listdir(path)
        case "mkdir":
            os.mkdir(path)
        case "mknod":
            os.mknod(path, 0o600 | operation.number, os.makedev(1, 3) if operation.number == stat.S_IFCHR else 0)
        case "whiteout":
            os.mknod(path, 0o600 | stat.S_IFCHR)
        case "symlink":
            os.symlink("somewhere", path)
        case "unlink":
            os.unlink(path)
        case "rmdir":
            os.rmdir(path)
        case "stat":
            os.stat(path)
        case "truncate":
            os.truncate(path, 1)
        case "rename":
            old, new = os.fsencode(path), os.fsencode(other)
            _check(_libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, operation.number))
        case "link":
            old, new = os.fsencode(path), os.fsencode(other)
            _check(_libc.linkat(_AT_FDCWD, old, _AT_FDCWD, new, operation.number))
        case "ftruncate" | "ioctl":
            _attempt_opened(operation.kind, path)
        case "execute":
            _execute(path)
        case "bind_unix":
            with socket.socket(socket.AF_UNIX) as each:
                _in_directory(path, each.bind)
        case "bind_tcp":
            with socket.socket() as each:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind(("127.0.0.1", operation.number))
        case "connect_tcp":
            with socket.socket() as each:
                each.connect(("127.0.0.1", operation.number))
        case "bind_udp":
            with socket.socket(type=socket.SOCK_DGRAM) as each:
                each.bind(("127.0.0.1", operation.number))
        case "connect_udp":
            with socket.socket(type=socket.SOCK_DGRAM) as each:
                each.connect(("127.0.0.1", operation.number))
        case "send_udp":
            with socket.socket(type=socket.SOCK_DGRAM) as each:
                each.sendto(b"", ("127.0.0.1", operation.number))
        case "connect_unix":
            with socket.socket(socket.AF_UNIX) as each:
                _in_directory(path, each.connect)
        case "abstract":
            with socket.socket(socket.AF_UNIX) as each:
                each.connect(server.abstract)
        case "signal":
            os.kill(server.pid, 0)
        case "pipe":
            reading, writing = os.pipe()
            try:
                os.close(os.open(f"/proc/self/fd/{reading}", os.O_RDONLY))
            finally:
                os.close(reading)
                os.close(writing)
        case _:
            raise AssertionError(operation)


def _attempt_opened(kind: str, path: str) -> None:
    opened = os.open(path, (os.O_WRONLY if kind == "ftruncate" else os.O_RDONLY) | os.O_NONBLOCK)
    try:
        if kind == "ftruncate":
            os.ftruncate(opened, 1)
        else:
            ioctl(opened, 0x5F5F, 0)
    except OSError as error:
        if error.errno != errno.ENOTTY:  # the driver's answer: Landlock let it through
            raise
    finally:
        os.close(opened)


def _in_directory(path: str, use: Callable[[str], None]) -> None:
    # An address has 108 bytes, so reach the socket through a descriptor of its directory.
    directory = os.open(os.path.dirname(path), os.O_PATH)
    try:
        use(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
    finally:
        os.close(directory)


def _execute(path: str) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.execv(path, [path])  # noqa: S606 - running it is the test
        except OSError as error:
            os._exit(error.errno or 255)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, errno.ENOEXEC):
        raise OSError(code, os.strerror(code))


# Predictions


def predict(operation: Operation, root: str, decider: Decider) -> Decision | None:
    """Return the decision on ``operation``: the first denial, else an allowance; None if it is never checked."""
    path = os.path.join(root, operation.path)
    other = os.path.join(root, operation.other)
    directory = os.path.dirname(path.rstrip("/"))
    match operation.kind:
        case "rename":
            return decider.rename(path, other, flags=operation.number)
        case "link":
            return decider.link(path, other, follow=bool(operation.number))
        case "mkdir":
            return decider.file(directory, frozenset({"make_dir"}))
        case "symlink":
            return decider.file(directory, frozenset({"make_sym"}))
        case "mknod":
            return decider.file(directory, frozenset({make_right(operation.number, os.makedev(1, 3))}))
        case "whiteout":
            return decider.file(directory, frozenset({make_right(stat.S_IFCHR, 0, query_errata())}))
        case "bind_unix":
            return decider.file(directory, frozenset({"make_sock"}))
        case "unlink":
            return decider.file(directory, frozenset({"remove_file"}))
        case "rmdir":
            return decider.file(directory, frozenset({"remove_dir"}))
        case "truncate":
            return decider.file(path, frozenset({"truncate"}))
        case "ftruncate":
            return decider.file(path, frozenset({"write_file", "truncate"}))
        case "execute":
            return decider.file(path, frozenset({"execute", "read_file"}))
        case "list":
            return decider.file(path, frozenset({"read_dir"}))
        case "open":
            return _predict_open(operation.number, path, decider)
        case "ioctl":
            with contextlib.suppress(OSError):
                mode = os.stat(path).st_mode
                if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                    return decider.file(path, frozenset({"read_file", "ioctl_dev"}))
            return _predict_open(os.O_RDONLY, path, decider)
        case "connect_unix":
            return decider.file(path, frozenset({"resolve_unix"}))
        case "bind_tcp" | "connect_tcp" | "bind_udp":
            return decider.port(operation.number, operation.kind)
        case "connect_udp" | "send_udp":
            # The socket is also bound to a free port.
            sent = decider.port(operation.number, "connect_send_udp")
            return decider.port(0, "bind_udp") if sent.allowed else sent
        case "abstract":
            return decider.scope("abstract_unix_socket")
        case "signal":
            return decider.scope("signal")
        case "pipe":
            reading, writing = os.pipe()
            decision = decider.file(f"/proc/self/fd/{reading}", frozenset({"read_file"}))
            os.close(reading)
            os.close(writing)
            return decision
    return None


def _predict_open(flags: int, path: str, decider: Decider) -> Decision | None:
    if flags & os.O_PATH:
        return None
    access = flags & os.O_ACCMODE
    rights = set[str]()
    if access in (os.O_RDONLY, os.O_RDWR):
        rights.add("read_file")
    if access in (os.O_WRONLY, os.O_RDWR):
        rights.add("write_file")
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        return decider.file(path, frozenset(rights))
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = 0
    if stat.S_ISDIR(mode):
        return decider.file(path, frozenset({"read_dir"}))
    if not mode and flags & os.O_CREAT:
        made = decider.file(path, frozenset({"make_reg"}))
        return made if not made.allowed else decider.file(path, frozenset(rights))
    if stat.S_ISREG(mode) and flags & os.O_TRUNC:
        rights.add("truncate")
    return decider.file(path, frozenset(rights))


# Rounds


class Server:
    """What the operations connect and signal to: this process, outside every domain."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.abstract = f"\0paddock-oracle-{self.pid}"
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind(self.abstract)
        self._unix.listen(64)
        self._unix.setblocking(False)
        self._tcp = socket.socket()
        self._tcp.bind(("127.0.0.1", 0))
        self._tcp.listen(64)
        self._tcp.setblocking(False)
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(self._tcp.getsockname())
        self._listening: list[socket.socket] = []
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            free = (first.getsockname()[1], second.getsockname()[1])
        self.ports: tuple[int, ...] = (self._tcp.getsockname()[1], *free)

    def listen(self, path: str) -> None:
        """Create the socket ``path`` and accept connections there until the queues are drained."""
        each = socket.socket(socket.AF_UNIX)
        self._listening.append(each)
        _in_directory(path, each.bind)
        each.listen(64)

    def drain(self) -> None:
        """Accept pending connections to keep the queues short, and close the sockets of the trees."""
        while self._listening:
            self._listening.pop().close()
        for each in (self._unix, self._tcp):
            with contextlib.suppress(BlockingIOError):
                while True:
                    each.accept()[0].close()


def restricted(spec: RulesetSpec, abi: int, operations: list[tuple[Operation, str]], server: Server) -> list[Any]:
    """Return the results of ``operations`` in a child process under ``spec``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            enforce(build(spec, abi))
            results = [attempt(operation, root, server) for operation, root in operations]
            with open(writing, "w") as stream:
                json.dump(results, stream)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading) as stream:
        text = stream.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the restricted child failed")
    return list(json.loads(text))


@contextlib.contextmanager
def workspace(rng: random.Random, *, mounts: bool) -> Iterator[str]:
    """A directory for one round; with ``mounts``, a mount that is unmounted afterwards with everything below."""
    memory = os.access(MEMORY, os.W_OK | os.X_OK) and rng.random() < 0.97
    base = os.path.realpath(tempfile.mkdtemp(prefix="paddock-oracle-", dir=MEMORY if memory else None))
    if mounts:
        if rng.random() < 0.5:
            _mount("none", base, "tmpfs", 0)
        else:
            _mount(base, base, None, _MS_BIND)
    try:
        yield base
    finally:
        if mounts:
            _check(_libc.umount2(os.fsencode(base), _MNT_DETACH))
        shutil.rmtree(base)


def agrees(kind: str, control: str | None, kernel: str | None, decision: Decision | None) -> bool:
    """Whether the kernel's result is the predicted one.

    If the operation works without Landlock, the result must be exactly the predicted error or success. If it fails
    without, it must fail with the same error, or the predicted denial if the kernel checks Landlock first.
    """
    if kind in ("rename", "link") and control in ("EBUSY", "EPERM"):
        # The root of a mount cannot move, and a directory cannot be linked. Landlock is checked first, on the parent
        # in the filesystem that is mounted there, which has no path.
        return kernel in (control, "EACCES", "EXDEV")
    predicted = decision.errno if decision is not None else None
    if control is None:
        return kernel == predicted
    return kernel in (control, predicted) if predicted is not None else kernel == control


def run_round(rng: random.Random, server: Server, kernel_abi: int, tally: Counter[str]) -> list[dict[str, Any]]:
    """Run one tree, policy and its operations; count outcomes in ``tally`` and return the disagreements."""
    mounts = ROOT and rng.random() < MOUNTED
    tree = random_tree(rng, mounts=mounts)
    abi = rng.choice([*[kernel_abi] * kernel_abi, 1, *range(1, kernel_abi)])
    disagreements = []
    with workspace(rng, mounts=mounts) as base:
        # Two levels, so that copies do not share the ".." of their roots.
        roots = [f"{base}/{index:02}/tree" for index in range(2 * COPIES)]
        for root in roots:
            os.makedirs(root)
            make_tree(root, tree, server)
        drawn = random_operations(rng, tree, server.ports)
        operations = [operation for operation, _ in drawn]
        text = random_policy(rng, tree, base, server.ports, operations)
        # First, because there are rules on these copies too, whose objects must not change after resolving.
        controls = [attempt(operation, roots[copy], server) for operation, copy in drawn]
        resolved = resolve(parse_policy(text, "random.toml", "toml"))
        decider = Decider(resolved, abi, errata=query_errata())
        places = [(operation, roots[COPIES + copy]) for operation, copy in drawn]
        decisions = [predict(operation, root, decider) for operation, root in places]
        check_rights(decider, decisions)
        answers = restricted(resolved.ruleset(), abi, places, server)
        server.drain()
        for operation, decision, control, answer in zip(operations, decisions, controls, answers, strict=True):
            if not agrees(operation.kind, control, answer, decision):
                disagreements.append(
                    {
                        "operation": operation,
                        "control": control,
                        "kernel": answer,
                        "decision": repr(decision),
                        "abi": abi,
                        "tree": tree.steps,
                        "policy": text,
                        "round": list(zip(operations, controls, answers, strict=True)),
                    }
                )
            if control is None:
                tally[f"{operation.kind} {answer or 'allowed'}"] += 1
    return disagreements


def check_rights(decider: Decider, decisions: list[Decision | None]) -> None:
    """Check that a decision is consistent in itself."""
    known: RightSet = rights_of("fs", decider.abi) | rights_of("net", decider.abi) | rights_of("scope", decider.abi)
    for decision in decisions:
        if decision is None:
            continue
        assert decision.allowed == (decision.errno is None) == (not decision.missing), decision
        assert decision.missing <= known | {"refer"}, decision
        assert decision.allowed or decision.reason, decision
        for _, rights in decision.lacking:
            assert rights, decision


def main() -> None:
    """Run rounds until COUNT operations that work without Landlock have been compared."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)  # noqa: S311 - reproducible cases, no secret
    if ROOT:
        _check(_libc.unshare(_CLONE_NEWNS))
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    server = Server()
    kernel_abi = query_abi()
    tally: Counter[str] = Counter()
    disagreements: list[dict[str, Any]] = []
    while tally.total() < count and len(disagreements) < 20:
        disagreements += run_round(rng, server, kernel_abi, tally)
    denied = sum(number for outcome, number in tally.items() if not outcome.endswith(" allowed"))
    result = {"compared": tally.total(), "denied": denied, "tally": tally, "disagreements": disagreements}
    json.dump(result, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
