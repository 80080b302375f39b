"""Every access right and scope of Landlock, ABI 1 to 11, in one table.

Source of bits and names: include/uapi/linux/landlock.h and Documentation/userspace-api/landlock.rst. A set of rights is
a ``frozenset`` of names: names are unique across the three kinds, so one set type serves all.

A right of a later kernel has no name here, only a bit. Its name is then its kind and the bit in hexadecimal, with the
kinds named as in the kernel's audit: ``fs.0x20000``. Such names occur in sets like any other, but not in the table.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Kind = Literal["fs", "net", "scope"]
KINDS: tuple[Kind, ...] = ("fs", "net", "scope")
RightSet = frozenset[str]

NO_RIGHTS: RightSet = frozenset()
LATEST_ABI = 11
# The ABI of a right without a name: later than any number that a policy can contain.
UNKNOWN_ABI = 1 << 31


class Right(NamedTuple):
    """One right or scope: its kernel name in snake case, its bit, the ABI that introduced it, and what it permits."""

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
    Right(
        "refer",
        "fs",
        13,
        2,
        "Link or rename a file from or to another directory. Denied by default, even if not handled.",
    ),
    Right("truncate", "fs", 14, 3, "Truncate a file: truncate(2), ftruncate(2), creat(2), open(2) with O_TRUNC."),
    Right("ioctl_dev", "fs", 15, 5, "Use ioctl(2) commands on a character or block device opened from here."),
    Right("resolve_unix", "fs", 16, 9, "Look up a pathname UNIX socket here to connect or send to it."),
    Right("bind_tcp", "net", 0, 4, "Bind a TCP socket to this local port."),
    Right("connect_tcp", "net", 1, 4, "Connect a TCP socket to this remote port."),
    Right("bind_udp", "net", 2, 10, "Bind a UDP socket to this local port."),
    Right("connect_send_udp", "net", 3, 10, "Connect a UDP socket, or send a datagram, to this remote port."),
    Right("abstract_unix_socket", "scope", 0, 6, "Do not connect to abstract UNIX sockets created outside the domain."),
    Right("signal", "scope", 1, 6, "Do not send signals to processes outside the domain."),
)

RIGHTS: Mapping[str, Right] = MappingProxyType({right.name: right for right in _TABLE})
_NAMES: RightSet = frozenset(RIGHTS)
FS_RIGHTS: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "fs")
NET_RIGHTS: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "net")
SCOPES: tuple[Right, ...] = tuple(right for right in _TABLE if right.kind == "scope")

# ACCESS_FILE in security/landlock/fs.c: a rule on anything but a directory may only have these (else EINVAL).
FILE_RIGHTS: RightSet = frozenset({"execute", "write_file", "read_file", "truncate", "ioctl_dev", "resolve_unix"})

# Rights that only apply to directories. Unnamed rights are unknown in this respect.
DIRECTORY_RIGHTS: RightSet = frozenset(right.name for right in FS_RIGHTS) - FILE_RIGHTS

# Group names of Landlock Config, and the kinds of rights that each may stand for.
GROUPS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {"abi.all": ("fs", "net", "scope"), "abi.read_execute": ("fs",), "abi.read_write": ("fs",)}
)


def rights_of(kind: Kind, abi: int = LATEST_ABI) -> RightSet:
    """Return the names of all rights of ``kind`` at Landlock ABI ``abi``; a newer ABI counts as the newest known."""
    return frozenset(right.name for right in _TABLE if right.kind == kind and right.abi <= abi)


def known_rights(abi: int = LATEST_ABI) -> RightSet:
    """Return the names of all rights of every kind at Landlock ABI ``abi``."""
    return frozenset(right.name for right in _TABLE if right.abi <= abi)


def group_rights(group: str, kind: Kind, abi: int) -> RightSet:
    """Return the rights of a Landlock Config group at ``abi``, as landlockconfig's parser resolves it.

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


def right_of(name: str) -> Right:
    """Return the right called ``name``, from the table or as a bare bit. Raises KeyError for any other name."""
    right = RIGHTS.get(name)
    if right is not None:
        return right
    mask = mask_of(name)
    if mask is None or mask & (mask - 1):
        raise KeyError(name)
    kind = next(kind for kind in KINDS if name.startswith(f"{kind}."))
    return Right(name, kind, mask.bit_length() - 1, UNKNOWN_ABI, "A right of a later kernel, without a name here.")


def kind_of(name: str) -> Kind | None:
    """Return the kind of the right called ``name``; None if there is no such right."""
    try:
        return right_of(name).kind
    except KeyError:
        return None


def mask_name(kind: Kind, mask: int) -> str:
    """Return the name for the number ``mask`` (one bit or several) in a list of rights of ``kind``: ``fs.0x60000``."""
    return f"{kind}.{mask:#x}"


def mask_of(name: str) -> int | None:
    """Return the number in a ``name`` written by `mask_name`; None for any other name."""
    kind, found, digits = name.partition(".0x")
    if not found or kind not in KINDS:
        return None
    try:
        mask = int(digits, 16)
    except ValueError:
        return None
    return mask if 0 < mask < 1 << 64 and name == f"{kind}.{mask:#x}" else None


def bits_of(name: str) -> RightSet:
    """Return the rights, one per bit, of the number in ``name``; none for a real name."""
    mask = mask_of(name) or 0
    kind = name.partition(".")[0]
    return frozenset(f"{kind}.{1 << bit:#x}" for bit in range(mask.bit_length()) if mask >> bit & 1)


def named_bits(kind: Kind, mask: int) -> list[str]:
    """Return the rights in the table for the bits of ``mask``."""
    return [right.name for right in _TABLE if right.kind == kind and mask >> right.bit & 1]


def expand_element(written: str, kind: Kind, abi: int | None) -> RightSet:
    """Return the rights that an element of a list of ``kind`` stands for: a right, a group at ``abi``, or a number.

    Without an ABI a group stands for nothing.
    """
    if written in GROUPS:
        return group_rights(written, kind, abi or 0)
    return bits_of(written) or frozenset({written})


def unnamed(rights: RightSet) -> RightSet:
    """Return those of ``rights`` that are bare bits."""
    return rights - _NAMES


def to_mask(names: Iterable[str]) -> int:
    """Return the kernel's bit mask of ``names``, all of one kind. Raises KeyError for an unknown name."""
    mask = 0
    for name in names:
        mask |= 1 << right_of(name).bit
    return mask


def in_order(names: Iterable[str]) -> list[str]:
    """Return ``names`` in the kernel's order (kind, then bit), in which every list of rights is shown.

    Only names of rights are kept: groups and numbers of several bits are left out.
    """
    wanted = frozenset(names)
    found = [right.name for right in _TABLE if right.name in wanted]
    if len(found) == len(wanted):
        return found
    return [right.name for right in sorted(_rights_among(wanted), key=lambda right: (right.kind, right.bit))]


def listed(names: Iterable[str]) -> str:
    """Return ``names`` in the kernel's order with commas between, as sentences show them."""
    return ", ".join(in_order(names))


def _rights_among(names: RightSet) -> Iterator[Right]:
    for name in names:
        try:
            yield right_of(name)
        except KeyError:  # a group
            continue
