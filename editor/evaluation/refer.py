"""Renaming and linking between directories: the rights it needs, and the comparison by which no file gains any.

This follows ``current_check_refer_path`` and ``is_access_to_paths_allowed`` in security/landlock/fs.c.
"""

import stat
from typing import NamedTuple

from editor.evaluation.decision import Entry
from editor.evaluation.path_walk import Place
from editor.landlock.rights import NO_RIGHTS, RightSet

# Flags of renameat2(2).
RENAME_EXCHANGE = 2
_RENAME_WHITEOUT = 4

# Erratum 4, in the mask that the kernel tells: security/landlock/errata/abi-1.h.
WHITEOUTS_ARE_FILES = 1 << 3

REFER: RightSet = frozenset({"refer"})

_MAKE_RIGHTS = {
    stat.S_IFLNK: "make_sym",
    stat.S_IFDIR: "make_dir",
    stat.S_IFCHR: "make_char",
    stat.S_IFBLK: "make_block",
    stat.S_IFIFO: "make_fifo",
    stat.S_IFSOCK: "make_sock",
}


def make_right(mode: int, device: int = 0, errata: int = 0) -> str:
    """The right that creating a file of type ``mode`` (as in ``st_mode``) needs on its directory.

    ``device`` is its number where it is a device. With number 0 it is a whiteout, with which overlayfs marks a name as
    removed and which anybody may make: a file like others in a kernel with the ``errata`` fixed that say so.
    """
    if errata & WHITEOUTS_ARE_FILES and stat.S_ISCHR(mode) and not device:
        return "make_reg"
    return _MAKE_RIGHTS.get(stat.S_IFMT(mode), "make_reg")


def remove_right(mode: int) -> str:
    """The right that removing a file of type ``mode`` needs on its directory."""
    return "remove_dir" if stat.S_ISDIR(mode) else "remove_file"


def refer_rights(
    moved: Entry, replaced: Entry | None, *, removes: bool, flags: int, same_directory: bool, errata: int = 0
) -> tuple[RightSet, RightSet]:
    """What a rename (``removes``) or link needs on the source directory and on the target directory.

    ``flags`` are those of renameat2(2), ``errata`` the mask of what is fixed in the kernel. Source:
    ``current_check_refer_path`` in security/landlock/fs.c.
    """
    source = set[str]()
    target = {make_right(moved.mode, moved.device, errata)}
    if flags & RENAME_EXCHANGE and replaced is not None:
        source.add(make_right(replaced.mode, replaced.device, errata))
    if flags & _RENAME_WHITEOUT and errata & WHITEOUTS_ARE_FILES:
        source.add("make_reg")
    if removes:
        source.add(remove_right(moved.mode))
        if replaced is not None:
            target.add(remove_right(replaced.mode))
    if same_directory:
        return frozenset(source | target), frozenset(source | target)
    return frozenset(source) | REFER, frozenset(target) | REFER


class ReferDenial(NamedTuple):
    """Why an entry may not move; for each pair the source comes first, then the target.

    ``missing`` are the rights that the directories lack, ``gained`` those that the two entries would gain.
    ``lacks_entry_right``: a make or remove right is missing, so that the error is EACCES and not EXDEV.
    """

    source: Place
    target: Place
    missing: tuple[RightSet, RightSet]
    gained: tuple[RightSet, RightSet]
    lacks_entry_right: bool


def refer_denial(
    directories: tuple[Place, Place],
    mount: Place,
    wanted: tuple[RightSet, RightSet],
    children_denied: tuple[RightSet, RightSet],
    handled: RightSet,
) -> ReferDenial | None:
    """What keeps an entry of the first of two ``directories`` on one ``mount`` from moving to the second, if anything.

    ``wanted`` are the rights needed on each, ``children_denied`` what rules on the moved entry itself do not give it
    and, for an exchange, on the other one.
    """
    source, target = directories
    denied1, denied2, gained = _walk(directories, mount, wanted, children_denied, handled)
    if gained is None or not (denied1 or denied2):
        return None
    missing = (wanted[0] & handled) - source.rights, (wanted[1] & handled) - target.rights
    return ReferDenial(source, target, missing, gained, bool((denied1 & wanted[0] | denied2 & wanted[1]) - REFER))


def _walk(
    directories: tuple[Place, Place],
    mount: Place,
    wanted: tuple[RightSet, RightSet],
    children_denied: tuple[RightSet, RightSet],
    handled: RightSet,
) -> tuple[RightSet, RightSet, tuple[RightSet, RightSet] | None]:
    """``is_access_to_paths_allowed``, step by step.

    Gives what stays denied on the source and on the target, and what the two entries would gain at the last comparison;
    None instead of that where both directories permit everything.
    """
    source, target = directories
    denied1 = handled - source.rights_up_to(mount)
    denied2 = handled - target.rights_up_to(mount)
    if not denied1 and not denied2:
        return denied1, denied2, None
    child1, child2 = children_denied
    gained1 = gained2 = NO_RIGHTS
    masked1 = masked2 = handled
    comparing = True
    place: Place | None = mount
    while place is not None:
        # The file may move once it gains nothing by it; from there on only the wanted rights count. The kernel
        # compares before it adds a directory's own rule: a rule on the real root comes too late for a file on
        # another mount, and so it does here.
        if comparing:
            gained1 = (denied1 & child1) - denied2
            gained2 = (denied2 & child2) - denied1
            if not gained1 and not gained2:
                comparing = False
                masked1, masked2 = wanted
                denied1 &= masked1
                denied2 &= masked2
                if not denied1 and not denied2:
                    break
        if place.ruled is not None:
            denied1 -= place.ruled.rights & masked1
            denied2 -= place.ruled.rights & masked2
            if not denied1 and not denied2:
                break
        place = place.parent
    return denied1, denied2, (gained1, gained2)
