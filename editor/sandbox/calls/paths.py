"""Path lookup as the traced process would do it: with its root, working directory, /proc/self and descriptors.

Paths are walked name by name. If the kernel looked up the whole path for the tracer, absolute links would escape a
chroot, and /proc/self would be the tracer.
"""

import errno
import os
import re
import stat
from typing import NamedTuple

from editor.evaluation.decision import Entry, Lineage
from editor.evaluation.mounts import is_beneath
from editor.evaluation.path_walk import MAX_LINKS

AT_FDCWD = -100
_MAX_CLIMB = 256  # levels: about 60 KB of path, more than anything but an attack has

# Links in /proc that lead to an open object and not to a path.
_MAGIC_PARENT = re.compile(r"/proc/\d+/(?:task/\d+/)?(?:fd|map_files|ns)")
_MAGIC_LINK = re.compile(r"/proc/\d+/(?:task/\d+/)?(?:cwd|root|exe)")
_DELETED = " (deleted)"


class Lookup(NamedTuple):
    """The result of looking up a path. Names are as the traced process sees them.

    ``path`` is absolute, as requested (no link followed, ``..`` kept). ``real_path`` has no symbolic links; it is None
    if a directory on the way is missing or closed to the tracer. ``parent`` is the real path of the directory that
    contains the last name. ``entry`` is the object's type and inode, None if it does not exist. ``is_special`` is true
    of objects in no directory: pipes, sockets, memory files. ``error`` is the errno that stopped the walk, 0 otherwise.
    ``is_process_local`` is true if the result is valid for this process only, because the way led through its own /proc
    files. ``lineage`` is there if the object itself was reached, not only its name: the object, or the directory in
    which there is no such name, and what is above it. ``seen`` is the path under which the tracer can examine that, or
    what is special; empty if there is none. ``through`` is the process whose link in /proc (such as ``root`` or
    ``fd/3``) the way led through; only a walk that reaches the object itself finds that.
    """

    path: str
    real_path: str | None
    parent: str | None
    entry: Entry | None
    is_special: bool = False
    error: int = 0
    is_process_local: bool = False
    lineage: Lineage | None = None
    seen: str = ""
    through: int = 0

    @property
    def above(self) -> Lineage | None:
        """The lineage of the directory that contains the last name."""
        return self.lineage if self.entry is None or self.lineage is None else self.lineage[:-1] or self.lineage

    @property
    def reached_name(self) -> str | None:
        """The host's name of the object, which may be outside the root of the process; None if it was not reached."""
        if self.lineage is None or self.real_path is None:
            return None
        if self.entry is not None:
            return self.lineage[-1].path
        return f"{self.lineage[-1].path.rstrip('/')}/{self.real_path.rpartition('/')[2]}"

    @property
    def mode(self) -> int | None:
        """The object's ``st_mode``, None if it does not exist."""
        return None if self.entry is None else self.entry.mode

    @property
    def is_dir(self) -> bool:
        """Whether the path is an existing directory."""
        return self.entry is not None and stat.S_ISDIR(self.entry.mode)


def _avoided(requested: str) -> Lookup:
    """The result for a path that must not be touched."""
    return Lookup(requested, None, None, None, error=errno.EDEADLK, is_process_local=True)


class View:
    """How one thread sees the filesystem: its root, and the prefix under which the tracer sees the same.

    ``root`` is the path of the root directory in the thread's mount namespace, empty for the namespace's own root.
    ``prefix`` precedes every path that the tracer itself looks up: empty, or something below /proc/PID/root if the
    thread is in another mount namespace (``foreign``) or a chroot.
    """

    __slots__ = ("foreign", "prefix", "root")

    def __init__(self, root: str, prefix: str, *, foreign: bool = False) -> None:
        self.root = root
        self.prefix = prefix
        self.foreign = foreign

    def host_path(self, path: str) -> str:
        """Return the host's name for ``path``, unchanged if it is not below the root."""
        if not self.root or not path.startswith("/"):
            return path
        return self.root if path == "/" else self.root + path

    def tracer_path(self, path: str) -> str:
        """Return the name under which the tracer can examine ``path``.

        That is ``host_path(path)``, in another mount namespace with a prefix that leads there.
        """
        if not self.foreign:
            return self.host_path(path)
        return self.prefix if path == "/" and self.root else self.prefix + path

    def tracer_path_of(self, host_path: str) -> str:
        """Return the name under which the tracer can examine what the host calls ``host_path``, in the root or not."""
        if not self.foreign or not host_path.startswith("/"):
            return host_path
        return self.prefix.removesuffix(self.root) + host_path

    def from_host(self, path: str) -> str:
        """Return the name in this view for a path of the host, unchanged if it is outside."""
        if not self.root or not path.startswith(self.root):
            return path
        rest = path[len(self.root) :]
        if not rest:
            return "/"
        return rest if rest.startswith("/") else path


HOST_VIEW = View("", "")


def directory_path(link: str) -> str:
    """Return the host's name of the directory that a link in /proc (``cwd``, ``fd/3``) opens. Raises OSError.

    The kernel returns no path longer than a page; the rest is found by climbing, as getcwd(3) does.
    """
    try:
        return os.readlink(link)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    names: list[str] = []
    here = os.open(link, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(_MAX_CLIMB):
            status = os.fstat(here)
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = above
            names.append(_entry_name(above, (status.st_dev, status.st_ino)))
            try:
                return "/".join([os.readlink(f"/proc/self/fd/{above}"), *reversed(names)])
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
    finally:
        os.close(here)
    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _entry_name(directory: int, wanted: tuple[int, int]) -> str:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.inode() == wanted[1] or entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if (status.st_dev, status.st_ino) == wanted:
                    return entry.name
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def view_of(tid: int, own_namespace: tuple[int, int]) -> View:
    """Return the view of thread ``tid``. ``own_namespace`` is (st_dev, st_ino) of the tracer's /proc/self/ns/mnt."""
    try:
        root = os.readlink(f"/proc/{tid}/root")
        status = os.stat(f"/proc/{tid}/ns/mnt")
    except OSError:
        return HOST_VIEW
    same = (status.st_dev, status.st_ino) == own_namespace
    if root == "/":
        root = ""
    if same and not root:
        return HOST_VIEW
    prefix = f"/proc/{tid}/root"
    if root.startswith("/") and not same:
        # Rules apply to a chroot from above it: from its root, climb by ".." to the namespace's root, then descend by
        # name.
        prefix += "/.." * root.count("/") + root
    return View(root, prefix, foreign=not same)


def normalize(path: str) -> str:
    """Return ``path`` without doubled slashes, ``.`` and a trailing slash."""
    if "//" not in path and "/." not in path and not (path.endswith("/") and len(path) > 1):
        return path
    kept = [name for name in path.split("/") if name and name != "."]
    return "/" + "/".join(kept)


def name_of_open(view: View, shown: str, entry: Entry) -> str:
    """Return the name of an open object that /proc shows as ``shown``: if it was removed, the name that it had."""
    if not shown.endswith(_DELETED):
        return shown
    named = Entry.at(view.prefix + shown)
    return shown if named is not None and named.identity == entry.identity else shown.removesuffix(_DELETED)


class Walker:
    """Follows paths, and caches the directories that it has reached, or failed to reach, until told to forget them.

    ``served_mounts`` are the host's names of mounts that a process of the run may serve: nothing below them is touched,
    because that process may be waiting for the tracer. Lookups there fail with EDEADLK.
    """

    def __init__(self) -> None:
        self.served_mounts: tuple[str, ...] = ()
        self._directories: dict[tuple[str, str], Lookup] = {}

    def avoids(self, view: View, path: str) -> bool:
        """Whether ``path`` of ``view``, without symbolic links, must not be touched."""
        return bool(self.served_mounts) and any(is_beneath(view.host_path(path), point) for point in self.served_mounts)

    def forget(self, *, missing_only: bool = False) -> None:
        """Drop the cache after the tree changed; with ``missing_only``, only what did not exist."""
        if missing_only:
            self._directories = {key: lookup for key, lookup in self._directories.items() if lookup.entry is not None}
        else:
            self._directories.clear()

    def walk(self, view: View, path: str, process: int, *, follow: bool) -> Lookup:
        """Follow the absolute ``path`` in ``view`` for ``process`` (its /proc/self)."""
        requested = normalize(path)
        follow = follow or path.endswith(("/", "/."))
        head, _, name = requested.rpartition("/")
        if not name or name == "..":
            return self._walk_links(view, requested, process, follow)
        parent, is_process_local = "", False
        if head:
            lookup = self._directories.get((view.prefix, head))
            if lookup is None:
                lookup = self._walk_links(view, head, process, True)
                if not lookup.is_process_local:
                    self._directories[view.prefix, head] = lookup
            if lookup.real_path is None or not lookup.is_dir:
                error = lookup.error or (errno.ENOENT if lookup.entry is None else errno.ENOTDIR)
                return Lookup(requested, None, None, None, error=error, is_process_local=lookup.is_process_local)
            parent = "" if lookup.real_path == "/" else lookup.real_path
            is_process_local = lookup.is_process_local
        real_path = f"{parent}/{name}"
        if self.served_mounts and self.avoids(view, real_path):
            return _avoided(requested)
        try:
            status = os.lstat(view.prefix + real_path)
        except OSError as error:
            return self._absent(requested, real_path, parent, error)._replace(is_process_local=is_process_local)
        if stat.S_ISLNK(status.st_mode) and follow:
            # Continue from the real directory: the way there is known.
            lookup = self._walk_links(view, real_path, process, True)
            return lookup._replace(path=requested, is_process_local=is_process_local or lookup.is_process_local)
        return Lookup(requested, real_path, parent or "/", Entry.of(status), is_process_local=is_process_local)

    @staticmethod
    def _absent(requested: str, real_path: str, parent: str, error: OSError) -> Lookup:
        if error.errno == errno.ENOENT:
            return Lookup(requested, real_path, parent or "/", None)
        if error.errno == errno.ENAMETOOLONG and len(os.fsencode(real_path.rpartition("/")[2])) <= 255:
            # Only the tracer's own absolute path is too long: the file may well exist.
            return Lookup(requested, real_path, parent or "/", None, error=error.errno)
        return Lookup(requested, None, None, None, error=error.errno or 0)

    def _stat_directory(
        self, view: View, real_path: str, parent: str | None, requested: str, *, is_process_local: bool = False
    ) -> Lookup:
        if self.avoids(view, real_path):
            return _avoided(requested)
        try:
            status = os.stat(view.prefix + real_path)
        except OSError as error:
            return Lookup(requested, None, None, None, error=error.errno or 0)
        return Lookup(requested, real_path, parent or "/", Entry.of(status), is_process_local=is_process_local)

    def _walk_links(self, view: View, requested: str, process: int, follow: bool) -> Lookup:
        names = [name for name in reversed(requested.split("/")) if name]
        here = ""  # the real path so far, empty for the root
        links = 0
        own_process = False
        while names:
            name = names.pop()
            if name == "..":
                here = here.rpartition("/")[0]
                continue
            real_path = f"{here}/{name}"
            if self.avoids(view, real_path):
                return _avoided(requested)
            try:
                status = os.lstat(view.prefix + real_path)
            except OSError as error:
                if names:
                    return Lookup(requested, None, None, None, error=error.errno or 0, is_process_local=own_process)
                return self._absent(requested, real_path, here, error)._replace(is_process_local=own_process)
            if stat.S_ISLNK(status.st_mode) and (names or follow):
                links += 1
                if links > MAX_LINKS:
                    return Lookup(requested, None, None, None, error=errno.ELOOP)
                if real_path in ("/proc/self", "/proc/thread-self"):
                    own_process = True
                    target = str(process) if real_path == "/proc/self" else f"{process}/task/{process}"
                else:
                    try:
                        target = os.readlink(view.prefix + real_path)
                    except OSError as error:
                        return Lookup(requested, None, None, None, error=error.errno or 0)
                    if _MAGIC_PARENT.fullmatch(here) or _MAGIC_LINK.fullmatch(real_path):
                        target = view.from_host(target)
                        if not names or not target.startswith("/"):
                            return self._magic_link(view, real_path, target, requested)
                        own_process = True
                if target.startswith("/"):
                    here = ""
                names += [part for part in reversed(target.split("/")) if part and part != "."]
                continue
            if names and not stat.S_ISDIR(status.st_mode):
                return Lookup(requested, None, None, None, error=errno.ENOTDIR, is_process_local=own_process)
            if not names:
                return Lookup(requested, real_path, here or "/", Entry.of(status), is_process_local=own_process)
            here = real_path
        return self._stat_directory(
            view, here or "/", here.rpartition("/")[0] or "/", requested, is_process_local=own_process
        )

    def _magic_link(self, view: View, link: str, target: str, requested: str) -> Lookup:
        if target.startswith("/") and self.avoids(view, target):
            return _avoided(requested)
        try:
            entry = Entry.of(os.stat(view.prefix + link))
        except OSError as error:
            return Lookup(requested, None, None, None, error=error.errno or 0, is_process_local=True)
        if not target.startswith("/") or target.startswith("/memfd:"):
            seen = view.prefix + link
            return Lookup(requested, target, None, entry, is_special=True, is_process_local=True, seen=seen)
        real_path = name_of_open(view, target, entry)
        return Lookup(requested, real_path, real_path.rpartition("/")[0] or "/", entry, is_process_local=True)
