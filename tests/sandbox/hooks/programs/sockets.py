"""Ways to reach sockets, named and of the network."""

import socket
import struct

from tests.sandbox.hooks.programs.registry import path_bytes, way
from tests.sandbox.hooks.system import Place, address, buffer, syscall


@way("unix_find", "connect to a path", "resolve_unix", prepared="sockets")
def _connect_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(f"{place.path}/s")


@way("unix_find", "sendto a path", "resolve_unix", prepared="sockets")
def _send_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", f"{place.path}/g")


@way("unix_find", "sendmsg to a path", "resolve_unix", prepared="sockets")
def _message_path(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, f"{place.path}/g")


@way("unix_stream_connect", "connect of a stream", "abstract_unix_socket", prepared="sockets")
def _connect_stream(place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(f"\0{place.name}s")


@way("unix_stream_connect", "connect of a seqpacket", "abstract_unix_socket", prepared="sockets")
def _connect_seqpacket(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.connect(f"\0{place.name}q")


@way("unix_may_send", "connect of a datagram", "abstract_unix_socket", prepared="sockets")
def _connect_datagram(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.connect(f"\0{place.name}g")


@way("unix_may_send", "datagram by sendto", "abstract_unix_socket", prepared="sockets")
def _sendto_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", f"\0{place.name}g")


@way("unix_may_send", "datagram by sendmsg", "abstract_unix_socket", prepared="sockets")
def _sendmsg_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, f"\0{place.name}g")


def _sendmmsg(one: socket.socket, destination: bytes) -> None:
    name, data = buffer(destination), buffer(b"x")
    part = buffer(struct.pack("=QQ", address(data), 1))
    header = struct.pack("=QI4xQQQQI4xI4x", address(name), len(destination), address(part), 1, 0, 0, 0, 0)
    syscall("sendmmsg", one.fileno(), header, 1, 0)


@way("unix_may_send", "datagram by sendmmsg", "abstract_unix_socket", prepared="sockets")
def _sendmmsg_abstract(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        _sendmmsg(one, struct.pack("=H", socket.AF_UNIX) + b"\0" + path_bytes(f"{place.name}g"))


_NOWHERE = ("127.0.0.1", 9)  # discard: nobody listens


@way("socket_bind", "bind", "bind_tcp")
def _bind(_place: Place) -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


@way("socket_bind", "bind for UDP", "bind_udp")
def _bind_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))


@way("socket_connect", "connect", "connect_tcp")
def _connect(_place: Place) -> None:
    with socket.socket() as one:
        one.connect(_NOWHERE)


@way("socket_connect", "connect for UDP", "connect_send_udp")
def _connect_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(_NOWHERE)


@way("socket_sendmsg", "sendto", "connect_send_udp")
def _sendto(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", _NOWHERE)


@way("socket_sendmsg", "sendmsg", "connect_send_udp")
def _sendmsg(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, _NOWHERE)


@way("socket_sendmsg", "sendmmsg", "connect_send_udp")
def _sendmmsg_udp(_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        _sendmmsg(one, struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", 9, socket.inet_aton("127.0.0.1")))


@way("socket_sendmsg", "TCP Fast Open", "connect_tcp")
def _fast_open(_place: Place) -> None:
    with socket.socket() as listener, socket.socket() as one:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        one.sendto(b"x", socket.MSG_FASTOPEN, listener.getsockname())
