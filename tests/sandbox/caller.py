"""Makes raw system calls and prints what each returned: the program under test of the sandbox tests.

Run with one argument, a JSON list of calls ``[name, argument, ...]``. An argument is a number, a string (passed as a
pointer to it, surrogate escapes as bytes), ``{"hex": ...}`` (a pointer to these bytes), ``{"result": n}`` (what call n
returned), ``{"words": [...]}`` (a pointer to these 64-bit words, each again an argument) or ``{"here": true}`` (this
process's id). Besides system calls, these names create sockets: ``socket_tcp``, ``socket_mptcp``, ``socket_udp``,
``socket_unix``, ``socket_netlink``. A call that would replace the process is made in a child; its result is the child's
exit status, or the negative errno.
"""

import ctypes
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from editor.sandbox import syscalls

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
kept: list[object] = []


def main() -> None:
    numbers = syscalls.numbers(syscalls.machine().native)
    calls = json.loads(sys.argv[1])
    results: list[int] = []

    def value(argument: object) -> ctypes.c_long:
        if isinstance(argument, str):
            buffer = ctypes.create_string_buffer(os.fsencode(argument))
        elif isinstance(argument, dict) and "hex" in argument:
            data = bytes.fromhex(argument["hex"])
            buffer = ctypes.create_string_buffer(data, len(data))
        elif isinstance(argument, dict) and "words" in argument:
            words = (ctypes.c_long * len(argument["words"]))(*(value(word).value for word in argument["words"]))
            kept.append(words)
            return ctypes.c_long(ctypes.addressof(words))
        elif isinstance(argument, dict) and "here" in argument:
            return ctypes.c_long(os.getpid())
        elif isinstance(argument, dict):
            return ctypes.c_long(results[argument["result"]])
        else:
            assert isinstance(argument, int)
            return ctypes.c_long(argument)
        kept.append(buffer)
        return ctypes.c_long(ctypes.addressof(buffer))

    def make(name: str, arguments: list[object]) -> int:
        sockets = {
            "socket_tcp": (2, 1, 0),
            "socket_mptcp": (2, 1, 262),
            "socket_udp": (2, 2, 0),
            "socket_unix": (1, 1, 0),
            "socket_netlink": (16, 3, 0),
        }
        if name in sockets:
            return int(libc.socket(*sockets[name]))
        result = libc.syscall(ctypes.c_long(numbers[name]), *(value(argument) for argument in arguments))
        return int(result) if result >= 0 else -ctypes.get_errno()

    for name, *arguments in calls:
        if name.startswith("execve"):
            child = os.fork()
            if child == 0:
                os._exit(min(200 - make(name, arguments), 255))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            results.append(200 - status if status > 200 else status)
        else:
            results.append(make(name, arguments))
    print(json.dumps(results))


main()
