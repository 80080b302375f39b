"""What a system call wants of Landlock, as values, and what a decoder may ask to find it out."""

import errno
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from editor.evaluation.decision import Entry
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.execchain import Image
from editor.sandbox.calls.paths import Place, View

AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000

Args = tuple[int, ...]
"""The six arguments of a system call, unsigned."""


class Want(NamedTuple):
    """Rights wanted on one object. ``object_path`` is the host's name for it, without symbolic links.

    ``seen`` is the name under which the tracer can look at it. ``unchecked`` says why the kernel does not ask Landlock
    about this object, empty where it does. ``new`` tells that the object comes to be by the call itself. ``process`` is
    who a signal is for or who is to be traced: 0 where that is not one process, -1 for the caller. ``group`` is the
    process group that a signal is for: 0 for the caller's own, -1 for all processes. ``signal`` is its number.
    ``problem`` is the errno that kept the tracer from finding the object. ``old`` is the former name of what is renamed
    or linked within one directory.
    """

    rights: RightSet
    asked: str | None = None
    object_path: str | None = None
    seen: str = ""
    entry: Entry | None = None
    port: int | None = None
    process: int = 0
    group: int | None = None
    signal: int = 0
    unchecked: str = ""
    new: bool = False
    problem: int = 0
    old: str | None = None


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
        "bound_name",
        "cacheable",
        "changes",
        "kind",
        "late",
        "moves",
        "note",
        "refer",
        "syscall",
        "tree",
        "wants",
        "why",
    )

    def __init__(
        self,
        kind: Kind,
        *wants: Want,
        why: str = "",
        refer: Refer | None = None,
        changes: tuple[str, ...] = (),
        tree: Literal["", "new", "gone"] = "",
        moves: Literal["", "directory", "view"] = "",
        note: str = "",
        cacheable: bool = False,
        bound_name: str = "",
        late: bool = False,
    ) -> None:
        self.syscall = ""
        self.kind: Kind = kind
        self.wants = wants
        self.why = why
        self.refer = refer
        self.changes = changes
        self.tree = tree
        self.moves = moves
        self.note = note
        self.cacheable = cacheable
        self.bound_name = bound_name
        self.late = late


class Scene(Protocol):
    """What a decoder may ask about the thread that makes the call."""

    view: View
    pointer_size: int

    @property
    def errata(self) -> int:
        """The mask of Landlock's errata that are fixed in this kernel."""

    def text(self, address: int) -> str:
        """The path at ``address``. Raises BadMemory, Gone."""

    def memory(self, address: int, size: int) -> bytes:
        """Raw memory. Raises BadMemory, Gone."""

    def set_memory(self, address: int, data: bytes) -> None:
        """Write memory. Raises BadMemory, Gone."""

    def place(self, directory: int, path: str, *, follow: bool, rooted: bool = False) -> Place:
        """Where ``path``, relative to the descriptor ``directory`` (or AT_FDCWD), leads.

        With ``rooted`` as if that directory were the root.
        """

    def descriptor(self, number: int) -> Place:
        """What an open descriptor leads to."""

    def image(self, seen: str) -> Image:
        """What a program file asks for."""

    def socket(self, number: int) -> tuple[int, int, int, bool] | None:
        """(family, type, protocol, whether it has a port) of a socket, None where it is none or cannot be asked."""

    def process_name(self, pid: int) -> str:
        """The comm of any process, empty where there is none."""

    def process_of(self, number: int) -> int:
        """The process that a descriptor stands for, 0 where it stands for none."""


Decoder = Callable[[Scene, Args], Attempt | None]
"""From the arguments of one system call to what it wants; None where that is nothing."""

Decoders = Mapping[str, Decoder]
"""Decoders by the name of the system call."""


def signed(value: int) -> int:
    """An ``int`` argument: the lower 32 bits, with sign."""
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def directory_and_name(scene: Scene, args: Args) -> tuple[int, str]:
    """A directory descriptor and a path, as two neighbouring arguments."""
    return signed(args[0]), scene.text(args[1])


def want_lost(place: Place, rights: RightSet) -> Want:
    """``rights`` on what the tracer could not find, or did not look for."""
    why = "a process of the run serves this filesystem, which is therefore not looked at"
    return Want(
        rights, place.asked, None, problem=place.problem, unchecked=why if place.problem == errno.EDEADLK else ""
    )


def want_on(scene: Scene, place: Place, rights: RightSet, *, new: bool = False) -> Want:
    """``rights`` on the object itself."""
    if place.special:
        why = "Landlock does not check pipes, sockets and memory files reached through /proc"
        return Want(rights, place.asked, place.real, entry=place.entry, unchecked=why)
    if place.real is None:
        return want_lost(place, rights)
    return Want(
        rights, place.asked, scene.view.host(place.real), scene.view.seen(place.real), place.entry, new=new,
        problem=place.problem,
    )  # fmt: skip


def want_in_parent(scene: Scene, place: Place, *rights: str) -> Want:
    """``rights`` on the directory that holds the object."""
    if place.parent is None or place.real is None:
        return Want(frozenset(rights), place.asked, None, problem=place.problem)
    return Want(frozenset(rights), place.asked, scene.view.host(place.parent), scene.view.seen(place.parent), new=True)


def host_name(scene: Scene, place: Place) -> tuple[str, ...]:
    return () if place.real is None else (scene.view.host(place.real),)


def want_unasked(scene: Scene, place: Place) -> Want:
    """An object that Landlock is not asked about."""
    return want_on(scene, place, NO_RIGHTS)._replace(unchecked="")
