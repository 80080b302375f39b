"""Calls that open, create, remove, rename or change files and directories.

Sources: security/landlock/fs.c for what is checked, and on which object; fs/namei.c and fs/open.c for when.
"""

import os
import stat
import struct
from types import MappingProxyType
from typing import Literal

from editor.evaluation.decision import Entry
from editor.evaluation.refer import make_right, refer_rights
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.sandbox.calls.attempt import (
    AT_EMPTY_PATH,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    AccessRequest,
    Args,
    Attempt,
    Caller,
    Decoder,
    Decoders,
    Refer,
    directory_and_name,
    host_paths,
    made_at,
    names_of_parent,
    request_on,
    request_on_parent,
    request_on_unresolved,
    request_without_rights,
    signed,
)
from editor.sandbox.calls.paths import AT_FDCWD, Lookup

_O_ACCMODE = 3
# By access mode; mode 3 opens for ioctl(2) only.
_OPENING: tuple[RightSet, ...] = (
    frozenset({"read_file"}),
    frozenset({"write_file"}),
    frozenset({"read_file", "write_file"}),
    NO_RIGHTS,
)
_READ_DIRECTORY: RightSet = frozenset({"read_dir"})
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

_MAX_HANDLE = 128
_QUEUE = "Landlock has no right for creating message queues"
BPF_OBJ_PIN = 6
_BPF_F_PATH_FD = 1 << 14

_METADATA = "Landlock has no right for the mode, owner, times and attributes of files"
_PATH_ONLY = "O_PATH only names a file: Landlock does not check it"
_HANDLE = "a handle only names a file: Landlock checks when it is opened"


def _opening(lookup: Lookup, flags: int) -> RightSet:
    """Return the rights that opening what is there needs."""
    rights = _OPENING[flags & _O_ACCMODE]
    if lookup.is_dir:
        return _READ_DIRECTORY if flags & _O_ACCMODE == os.O_RDONLY else rights
    if flags & os.O_TRUNC and lookup.mode is not None and stat.S_ISREG(lookup.mode):
        return rights | {"truncate"}
    return rights


def open_at(caller: Caller, directory: int, path: str, flags: int, *, rooted: bool = False) -> Attempt:
    """Decode open(2) and its variants. With ``rooted``, the lookup treats ``directory`` as the root."""
    if flags & os.O_PATH:
        follow = not flags & os.O_NOFOLLOW
        lookup = caller.look_up(directory, path, follow=follow, rooted=rooted)
        cacheable = not lookup.is_process_local
        return Attempt("plain", request_without_rights(caller, lookup), reason=_PATH_ONLY, cacheable=cacheable)
    rights = _OPENING[flags & _O_ACCMODE]
    if flags & _O_TMPFILE_BIT:
        lookup = caller.look_up(directory, path, follow=True, rooted=rooted)
        return Attempt("open", request_on(caller, lookup, rights))
    exclusive = os.O_CREAT | os.O_EXCL
    follow = not (flags & os.O_NOFOLLOW or flags & exclusive == exclusive)
    lookup = caller.look_up(directory, path, follow=follow, rooted=rooted)
    cacheable = not lookup.is_process_local
    if lookup.entry is None and flags & os.O_CREAT and lookup.real_path is not None and not lookup.error:
        requests = (
            request_on_parent(caller, lookup, "make_reg"),
            request_on(caller, lookup, rights, is_new=True),
        )
        changed_paths, made = host_paths(caller, lookup), made_at(caller, lookup)
        return Attempt("open", *requests, changed_paths=changed_paths, made=made, cacheable=cacheable)
    rights = _opening(lookup, flags)
    if not rights:
        reason = "opened for ioctl(2) only: Landlock does not check it"
        return Attempt("plain", request_without_rights(caller, lookup), reason=reason)
    return Attempt("open", request_on(caller, lookup, rights), cacheable=cacheable)


def _open(caller: Caller, args: Args) -> Attempt:
    return open_at(caller, AT_FDCWD, caller.read_string(args[0]), args[1])


def _openat(caller: Caller, args: Args) -> Attempt:
    return open_at(caller, signed(args[0]), caller.read_string(args[1]), args[2])


def _openat2(caller: Caller, args: Args) -> Attempt:
    how = caller.read_memory(args[2], 24)
    flags, _mode, resolve = struct.unpack("=QQQ", how)
    return open_at(caller, signed(args[0]), caller.read_string(args[1]), flags, rooted=bool(resolve & _RESOLVE_IN_ROOT))


def _creat(caller: Caller, args: Args) -> Attempt:
    return open_at(caller, AT_FDCWD, caller.read_string(args[0]), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)


def _open_by_handle(caller: Caller, args: Args) -> Attempt:
    flags = args[2]
    size = int.from_bytes(caller.read_memory(args[1], 4), "little")
    lookup = caller.look_up_handle(signed(args[0]), caller.read_memory(args[1], 8 + min(size, _MAX_HANDLE)))
    if flags & os.O_PATH:
        return Attempt("plain", request_without_rights(caller, lookup), reason=_PATH_ONLY)
    rights = _OPENING[flags & _O_ACCMODE]
    if lookup.entry is None:
        return Attempt("open", AccessRequest(rights, error=-1), from_result=True)
    return Attempt("open", request_on(caller, lookup, _opening(lookup, flags)))


def _mq_open(caller: Caller, args: Args) -> Attempt:
    """Decode opening a POSIX message queue (mqueue_file_open() in ipc/mqueue.c).

    The kernel opens it in a mount of its own, so the only rules that count are those on the queue and on the root of
    the mqueue filesystem. A new queue is created first, which Landlock does not check.
    """
    lookup, lineage = caller.message_queue(caller.read_string(args[0]))
    wanted = request_on(caller, lookup, _OPENING[args[1] & _O_ACCMODE], is_new=lookup.entry is None)
    return Attempt("open", wanted._replace(lineage=lineage), reason=_QUEUE)


def _truncate(caller: Caller, args: Args) -> Attempt:
    lookup = caller.look_up(AT_FDCWD, caller.read_string(args[0]), follow=True)
    return Attempt("open", request_on(caller, lookup, frozenset({"truncate"})))


def _ftruncate(caller: Caller, args: Args) -> Attempt:
    return Attempt("carried", request_on(caller, caller.look_up_descriptor(signed(args[0])), frozenset({"truncate"})))


def device_command(caller: Caller, args: Args) -> Attempt | None:
    """Decode ioctl(2) on a device."""
    if args[1] & 0xFFFFFFFF in _FREE_IOCTLS:
        return None
    lookup = caller.look_up_descriptor(signed(args[0]))
    if lookup.mode is None or not (stat.S_ISCHR(lookup.mode) or stat.S_ISBLK(lookup.mode)):
        return None
    return Attempt("carried", request_on(caller, lookup, frozenset({"ioctl_dev"})))


def make(caller: Caller, directory: int, path: str, right: str) -> Attempt:
    """Decode a call that creates ``path``, which needs ``right`` on its directory."""
    lookup = caller.look_up(directory, path, follow=False)
    wanted, changed_paths = request_on_parent(caller, lookup, right), host_paths(caller, lookup)
    tree_change: Literal["", "new"] = "new" if right in ("make_dir", "make_sym") else ""
    made = made_at(caller, lookup)
    return Attempt("directory", wanted, changed_paths=changed_paths, made=made, tree_change=tree_change)


def _mkdir(caller: Caller, args: Args) -> Attempt:
    return make(caller, AT_FDCWD, caller.read_string(args[0]), "make_dir")


def _mkdirat(caller: Caller, args: Args) -> Attempt:
    return make(caller, signed(args[0]), caller.read_string(args[1]), "make_dir")


def _mknod(caller: Caller, args: Args) -> Attempt:
    return make(caller, AT_FDCWD, caller.read_string(args[0]), make_right(args[1], args[2] & 0xFFFFFFFF, caller.errata))


def _mknodat(caller: Caller, args: Args) -> Attempt:
    return make(
        caller, signed(args[0]), caller.read_string(args[1]), make_right(args[2], args[3] & 0xFFFFFFFF, caller.errata)
    )


def _bpf(caller: Caller, args: Args) -> Attempt | None:
    """Decode BPF_OBJ_PIN, which creates a file for a map or program (bpf_obj_do_pin() in kernel/bpf/inode.c)."""
    if args[0] & 0xFFFFFFFF != BPF_OBJ_PIN:
        return None
    attributes = caller.read_memory(args[1], min(args[2] & 0xFFFFFFFF, 20)).ljust(20, b"\0")
    path, _object, flags, directory = struct.unpack("=QIIi", attributes)
    return make(caller, directory if flags & _BPF_F_PATH_FD else AT_FDCWD, caller.read_string(path), "make_reg")


def _symlink(caller: Caller, args: Args) -> Attempt:
    return make(caller, AT_FDCWD, caller.read_string(args[1]), "make_sym")


def _symlinkat(caller: Caller, args: Args) -> Attempt:
    return make(caller, signed(args[1]), caller.read_string(args[2]), "make_sym")


def _remove(caller: Caller, directory: int, path: str, right: str) -> Attempt:
    lookup = caller.look_up(directory, path, follow=False)
    plain = lookup.mode is not None and not stat.S_ISDIR(lookup.mode) and not stat.S_ISLNK(lookup.mode)
    wanted = request_on_parent(caller, lookup, right)._replace(is_new=False, entry=lookup.entry)
    return Attempt("directory", wanted, changed_paths=host_paths(caller, lookup), tree_change="" if plain else "gone")


def _unlink(caller: Caller, args: Args) -> Attempt:
    return _remove(caller, AT_FDCWD, caller.read_string(args[0]), "remove_file")


def _unlinkat(caller: Caller, args: Args) -> Attempt:
    right = "remove_dir" if args[2] & _AT_REMOVEDIR else "remove_file"
    return _remove(caller, signed(args[0]), caller.read_string(args[1]), right)


def _rmdir(caller: Caller, args: Args) -> Attempt:
    return _remove(caller, AT_FDCWD, caller.read_string(args[0]), "remove_dir")


def _refer(caller: Caller, old: Lookup, new: Lookup, *, removes: bool, flags: int = 0) -> Attempt:
    """Decode a rename or link: one request per directory, or a single one if both names are in the same directory."""
    moved, replaced = old.entry, new.entry if removes else None
    if moved is None or old.parent is None or new.parent is None or new.real_path is None:
        kind = moved or Entry(stat.S_IFREG, (0, 0))
        rights = frozenset({make_right(kind.mode, kind.device, caller.errata)})
        unresolved = [
            # In the directory where the kernel looks the name up, which file permissions may have refused.
            request_on_unresolved(lookup, rights)._replace(
                tracer_path="" if lookup.parent is None else caller.view.tracer_path(lookup.parent)
            )
            for lookup in (old, new)
        ]
        return Attempt("directory", *unresolved)
    (old_dir, old_seen), (new_dir, new_seen) = names_of_parent(caller, old), names_of_parent(caller, new)
    reached = None if old.above is None or new.above is None else (old.above, new.above)
    same = old_dir == new_dir if reached is None else reached[0][-1].identity == reached[1][-1].identity
    source, target = refer_rights(
        moved, replaced, removes=removes, flags=flags, same_directory=same, errata=caller.errata
    )
    requests = (
        AccessRequest(source, old.path, old_dir, old_seen, moved, lineage=old.above),
        AccessRequest(target, new.path, new_dir, new_seen, replaced, is_new=True, lineage=new.above),
    )
    regular = stat.S_ISREG(moved.mode) and (replaced is None or stat.S_ISREG(replaced.mode))
    return Attempt(
        "directory",
        *((requests[1]._replace(old_path=old.path),) if same else requests),
        refer=Refer(old_dir, new_dir, moved, replaced, removes, flags, reached),
        changed_paths=(*host_paths(caller, old), *host_paths(caller, new)),
        made=made_at(caller, new),
        tree_change="" if regular else "gone",
    )


def _rename_at(caller: Caller, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    source = caller.look_up(*old, follow=False)
    target = caller.look_up(*new, follow=False)
    return _refer(caller, source, target, removes=True, flags=flags)


def _rename(caller: Caller, args: Args) -> Attempt:
    return _rename_at(caller, (AT_FDCWD, caller.read_string(args[0])), (AT_FDCWD, caller.read_string(args[1])))


def _renameat(caller: Caller, args: Args) -> Attempt:
    return _rename_at(caller, directory_and_name(caller, args), directory_and_name(caller, args[2:]))


def _renameat2(caller: Caller, args: Args) -> Attempt:
    return _rename_at(caller, directory_and_name(caller, args), directory_and_name(caller, args[2:]), args[4])


def _link_at(caller: Caller, old: tuple[int, str], new: tuple[int, str], flags: int = 0) -> Attempt:
    if not old[1] and flags & AT_EMPTY_PATH:
        source = caller.look_up_descriptor(old[0])
    else:
        source = caller.look_up(*old, follow=bool(flags & AT_SYMLINK_FOLLOW))
    return _refer(caller, source, caller.look_up(*new, follow=False), removes=False)


def _link(caller: Caller, args: Args) -> Attempt:
    return _link_at(caller, (AT_FDCWD, caller.read_string(args[0])), (AT_FDCWD, caller.read_string(args[1])))


def _linkat(caller: Caller, args: Args) -> Attempt:
    return _link_at(caller, directory_and_name(caller, args), directory_and_name(caller, args[2:]), args[4])


def unrestricted(
    position: int,
    *,
    directory: int | None = None,
    flags: int | None = None,
    follow: bool = True,
    reason: str = _METADATA,
) -> Decoder:
    """Return a decoder for a call on a path that Landlock has no right for.

    Without a path, the call is on the descriptor itself. ``flags`` is the position of the argument with
    AT_SYMLINK_NOFOLLOW, or AT_SYMLINK_FOLLOW if ``follow`` is False.
    """

    def decode(caller: Caller, args: Args) -> Attempt:
        at = AT_FDCWD if directory is None else signed(args[directory])
        path = caller.read_string(args[position]) if args[position] else ""
        given = 0 if flags is None else args[flags]
        following = not given & AT_SYMLINK_NOFOLLOW if follow else bool(given & AT_SYMLINK_FOLLOW)
        lookup = caller.look_up(at, path, follow=following) if path else caller.look_up_descriptor(at)
        return Attempt("plain", request_on(caller, lookup, NO_RIGHTS), reason=reason)

    return decode


def _metadata_of_descriptor(caller: Caller, args: Args) -> Attempt:
    lookup = caller.look_up_descriptor(signed(args[0]))
    request = request_on(caller, lookup, NO_RIGHTS)
    return Attempt("plain", request, reason=_METADATA)


def _system_file(*rights: str) -> Decoder:
    """Return a decoder for a file that the kernel opens for its own use, as open(2) would."""

    def decode(caller: Caller, args: Args) -> Attempt | None:
        if not args[0]:
            return None
        lookup = caller.look_up(AT_FDCWD, caller.read_string(args[0]), follow=True)
        return Attempt("open", request_on(caller, lookup, frozenset(rights)))

    return decode


DECODERS: Decoders = MappingProxyType(
    {
        "open": _open, "openat": _openat, "openat2": _openat2, "creat": _creat, "open_by_handle_at": _open_by_handle,
        "truncate": _truncate, "truncate64": _truncate, "ftruncate": _ftruncate, "ftruncate64": _ftruncate,
        "mq_open": _mq_open,
        "mkdir": _mkdir, "mkdirat": _mkdirat, "mknod": _mknod, "mknodat": _mknodat,
        "symlink": _symlink, "symlinkat": _symlinkat,
        "unlink": _unlink, "unlinkat": _unlinkat, "rmdir": _rmdir,
        "rename": _rename, "renameat": _renameat, "renameat2": _renameat2, "link": _link, "linkat": _linkat,
        "name_to_handle_at": unrestricted(1, directory=0, flags=4, follow=False, reason=_HANDLE),
        "acct": _system_file("write_file"), "swapon": _system_file("read_file", "write_file"),
        "swapoff": _system_file("read_file", "write_file"), "uselib": _system_file("read_file", "execute"),
        "bpf": _bpf,
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
