"""Calls that execute a program: the file itself, its interpreters, its ELF loader (fs/exec.c)."""

import stat
from types import MappingProxyType

from editor.evaluation.execchain import MAX_DEPTH
from editor.landlock.rights import RightSet
from editor.sandbox.calls.attempt import (
    AT_EMPTY_PATH,
    AT_SYMLINK_NOFOLLOW,
    AccessRequest,
    Args,
    Attempt,
    Caller,
    Decoders,
    request_on,
    signed,
)
from editor.sandbox.calls.paths import AT_FDCWD, Lookup

_REGISTERED = "opened when it was registered with binfmt_misc, so that Landlock is not asked"
_EXECUTING: RightSet = frozenset({"execute", "read_file"})


def _exec_chain(caller: Caller, lookup: Lookup) -> tuple[AccessRequest, ...]:
    program = request_on(caller, lookup, _EXECUTING)
    requests = [program._replace(tracer_path=lookup.seen) if lookup.is_special else program]
    for _ in range(MAX_DEPTH):
        tracer_path = requests[-1].tracer_path
        if not tracer_path or lookup.mode is None or not stat.S_ISREG(lookup.mode):
            break
        image = caller.program_image(tracer_path)
        following = image.script or image.loader
        if following is None:
            break
        lookup = caller.look_up(AT_FDCWD, following, follow=True)
        request = request_on(caller, lookup, _EXECUTING)
        requests.append(request._replace(unchecked_reason=_REGISTERED) if image.is_open else request)
        if image.loader:
            break
    return tuple(requests)


def _execve(caller: Caller, args: Args) -> Attempt:
    return Attempt("exec", *_exec_chain(caller, caller.look_up(AT_FDCWD, caller.read_string(args[0]), follow=True)))


def _execveat(caller: Caller, args: Args) -> Attempt:
    path = caller.read_string(args[1])
    flags = args[4]
    if not path and flags & AT_EMPTY_PATH:
        lookup = caller.look_up_descriptor(signed(args[0]))
    else:
        lookup = caller.look_up(signed(args[0]), path, follow=not flags & AT_SYMLINK_NOFOLLOW)
    return Attempt("exec", *_exec_chain(caller, lookup))


DECODERS: Decoders = MappingProxyType({"execve": _execve, "execveat": _execveat})
