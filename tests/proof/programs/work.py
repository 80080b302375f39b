"""Works on files, databases and sockets; goes on after every refusal."""

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable


def attempt(what: Callable[..., object], *arguments: object) -> None:
    """One call, whatever comes of it."""
    try:
        print(what.__name__, what(*arguments))
    except (OSError, sqlite3.Error) as error:
        print(error)


attempt(os.open, "closed/text", os.O_RDONLY)
attempt(os.open, "in/text", os.O_WRONLY | os.O_APPEND)
attempt(os.listdir, "closed")
attempt(shutil.copytree, "in", "half/copy")
attempt(shutil.move, "half/main.c", "out/sub")
attempt(shutil.rmtree, "half/sub", True)
attempt(os.truncate, "half/text", 1)
attempt(os.symlink, "x", "half/link")
attempt(os.mkfifo, "closed/fifo")
attempt(os.link, "in/text", "out/hard")
attempt(os.replace, "out/main.c", "half/main.c")
attempt(subprocess.run, ["closed/text"])
attempt(sqlite3.connect("half/base").execute, "create table t (a)")
with tempfile.TemporaryFile(dir="half") as file:
    attempt(file.truncate, 0)
for port in (os.environ["PORT0"], os.environ["PORT1"], os.environ["PORT2"]):
    with socket.socket() as one, socket.socket() as other:
        attempt(one.bind, ("127.0.0.1", int(port)))
        attempt(one.listen)
        attempt(other.connect, ("127.0.0.1", int(port)))
with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
    attempt(one.bind, "half/socket")
    attempt(other.bind, "out/socket")
    attempt(os.kill, 1, 0)
