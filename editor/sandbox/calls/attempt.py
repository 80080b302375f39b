"""What a system call wants of Landlock, as values, and what a decoder may ask to find it out."""

import errno
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from editor.evaluation.decision import Entry
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.execchain import Image
from editor.sandbox.calls.paths import Lookup, View

AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

_SERVED = "a process of the run serves this filesystem, which is therefore not looked at"

Args = tuple[int, ...]
"""The six arguments of a system call, unsigned."""


class AccessRequest(NamedTuple):
    """Rights wanted on one object. ``object_path`` is the host's name for it, without symbolic links.

    ``seen`` is the name under which the tracer can look at it. ``unchecked`` says why the kernel does not ask Landlock
    about this object, empty where it does. ``new`` tells that the object comes to be by the call itself. ``process`` is
    who a signal is for or who is to be traced: 0 where that is not one process, -1 for the caller. ``group`` is the
    process group that a signal is for: 0 for the caller's own, -1 for all processes. ``signal`` is its number.
    ``problem`` is the errno that kept the tracer from finding the object. ``old`` is the former name of what is renamed
    or linked within one directory.
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


class Refer(NamedTuple):
    """A rename or link between two directories, as ``Decider.refer`` is asked about it."""

    old_dir: str
    new_dir: str
    moved: Entry
    replaced: Entry | None
    removes: bool
    flags: int


Kind = Literal["open", "directory", "exec", "carried", "network", "scope", "topology", "trace", "plain"]


class Attempt:
    """What one system call wants. ``kind`` says in which order the kernel asks, and which errno means Landlock.

    ``why`` is said of a call that Landlock has no right for. ``changes`` are the host's names of what a success creates
    or removes, ``tree`` what that does to other names: they may be "new", or "gone". ``moves`` says what a success
    changes of how paths are seen: the working "directory", or the "view" of everything. ``note`` is a sentence to be
    said once. ``cacheable`` says that the same call means the same until the tree changes. ``bound_name`` is the UNIX
    address that a success creates: abstract with a leading ``@``, else the host's name of the socket.
    """

    __slots__ = (
        "bound_address",
        "cacheable",
        "changed_paths",
        "from_result",
        "kind",
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
        tree_change: Literal["", "new", "gone"] = "",
        moves: Literal["", "directory", "view"] = "",
        notice: str = "",
        cacheable: bool = False,
        bound_address: str = "",
        from_result: bool = False,
    ) -> None:
        self.syscall = ""
        self.kind: Kind = kind
        self.requests = requests
        self.reason = reason
        self.refer = refer
        self.changed_paths = changed_paths
        self.tree_change = tree_change
        self.moves = moves
        self.notice = notice
        self.cacheable = cacheable
        self.bound_address = bound_address
        self.from_result = from_result


class Caller(Protocol):
    """What a decoder may ask about the thread that makes the call."""

    view: View
    pointer_size: int

    @property
    def errata(self) -> int:
        """The mask of Landlock's errata that are fixed in this kernel."""

    def read_string(self, address: int) -> str:
        """The path at ``address``. Raises BadMemory, Gone."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Raw memory. Raises BadMemory, Gone."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write memory. Raises BadMemory, Gone."""

    def look_up(self, directory: int, path: str, *, follow: bool, rooted: bool = False) -> Lookup:
        """Where ``path``, relative to the descriptor ``directory`` (or AT_FDCWD), leads.

        With ``rooted`` as if that directory were the root.
        """

    def look_up_descriptor(self, number: int) -> Lookup:
        """What an open descriptor leads to."""

    def program_image(self, tracer_path: str) -> Image:
        """What a program file asks for."""

    def socket(self, number: int) -> tuple[int, int, int, bool] | None:
        """(family, type, protocol, whether it has a port) of a socket, None where it is none or cannot be asked."""

    def process_name(self, pid: int) -> str:
        """The comm of any process, empty where there is none."""

    def process_of_pidfd(self, number: int) -> int:
        """The process that a descriptor stands for, 0 where it stands for none."""


Decoder = Callable[[Caller, Args], Attempt | None]
"""From the arguments of one system call to what it wants; None where that is nothing."""

Decoders = Mapping[str, Decoder]
"""Decoders by the name of the system call."""


def signed(value: int) -> int:
    """An ``int`` argument: the lower 32 bits, with sign."""
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def directory_and_name(caller: Caller, args: Args) -> tuple[int, str]:
    """A directory descriptor and a path, as two neighbouring arguments."""
    return signed(args[0]), caller.read_string(args[1])


def request_on_unresolved(lookup: Lookup, rights: RightSet) -> AccessRequest:
    """``rights`` on what the tracer could not find, or did not look for."""
    reason = _SERVED if lookup.error == errno.EDEADLK else ""
    return AccessRequest(rights, lookup.path, None, error=lookup.error, unchecked_reason=reason)


def request_on(caller: Caller, lookup: Lookup, rights: RightSet, *, is_new: bool = False) -> AccessRequest:
    """``rights`` on the object itself."""
    if lookup.is_special:
        reason = "Landlock does not check pipes, sockets and memory files reached through /proc"
        return AccessRequest(rights, lookup.path, lookup.real_path, entry=lookup.entry, unchecked_reason=reason)
    if lookup.real_path is None:
        return request_on_unresolved(lookup, rights)
    host, tracer = caller.view.host_path(lookup.real_path), caller.view.tracer_path(lookup.real_path)
    return AccessRequest(rights, lookup.path, host, tracer, lookup.entry, is_new=is_new, error=lookup.error)


def request_on_parent(caller: Caller, lookup: Lookup, *rights: str) -> AccessRequest:
    """``rights`` on the directory that holds the object."""
    if lookup.parent is None or lookup.real_path is None:
        return AccessRequest(frozenset(rights), lookup.path, None, error=lookup.error)
    host, tracer = caller.view.host_path(lookup.parent), caller.view.tracer_path(lookup.parent)
    return AccessRequest(frozenset(rights), lookup.path, host, tracer, is_new=True)


def host_paths(caller: Caller, lookup: Lookup) -> tuple[str, ...]:
    return () if lookup.real_path is None else (caller.view.host_path(lookup.real_path),)


def request_without_rights(caller: Caller, lookup: Lookup) -> AccessRequest:
    """An object that Landlock is not asked about."""
    return request_on(caller, lookup, NO_RIGHTS)._replace(unchecked_reason="")
