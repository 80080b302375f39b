"""Every access right and scope of Landlock, ABI 1 to 11, in one table.

Source of bits and names: include/uapi/linux/landlock.h and Documentation/userspace-api/landlock.rst.
A set of rights is a ``frozenset`` of names: names are unique across the three kinds, so one set type serves all.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Kind = Literal["fs", "net", "scope"]
RightSet = frozenset[str]

NO_RIGHTS: RightSet = frozenset()
LATEST_ABI = 11


class Right(NamedTuple):
    """One right or scope: its kernel name in snake case, its bit, the ABI that brought it, and what it permits."""

    name: str
    kind: Kind
    bit: int
    abi: int
    meaning: str


_TABLE: tuple[Right, ...] = (
    Right("execute", "fs", 0, 1, "Execute a file."),
    Right("write_file", "fs", 1, 1, "Open a file for writing."),
    Right("read_file", "fs", 2, 1, "Open a file for reading."),
    Right("read_dir", "fs", 3, 1, "Open a directory or list its content."),
    Right("remove_dir", "fs", 4, 1, "Remove an empty directory from this directory, or rename one."),
    Right("remove_file", "fs", 5, 1, "Unlink or rename a file in this directory."),
    Right("make_char", "fs", 6, 1, "Create, rename or link a character device in this directory."),
    Right("make_dir", "fs", 7, 1, "Create or rename a directory in this directory."),
    Right("make_reg", "fs", 8, 1, "Create, rename or link a regular file in this directory."),
    Right("make_sock", "fs", 9, 1, "Create, rename or link a UNIX socket in this directory."),
    Right("make_fifo", "fs", 10, 1, "Create, rename or link a named pipe in this directory."),
    Right("make_block", "fs", 11, 1, "Create, rename or link a block device in this directory."),
    Right("make_sym", "fs", 12, 1, "Create, rename or link a symbolic link in this directory."),
    Right("refer", "fs", 13, 2, "Link or rename a file from or to another directory. Always denied unless granted."),
    Right("truncate", "fs", 14, 3, "Truncate a file: truncate(2), ftruncate(2), creat(2), open(2) with O_TRUNC."),
    Right("ioctl_dev", "fs", 15, 5, "Use ioctl(2) commands on a character or block device opened from here."),
    Right("resolve_unix", "fs", 16, 9, "Look up a pathname UNIX socket here to connect or send to it."),
    Right("bind_tcp", "net", 0, 4, "Bind a TCP socket to this local port."),
    Right("connect_tcp", "net", 1, 4, "Connect a TCP socket to this remote port."),
    Right("bind_udp", "net", 2, 10, "Bind a UDP socket to this local port."),
    Right("connect_send_udp", "net", 3, 10, "Connect a UDP socket, or send a datagram, to this remote port."),
    Right("abstract_unix_socket", "scope", 0, 6, "No connection to an abstract UNIX socket made outside the domain."),
    Right("signal", "scope", 1, 6, "No signal to a process outside the domain."),
)

RIGHTS: Mapping[str, Right] = MappingProxyType({right.name: right for right in _TABLE})
FS_RIGHTS: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "fs")
NET_RIGHTS: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "net")
SCOPES: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "scope")

# ACCESS_FILE in security/landlock/fs.c: a rule on anything but a directory may hold nothing else (EINVAL).
FILE_RIGHTS: RightSet = frozenset({"execute", "write_file", "read_file", "truncate", "ioctl_dev", "resolve_unix"})

# Group names of Landlock Config, and what each means at an ABI.
GROUPS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {"abi.all": ("fs", "net", "scope"), "abi.read_execute": ("fs",), "abi.read_write": ("fs",)}
)


def rights_of(kind: Kind, abi: int = LATEST_ABI) -> RightSet:
    """The names of all rights of ``kind`` that the Landlock version ``abi`` knows; a newer ABI counts as the newest."""
    return frozenset(right.name for right in _TABLE if right.kind == kind and right.abi <= abi)


def group_rights(group: str, kind: Kind, abi: int) -> RightSet:
    """What a Landlock Config group stands for at ``abi``, as landlockconfig's parser resolves it.

    Raises KeyError for a group that does not exist for ``kind``.
    """
    if kind not in GROUPS[group]:
        raise KeyError(group)
    everything = rights_of(kind, abi)
    if group == "abi.read_execute":
        return everything & {"execute", "read_file", "read_dir", "refer"}
    if group == "abi.read_write":
        return everything - {"execute"}
    return everything


def to_mask(names: Iterable[str]) -> int:
    """The kernel's bit mask of ``names``, which must all be of one kind. Raises KeyError for an unknown name."""
    mask = 0
    for name in names:
        mask |= 1 << RIGHTS[name].bit
    return mask


def in_order(names: Iterable[str]) -> list[str]:
    """``names`` in the kernel's order (kind, then bit), the order in which every list of rights is shown."""
    wanted = frozenset(names)
    return [right.name for right in _TABLE if right.name in wanted]
