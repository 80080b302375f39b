"""Looks up paths as the kernel does at this moment, by descriptors instead of names, with nothing remembered.

A walk starts from what /proc/PID/root, cwd or fd/N lead to and opens one name after the other (O_PATH). The object that
it finds is the one that the kernel reaches, even if no name leads to it: because it was removed, moved, or covered by a
mount. From there, ``..`` leads up through the same directories that Landlock visits (``is_access_to_paths_allowed`` in
security/landlock/fs.c). A removed directory still has its parents, for the kernel as well as here.
"""

import ctypes
import errno
import os
import re
import stat
from typing import NamedTuple

from editor.evaluation.decision import Entry, Lineage, Step
from editor.evaluation.path_walk import MAX_LINKS
from editor.evaluation.resolve import Identity
from editor.sandbox.calls.paths import Lookup, View, directory_path, normalize

_REACH = os.O_PATH | os.O_CLOEXEC
_ENTER = _REACH | os.O_NOFOLLOW
_PROC_SUPER_MAGIC = 0x9FA0
_LINKS_TO_OBJECTS = frozenset({"cwd", "root", "exe"})
_DIRECTORIES_OF_SUCH_LINKS = frozenset({"fd", "map_files", "ns"})
_OF_A_PROCESS = re.compile(r"/proc/(\d+)/")
_DELETED = " (deleted)"
_DETACHED = "detached mount:"  # precedes names that begin at the root of such a mount, since no path leads there


class Start(NamedTuple):
    """Where a walk starts: the thread and its process, its view, and links in /proc to its root and to the base.

    ``shown`` is the path of the base as the thread sees it; ``base`` is not used for absolute paths.
    """

    tid: int
    process: int
    view: View
    root: str
    base: str
    shown: str


class _Stopped(Exception):
    """A walk that ended with an errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Walk:
    """One walk: the directory that the last name was looked up in, that name, and the object, as descriptors."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._kept: list[int] = []
        self._parents: dict[int, int] | None = None  # the mount that each mount is attached to
        self.directory = -1
        self.name = ""  # empty if the object was not found by its name in ``directory``
        self.found = -1  # -1: there is no such name in ``directory``
        self.link = ""  # the link in /proc that led to the object
        self.through = 0  # the first other process whose link in /proc the way led through
        self._is_own = False  # whether the way led through a process's own files in /proc

    def close(self) -> None:
        for descriptor in self._kept:
            os.close(descriptor)
        self._kept.clear()

    def _open(self, path: str, flags: int, directory: int | None = None) -> int:
        descriptor = os.open(path, flags, dir_fd=directory)
        self._kept.append(descriptor)
        return descriptor

    def _keep(self, *needed: int) -> None:
        """Close all other descriptors: a path may have more names than a process descriptors."""
        for descriptor in self._kept:
            if descriptor not in needed:
                os.close(descriptor)
        self._kept = [each for each in self._kept if each in needed]

    def follow(self, path: str, *, follow: bool) -> None:
        """Walk ``path``. Raises OSError and _Stopped where it ends before its last name."""
        root = self._open(self._start.root, _REACH)
        here = root if path.startswith("/") else self._open(self._start.base, _REACH)
        follow = follow or path.endswith(("/", "/."))
        names = list(reversed(path.split("/")))
        links = 0
        self.name, self.found = "", here
        self.link = "" if here == root else self._start.base
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            here, last = self.found, not any(each not in ("", ".") for each in names)
            self.link = ""
            if name == "..":
                if not _same(here, root):
                    self.found = self._open("..", _REACH, here)
                self.name, self.directory = "", -1
                self._keep(root, self.found)
                continue
            try:
                found = self._open(name, _ENTER, here)
            except FileNotFoundError:
                if not last:
                    raise
                self.directory, self.name, self.found = here, name, -1
                return
            status = os.fstat(found)
            if not stat.S_ISLNK(status.st_mode) or (last and not follow):
                self.directory, self.name, self.found = here, name, found
                self._keep(root, here, found)
                if names and not stat.S_ISDIR(status.st_mode) and not stat.S_ISLNK(status.st_mode):
                    raise _Stopped(errno.ENOTDIR)
                continue
            links += 1
            if links > MAX_LINKS:
                raise _Stopped(errno.ELOOP)
            target = os.readlink("", dir_fd=found)
            if filesystem_type(found) == _PROC_SUPER_MAGIC:
                self._is_own = True
                if name == "self":
                    target = str(self._own_number(found, thread=False))
                elif name == "thread-self":
                    target = f"{self._own_number(found, thread=False)}/task/{self._own_number(found, thread=True)}"
                elif self._leads_to_object(name, here):
                    self.link = f"{os.readlink(f'/proc/self/fd/{here}')}/{name}"
                    self._note_process(here)
                    self.name, self.directory, self.found = "", -1, self._open(name, _REACH, here)
                    self._keep(root, self.found)
                    continue
            self.name, self.directory, self.found = "", -1, root if target.startswith("/") else here
            self._keep(root, self.found)
            names += reversed(target.split("/"))

    @staticmethod
    def _leads_to_object(name: str, directory: int) -> bool:
        return name in _LINKS_TO_OBJECTS or (
            os.path.basename(os.readlink(f"/proc/self/fd/{directory}")) in _DIRECTORIES_OF_SUCH_LINKS
        )

    def _note_process(self, directory: int) -> None:
        """Remember whose directory in /proc it is, unless it is the walking process's own."""
        found = _OF_A_PROCESS.match(self.link)
        # In another pid namespace, the numbers mean other processes.
        if self.through or found is None or os.fstat(directory).st_dev != os.stat("/proc").st_dev:
            return
        if int(found[1]) != self._start.process:
            self.through = int(found[1])

    def _own_number(self, link: int, *, thread: bool) -> int:
        """Return the number of the process or thread in the pid namespace that this proc filesystem shows."""
        own = self._start.tid if thread else self._start.process
        if os.fstat(link).st_dev == os.stat("/proc").st_dev:
            return own
        with open(f"/proc/{own}/status", "rb") as file:
            return next((int(line.split()[-1]) for line in file if line.startswith(b"NSpid:")), own)

    # The way up

    def lineage(self, directory: int) -> Lineage:
        """Return ``directory`` and what is above it, from the root down."""
        shown = self._name_of(directory)
        steps: list[Step] = []
        here, mount = os.dup(directory), _mount_id(directory)
        try:
            covered = False
            while True:
                status = os.fstat(here)
                steps.append(Step(shown, None if covered else (status.st_dev, status.st_ino), mount))
                if shown == "/" or not shown.startswith("/"):
                    break
                shown = shown.rpartition("/")[0] or "/"
                try:
                    above = os.open("..", _REACH, dir_fd=here)
                except OSError:  # closed to this process: names are all that is left
                    steps += self._by_names(shown)
                    break
                os.close(here)
                here, beneath, mount = above, mount, _mount_id(above)
                # ``..`` leads to what is mounted on the directory above, where the kernel sees the directory itself.
                covered = mount != beneath and not self._is_attached_to(beneath, mount)
        finally:
            os.close(here)
        return tuple(reversed(steps))

    def _by_names(self, shown: str) -> list[Step]:
        steps = []
        while True:
            entry = Entry.at(self.tracer_path(shown))
            steps.append(Step(shown, entry.identity if entry is not None else None))
            if shown == "/":
                return steps
            shown = shown.rpartition("/")[0] or "/"

    def _mounts(self) -> dict[int, int]:
        """Return the mount that each mount is attached to."""
        if self._parents is None:
            self._parents = _attached_mounts(self._start.tid)
        return self._parents

    def _is_attached_to(self, mount: int, above: int) -> bool:
        mounts = self._mounts()
        while mount in mounts and mounts[mount] != mount:
            mount = mounts[mount]
            if mount == above:
                return True
        return False

    def is_detached(self) -> bool:
        """Whether the object is in a mount that is attached nowhere, as open_tree(2) and fsmount(2) make them.

        In a chroot, a process does not see all mounts around it. This process sees them, unless in other namespaces.
        """
        mount = _mount_id(self.directory if self.found < 0 else self.found)
        view = self._start.view
        if mount in self._mounts() or (view.foreign and view.root):
            return False
        return mount not in _attached_mounts("self")

    def tracer_path(self, shown: str) -> str:
        """Return the name under which this process can examine what the kernel calls ``shown``."""
        return self._start.view.tracer_path_of(shown)

    def _name_of(self, descriptor: int) -> str:
        """Return the name of an object, or the one that it had before it was removed."""
        shown = directory_path(f"/proc/self/fd/{descriptor}")
        if shown.endswith(_DELETED) and not self._leads_to(shown, descriptor):
            return shown.removesuffix(_DELETED)
        return shown

    def _leads_to(self, shown: str, descriptor: int) -> bool:
        entry = Entry.at(self.tracer_path(shown))
        return entry is not None and entry.identity == _identity(descriptor)

    # The result

    def result(self, requested: str) -> Lookup:
        """Return what the walk found."""
        view = self._start.view
        entry = None if self.found < 0 else Entry.of(os.fstat(self.found))
        if self.name:
            above = self.lineage(self.directory)
            shown = f"{above[-1].path.rstrip('/')}/{self.name}"
        else:
            assert entry is not None  # noqa: S101 for the type checker: only a name may lead nowhere
            target = os.readlink(f"/proc/self/fd/{self.found}")
            if not target.startswith("/") or target.startswith("/memfd:"):
                seen = self.link
                return Lookup(requested, target, None, entry, is_special=True, is_process_local=True, seen=seen)
            if stat.S_ISDIR(entry.mode):
                lineage = self.lineage(self.found)
                above, shown = lineage[:-1], lineage[-1].path
            else:
                shown = self._name_of(self.found)
                above = self._above_name(shown.rpartition("/")[0] or "/")
        lineage = above if entry is None else (*above, Step(shown, entry.identity, _mount_id(self.found)))
        real_path = view.from_host(shown)
        seen = self.tracer_path(shown)
        named = Entry.at(seen)
        if entry is not None and (named is None or named.identity != entry.identity):
            seen = self.link
        parent = real_path.rpartition("/")[0] or "/"
        return Lookup(requested, real_path, parent, entry, is_process_local=self._is_own, lineage=lineage, seen=seen)

    def _above_name(self, shown: str) -> Lineage:
        """Return the lineage of a directory that is only known by its name."""
        try:
            return self.lineage(self._open(self.tracer_path(shown), _REACH | os.O_DIRECTORY))
        except OSError:
            return tuple(reversed(self._by_names(shown)))


def _attached_mounts(process: int | str) -> dict[int, int]:
    """Map each mount that a process sees to the one that it is attached to."""
    with open(f"/proc/{process}/mountinfo", "rb") as file:
        return {int(number): int(parent) for number, parent, _ in (line.split(b" ", 2) for line in file)}


def _named_detached(lookup: Lookup, *, absolute: bool) -> Lookup:
    """Tell the names in a detached mount, which begin with a slash as well, from those in the tree."""
    if lookup.is_special or lookup.real_path is None or lookup.lineage is None:
        return lookup
    return lookup._replace(
        path=lookup.path if absolute else _DETACHED + lookup.path,
        real_path=_DETACHED + lookup.real_path,
        parent=_DETACHED + (lookup.parent or "/"),
        lineage=tuple(step._replace(path=_DETACHED + step.path) for step in lookup.lineage),
    )


def look_up(start: Start, path: str, *, follow: bool) -> Lookup:
    """Look up ``path`` as the thread of ``start`` would now."""
    absolute = path.startswith("/")
    requested = normalize(path if absolute else f"{start.shown}/{path}")
    walk = _Walk(start)
    try:
        walk.follow(path, follow=follow)
        lookup = walk.result(requested)._replace(through=walk.through)
        return _named_detached(lookup, absolute=absolute) if walk.is_detached() else lookup
    except _Stopped as stopped:
        return Lookup(requested, None, None, None, error=stopped.number, is_process_local=True, through=walk.through)
    except OSError as error:
        number = error.errno or 0
        return Lookup(requested, None, None, None, error=number, is_process_local=True, through=walk.through)
    finally:
        walk.close()


def _identity(descriptor: int) -> Identity:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _same(one: int, other: int) -> bool:
    return _identity(one) == _identity(other) and _mount_id(one) == _mount_id(other)


def _mount_id(descriptor: int) -> int:
    with open(f"/proc/self/fdinfo/{descriptor}", "rb") as file:
        return next((int(line[7:]) for line in file if line.startswith(b"mnt_id:")), 0)


_libc = ctypes.CDLL(None)


def filesystem_type(where: int | str) -> int:
    """Return the magic number of the filesystem of a descriptor or path, as statfs(2) does; 0 if it has none."""
    buffer = (ctypes.c_long * 32)()  # struct statfs begins with f_type
    failed = _libc.fstatfs(where, buffer) if isinstance(where, int) else _libc.statfs(os.fsencode(where), buffer)
    return 0 if failed else int(buffer[0]) & 0xFFFFFFFF
