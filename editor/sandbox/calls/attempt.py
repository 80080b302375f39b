"""The values that decoders produce (what a system call requests of Landlock), and what they may ask of the caller."""

import errno
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from editor.evaluation.decision import Entry, Lineage
from editor.evaluation.execchain import Image
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.paths import Lookup, View

AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

_SERVED = "not examined: a process of this run may serve this filesystem"

Args = tuple[int, ...]
"""The six arguments of a system call, unsigned."""


class AccessRequest(NamedTuple):
    """Rights requested on one object.

    ``path`` is what the program asked for, as the report shows it; ``object_path`` is the object's name on the host,
    without symbolic links; ``tracer_path`` is the name under which the tracer can examine it. ``error`` is the errno
    that kept the tracer from finding the object. ``unchecked_reason`` says why the kernel does not ask Landlock about
    this object; it is empty if it does. ``is_new`` is true of an object that the call itself creates. ``old_path`` is
    the former name of what is renamed or linked within one directory. ``lineage`` is there if the object itself was
    reached, not only its name; then only rules on what it names count.

    ``process`` is the target of a signal or of tracing: 0 if that is not one process, -1 for the caller. ``group`` is
    the process group that a signal is sent to: 0 for the caller's own, -1 for all processes. ``signal`` is its number.
    ``through`` is another process whose link in /proc the path leads through, as in ``Lookup``.
    """

    rights: RightSet
    path: str | None = None
    object_path: str | None = None
    tracer_path: str = ""
    entry: Entry | None = None
    port: int | None = None
    process: int = 0
    group: int | None = None
    signal: int = 0
    unchecked_reason: str = ""
    is_new: bool = False
    error: int = 0
    old_path: str | None = None
    lineage: Lineage | None = None
    through: int = 0


class Refer(NamedTuple):
    """A rename or link between two directories, as ``Decider.refer`` takes it."""

    old_dir: str
    new_dir: str
    moved: Entry
    replaced: Entry | None
    removes: bool
    flags: int
    reached: tuple[Lineage, Lineage] | None = None


Kind = Literal[
    "open", "directory", "exec", "carried", "network", "scope", "topology", "trace", "inspect", "deferred", "plain"
]


class Attempt:
    """What one system call requests. ``kind`` determines the order of the kernel's checks and Landlock's errno.

    "trace" and "inspect" are calls on other processes, checked like attaching with ptrace(2) and like reading from
    /proc (PTRACE_MODE_ATTACH and PTRACE_MODE_READ).

    A ``deferred`` one asks for what the kernel checks later, on its own; ``reason`` says what then stays unseen.
    ``reason`` explains a call that Landlock has no right for. ``changed_paths`` are the host's names of what a
    successful call creates or removes; ``tree_change`` says what that does to paths that lead through them: "new" ones
    may exist now, or old ones may be "gone". ``moves`` says how a successful call changes path lookup: a new working
    "directory", or a new "view" of everything. ``made`` is the name, on the host and for the tracer, of what a
    successful call creates, or where it moves or links something. ``notice`` is a message to show once. A ``cacheable``
    call means the same until the tree changes. ``bound_socket`` is the inode of the UNIX socket to which a successful
    call gives an address. With ``from_result`` the object is only known from the descriptor that the call returns.
    """

    __slots__ = (
        "bound_socket",
        "cacheable",
        "changed_paths",
        "from_result",
        "kind",
        "made",
        "moves",
        "notice",
        "reason",
        "refer",
        "requests",
        "syscall",
        "tree_change",
    )

    def __init__(
        self,
        kind: Kind,
        *requests: AccessRequest,
        reason: str = "",
        refer: Refer | None = None,
        changed_paths: tuple[str, ...] = (),
        made: tuple[str, str] = ("", ""),
        tree_change: Literal["", "new", "gone"] = "",
        moves: Literal["", "directory", "view"] = "",
        notice: str = "",
        cacheable: bool = False,
        bound_socket: int = 0,
        from_result: bool = False,
    ) -> None:
        self.syscall = ""
        self.kind: Kind = kind
        self.requests = requests
        self.reason = reason
        self.refer = refer
        self.changed_paths = changed_paths
        self.made = made
        self.tree_change = tree_change
        self.moves = moves
        self.notice = notice
        self.cacheable = cacheable
        self.bound_socket = bound_socket
        self.from_result = from_result


class Caller(Protocol):
    """What a decoder may ask about the thread that makes the call."""

    view: View
    pointer_size: int

    @property
    def comm(self) -> str:
        """The process's name."""

    @property
    def process(self) -> int:
        """The process that the thread belongs to."""

    def has_capability(self, capability: int) -> bool:
        """Whether a capability is effective."""

    @property
    def errata(self) -> int:
        """The bit mask of Landlock errata fixed in this kernel."""

    def read_string(self, address: int) -> str:
        """Return the string at ``address``. Raises BadMemory, Gone."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Return raw memory. Raises BadMemory, Gone."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write memory. Raises BadMemory, Gone."""

    def look_up(self, directory: int, path: str, *, follow: bool, rooted: bool = False) -> Lookup:
        """Look up ``path`` relative to the descriptor ``directory`` (or AT_FDCWD).

        With ``rooted``, that directory is treated as the root.
        """

    def look_up_descriptor(self, number: int) -> Lookup:
        """Return what an open descriptor refers to."""

    def look_up_handle(self, mount: int, handle: bytes) -> Lookup:
        """Return what a file handle refers to, by a descriptor of something on the same mount."""

    def program_image(self, tracer_path: str) -> Image:
        """Return the interpreter or loader that a program file asks for."""

    def socket(self, number: int) -> tuple[int, int, int, bool] | None:
        """Return (family, type, protocol, whether it has a port) of a socket; None if it cannot be examined."""

    def process_name(self, pid: int) -> str:
        """Return the comm of any process, empty if it does not exist."""

    def message_queue(self, name: str) -> tuple[Lookup, Lineage]:
        """Return a POSIX message queue, as far as a mounted mqueue filesystem shows it, and its lineage."""

    def terminal_number(self, number: int) -> int | None:
        """Return the number of the pseudoterminal whose master a descriptor is; None if it is none."""

    def socket_number(self, number: int) -> int:
        """Return the inode of the socket behind a descriptor, 0 if it is none."""

    def process_of_pidfd(self, number: int) -> int:
        """Return the process that a pidfd refers to, 0 if it is not a pidfd."""


Decoder = Callable[[Caller, Args], Attempt | None]
"""Turns the arguments of one system call into what it requests; None if that is nothing."""

Decoders = Mapping[str, Decoder]
"""Decoders by the name of the system call."""


def signed(value: int) -> int:
    """Return an ``int`` argument: the lower 32 bits, sign-extended."""
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def directory_and_name(caller: Caller, args: Args) -> tuple[int, str]:
    """Return a directory descriptor and a path, passed as two adjacent arguments."""
    return signed(args[0]), caller.read_string(args[1])


def request_on_unresolved(lookup: Lookup, rights: RightSet) -> AccessRequest:
    """Request ``rights`` on an object that the tracer did not find, or did not look for."""
    reason = _SERVED if lookup.error == errno.EDEADLK else ""
    return AccessRequest(rights, lookup.path, None, error=lookup.error, unchecked_reason=reason, through=lookup.through)


def request_on(caller: Caller, lookup: Lookup, rights: RightSet, *, is_new: bool = False) -> AccessRequest:
    """Request ``rights`` on the object itself."""
    if lookup.is_special:
        reason = "Landlock does not check pipes, sockets and memory files opened through /proc"
        return AccessRequest(
            rights, lookup.path, lookup.real_path, entry=lookup.entry, unchecked_reason=reason, through=lookup.through
        )
    if lookup.real_path is None:
        return request_on_unresolved(lookup, rights)
    host = lookup.reached_name or caller.view.host_path(lookup.real_path)
    tracer = caller.view.tracer_path(lookup.real_path) if lookup.lineage is None else lookup.seen
    return AccessRequest(
        rights, lookup.path, host, tracer, lookup.entry, is_new=is_new, error=lookup.error, lineage=lookup.lineage,
        through=lookup.through,
    )  # fmt: skip


def request_on_parent(caller: Caller, lookup: Lookup, *rights: str) -> AccessRequest:
    """Request ``rights`` on the object's parent directory."""
    if lookup.parent is None or lookup.real_path is None:
        return AccessRequest(frozenset(rights), lookup.path, None, error=lookup.error, through=lookup.through)
    host, tracer = names_of_parent(caller, lookup)
    return AccessRequest(
        frozenset(rights), lookup.path, host, tracer, is_new=True, lineage=lookup.above, through=lookup.through
    )


def names_of_parent(caller: Caller, lookup: Lookup) -> tuple[str, str]:
    """Return the names, on the host and for the tracer, of the directory that contains the last name."""
    above, parent = lookup.above, lookup.parent or "/"
    if above is None:
        return caller.view.host_path(parent), caller.view.tracer_path(parent)
    return above[-1].path, caller.view.tracer_path_of(above[-1].path)


def host_paths(caller: Caller, lookup: Lookup) -> tuple[str, ...]:
    return () if lookup.real_path is None else (lookup.reached_name or caller.view.host_path(lookup.real_path),)


def made_at(caller: Caller, lookup: Lookup) -> tuple[str, str]:
    """Return the value of ``Attempt.made`` for a call that makes what ``lookup`` did not find."""
    if lookup.real_path is None:
        return "", ""
    if lookup.reached_name is not None:
        return lookup.reached_name, caller.view.tracer_path_of(lookup.reached_name)
    return caller.view.host_path(lookup.real_path), caller.view.tracer_path(lookup.real_path)


def request_without_rights(caller: Caller, lookup: Lookup) -> AccessRequest:
    """Request nothing: Landlock is not asked about the object."""
    return request_on(caller, lookup, NO_RIGHTS)._replace(unchecked_reason="")
