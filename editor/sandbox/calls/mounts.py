"""Calls that change mounts, or how a process sees the tree (security/landlock/fs.c, fs/namespace.c)."""

from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import Args, Attempt, Decoder, Decoders, Scene, Want, signed, want_on
from editor.sandbox.calls.files import unrestricted
from editor.sandbox.calls.paths import AT_FDCWD

_FSCONFIG_RECONFIGURE = 7
_MOUNTS = "a policy that handles any filesystem right forbids every change of mounts, whatever it grants"
_DETACHED = (
    "Landlock is not asked about a mount that is nowhere yet: move_mount(2), which would put it somewhere, is forbidden"
)
_MOUNT_FLAGS = "Landlock is not asked about the flags of mounts"


def _topology(position: int, *, directory: int | None = None) -> Decoder:
    def decode(scene: Scene, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        place = scene.place(at, scene.text(args[position]) or ".", follow=True)
        return Attempt("topology", want_on(scene, place, NO_RIGHTS), why=_MOUNTS, moves="view")

    return decode


def _fsopen(scene: Scene, args: Args) -> Attempt:
    return Attempt("plain", Want(NO_RIGHTS, f"a filesystem of type {scene.text(args[0])}"), why=_DETACHED)


def _fsmount(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", Want(NO_RIGHTS, "a mount that is nowhere yet"), why=_DETACHED)


def _fsconfig(_scene: Scene, args: Args) -> Attempt | None:
    if args[1] != _FSCONFIG_RECONFIGURE:
        return None
    return Attempt("topology", Want(NO_RIGHTS, "the options of a mounted filesystem"), why=_MOUNTS, moves="view")


def _chroot(scene: Scene, args: Args) -> Attempt:
    place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
    return Attempt("plain", want_on(scene, place, NO_RIGHTS), why="Landlock does not restrict chroot", moves="view")


def _changes_directory(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", moves="directory")


def _changes_view(_scene: Scene, _args: Args) -> Attempt:
    return Attempt("plain", moves="view")


DECODERS: Decoders = MappingProxyType(
    {
        "mount": _topology(1), "umount": _topology(0), "umount2": _topology(0), "pivot_root": _topology(0),
        "move_mount": _topology(3, directory=2), "fsconfig": _fsconfig, "fsopen": _fsopen, "fsmount": _fsmount,
        "open_tree": unrestricted(1, directory=0, flags=2, why=_DETACHED),
        "open_tree_attr": unrestricted(1, directory=0, flags=2, why=_DETACHED),
        "fspick": unrestricted(1, directory=0, why=_MOUNT_FLAGS),
        "mount_setattr": unrestricted(1, directory=0, flags=2, why=_MOUNT_FLAGS),
        "chroot": _chroot, "chdir": _changes_directory, "fchdir": _changes_directory, "unshare": _changes_view,
        "setns": _changes_view,
    }
)  # fmt: skip
