"""Calls that bind or connect a socket, or send through it (security/landlock/net.c; UNIX sockets: fs.c)."""

import os
import struct
from collections.abc import Mapping
from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Args, Attempt, Caller, Decoders, request_on, signed
from editor.sandbox.calls.files import make
from editor.sandbox.calls.paths import AT_FDCWD

_AF_UNSPEC, _AF_UNIX, _AF_INET, _AF_INET6 = 0, 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM = 1, 2
_IPPROTO_TCP, _IPPROTO_UDP = 6, 17
_MAX_ADDRESS = 128
_MAX_MESSAGES = 16  # messages of one sendmmsg(2) that are examined
_MSG_FASTOPEN = 0x20000000
_ONLY_TCP_IS_TCP = 1 << 0  # erratum 1: security/landlock/errata/abi-4.h
_ANY_PORT = AccessRequest(frozenset({"bind_udp"}), port=0)
_UNSPECIFIED = _AF_UNSPEC.to_bytes(2, "little")


def _on_port(right: str, port: int) -> Attempt:
    return Attempt("network", AccessRequest(frozenset({right}), port=port))


def _uncontrolled(port: int | None, reason: str) -> Attempt:
    return Attempt("plain", AccessRequest(NO_RIGHTS, port=port), reason=reason)


_FAMILIES: Mapping[int, str] = MappingProxyType(
    {16: "netlink", 17: "packet", 29: "CAN", 38: "kernel crypto", 40: "vsock"}
)


def _unix(caller: Caller, number: int, address: bytes, *, binding: bool) -> Attempt | None:
    name = address[2:]
    if not name:
        return None  # bind: the kernel picks an abstract name; connect: EINVAL
    if name[0] == 0:
        shown = "@" + os.fsdecode(name[1:])
        if binding:
            return Attempt(
                "plain", AccessRequest(NO_RIGHTS, shown), reason="Landlock does not restrict creating abstract sockets",
                bound_socket=caller.socket_number(number),
            )  # fmt: skip
        return Attempt("scope", AccessRequest(frozenset({"abstract_unix_socket"}), shown))
    path = os.fsdecode(name.split(b"\0", 1)[0])
    if binding:
        attempt = make(caller, AT_FDCWD, path, "make_sock")
        attempt.bound_socket = caller.socket_number(number)
        return attempt
    return Attempt("open", request_on(caller, caller.look_up(AT_FDCWD, path, follow=True), frozenset({"resolve_unix"})))


def _address(caller: Caller, number: int, address: bytes, *, binding: bool) -> Attempt | None:
    """Decode bind(2) or connect(2)."""
    if len(address) < 2:
        return None
    if int.from_bytes(address[:2], "little") == _AF_UNIX:
        return _unix(caller, number, address, binding=binding)
    socket = caller.socket(number)
    if socket is None:
        return _uncontrolled(None, "not a socket, or it could not be examined")
    odd = _odd_address(socket, address)
    if odd is not None:
        return odd
    _, kind, protocol, bound = socket
    port = int.from_bytes(address[2:4], "big")
    if address[:2] == _UNSPECIFIED and not binding:
        return _uncontrolled(None, "Landlock always allows disconnecting a socket (AF_UNSPEC)")
    if _is_tcp(caller, kind, protocol):
        return _on_port("bind_tcp" if binding else "connect_tcp", port)
    if kind == _SOCK_DGRAM and protocol == _IPPROTO_UDP:
        return _on_port("bind_udp", port) if binding else _datagram(port, bound=bound)
    return _uncontrolled(port, f"Landlock only restricts TCP and UDP, not IP protocol {protocol}")


def _is_tcp(caller: Caller, kind: int, protocol: int) -> bool:
    """Whether Landlock treats an internet socket as TCP: without the fix of erratum 1 any stream, such as MPTCP."""
    return kind == _SOCK_STREAM and (protocol == _IPPROTO_TCP or not caller.errata & _ONLY_TCP_IS_TCP)


def _odd_address(socket: tuple[int, int, int, bool], address: bytes) -> Attempt | None:
    """Return what no port right applies to; None for an internet socket and an address of its kind."""
    domain = socket[0]
    if domain not in (_AF_INET, _AF_INET6):
        name = _FAMILIES.get(domain, f"family {domain}")
        return _uncontrolled(None, f"Landlock does not restrict {name} sockets")
    if len(address) < 4 or int.from_bytes(address[:2], "little") not in (_AF_UNSPEC, _AF_INET, _AF_INET6):
        return _uncontrolled(None, "the address is not valid for this socket")
    return None


def _datagram(port: int | None, *, bound: bool) -> Attempt:
    """Decode UDP to a port, None if the address has none.

    The kernel binds an unbound socket to a free port, and checks that second (hook_socket_connect and
    hook_socket_sendmsg in security/landlock/net.c).
    """
    sending = AccessRequest(frozenset({"connect_send_udp"}), port=port)
    return Attempt("network", *((sending,) if bound else (sending, _ANY_PORT)))


def _send(caller: Caller, number: int, address: bytes, flags: int) -> Attempt | None:
    """Decode sending, to ``address`` if there is one."""
    if len(address) >= 2 and int.from_bytes(address[:2], "little") == _AF_UNIX:
        return _unix(caller, number, address, binding=False)
    socket = caller.socket(number)
    if socket is None:
        return _uncontrolled(None, "not a socket, or it could not be examined") if address else None
    domain, kind, protocol, bound = socket
    internet = domain in (_AF_INET, _AF_INET6)
    datagrams = internet and kind == _SOCK_DGRAM and protocol == _IPPROTO_UDP
    if not address:
        # A connected socket has a port. For all others, the bind right is checked before the kernel reports the missing
        # address. That also happens in write(2), which is too frequent to trace and can only fail there.
        return Attempt("network", _ANY_PORT) if datagrams and not bound else None
    odd = _odd_address(socket, address)
    if odd is not None:
        return odd
    port = int.from_bytes(address[2:4], "big")
    if datagrams:
        # AF_UNSPEC sent from IPv6 may be anything by the time it is used: no rule grants it.
        return _datagram(None if address[:2] == _UNSPECIFIED and domain == _AF_INET6 else port, bound=bound)
    if kind == _SOCK_STREAM and protocol == _IPPROTO_TCP:
        if not flags & _MSG_FASTOPEN:
            return None  # ignored: TCP sends to its peer
        reason = "TCP Fast Open connects while sending, and this kernel does not let Landlock check that"
        return Attempt("network", AccessRequest(frozenset({"connect_tcp"}), port=port), reason=reason)
    return _uncontrolled(port, f"Landlock only restricts TCP and UDP, not IP protocol {protocol}")


def _bind(caller: Caller, args: Args) -> Attempt | None:
    return _address(caller, signed(args[0]), caller.read_memory(args[1], min(args[2], _MAX_ADDRESS)), binding=True)


def _connect(caller: Caller, args: Args) -> Attempt | None:
    return _address(caller, signed(args[0]), caller.read_memory(args[1], min(args[2], _MAX_ADDRESS)), binding=False)


def _listen(caller: Caller, args: Args) -> Attempt | None:
    socket = caller.socket(signed(args[0]))
    if socket is None or socket[0] not in (_AF_INET, _AF_INET6) or socket[1] != _SOCK_STREAM or socket[3]:
        return None
    return _uncontrolled(0, "listen(2) without bind(2) takes a free port, which Landlock does not check")


def _sendto(caller: Caller, args: Args) -> Attempt | None:
    address = caller.read_memory(args[4], min(args[5], _MAX_ADDRESS)) if args[4] and args[5] else b""
    return _send(caller, signed(args[0]), address, args[3])


def _message(caller: Caller, number: int, header: int, flags: int) -> Attempt | None:
    """Decode the address in a ``struct msghdr``: a pointer and a 32-bit length."""
    size = caller.pointer_size
    raw = caller.read_memory(header, size + 4)
    address, length = int.from_bytes(raw[:size], "little"), int.from_bytes(raw[size : size + 4], "little")
    known = caller.read_memory(address, min(length, _MAX_ADDRESS)) if address and length else b""
    return _send(caller, number, known, flags)


def _sendmsg(caller: Caller, args: Args) -> Attempt | None:
    return _message(caller, signed(args[0]), args[1], args[2])


def _sendmmsg(caller: Caller, args: Args) -> Attempt | None:
    step = 64 if caller.pointer_size == 8 else 32  # sizeof(struct mmsghdr)
    found: dict[AccessRequest, Attempt] = {}
    for position in range(min(args[2], _MAX_MESSAGES)):
        attempt = _message(caller, signed(args[0]), args[1] + position * step, args[3])
        if attempt is not None:
            found.update((request, attempt) for request in attempt.requests if request not in found)
    if not found:
        return None
    first = next(iter(found.values()))
    first.requests = tuple(found)
    return first


# Numbers from <linux/net.h>: the call, and how many arguments it has.
_SOCKET_CALLS: Mapping[int, tuple[str, int]] = MappingProxyType(
    {
        2: ("bind", 3), 3: ("connect", 3), 4: ("listen", 2), 9: ("sendto", 4), 11: ("sendto", 6), 16: ("sendmsg", 3),
        20: ("sendmmsg", 4),
    }
)  # fmt: skip


def _socketcall(caller: Caller, args: Args) -> Attempt | None:
    """Decode the multiplexed socket call of 32-bit x86: the arguments are in memory."""
    if args[0] not in _SOCKET_CALLS:
        return None
    name, count = _SOCKET_CALLS[args[0]]
    inner = struct.unpack("=6I", caller.read_memory(args[1], 4 * count).ljust(24, b"\0"))
    attempt = DECODERS[name](caller, inner)
    if attempt is not None:
        attempt.syscall = name
    return attempt


DECODERS: Decoders = MappingProxyType(
    {
        "bind": _bind, "connect": _connect, "listen": _listen, "socketcall": _socketcall,
        "sendto": _sendto, "sendmsg": _sendmsg, "sendmmsg": _sendmmsg,
    }
)  # fmt: skip
