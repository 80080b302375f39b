"""Calls that change mounts, or how a process sees the filesystem (security/landlock/fs.c, fs/namespace.c)."""

from types import MappingProxyType

from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import AccessRequest, Args, Attempt, Caller, Decoder, Decoders, request_on, signed
from editor.sandbox.calls.files import unrestricted
from editor.sandbox.calls.paths import AT_FDCWD

_FSCONFIG_RECONFIGURE = 7
_MOUNTS = "a policy that handles any filesystem right denies all mount changes, whatever it grants"
_DETACHED = "Landlock does not check detached mounts: move_mount(2), which would attach them, is denied"
_MOUNT_FLAGS = "Landlock does not check mount flags"


def _topology(position: int, *, directory: int | None = None) -> Decoder:
    def decode(caller: Caller, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        lookup = caller.look_up(at, caller.read_string(args[position]) or ".", follow=True)
        return Attempt("topology", request_on(caller, lookup, NO_RIGHTS), reason=_MOUNTS, moves="view")

    return decode


def _fsopen(caller: Caller, args: Args) -> Attempt:
    return Attempt(
        "plain", AccessRequest(NO_RIGHTS, f"a filesystem of type {caller.read_string(args[0])}"), reason=_DETACHED
    )


def _fsmount(_caller: Caller, _args: Args) -> Attempt:
    return Attempt("plain", AccessRequest(NO_RIGHTS, "a detached mount"), reason=_DETACHED)


def _fsconfig(_caller: Caller, args: Args) -> Attempt | None:
    if args[1] != _FSCONFIG_RECONFIGURE:
        return None
    return Attempt(
        "topology", AccessRequest(NO_RIGHTS, "the options of a mounted filesystem"), reason=_MOUNTS, moves="view"
    )


def _chroot(caller: Caller, args: Args) -> Attempt:
    lookup = caller.look_up(AT_FDCWD, caller.read_string(args[0]), follow=True)
    return Attempt(
        "plain", request_on(caller, lookup, NO_RIGHTS), reason="Landlock does not restrict chroot", moves="view"
    )


def _changes_directory(_caller: Caller, _args: Args) -> Attempt:
    return Attempt("plain", moves="directory")


def _changes_view(_caller: Caller, _args: Args) -> Attempt:
    return Attempt("plain", moves="view")


DECODERS: Decoders = MappingProxyType(
    {
        "mount": _topology(1), "umount": _topology(0), "umount2": _topology(0), "pivot_root": _topology(0),
        "move_mount": _topology(3, directory=2), "fsconfig": _fsconfig, "fsopen": _fsopen, "fsmount": _fsmount,
        "open_tree": unrestricted(1, directory=0, flags=2, reason=_DETACHED),
        "open_tree_attr": unrestricted(1, directory=0, flags=2, reason=_DETACHED),
        "fspick": unrestricted(1, directory=0, reason=_MOUNT_FLAGS),
        "mount_setattr": unrestricted(1, directory=0, flags=2, reason=_MOUNT_FLAGS),
        "chroot": _chroot, "fchdir": _changes_directory, "unshare": _changes_view,
    }
)  # fmt: skip
