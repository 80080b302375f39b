"""Rename and link between directories: the rights needed, and the check that the file gains none.

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

# Erratum 4, as a bit of the mask that the kernel reports: security/landlock/errata/abi-1.h.
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
    """Return the right needed on a directory to create a file of type ``mode`` (as in ``st_mode``) in it.

    ``device`` is the number of a device file. Number 0 is a whiteout, with which overlayfs marks a name as removed and
    which anyone may create: a kernel whose ``errata`` include that fix treats it as a regular file.
    """
    if errata & WHITEOUTS_ARE_FILES and stat.S_ISCHR(mode) and not device:
        return "make_reg"
    return _MAKE_RIGHTS.get(stat.S_IFMT(mode), "make_reg")


def remove_right(mode: int) -> str:
    """Return the right needed on a directory to remove a file of type ``mode`` from it."""
    return "remove_dir" if stat.S_ISDIR(mode) else "remove_file"


def refer_rights(
    moved: Entry, replaced: Entry | None, *, removes: bool, flags: int, same_directory: bool, errata: int = 0
) -> tuple[RightSet, RightSet]:
    """Return the rights that a rename (``removes``) or link needs on the source and on the target directory.

    ``flags`` are those of renameat2(2), ``errata`` is the mask of errata fixed in the kernel.
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
    """Why an entry may not move; pairs are source, then target.

    ``missing`` are the rights not granted on the directories, ``gained`` those that the entries would gain by the move.
    If ``lacks_entry_right``, a make or remove right is missing, so that the error is EACCES, not EXDEV.
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
    """Return why an entry may not move between two ``directories`` of one ``mount``; None if it may.

    ``wanted`` are the rights needed on each directory, ``children_denied`` the rights that rules on the moved entry
    itself (and for an exchange, on the other entry) do not grant it.
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
    """Follow ``is_access_to_paths_allowed`` step by step.

    Return what stays denied on source and target, and what the two entries would gain at the last comparison; None
    instead if both directories permit everything.
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
        # The file may move once it gains nothing by it; from then on only the wanted rights matter. The kernel
        # compares before it adds a directory's own rule, so a rule on the real root comes too late for a file on
        # another mount. Do the same here.
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
