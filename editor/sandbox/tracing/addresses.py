"""Whose socket a UNIX address belongs to: the run's own, or one outside.

An address is only a name: it may be bound again by another process. What counts is the socket that has it now.
"""

import os
import re
from collections.abc import Iterable

from editor.evaluation.decision import Entry
from editor.evaluation.resolve import Identity

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_ACCEPTS = 0x10000  # __SO_ACCEPTCON in /proc/net/unix


class Addresses:
    """The UNIX sockets that processes of the run have bound: abstract ones by inode, others by the file."""

    def __init__(self) -> None:
        self._sockets: set[int] = set()
        self._files: set[Identity] = set()

    def add_socket(self, number: int) -> None:
        """Remember the socket with inode ``number``, which was bound to an abstract address."""
        self._sockets.add(number)

    def add_file(self, entry: Entry | None) -> None:
        """Remember the file that binding a socket has created."""
        if entry is not None:
            self._files.add(entry.identity)

    def owns_file(self, entry: Entry | None) -> bool:
        """Whether a socket's file was created by the run."""
        return entry is not None and entry.identity in self._files

    def owns(self, name: str, tid: int, processes: Iterable[int]) -> bool:
        """Whether the abstract address ``name`` (with a leading ``@``) leads thread ``tid`` to a socket of the run.

        That is one that the run has bound, or that one of ``processes`` holds.
        """
        sockets = _sockets_at(name, tid)
        if not sockets:
            return False
        return sockets <= self._sockets or sockets <= self._sockets | _held(processes)


def socket_number(tid: int, descriptor: int) -> int:
    """Return the inode of the socket behind a thread's descriptor, 0 if it is none."""
    try:
        found = _SOCKET.fullmatch(os.readlink(f"/proc/{tid}/fd/{descriptor}"))
    except OSError:
        return 0
    return 0 if found is None else int(found[1])


def has_socket(name: str, tid: int) -> bool:
    """Whether an abstract UNIX address (with a leading ``@``) leads thread ``tid`` to any socket."""
    return bool(_sockets_at(name, tid))


def _sockets_at(name: str, tid: int) -> set[int]:
    """Return the inodes of the sockets bound to an abstract address in the network namespace of ``tid``.

    Connections that a listening socket accepted have its address too, but nobody can connect to them.
    """
    try:
        with open(f"/proc/{tid}/net/unix", "rb") as file:
            table = file.read()
    except OSError:
        return set()
    shown = re.escape(os.fsencode(name).replace(b"\0", b"@"))
    line = rb"^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]+) [0-9A-F]+ [0-9A-F]+ +(\d+) " + shown + rb"\n"
    found = [(int(flags, 16), int(inode)) for flags, inode in re.findall(line, table, re.MULTILINE)]
    listening = {inode for flags, inode in found if flags & _ACCEPTS}
    return listening or {inode for _, inode in found}


def _held(processes: Iterable[int]) -> set[int]:
    numbers: set[int] = set()
    for process in processes:
        try:
            names = os.listdir(f"/proc/{process}/fd")
        except OSError:
            continue
        numbers.update(socket_number(process, int(name)) for name in names)
    return numbers
