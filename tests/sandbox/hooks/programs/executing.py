"""Execute a program, and learn what came of it."""

import os
import struct
from collections.abc import Callable

from tests.sandbox.hooks.programs.registry import path_bytes
from tests.sandbox.hooks.system import address, buffer


def executed(execute: Callable[[], object]) -> None:
    """Execute a program in a child, so that this one can tell what came of it."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            execute()
        except OSError as error:
            os.write(tell, b"%d" % (error.errno or 0))
        os._exit(99)
    os.close(tell)
    code = os.read(told, 9)
    os.waitpid(child, 0)
    if code:
        raise OSError(int(code), os.strerror(int(code)))


def run_program(path: str, words: list[str]) -> None:
    """Execute a file with these words, in a child."""
    executed(lambda: os.execve(path, words, {}))  # noqa: S606 executing it is what is tried


def argument_list(*words: str) -> bytes:
    """Return words as execveat(2) takes them; they are kept in memory."""
    strings = [buffer(path_bytes(word) + b"\0") for word in words]
    _kept.extend(strings)
    return struct.pack(f"={len(words) + 1}Q", *map(address, strings), 0)


_kept: list[object] = []
