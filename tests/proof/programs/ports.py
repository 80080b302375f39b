"""Binds and connects on each port; goes on after every refusal."""

import contextlib
import os
import socket

for port in (os.environ["PORT0"], os.environ["PORT1"], os.environ["PORT2"]):
    for act in (socket.socket.bind, socket.socket.connect):
        with socket.socket() as one, contextlib.suppress(OSError):
            act(one, ("127.0.0.1", int(port)))
