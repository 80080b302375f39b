"""Parse what a person types to add a port."""

import socket

from editor.editing.edits import GrantPort
from editor.escape import printable
from editor.landlock.rights import RIGHTS


class PortTextError(ValueError):
    """The text does not name a port. The message is a sentence."""


def parse_port(text: str) -> GrantPort:
    """Parse a port number or service name, with ``bind``, ``connect``, ``udp`` or the names of rights in any order.

    Without any of these, the grant is for connecting with TCP. Raises PortTextError.
    """
    rights: set[str] = set()
    words = text.lower().split()
    actions = [word for word in words if word in ("bind", "connect")]
    protocol = "udp" if "udp" in words else "tcp"
    named = [word for word in words if word in RIGHTS and RIGHTS[word].kind == "net"]
    rest = [word for word in words if word not in ("bind", "connect", "tcp", "udp") and word not in named]
    if len(rest) != 1:
        raise PortTextError("Type one port: a number or service name, for example 443, https or 8080 bind.")
    names = {("bind", "tcp"): "bind_tcp", ("bind", "udp"): "bind_udp"}
    names |= {("connect", "tcp"): "connect_tcp", ("connect", "udp"): "connect_send_udp"}
    rights |= set(named) | {names[action, protocol] for action in actions}
    if not rights:
        rights = {names["connect", protocol]}
    word = rest[0]
    if word.isascii() and word.isdigit():
        port = int(word)
    else:
        for each in (protocol, "tcp", "udp"):
            try:
                port = socket.getservbyname(word, each)
                break
            except OSError:
                continue
        else:
            raise PortTextError(f"Unknown service: {printable(word)} (see /etc/services).")
    if port > 65535:
        raise PortTextError(f"{port} is not a port: the highest is 65535.")
    return GrantPort(port, frozenset(rights))
