"""Following a path as the traced process would: its root, its working directory, its /proc/self, its descriptors.

The walk is done name by name, because handing the whole path to the kernel would look it up as the tracer: absolute
links would leave a chroot, and /proc/self would be someone else.
"""

import errno
import os
import re
import stat
from typing import NamedTuple

from editor.evaluation.decision import Entry
from editor.evaluation.mounts import is_beneath
from editor.evaluation.path_walk import MAX_LINKS

AT_FDCWD = -100
_MAX_CLIMB = 256  # levels: some 60 KB of name, far more than anything but an attack has

# Links of /proc that lead to an open object and not to a name.
_MAGIC_PARENT = re.compile(r"/proc/\d+/(?:task/\d+/)?(?:fd|map_files|ns)")
_MAGIC_LINK = re.compile(r"/proc/\d+/(?:task/\d+/)?(?:cwd|root|exe)")
_DELETED = " (deleted)"


class Lookup(NamedTuple):
    """Where a path leads. Names are as the traced process sees them.

    ``asked`` is absolute, as asked for (no link followed, ``..`` kept). ``real`` has no symbolic link left in it; None
    where a directory on the way is missing or closed to the tracer. ``parent`` is the real directory that holds the
    last name. ``entry`` is the object's type and inode, None where there is none. ``special`` says that the object is
    in no directory: a pipe, a socket, a memory file. ``problem`` is the errno that stopped the walk, 0 otherwise.
    ``bound`` says that the answer holds for this process only, since the way led through its own /proc files.
    """

    path: str
    real_path: str | None
    parent: str | None
    entry: Entry | None
    is_special: bool = False
    error: int = 0
    is_process_local: bool = False

    @property
    def mode(self) -> int | None:
        """The object's ``st_mode``, None where there is none."""
        return None if self.entry is None else self.entry.mode

    @property
    def is_dir(self) -> bool:
        """Whether an existing directory is meant."""
        return self.entry is not None and stat.S_ISDIR(self.entry.mode)


def _entry(status: os.stat_result) -> Entry:
    return Entry(status.st_mode, (status.st_dev, status.st_ino), status.st_rdev)


def _avoided(requested: str) -> Lookup:
    """A path that is not looked at."""
    return Lookup(requested, None, None, None, error=errno.EDEADLK, is_process_local=True)


class View:
    """How one thread sees the filesystem: where its root is, and which prefix makes the tracer see the same.

    ``root`` is the name of the root directory in the thread's mount namespace, empty for the namespace's own.
    ``prefix`` goes before every path that the tracer itself looks up: empty, or something below /proc/PID/root where
    the thread is in another mount namespace (``foreign``) or a chroot.
    """

    __slots__ = ("foreign", "prefix", "root")

    def __init__(self, root: str, prefix: str, *, foreign: bool = False) -> None:
        self.root = root
        self.prefix = prefix
        self.foreign = foreign

    def host_path(self, path: str) -> str:
        """The host's name for ``path`` of this view."""
        if not self.root:
            return path
        return self.root if path == "/" else self.root + path

    def tracer_path(self, path: str) -> str:
        """Under which name the tracer can look at ``path`` of this view.

        That is ``host(path)``; in another mount namespace with something before it that leads to the root there.
        """
        if not self.foreign:
            return self.host_path(path)
        return self.prefix if path == "/" and self.root else self.prefix + path

    def from_host(self, path: str) -> str:
        """The name in this view for a path of the host, unchanged where it is outside."""
        if not self.root or not path.startswith(self.root):
            return path
        rest = path[len(self.root) :]
        if not rest:
            return "/"
        return rest if rest.startswith("/") else path


HOST_VIEW = View("", "")


def directory_path(link: str) -> str:
    """The host's name of the directory that the link of /proc (``cwd``, ``fd/3``) opens. Raises OSError.

    The kernel tells no name longer than a page; the rest is found by climbing, as getcwd(3) does.
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
    """The view of thread ``tid``. ``own_namespace`` is (st_dev, st_ino) of the tracer's /proc/self/ns/mnt."""
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
        # Rules reach into a chroot from above. Whoever is not in it comes up to there by "..", and down again by name.
        prefix += "/.." * root.count("/") + root
    return View(root, prefix, foreign=not same)


def normalize(path: str) -> str:
    """``path`` without the parts that mean nothing: doubled slashes, ``.``, a slash at the end."""
    if "//" not in path and "/." not in path and not (path.endswith("/") and len(path) > 1):
        return path
    kept = [name for name in path.split("/") if name and name != "."]
    return "/" + "/".join(kept)


def strip_deleted(path: str) -> str:
    """The name that a removed file had, from what /proc shows of it."""
    return path.removesuffix(_DELETED)


class Walker:
    """Follows paths, and remembers the directories that it has been to, or could not get to, until told to forget.

    ``served`` are the host's names of mounts that a process of the run may have to answer for: nothing below them is
    looked at, since that process may be waiting for the tracer meanwhile. A way there ends with EDEADLK.
    """

    def __init__(self) -> None:
        self.served_mounts: tuple[str, ...] = ()
        self._directories: dict[tuple[str, str], Lookup] = {}

    def avoids(self, view: View, path: str) -> bool:
        """Whether ``path`` of ``view``, without symbolic links, is not to be looked at."""
        return bool(self.served_mounts) and any(is_beneath(view.host_path(path), point) for point in self.served_mounts)

    def forget(self, *, missing_only: bool = False) -> None:
        """Drop what is remembered: the tree may have changed; with ``missing_only`` something was only made."""
        if missing_only:
            self._directories = {key: lookup for key, lookup in self._directories.items() if lookup.entry is not None}
        else:
            self._directories.clear()

    def walk(self, view: View, path: str, process: int, *, follow: bool) -> Lookup:
        """Follow the absolute ``path`` of ``view`` for ``process`` (what /proc/self is to it)."""
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
            # On from the real directory: the way there is known.
            lookup = self._walk_links(view, real_path, process, True)
            return lookup._replace(path=requested, is_process_local=is_process_local or lookup.is_process_local)
        return Lookup(requested, real_path, parent or "/", _entry(status), is_process_local=is_process_local)

    @staticmethod
    def _absent(requested: str, real_path: str, parent: str, error: OSError) -> Lookup:
        if error.errno == errno.ENOENT:
            return Lookup(requested, real_path, parent or "/", None)
        if error.errno == errno.ENAMETOOLONG and len(os.fsencode(real_path.rpartition("/")[2])) <= 255:
            # Only the tracer's own, absolute spelling is too long: the name may well be there.
            return Lookup(requested, real_path, parent or "/", None, error=error.errno)
        return Lookup(requested, None, None, None, error=error.errno or 0)

    def _look(
        self, view: View, real_path: str, parent: str | None, requested: str, *, is_process_local: bool = False
    ) -> Lookup:
        if self.avoids(view, real_path):
            return _avoided(requested)
        try:
            status = os.stat(view.prefix + real_path)
        except OSError as error:
            return Lookup(requested, None, None, None, error=error.errno or 0)
        return Lookup(requested, real_path, parent or "/", _entry(status), is_process_local=is_process_local)

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
                return Lookup(requested, real_path, here or "/", _entry(status), is_process_local=own_process)
            here = real_path
        return self._look(view, here or "/", here.rpartition("/")[0] or "/", requested, is_process_local=own_process)

    def _magic_link(self, view: View, link: str, target: str, requested: str) -> Lookup:
        if target.startswith("/") and self.avoids(view, target):
            return _avoided(requested)
        try:
            entry = _entry(os.stat(view.prefix + link))
        except OSError as error:
            return Lookup(requested, None, None, None, error=error.errno or 0, is_process_local=True)
        if not target.startswith("/") or target.startswith("/memfd:"):
            return Lookup(requested, target, None, entry, is_special=True, is_process_local=True)
        real_path = strip_deleted(target)
        return Lookup(requested, real_path, real_path.rpartition("/")[0] or "/", entry, is_process_local=True)
