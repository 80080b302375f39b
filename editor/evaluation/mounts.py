"""Read where filesystems are mounted from /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

_ESCAPE = re.compile(rb"\\([0-7]{3})")
# Their mounts normally show part of the filesystem: a subvolume, a network namespace.
_PARTS_BY_NATURE = frozenset({"btrfs", "nsfs", "cgroup", "cgroup2"})


class Mount(NamedTuple):
    """One mount: its mount point, the directory of its filesystem that it shows, the filesystem's type and options."""

    point: str
    root: str
    kind: str
    options: tuple[str, ...]

    @property
    def is_bind(self) -> bool:
        """Whether it is a bind mount: it shows a directory that exists elsewhere too."""
        return self.root != "/" and self.kind not in _PARTS_BY_NATURE

    def layers(self) -> tuple[str, ...]:
        """Return the directories of an overlay; none for other filesystems."""
        if self.kind != "overlay":
            return ()
        found = []
        for option in self.options:
            key, _, value = option.partition("=")
            if key in ("lowerdir", "upperdir", "workdir", "lowerdir+", "datadir+"):
                found += [part.replace("\\:", ":") for part in re.split(r"(?<!\\):", value) if part.startswith("/")]
        return tuple(found)


def read_mounts(process: str = "self") -> tuple[Mount, ...]:
    """Return all mounts that ``process`` (a number, or ``self``) sees, later ones on top of earlier ones.

    Empty if they cannot be read.
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
    """Return all mount points that this process sees, or the process of ``prefix``, /proc/PID/root.

    Empty if they cannot be read.
    """
    process = prefix.split("/")[2] if prefix else "self"
    # Paths are relative to the root of that process, which in a chroot is not where ``prefix`` leads.
    root = ""
    if ".." in prefix:
        try:
            root = os.readlink(f"/proc/{process}/root").rstrip("/")
        except OSError:
            return frozenset()
    return frozenset((root + mount.point).rstrip("/") or "/" for mount in read_mounts(process))


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount that ``path``, absolute and without symbolic links, is on."""
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
