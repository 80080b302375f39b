"""Calls that open, make, remove, rename or change files and directories.

Sources: security/landlock/fs.c for what is checked and on what; fs/namei.c and fs/open.c for when.
"""

import os
import stat
import struct
from types import MappingProxyType

from editor.evaluation.decision import Entry
from editor.evaluation.refer import make_right, refer_rights
from editor.landlock.rights import NO_RIGHTS
from editor.sandbox.calls.attempt import (
    AT_EMPTY_PATH,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    Args,
    Attempt,
    Decoder,
    Decoders,
    Refer,
    Scene,
    Want,
    directory_and_name,
    host_name,
    signed,
    want_in_parent,
    want_lost,
    want_on,
    want_unasked,
)
from editor.sandbox.calls.paths import AT_FDCWD, Place

_O_ACCMODE = 3
_AT_REMOVEDIR = 0x200
_O_TMPFILE_BIT = 0o20000000
_RESOLVE_IN_ROOT = 0x10

# is_masked_device_ioctl() in security/landlock/fs.c: commands that need no right on a device. FIOCLEX, FIONCLEX,
# FIONBIO, FIOASYNC, FIOQSIZE, FIFREEZE, FITHAW, FS_IOC_FIEMAP, FIGETBSZ, FICLONE, FICLONERANGE, FIDEDUPERANGE,
# FS_IOC_GETFSUUID, FS_IOC_GETFSSYSFSPATH.
_FREE_IOCTLS = frozenset(
    {
        0x5451, 0x5450, 0x5421, 0x5452, 0x5460, 0xC0045877, 0xC0045878, 0xC020660B, 2, 0x40049409, 0x4020940D,
        0xC0189436, 0x80111500, 0x80811501,
    }
)  # fmt: skip

_METADATA = "Landlock has no right for mode, owner, times and attributes of files"
_HANDLE = "a handle only names a file: Landlock is asked when it is opened"


def open_at(scene: Scene, directory: int, path: str, flags: int, *, rooted: bool = False) -> Attempt:
    """open(2) and its relatives, once their arguments are the same. ``rooted``: as if ``directory`` were the root."""
    if flags & os.O_PATH:
        follow = not flags & os.O_NOFOLLOW
        place = scene.place(directory, path, follow=follow, rooted=rooted)
        why = "O_PATH only names a file: Landlock does not check it"
        return Attempt("plain", want_unasked(scene, place), why=why, cacheable=not place.bound)
    access = flags & _O_ACCMODE
    opening = {0: ("read_file",), 1: ("write_file",), 2: ("read_file", "write_file")}.get(access, ())
    if flags & _O_TMPFILE_BIT:
        place = scene.place(directory, path, follow=True, rooted=rooted)
        return Attempt("open", want_on(scene, place, frozenset(opening)))
    exclusive = os.O_CREAT | os.O_EXCL
    follow = not (flags & os.O_NOFOLLOW or flags & exclusive == exclusive)
    place = scene.place(directory, path, follow=follow, rooted=rooted)
    cacheable = not place.bound
    if place.entry is None and flags & os.O_CREAT and place.real is not None and not place.problem:
        wants = (want_in_parent(scene, place, "make_reg"), want_on(scene, place, frozenset(opening), new=True))
        return Attempt("open", *wants, changes=host_name(scene, place), cacheable=cacheable)
    rights = frozenset(opening)
    if place.is_dir:
        rights = frozenset({"read_dir"}) if access == 0 else rights
    elif flags & os.O_TRUNC and place.mode is not None and stat.S_ISREG(place.mode):
        rights |= {"truncate"}
    if not rights:
        why = "opened for ioctl(2) only: Landlock does not check it"
        return Attempt("plain", want_unasked(scene, place), why=why)
    return Attempt("open", want_on(scene, place, rights), cacheable=cacheable)


def _open(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, AT_FDCWD, scene.text(args[0]), args[1])


def _openat(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, signed(args[0]), scene.text(args[1]), args[2])


def _openat2(scene: Scene, args: Args) -> Attempt:
    how = scene.memory(args[2], 24)
    flags, _mode, resolve = struct.unpack("=QQQ", how)
    return open_at(scene, signed(args[0]), scene.text(args[1]), flags, rooted=bool(resolve & _RESOLVE_IN_ROOT))


def _creat(scene: Scene, args: Args) -> Attempt:
    return open_at(scene, AT_FDCWD, scene.text(args[0]), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)


def _open_by_handle(_scene: Scene, args: Args) -> Attempt:
    access = args[2] & _O_ACCMODE
    rights = {0: ("read_file",), 1: ("write_file",), 2: ("read_file", "write_file")}.get(access, ())
    return Attempt("open", Want(frozenset(rights), problem=-1), late=True)


def _truncate(scene: Scene, args: Args) -> Attempt:
    place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
    return Attempt("open", want_on(scene, place, frozenset({"truncate"})))


def _ftruncate(scene: Scene, args: Args) -> Attempt:
    return Attempt("carried", want_on(scene, scene.descriptor(signed(args[0])), frozenset({"truncate"})))


def _ioctl(scene: Scene, args: Args) -> Attempt | None:
    if args[1] & 0xFFFFFFFF in _FREE_IOCTLS:
        return None
    place = scene.descriptor(signed(args[0]))
    if place.mode is None or not (stat.S_ISCHR(place.mode) or stat.S_ISBLK(place.mode)):
        return None
    return Attempt("carried", want_on(scene, place, frozenset({"ioctl_dev"})))


def make(scene: Scene, directory: int, path: str, right: str) -> Attempt:
    place = scene.place(directory, path, follow=False)
    wanted, changes = want_in_parent(scene, place, right), host_name(scene, place)
    return Attempt("directory", wanted, changes=changes, tree="new" if right in ("make_dir", "make_sym") else "")


def _mkdir(scene: Scene, args: Args) -> Attempt:
    return make(scene, AT_FDCWD, scene.text(args[0]), "make_dir")


def _mkdirat(scene: Scene, args: Args) -> Attempt:
    return make(scene, signed(args[0]), scene.text(args[1]), "make_dir")


def _mknod(scene: Scene, args: Args) -> Attempt:
    return make(scene, AT_FDCWD, scene.text(args[0]), make_right(args[1], args[2] & 0xFFFFFFFF, scene.errata))


def _mknodat(scene: Scene, args: Args) -> Attempt:
    return make(scene, signed(args[0]), scene.text(args[1]), make_right(args[2], args[3] & 0xFFFFFFFF, scene.errata))


def _symlink(scene: Scene, args: Args) -> Attempt:
    return make(scene, AT_FDCWD, scene.text(args[1]), "make_sym")


def _symlinkat(scene: Scene, args: Args) -> Attempt:
    return make(scene, signed(args[1]), scene.text(args[2]), "make_sym")


def _remove(scene: Scene, directory: int, path: str, right: str) -> Attempt:
    place = scene.place(directory, path, follow=False)
    plain = place.mode is not None and not stat.S_ISDIR(place.mode) and not stat.S_ISLNK(place.mode)
    wanted = want_in_parent(scene, place, right)._replace(new=False, entry=place.entry)
    return Attempt("directory", wanted, changes=host_name(scene, place), tree="" if plain else "gone")


def _unlink(scene: Scene, args: Args) -> Attempt:
    return _remove(scene, AT_FDCWD, scene.text(args[0]), "remove_file")


def _unlinkat(scene: Scene, args: Args) -> Attempt:
    right = "remove_dir" if args[2] & _AT_REMOVEDIR else "remove_file"
    return _remove(scene, signed(args[0]), scene.text(args[1]), right)


def _rmdir(scene: Scene, args: Args) -> Attempt:
    return _remove(scene, AT_FDCWD, scene.text(args[0]), "remove_dir")


def _refer(scene: Scene, old: Place, new: Place, *, removes: bool, flags: int = 0) -> Attempt:
    """A rename or link. The rows are the two directories; one, where both names are in the same."""
    moved, replaced = old.entry, new.entry if removes else None
    if moved is None or old.parent is None or new.parent is None or new.real is None:
        kind = moved or Entry(stat.S_IFREG, (0, 0))
        rights = frozenset({make_right(kind.mode, kind.device, scene.errata)})
        return Attempt("directory", *(want_lost(place, rights) for place in (old, new)))
    old_dir, new_dir = scene.view.host(old.parent), scene.view.host(new.parent)
    same = old_dir == new_dir
    source, target = refer_rights(
        moved, replaced, removes=removes, flags=flags, same_directory=same, errata=scene.errata
    )
    wants = (
        Want(source, old.asked, old_dir, scene.view.seen(old.parent), moved),
        Want(target, new.asked, new_dir, scene.view.seen(new.parent), replaced, new=True),
    )
    regular = stat.S_ISREG(moved.mode) and (replaced is None or stat.S_ISREG(replaced.mode))
    return Attempt(
        "directory",
        *((wants[1]._replace(old=old.asked),) if same else wants),
        refer=Refer(old_dir, new_dir, moved, replaced, removes, flags),
        changes=(*host_name(scene, old), *host_name(scene, new)),
        tree="" if regular else "gone",
    )


def _rename_at(scene: Scene, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    source = scene.place(*old, follow=False)
    target = scene.place(*new, follow=False)
    return _refer(scene, source, target, removes=True, flags=flags)


def _rename(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, (AT_FDCWD, scene.text(args[0])), (AT_FDCWD, scene.text(args[1])))


def _renameat(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, directory_and_name(scene, args), directory_and_name(scene, args[2:]))


def _renameat2(scene: Scene, args: Args) -> Attempt:
    return _rename_at(scene, directory_and_name(scene, args), directory_and_name(scene, args[2:]), args[4])


def _link_at(scene: Scene, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    if not old[1] and flags & AT_EMPTY_PATH:
        source = scene.descriptor(old[0])
    else:
        source = scene.place(*old, follow=bool(flags & AT_SYMLINK_FOLLOW))
    return _refer(scene, source, scene.place(*new, follow=False), removes=False)


def _link(scene: Scene, args: Args) -> Attempt:
    return _link_at(scene, (AT_FDCWD, scene.text(args[0])), (AT_FDCWD, scene.text(args[1])))


def _linkat(scene: Scene, args: Args) -> Attempt:
    return _link_at(scene, directory_and_name(scene, args), directory_and_name(scene, args[2:]), args[4])


def unrestricted(
    position: int, *, directory: int | None = None, flags: int | None = None, follow: bool = True, why: str = _METADATA
) -> Decoder:
    """A call on a path that Landlock has no right for. Without a path it is on the descriptor itself.

    ``flags`` is the argument by which a call says that it means a symbolic link itself, or (``follow`` False) does not.
    """

    def decode(scene: Scene, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        path = scene.text(args[position]) if args[position] else ""
        said = 0 if flags is None else args[flags]
        following = not said & AT_SYMLINK_NOFOLLOW if follow else bool(said & AT_SYMLINK_FOLLOW)
        place = scene.place(at, path, follow=following) if path else scene.descriptor(at)
        return Attempt("plain", want_on(scene, place, NO_RIGHTS), why=why)

    return decode


def _metadata_of_descriptor(scene: Scene, args: Args) -> Attempt:
    place = scene.descriptor(signed(args[0]))
    want = want_on(scene, place, NO_RIGHTS)
    return Attempt("plain", want, why=_METADATA)


def _system_file(*rights: str) -> Decoder:
    """A file that the kernel opens for its own use, as open(2) would."""

    def decode(scene: Scene, args: Args) -> Attempt | None:
        if not args[0]:
            return None
        place = scene.place(AT_FDCWD, scene.text(args[0]), follow=True)
        return Attempt("open", want_on(scene, place, frozenset(rights)))

    return decode


DECODERS: Decoders = MappingProxyType(
    {
        "open": _open, "openat": _openat, "openat2": _openat2, "creat": _creat, "open_by_handle_at": _open_by_handle,
        "truncate": _truncate, "truncate64": _truncate, "ftruncate": _ftruncate, "ftruncate64": _ftruncate,
        "ioctl": _ioctl,
        "mkdir": _mkdir, "mkdirat": _mkdirat, "mknod": _mknod, "mknodat": _mknodat,
        "symlink": _symlink, "symlinkat": _symlinkat,
        "unlink": _unlink, "unlinkat": _unlinkat, "rmdir": _rmdir,
        "rename": _rename, "renameat": _renameat, "renameat2": _renameat2, "link": _link, "linkat": _linkat,
        "name_to_handle_at": unrestricted(1, directory=0, flags=4, follow=False, why=_HANDLE),
        "acct": _system_file("write_file"), "swapon": _system_file("read_file", "write_file"),
        "swapoff": _system_file("read_file", "write_file"),
        "chmod": unrestricted(0), "fchmodat": unrestricted(1, directory=0),
        "fchmodat2": unrestricted(1, directory=0, flags=3),
        "chown": unrestricted(0), "chown32": unrestricted(0), "lchown": unrestricted(0, follow=False),
        "lchown32": unrestricted(0, follow=False), "fchownat": unrestricted(1, directory=0, flags=4),
        "fchmod": _metadata_of_descriptor, "fchown": _metadata_of_descriptor, "fchown32": _metadata_of_descriptor,
        "setxattr": unrestricted(0), "lsetxattr": unrestricted(0, follow=False), "fsetxattr": _metadata_of_descriptor,
        "removexattr": unrestricted(0), "lremovexattr": unrestricted(0, follow=False),
        "fremovexattr": _metadata_of_descriptor, "setxattrat": unrestricted(1, directory=0, flags=2),
        "removexattrat": unrestricted(1, directory=0, flags=2), "file_setattr": unrestricted(1, directory=0, flags=4),
        "utime": unrestricted(0), "utimes": unrestricted(0), "futimesat": unrestricted(1, directory=0),
        "utimensat": unrestricted(1, directory=0, flags=3), "utimensat_time64": unrestricted(1, directory=0, flags=3),
    }
)  # fmt: skip
