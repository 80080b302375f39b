"""The levels of rights that the space bar steps through in the tree of files."""

from typing import Final, Literal

from editor.landlock.rights import FILE_RIGHTS, NO_RIGHTS, RightSet, group_rights

LEVELS: Final = ("none", "read", "read+execute", "read+write", "all")


def level_rights(level: str, abi: int, is_dir: bool) -> RightSet:
    """Return the rights of ``level`` at ``abi``: Landlock Config's groups, limited to what a file can have."""
    rights = {
        "none": NO_RIGHTS,
        "read": frozenset({"read_file", "read_dir"}),
        "read+execute": frozenset({"read_file", "read_dir", "execute"}),
        "read+write": group_rights("abi.read_write", "fs", abi),
        "all": group_rights("abi.all", "fs", abi),
    }[level]
    return rights if is_dir else rights & FILE_RIGHTS


def next_level(now: RightSet, abi: int, is_dir: bool, step: Literal[1, -1]) -> str:
    """Return the level after (``step`` 1) or before (-1) the rights ``now``, wrapping around at the ends.

    If ``now`` is not a level, that is the next level that contains all of it, or the previous one contained in it.
    """
    sets = [level_rights(level, abi, is_dir) for level in LEVELS]
    if now in sets:
        return LEVELS[(sets.index(now) + step) % len(LEVELS)]
    if step == 1:
        return next((level for level, rights in zip(LEVELS, sets, strict=True) if rights > now), "none")
    return next((level for level, rights in zip(LEVELS[::-1], sets[::-1], strict=True) if rights < now), "none")
