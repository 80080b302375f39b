"""Where filesystems are mounted, as /proc/PID/mountinfo tells (proc_pid_mountinfo(5))."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

_ESCAPE = re.compile(rb"\\([0-7]{3})")
# Their mounts show a part of the filesystem by nature: a subvolume, a network namespace.
_PARTS_BY_NATURE = frozenset({"btrfs", "nsfs", "cgroup", "cgroup2"})


class Mount(NamedTuple):
    """One mount: where it is, which directory of its filesystem it shows, the filesystem's type, and its options."""

    point: str
    root: str
    kind: str
    options: tuple[str, ...]

    @property
    def is_bind(self) -> bool:
        """Whether it shows a directory that is elsewhere too: a bind mount."""
        return self.root != "/" and self.kind not in _PARTS_BY_NATURE

    def layers(self) -> tuple[str, ...]:
        """The directories that an overlay is made of; nothing for other filesystems."""
        if self.kind != "overlay":
            return ()
        found = []
        for option in self.options:
            key, _, value = option.partition("=")
            if key in ("lowerdir", "upperdir", "workdir", "lowerdir+", "datadir+"):
                found += [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", value) if part.startswith("/")]
        return tuple(found)


def read_mounts(process: str = "self") -> tuple[Mount, ...]:
    """All mounts as ``process`` (a number, or ``self``) sees them, later ones above earlier ones.

    Nothing where they cannot be read.
    """
    try:
        with open(f"/proc/{process}/mountinfo", "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return ()
    mounts = []
    for line in lines:
        fields = line.split(b" ")
        rest = fields[fields.index(b"-") + 1 :]
        options = _plain(rest[2]) if len(rest) > 2 else ""
        mounts.append(Mount(_plain(fields[4]), _plain(fields[3]), _plain(rest[0]), tuple(options.split(","))))
    return tuple(mounts)


def mount_points(prefix: str = "") -> frozenset[str]:
    """Where something is mounted, as this process sees it, or the process that ``prefix``, /proc/PID/root, is of.

    Nothing where /proc is not there.
    """
    process = prefix.split("/")[2] if prefix else "self"
    # The process tells paths from its own root on, which in a chroot is not where ``prefix`` leads.
    root = ""
    if ".." in prefix:
        try:
            root = os.readlink(f"/proc/{process}/root").rstrip("/")
        except OSError:
            return frozenset()
    return frozenset((root + mount.point).rstrip("/") or "/" for mount in read_mounts(process))


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount on which ``path``, absolute and without symbolic links, is."""
    found: Mount | None = None
    for mount in mounts:
        if is_beneath(path, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def is_beneath(path: str, directory: str) -> bool:
    """Whether ``path`` is ``directory`` or below it, by their texts."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _plain(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8)]), field))
