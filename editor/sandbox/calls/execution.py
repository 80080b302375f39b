"""Calls that execute a program: the file itself, its interpreters, its ELF loader (fs/exec.c)."""

import stat
from types import MappingProxyType

from editor.landlock.rights import RightSet
from editor.sandbox.calls.attempt import (
    AT_EMPTY_PATH,
    AT_SYMLINK_NOFOLLOW,
    Args,
    Attempt,
    Decoders,
    Scene,
    Want,
    signed,
    want_on,
)
from editor.sandbox.calls.execchain import MAX_DEPTH
from editor.sandbox.calls.paths import AT_FDCWD, Place

_EXECUTING: RightSet = frozenset({"execute", "read_file"})


def _exec_chain(scene: Scene, place: Place) -> tuple[Want, ...]:
    wants = [want_on(scene, place, _EXECUTING)]
    for _ in range(MAX_DEPTH):
        seen = wants[-1].seen
        if not seen or place.mode is None or not stat.S_ISREG(place.mode):
            break
        image = scene.image(seen)
        following = image.script or image.loader
        if following is None:
            break
        place = scene.place(AT_FDCWD, following, follow=True)
        wants.append(want_on(scene, place, _EXECUTING))
        if image.loader:
            break
    return tuple(wants)


def _execve(scene: Scene, args: Args) -> Attempt:
    return Attempt("exec", *_exec_chain(scene, scene.place(AT_FDCWD, scene.text(args[0]), follow=True)))


def _execveat(scene: Scene, args: Args) -> Attempt:
    path = scene.text(args[1])
    flags = args[4]
    if not path and flags & AT_EMPTY_PATH:
        place = scene.descriptor(signed(args[0]))
    else:
        place = scene.place(signed(args[0]), path, follow=not flags & AT_SYMLINK_NOFOLLOW)
    return Attempt("exec", *_exec_chain(scene, place))


DECODERS: Decoders = MappingProxyType({"execve": _execve, "execveat": _execveat})
