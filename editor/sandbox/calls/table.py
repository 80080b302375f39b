"""From a system call that is about to happen to what it wants of Landlock: which rights, on which object.

Sources: security/landlock/fs.c, net.c, task.c for what is checked and on what; the callers of these hooks in
fs/namei.c, fs/open.c, fs/exec.c and net/ for when. The numbers are those of include/uapi; they are the same on x86_64
and aarch64 unless said.
"""

import errno
import os
import stat
import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from editor.evaluation.decider import Entry, make_right, refer_rights
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.execchain import MAX_DEPTH, Image
from editor.sandbox.calls.paths import AT_FDCWD, Place, View
from editor.sandbox.tracing.seccomp import SEND
from editor.sandbox.verdicts.rows import Row

Args = tuple[int, ...]

_O_ACCMODE = 3
_AT_REMOVEDIR = 0x200
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_SYMLINK_FOLLOW = 0x400
_AT_EMPTY_PATH = 0x1000
_O_TMPFILE_BIT = 0o20000000
_RESOLVE_IN_ROOT = 0x10

_AF_UNSPEC, _AF_UNIX, _AF_INET, _AF_INET6 = 0, 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM = 1, 2
_IPPROTO_TCP, _IPPROTO_UDP = 6, 17
_MAX_ADDRESS = 128
_MAX_MESSAGES = 16  # of one sendmmsg(2) that are looked at
_MSG_FASTOPEN = 0x20000000
_ONLY_TCP_IS_TCP = 1 << 0  # erratum 1: security/landlock/errata/abi-4.h

_PTRACE_ATTACHING = frozenset({0, 16, 0x4206})  # TRACEME, ATTACH, SEIZE
_FSCONFIG_RECONFIGURE = 7
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_NEW_LISTENER = 1 << 3
_CLONE_UNTRACED = 0x00800000

# is_masked_device_ioctl() in security/landlock/fs.c: commands that need no right on a device. FIOCLEX, FIONCLEX,
# FIONBIO, FIOASYNC, FIOQSIZE, FIFREEZE, FITHAW, FS_IOC_FIEMAP, FIGETBSZ, FICLONE, FICLONERANGE, FIDEDUPERANGE,
# FS_IOC_GETFSUUID, FS_IOC_GETFSSYSFSPATH.
_FREE_IOCTLS = frozenset(
    {
        0x5451, 0x5450, 0x5421, 0x5452, 0x5460, 0xC0045877, 0xC0045878, 0xC020660B, 2, 0x40049409, 0x4020940D,
        0xC0189436, 0x80111500, 0x80811501,
    }
)  # fmt: skip

_EXECUTING: RightSet = frozenset({"execute", "read_file"})


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
    address that a success creates: abstract with a leading ``@``, else the host's name of the socket. ``results``
    belongs to the tracer: rows already made for an outcome.
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
        "results",
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
        self.results: dict[tuple[int, str], tuple[Row, ...]] = {}


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


def signed(value: int) -> int:
    """An ``int`` argument: the lower 32 bits, with sign."""
    value &= 0xFFFFFFFF
    return value - 0x100000000 if value & 0x80000000 else value


def _name(scene: Scene, args: Args) -> tuple[int, str]:
    """A directory descriptor and a path, as two neighbouring arguments."""
    return signed(args[0]), scene.text(args[1])


def _lost(place: Place, rights: RightSet) -> Want:
    """``rights`` on what the tracer could not find, or did not look for."""
    why = "a process of the run serves this filesystem, which is therefore not looked at"
    return Want(
        rights, place.asked, None, problem=place.problem, unchecked=why if place.problem == errno.EDEADLK else ""
    )


def _want(scene: Scene, place: Place, rights: RightSet, *, new: bool = False) -> Want:
    """``rights`` on the object itself."""
    if place.special:
        why = "Landlock does not check pipes, sockets and memory files reached through /proc"
        return Want(rights, place.asked, place.real, entry=place.entry, unchecked=why)
    if place.real is None:
        return _lost(place, rights)
    return Want(
        rights, place.asked, scene.view.host(place.real), scene.view.seen(place.real), place.entry, new=new,
        problem=place.problem,
    )  # fmt: skip


def _want_in(scene: Scene, place: Place, *rights: str) -> Want:
    """``rights`` on the directory that holds the object."""
    if place.parent is None or place.real is None:
        return Want(frozenset(rights), place.asked, None, problem=place.problem)
    return Want(frozenset(rights), place.asked, scene.view.host(place.parent), scene.view.seen(place.parent), new=True)


def _real(scene: Scene, place: Place) -> tuple[str, ...]:
    return () if place.real is None else (scene.view.host(place.real),)


def _unasked(scene: Scene, place: Place) -> Want:
    """An object that Landlock is not asked about."""
    return _want(scene, place, NO_RIGHTS)._replace(unchecked="")


# Opening


def open_at(scene: Scene, directory: int, path: str, flags: int, *, rooted: bool = False) -> Attempt:
    """open(2) and its relatives, once their arguments are the same. ``rooted``: as if ``directory`` were the root."""
    if flags & os.O_PATH:
        follow = not flags & os.O_NOFOLLOW
        place = scene.place(directory, path, follow=follow, rooted=rooted)
        why = "O_PATH only names a file: Landlock does not check it"
        return Attempt("plain", _unasked(scene, place), why=why, cacheable=not place.bound)
    access = flags & _O_ACCMODE
    opening = {0: ("read_file",), 1: ("write_file",), 2: ("read_file", "write_file")}.get(access, ())
    if flags & _O_TMPFILE_BIT:
        place = scene.place(directory, path, follow=True, rooted=rooted)
        return Attempt("open", _want(scene, place, frozenset(opening)))
    exclusive = os.O_CREAT | os.O_EXCL
    follow = not (flags & os.O_NOFOLLOW or flags & exclusive == exclusive)
    place = scene.place(directory, path, follow=follow, rooted=rooted)
    cacheable = not place.bound
    if place.entry is None and flags & os.O_CREAT and place.real is not None and not place.problem:
        wants = (_want_in(scene, place, "make_reg"), _want(scene, place, frozenset(opening), new=True))
        return Attempt("open", *wants, changes=_real(scene, place), cacheable=cacheable)
    rights = frozenset(opening)
    if place.is_dir:
        rights = frozenset({"read_dir"}) if access == 0 else rights
    elif flags & os.O_TRUNC and place.mode is not None and stat.S_ISREG(place.mode):
        rights |= {"truncate"}
    if not rights:
        why = "opened for ioctl(2) only: Landlock does not check it"
        return Attempt("plain", _unasked(scene, place), why=why)
    return Attempt("open", _want(scene, place, rights), cacheable=cacheable)


def _open(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, AT_FDCWD, scene.text(args[0]), args[1])


def _openat(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, signed(args[0]), scene.text(args[1]), args[2])


def _openat2(scene: Scene, args: Args) -> Attempt:
    how = scene.memory(args[2], 24)
    flags, _mode, resolve = struct.unpack("=QQQ", how)
    return open_at(scene, signed(args[0]), scene.text(args[1]), flags, rooted=bool(resolve & _RESOLVE_IN_ROOT))


def _creat(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, AT_FDCWD, scene.text(args[0]), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)


def _open_by_handle(_scene: Scene, args: Args) -> Attempt:
    access = args[2] & _O_ACCMODE
    rights = {0: ("read_file",), 1: ("write_file",), 2: ("read_file", "write_file")}.get(access, ())
    return Attempt("open", Want(frozenset(rights), problem=-1), late=True)


# Executing


def _exec_chain(scene: Scene, place: Place) -> tuple[Want, ...]:
    wants = [_want(scene, place, _EXECUTING)]
    for _ in range(MAX_DEPTH):
        seen = wants[-1].seen
        if not seen or place.mode is None or not stat.S_ISREG(place.mode):
            break
        image = scene.image(seen)
        following = image.script or image.loader
        if following is None:
            break
        place = scene.place(AT_FDCWD, following, follow=True)
        wants.append(_want(scene, place, _EXECUTING))
        if image.loader:
            break
    return tuple(wants)


def _execve(scene: Scene, args: Args) -> Attempt:
    return Attempt("exec", *_exec_chain(scene, scene.place(AT_FDCWD, scene.text(args[0]), follow=True)))


def _execveat(scene: Scene, args: Args) -> Attempt:
    path = scene.text(args[1])
    flags = args[4]
    if not path and flags & _AT_EMPTY_PATH:
        place = scene.descriptor(signed(args[0]))
    else:
        place = scene.place(signed(args[0]), path, follow=not flags & _AT_SYMLINK_NOFOLLOW)
    return Attempt("exec", *_exec_chain(scene, place))


# Changing files and directories


def _truncate(scene: Scene, args: Args) -> Attempt:
    place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
    return Attempt("open", _want(scene, place, frozenset({"truncate"})))


def _ftruncate(scene: Scene, args: Args) -> Attempt:
    return Attempt("carried", _want(scene, scene.descriptor(signed(args[0])), frozenset({"truncate"})))


def _ioctl(scene: Scene, args: Args) -> Attempt | None:
    if args[1] & 0xFFFFFFFF in _FREE_IOCTLS:
        return None
    place = scene.descriptor(signed(args[0]))
    if place.mode is None or not (stat.S_ISCHR(place.mode) or stat.S_ISBLK(place.mode)):
        return None
    return Attempt("carried", _want(scene, place, frozenset({"ioctl_dev"})))


def _make(scene: Scene, directory: int, path: str, right: str) -> Attempt:
    place = scene.place(directory, path, follow=False)
    wanted, changes = _want_in(scene, place, right), _real(scene, place)
    return Attempt("directory", wanted, changes=changes, tree="new" if right in ("make_dir", "make_sym") else "")


def _mkdir(scene: Scene, args: Args) -> Attempt:
    return _make(scene, AT_FDCWD, scene.text(args[0]), "make_dir")


def _mkdirat(scene: Scene, args: Args) -> Attempt:
    return _make(scene, signed(args[0]), scene.text(args[1]), "make_dir")


def _mknod(scene: Scene, args: Args) -> Attempt:
    return _make(scene, AT_FDCWD, scene.text(args[0]), make_right(args[1], args[2] & 0xFFFFFFFF, scene.errata))


def _mknodat(scene: Scene, args: Args) -> Attempt:
    return _make(scene, signed(args[0]), scene.text(args[1]), make_right(args[2], args[3] & 0xFFFFFFFF, scene.errata))


def _symlink(scene: Scene, args: Args) -> Attempt:
    return _make(scene, AT_FDCWD, scene.text(args[1]), "make_sym")


def _symlinkat(scene: Scene, args: Args) -> Attempt:
    return _make(scene, signed(args[1]), scene.text(args[2]), "make_sym")


def _remove(scene: Scene, directory: int, path: str, right: str) -> Attempt:
    place = scene.place(directory, path, follow=False)
    plain = place.mode is not None and not stat.S_ISDIR(place.mode) and not stat.S_ISLNK(place.mode)
    wanted = _want_in(scene, place, right)._replace(new=False, entry=place.entry)
    return Attempt("directory", wanted, changes=_real(scene, place), tree="" if plain else "gone")


def _unlink(scene: Scene, args: Args) -> Attempt:
    return _remove(scene, AT_FDCWD, scene.text(args[0]), "remove_file")


def _unlinkat(scene: Scene, args: Args) -> Attempt:
    right = "remove_dir" if args[2] & _AT_REMOVEDIR else "remove_file"
    return _remove(scene, signed(args[0]), scene.text(args[1]), right)


def _rmdir(scene: Scene, args: Args) -> Attempt:
    return _remove(scene, AT_FDCWD, scene.text(args[0]), "remove_dir")


def _refer(scene: Scene, old: Place, new: Place, *, removes: bool, flags: int = 0) -> Attempt:
    """A rename or link. The rows are the two directories; one, where both names are in the same."""
    moved, replaced = old.entry, new.entry if removes else None
    if moved is None or old.parent is None or new.parent is None or new.real is None:
        kind = moved or Entry(stat.S_IFREG, (0, 0))
        rights = frozenset({make_right(kind.mode, kind.device, scene.errata)})
        return Attempt("directory", *(_lost(place, rights) for place in (old, new)))
    old_dir, new_dir = scene.view.host(old.parent), scene.view.host(new.parent)
    same = old_dir == new_dir
    source, target = refer_rights(
        moved, replaced, removes=removes, flags=flags, same_directory=same, errata=scene.errata
    )
    wants = (
        Want(source, old.asked, old_dir, scene.view.seen(old.parent), moved),
        Want(target, new.asked, new_dir, scene.view.seen(new.parent), replaced, new=True),
    )
    regular = stat.S_ISREG(moved.mode) and (replaced is None or stat.S_ISREG(replaced.mode))
    return Attempt(
        "directory",
        *((wants[1]._replace(old=old.asked),) if same else wants),
        refer=Refer(old_dir, new_dir, moved, replaced, removes, flags),
        changes=(*_real(scene, old), *_real(scene, new)),
        tree="" if regular else "gone",
    )


def _rename_at(scene: Scene, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    source = scene.place(*old, follow=False)
    target = scene.place(*new, follow=False)
    return _refer(scene, source, target, removes=True, flags=flags)


def _rename(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, (AT_FDCWD, scene.text(args[0])), (AT_FDCWD, scene.text(args[1])))


def _renameat(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, _name(scene, args), _name(scene, args[2:]))


def _renameat2(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, _name(scene, args), _name(scene, args[2:]), args[4])


def _link_at(scene: Scene, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    if not old[1] and flags & _AT_EMPTY_PATH:
        source = scene.descriptor(old[0])
    else:
        source = scene.place(*old, follow=bool(flags & _AT_SYMLINK_FOLLOW))
    return _refer(scene, source, scene.place(*new, follow=False), removes=False)


def _link(scene: Scene, args: Args) -> Attempt:
    return _link_at(scene, (AT_FDCWD, scene.text(args[0])), (AT_FDCWD, scene.text(args[1])))


def _linkat(scene: Scene, args: Args) -> Attempt:
    return _link_at(scene, _name(scene, args), _name(scene, args[2:]), args[4])


# Sockets


_ANY_PORT = Want(frozenset({"bind_udp"}), port=0)
_UNSPECIFIED = _AF_UNSPEC.to_bytes(2, "little")


def _port_want(right: str, port: int) -> Attempt:
    return Attempt("network", Want(frozenset({right}), port=port))


def _uncontrolled(port: int | None, why: str) -> Attempt:
    return Attempt("plain", Want(NO_RIGHTS, port=port), why=why)


_FAMILIES: Mapping[int, str] = MappingProxyType(
    {16: "netlink", 17: "packet", 29: "CAN", 38: "kernel crypto", 40: "vsock"}
)


def _unix(scene: Scene, address: bytes, *, binding: bool) -> Attempt | None:
    name = address[2:]
    if not name:
        return None  # bind: the kernel makes up an abstract name; connect: refused as invalid
    if name[0] == 0:
        shown = "@" + os.fsdecode(name[1:])
        if binding:
            return Attempt(
                "plain", Want(NO_RIGHTS, shown), why="Landlock does not restrict making abstract sockets",
                bound_name=shown,
            )  # fmt: skip
        return Attempt("scope", Want(frozenset({"abstract_unix_socket"}), shown))
    path = os.fsdecode(name.split(b"\0", 1)[0])
    if binding:
        attempt = _make(scene, AT_FDCWD, path, "make_sock")
        attempt.bound_name = next(iter(attempt.changes), "")
        return attempt
    return Attempt("open", _want(scene, scene.place(AT_FDCWD, path, follow=True), frozenset({"resolve_unix"})))


def _address(scene: Scene, number: int, address: bytes, *, binding: bool) -> Attempt | None:
    """A socket meets an address that it is to have, or to be connected with."""
    if len(address) < 2:
        return None
    if int.from_bytes(address[:2], "little") == _AF_UNIX:
        return _unix(scene, address, binding=binding)
    socket = scene.socket(number)
    if socket is None:
        return _uncontrolled(None, "not a socket, or one that could not be looked at")
    odd = _odd_address(socket, address)
    if odd is not None:
        return odd
    _, kind, protocol, bound = socket
    port = int.from_bytes(address[2:4], "big")
    if address[:2] == _UNSPECIFIED and not binding:
        return _uncontrolled(None, "Landlock always lets a socket be disconnected (AF_UNSPEC)")
    if _is_tcp(scene, kind, protocol):
        return _port_want("bind_tcp" if binding else "connect_tcp", port)
    if kind == _SOCK_DGRAM and protocol == _IPPROTO_UDP:
        return _port_want("bind_udp", port) if binding else _datagram(port, bound=bound)
    return _uncontrolled(port, f"Landlock restricts TCP and UDP only, not IP protocol {protocol}")


def _is_tcp(scene: Scene, kind: int, protocol: int) -> bool:
    """Whether Landlock takes an internet socket for TCP: before erratum 1 was fixed, all streams, MPTCP for one."""
    return kind == _SOCK_STREAM and (protocol == _IPPROTO_TCP or not scene.errata & _ONLY_TCP_IS_TCP)


def _odd_address(socket: tuple[int, int, int, bool], address: bytes) -> Attempt | None:
    """What is no matter of ports, None for an internet socket that meets an address of its kind."""
    domain = socket[0]
    if domain not in (_AF_INET, _AF_INET6):
        name = _FAMILIES.get(domain, f"family {domain}")
        return _uncontrolled(None, f"Landlock does not restrict {name} sockets")
    if len(address) < 4 or int.from_bytes(address[:2], "little") not in (_AF_UNSPEC, _AF_INET, _AF_INET6):
        return _uncontrolled(None, "the address is not one for this socket")
    return None


def _datagram(port: int | None, *, bound: bool) -> Attempt:
    """UDP to a port, None where the address tells none.

    The kernel binds a socket that has no port of its own to a free one, and asks about that second (hook_socket_connect
    and hook_socket_sendmsg in security/landlock/net.c).
    """
    sending = Want(frozenset({"connect_send_udp"}), port=port)
    return Attempt("network", *((sending,) if bound else (sending, _ANY_PORT)))


def _send(scene: Scene, number: int, address: bytes, flags: int) -> Attempt | None:
    """Something is sent, to ``address`` where there is one."""
    if len(address) >= 2 and int.from_bytes(address[:2], "little") == _AF_UNIX:
        return _unix(scene, address, binding=False)
    socket = scene.socket(number)
    if socket is None:
        return _uncontrolled(None, "not a socket, or one that could not be looked at") if address else None
    domain, kind, protocol, bound = socket
    internet = domain in (_AF_INET, _AF_INET6)
    datagrams = internet and kind == _SOCK_DGRAM and protocol == _IPPROTO_UDP
    if not address:
        # A socket that is connected has a port. Of all others the port is asked, before the kernel says that an address
        # is missing; also in write(2), which is too frequent to look at and can only fail there.
        return Attempt("network", _ANY_PORT) if datagrams and not bound else None
    odd = _odd_address(socket, address)
    if odd is not None:
        return odd
    port = int.from_bytes(address[2:4], "big")
    if datagrams:
        # Of no family, sent from IPv6, it could mean anything by the time it is used: no rule grants that.
        return _datagram(None if address[:2] == _UNSPECIFIED and domain == _AF_INET6 else port, bound=bound)
    if kind == _SOCK_STREAM and protocol == _IPPROTO_TCP:
        if not flags & _MSG_FASTOPEN:
            return None  # the address means nothing: TCP sends to whom it is connected with
        why = "TCP Fast Open connects while it sends, and this kernel does not put that to Landlock"
        return Attempt("network", Want(frozenset({"connect_tcp"}), port=port), why=why)
    return _uncontrolled(port, f"Landlock restricts TCP and UDP only, not IP protocol {protocol}")


def _bind(scene: Scene, args: Args) -> Attempt | None:
    return _address(scene, signed(args[0]), scene.memory(args[1], min(args[2], _MAX_ADDRESS)), binding=True)


def _connect(scene: Scene, args: Args) -> Attempt | None:
    return _address(scene, signed(args[0]), scene.memory(args[1], min(args[2], _MAX_ADDRESS)), binding=False)


def _listen(scene: Scene, args: Args) -> Attempt | None:
    socket = scene.socket(signed(args[0]))
    if socket is None or socket[0] not in (_AF_INET, _AF_INET6) or socket[1] != _SOCK_STREAM or socket[3]:
        return None
    return _uncontrolled(0, "listening without bind(2) takes a free port, and Landlock is not asked about that")


def _sendto(scene: Scene, args: Args) -> Attempt | None:
    address = scene.memory(args[4], min(args[5], _MAX_ADDRESS)) if args[4] and args[5] else b""
    return _send(scene, signed(args[0]), address, args[3])


def _message(scene: Scene, number: int, header: int, flags: int) -> Attempt | None:
    """The address in a ``struct msghdr``: a pointer and a 32-bit length."""
    size = scene.pointer_size
    raw = scene.memory(header, size + 4)
    address, length = int.from_bytes(raw[:size], "little"), int.from_bytes(raw[size : size + 4], "little")
    known = scene.memory(address, min(length, _MAX_ADDRESS)) if address and length else b""
    return _send(scene, number, known, flags)


def _sendmsg(scene: Scene, args: Args) -> Attempt | None:
    return _message(scene, signed(args[0]), args[1], args[2])


def _sendmmsg(scene: Scene, args: Args) -> Attempt | None:
    step = 64 if scene.pointer_size == 8 else 32  # sizeof(struct mmsghdr)
    found: dict[Want, Attempt] = {}
    for position in range(min(args[2], _MAX_MESSAGES)):
        attempt = _message(scene, signed(args[0]), args[1] + position * step, args[3])
        if attempt is not None:
            found.update((want, attempt) for want in attempt.wants if want not in found)
    if not found:
        return None
    first = next(iter(found.values()))
    first.wants = tuple(found)
    return first


# The numbers of <linux/net.h>: the call, and how many arguments it has.
_SOCKET_CALLS: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        2: ("bind", 3), 3: ("connect", 3), 4: ("listen", 2), 9: ("sendto", 4), 11: ("sendto", 6), 16: ("sendmsg", 3),
        20: ("sendmmsg", 4),
    }
)  # fmt: skip


def _socketcall(scene: Scene, args: Args) -> Attempt | None:
    """The 32-bit x86 way to all socket calls: the arguments are in memory."""
    if args[0] not in _SOCKET_CALLS:
        return None
    name, count = _SOCKET_CALLS[args[0]]
    inner = struct.unpack("=6I", scene.memory(args[1], 4 * count).ljust(24, b"\0"))
    attempt = DECODERS[name](scene, inner)
    if attempt is not None:
        attempt.syscall = name
    return attempt


# Signals, other processes


def _signal(scene: Scene, target: int, number: int) -> Attempt:
    wanted: RightSet = frozenset({"signal"})
    if target > 0:
        name = scene.process_name(target)
        shown = f"process {target} ({name})" if name else f"process {target}"
        return Attempt("scope", Want(wanted, shown, process=target, signal=number))
    if target == -1:
        return Attempt("scope", Want(wanted, "all processes", group=-1, signal=number))
    shown = f"process group {-target}" if target else "its own process group"
    return Attempt("scope", Want(wanted, shown, group=-target, signal=number))


def _kill(scene: Scene, args: Args) -> Attempt:
    return _signal(scene, signed(args[0]), signed(args[1]))


def _tgkill(scene: Scene, args: Args) -> Attempt:
    return _signal(scene, signed(args[1]), signed(args[2]))


def _pidfd_send_signal(scene: Scene, args: Args) -> Attempt:
    target = scene.process_of(signed(args[0]))
    if target > 0:
        return _signal(scene, target, signed(args[1]))
    return Attempt("scope", Want(frozenset({"signal"}), scene.descriptor(signed(args[0])).real, signal=signed(args[1])))


def _ptrace(scene: Scene, args: Args) -> Attempt | None:
    if args[0] not in _PTRACE_ATTACHING:
        return None
    note = (
        "The program traces other programs itself. That cannot work inside a test, since a process has one tracer;"
        " under paddock run the same policy is enforced, and it can."
    )
    target = "its own parent" if args[0] == 0 else f"process {signed(args[1])}"
    name = scene.process_name(signed(args[1])) if args[0] else ""
    why = "tracing is no right of Landlock: a sandboxed program may trace only inside its own domain"
    asked = f"{target} ({name})" if name else target
    return Attempt("trace", Want(NO_RIGHTS, asked, process=signed(args[1]) if args[0] else -1), why=why, note=note)


def _process_vm(scene: Scene, args: Args) -> Attempt:
    name = scene.process_name(signed(args[0]))
    why = "memory of other processes is no right of Landlock: it can be reached only inside the own domain"
    return Attempt("trace", Want(NO_RIGHTS, f"process {signed(args[0])} ({name})", process=signed(args[0])), why=why)


def _pidfd_getfd(scene: Scene, args: Args) -> Attempt:
    target = scene.process_of(signed(args[0]))
    asked = f"process {target} ({scene.process_name(target)})" if target > 0 else "a process"
    why = "descriptors of other processes are no right of Landlock: they can be copied only inside the own domain"
    return Attempt("trace", Want(NO_RIGHTS, asked, process=target), why=why)


# What Landlock has no right for


_MOUNTS = "a policy that handles any filesystem right forbids every change of mounts, whatever it grants"


def _topology(position: int, *, directory: int | None = None) -> Callable[[Scene, Args], Attempt]:
    def decode(scene: Scene, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        place = scene.place(at, scene.text(args[position]) or ".", follow=True)
        return Attempt("topology", _want(scene, place, NO_RIGHTS), why=_MOUNTS, moves="view")

    return decode


_METADATA = "Landlock has no right for mode, owner, times and attributes of files"
_DETACHED = (
    "Landlock is not asked about a mount that is nowhere yet: move_mount(2), which would put it somewhere, is forbidden"
)
_MOUNT_FLAGS = "Landlock is not asked about the flags of mounts"
_HANDLE = "a handle only names a file: Landlock is asked when it is opened"


def _unrestricted(
    position: int, *, directory: int | None = None, flags: int | None = None, follow: bool = True, why: str = _METADATA
) -> Callable[[Scene, Args], Attempt]:
    """A call on a path that Landlock has no right for. Without a path it is on the descriptor itself.

    ``flags`` is the argument by which a call says that it means a symbolic link itself, or (``follow`` False) does not.
    """

    def decode(scene: Scene, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        path = scene.text(args[position]) if args[position] else ""
        said = 0 if flags is None else args[flags]
        following = not said & _AT_SYMLINK_NOFOLLOW if follow else bool(said & _AT_SYMLINK_FOLLOW)
        place = scene.place(at, path, follow=following) if path else scene.descriptor(at)
        return Attempt("plain", _want(scene, place, NO_RIGHTS), why=why)

    return decode


def _metadata_of_descriptor(scene: Scene, args: Args) -> Attempt:
    place = scene.descriptor(signed(args[0]))
    want = _want(scene, place, NO_RIGHTS)
    return Attempt("plain", want, why=_METADATA)


def _fsopen(scene: Scene, args: Args) -> Attempt:
    return Attempt("plain", Want(NO_RIGHTS, f"a filesystem of type {scene.text(args[0])}"), why=_DETACHED)


def _fsmount(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", Want(NO_RIGHTS, "a mount that is nowhere yet"), why=_DETACHED)


def _fsconfig(_scene: Scene, args: Args) -> Attempt | None:
    if args[1] != _FSCONFIG_RECONFIGURE:
        return None
    return Attempt("topology", Want(NO_RIGHTS, "the options of a mounted filesystem"), why=_MOUNTS, moves="view")


def _system_file(*rights: str) -> Callable[[Scene, Args], Attempt | None]:
    """A file that the kernel opens for its own use, as open(2) would."""

    def decode(scene: Scene, args: Args) -> Attempt | None:
        if not args[0]:
            return None
        place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
        return Attempt("open", _want(scene, place, frozenset(rights)))

    return decode


def _chroot(scene: Scene, args: Args) -> Attempt:
    place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
    return Attempt("plain", _want(scene, place, NO_RIGHTS), why="Landlock does not restrict chroot", moves="view")


def _changes_directory(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", moves="directory")


def _changes_view(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", moves="view")


def _io_uring(_scene: Scene, _args: Args) -> Attempt:
    note = "The program uses io_uring: what it opens through it is enforced by the kernel, but cannot be seen here."
    return Attempt("plain", Want(NO_RIGHTS), why="what goes through io_uring is enforced, but not seen", note=note)


def _seccomp(_scene: Scene, args: Args) -> Attempt | None:
    if args[0] == _SECCOMP_SET_MODE_FILTER and args[1] & _SECCOMP_NEW_LISTENER:
        note = "The program supervises system calls itself (seccomp notification): those it takes over are not seen."
        return Attempt("plain", note=note)
    return None


def _restrict_self(_scene: Scene, _args: Args) -> Attempt:
    note = "The program restricts itself with Landlock as well: what only its own rules deny is shown as failed."
    return Attempt("plain", note=note)


def _clone3(scene: Scene, args: Args) -> None:
    """No child may be hidden from the tracer: the flag that asks for it is taken out."""
    flags = int.from_bytes(scene.memory(args[0], 8), "little")
    if flags & _CLONE_UNTRACED:
        scene.set_memory(args[0], (flags & ~_CLONE_UNTRACED).to_bytes(8, "little"))


Decoder = Callable[[Scene, Args], Attempt | None]

DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "open": _open, "openat": _openat, "openat2": _openat2, "creat": _creat, "open_by_handle_at": _open_by_handle,
        "execve": _execve, "execveat": _execveat,
        "truncate": _truncate, "truncate64": _truncate, "ftruncate": _ftruncate, "ftruncate64": _ftruncate,
        "ioctl": _ioctl,
        "mkdir": _mkdir, "mkdirat": _mkdirat, "mknod": _mknod, "mknodat": _mknodat,
        "symlink": _symlink, "symlinkat": _symlinkat,
        "unlink": _unlink, "unlinkat": _unlinkat, "rmdir": _rmdir,
        "rename": _rename, "renameat": _renameat, "renameat2": _renameat2, "link": _link, "linkat": _linkat,
        "bind": _bind, "connect": _connect, "listen": _listen, "socketcall": _socketcall,
        "sendto": _sendto, "sendmsg": _sendmsg, "sendmmsg": _sendmmsg,
        "kill": _kill, "tkill": _kill, "rt_sigqueueinfo": _kill, "tgkill": _tgkill, "rt_tgsigqueueinfo": _tgkill,
        "pidfd_send_signal": _pidfd_send_signal,
        "ptrace": _ptrace, "process_vm_readv": _process_vm, "process_vm_writev": _process_vm,
        "pidfd_getfd": _pidfd_getfd,
        "mount": _topology(1), "umount": _topology(0), "umount2": _topology(0), "pivot_root": _topology(0),
        "move_mount": _topology(3, directory=2), "fsconfig": _fsconfig, "fsopen": _fsopen, "fsmount": _fsmount,
        "open_tree": _unrestricted(1, directory=0, flags=2, why=_DETACHED),
        "open_tree_attr": _unrestricted(1, directory=0, flags=2, why=_DETACHED),
        "fspick": _unrestricted(1, directory=0, why=_MOUNT_FLAGS),
        "mount_setattr": _unrestricted(1, directory=0, flags=2, why=_MOUNT_FLAGS),
        "name_to_handle_at": _unrestricted(1, directory=0, flags=4, follow=False, why=_HANDLE),
        "acct": _system_file("write_file"), "swapon": _system_file("read_file", "write_file"),
        "swapoff": _system_file("read_file", "write_file"),
        "chmod": _unrestricted(0), "fchmodat": _unrestricted(1, directory=0),
        "fchmodat2": _unrestricted(1, directory=0, flags=3),
        "chown": _unrestricted(0), "chown32": _unrestricted(0), "lchown": _unrestricted(0, follow=False),
        "lchown32": _unrestricted(0, follow=False), "fchownat": _unrestricted(1, directory=0, flags=4),
        "fchmod": _metadata_of_descriptor, "fchown": _metadata_of_descriptor, "fchown32": _metadata_of_descriptor,
        "setxattr": _unrestricted(0), "lsetxattr": _unrestricted(0, follow=False), "fsetxattr": _metadata_of_descriptor,
        "removexattr": _unrestricted(0), "lremovexattr": _unrestricted(0, follow=False),
        "fremovexattr": _metadata_of_descriptor, "setxattrat": _unrestricted(1, directory=0, flags=2),
        "removexattrat": _unrestricted(1, directory=0, flags=2), "file_setattr": _unrestricted(1, directory=0, flags=4),
        "utime": _unrestricted(0), "utimes": _unrestricted(0), "futimesat": _unrestricted(1, directory=0),
        "utimensat": _unrestricted(1, directory=0, flags=3), "utimensat_time64": _unrestricted(1, directory=0, flags=3),
        "chroot": _chroot, "chdir": _changes_directory, "fchdir": _changes_directory, "unshare": _changes_view,
        "setns": _changes_view,
        "io_uring_setup": _io_uring, "seccomp": _seccomp, "landlock_restrict_self": _restrict_self,
        "clone3": _clone3,
    }
)  # fmt: skip

# Calls of the filter that are handled before decoding: the program's new name, and hiding a child.
ALWAYS_TRACED: frozenset[str] = frozenset({"prctl", "clone"})

# Traced only where the policy restricts what they need: they are frequent, and say nothing otherwise.
ON_DEMAND: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ioctl_dev": frozenset({"ioctl"}),
        "bind_udp": frozenset({SEND}),
        "signal": frozenset({"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal"}),
    }
)


def traced_calls(restricted: RightSet) -> frozenset[str]:
    """The names of the calls to trace for a policy that restricts ``restricted`` (rights and scopes)."""
    unneeded = frozenset[str]().union(*(calls for right, calls in ON_DEMAND.items() if right not in restricted))
    return (frozenset(DECODERS) | {SEND}) - unneeded | ALWAYS_TRACED
