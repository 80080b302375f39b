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


class Place(NamedTuple):
    """Where a path leads. Names are as the traced process sees them.

    ``asked`` is absolute, as asked for (no link followed, ``..`` kept). ``real`` has no symbolic link left in it; None
    where a directory on the way is missing or closed to the tracer. ``parent`` is the real directory that holds the
    last name. ``entry`` is the object's type and inode, None where there is none. ``special`` says that the object is
    in no directory: a pipe, a socket, a memory file. ``problem`` is the errno that stopped the walk, 0 otherwise.
    ``bound`` says that the answer holds for this process only, since the way led through its own /proc files.
    """

    asked: str
    real: str | None
    parent: str | None
    entry: Entry | None
    special: bool = False
    problem: int = 0
    bound: bool = False

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


def _unseen(asked: str) -> Place:
    """A path that is not looked at."""
    return Place(asked, None, None, None, problem=errno.EDEADLK, bound=True)


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

    def host(self, path: str) -> str:
        """The host's name for ``path`` of this view."""
        if not self.root:
            return path
        return self.root if path == "/" else self.root + path

    def seen(self, path: str) -> str:
        """Under which name the tracer can look at ``path`` of this view.

        That is ``host(path)``; in another mount namespace with something before it that leads to the root there.
        """
        if not self.foreign:
            return self.host(path)
        return self.prefix if path == "/" and self.root else self.prefix + path

    def from_host(self, path: str) -> str:
        """The name in this view for a path of the host, unchanged where it is outside."""
        if not self.root or not path.startswith(self.root):
            return path
        rest = path[len(self.root) :]
        if not rest:
            return "/"
        return rest if rest.startswith("/") else path


HOST = View("", "")


def directory_name(link: str) -> str:
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
            names.append(_name_in(above, (status.st_dev, status.st_ino)))
            try:
                return "/".join([os.readlink(f"/proc/self/fd/{above}"), *reversed(names)])
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
    finally:
        os.close(here)
    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _name_in(directory: int, wanted: tuple[int, int]) -> str:
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
        return HOST
    same = (status.st_dev, status.st_ino) == own_namespace
    if root == "/":
        root = ""
    if same and not root:
        return HOST
    prefix = f"/proc/{tid}/root"
    if root.startswith("/") and not same:
        # Rules reach into a chroot from above. Whoever is not in it comes up to there by "..", and down again by name.
        prefix += "/.." * root.count("/") + root
    return View(root, prefix, foreign=not same)


def tidy(path: str) -> str:
    """``path`` without the parts that mean nothing: doubled slashes, ``.``, a slash at the end."""
    if "//" not in path and "/." not in path and not (path.endswith("/") and len(path) > 1):
        return path
    kept = [name for name in path.split("/") if name and name != "."]
    return "/" + "/".join(kept)


def without_deleted(path: str) -> str:
    """The name that a removed file had, from what /proc shows of it."""
    return path.removesuffix(_DELETED)


class Walker:
    """Follows paths, and remembers the directories that it has been to, or could not get to, until told to forget.

    ``served`` are the host's names of mounts that a process of the run may have to answer for: nothing below them is
    looked at, since that process may be waiting for the tracer meanwhile. A way there ends with EDEADLK.
    """

    def __init__(self) -> None:
        self.served: tuple[str, ...] = ()
        self._directories: dict[tuple[str, str], Place] = {}

    def avoids(self, view: View, path: str) -> bool:
        """Whether ``path`` of ``view``, without symbolic links, is not to be looked at."""
        return bool(self.served) and any(is_beneath(view.host(path), point) for point in self.served)

    def forget(self, *, missing_only: bool = False) -> None:
        """Drop what is remembered: the tree may have changed; with ``missing_only`` something was only made."""
        if missing_only:
            self._directories = {key: place for key, place in self._directories.items() if place.entry is not None}
        else:
            self._directories.clear()

    def walk(self, view: View, path: str, process: int, *, follow: bool) -> Place:
        """Follow the absolute ``path`` of ``view`` for ``process`` (what /proc/self is to it)."""
        asked = tidy(path)
        follow = follow or path.endswith(("/", "/."))
        head, _, name = asked.rpartition("/")
        if not name or name == "..":
            return self._slow(view, asked, process, follow)
        parent, bound = "", False
        if head:
            place = self._directories.get((view.prefix, head))
            if place is None:
                place = self._slow(view, head, process, True)
                if not place.bound:
                    self._directories[view.prefix, head] = place
            if place.real is None or not place.is_dir:
                problem = place.problem or (errno.ENOENT if place.entry is None else errno.ENOTDIR)
                return Place(asked, None, None, None, problem=problem, bound=place.bound)
            parent = "" if place.real == "/" else place.real
            bound = place.bound
        real = f"{parent}/{name}"
        if self.served and self.avoids(view, real):
            return _unseen(asked)
        try:
            status = os.lstat(view.prefix + real)
        except OSError as error:
            return self._absent(asked, real, parent, error)._replace(bound=bound)
        if stat.S_ISLNK(status.st_mode) and follow:
            # On from the real directory: the way there is known.
            place = self._slow(view, real, process, True)
            return place._replace(asked=asked, bound=bound or place.bound)
        return Place(asked, real, parent or "/", _entry(status), bound=bound)

    @staticmethod
    def _absent(asked: str, real: str, parent: str, error: OSError) -> Place:
        if error.errno == errno.ENOENT:
            return Place(asked, real, parent or "/", None)
        if error.errno == errno.ENAMETOOLONG and len(os.fsencode(real.rpartition("/")[2])) <= 255:
            # Only the tracer's own, absolute spelling is too long: the name may well be there.
            return Place(asked, real, parent or "/", None, problem=error.errno)
        return Place(asked, None, None, None, problem=error.errno or 0)

    def _look(self, view: View, real: str, parent: str | None, asked: str, *, bound: bool = False) -> Place:
        if self.avoids(view, real):
            return _unseen(asked)
        try:
            status = os.stat(view.prefix + real)
        except OSError as error:
            return Place(asked, None, None, None, problem=error.errno or 0)
        return Place(asked, real, parent or "/", _entry(status), bound=bound)

    def _slow(self, view: View, asked: str, process: int, follow: bool) -> Place:
        names = [name for name in reversed(asked.split("/")) if name]
        here = ""  # the real path so far, empty for the root
        links = 0
        own_process = False
        while names:
            name = names.pop()
            if name == "..":
                here = here.rpartition("/")[0]
                continue
            real = f"{here}/{name}"
            if self.avoids(view, real):
                return _unseen(asked)
            try:
                status = os.lstat(view.prefix + real)
            except OSError as error:
                if names:
                    return Place(asked, None, None, None, problem=error.errno or 0, bound=own_process)
                return self._absent(asked, real, here, error)._replace(bound=own_process)
            if stat.S_ISLNK(status.st_mode) and (names or follow):
                links += 1
                if links > MAX_LINKS:
                    return Place(asked, None, None, None, problem=errno.ELOOP)
                if real in ("/proc/self", "/proc/thread-self"):
                    own_process = True
                    target = str(process) if real == "/proc/self" else f"{process}/task/{process}"
                else:
                    try:
                        target = os.readlink(view.prefix + real)
                    except OSError as error:
                        return Place(asked, None, None, None, problem=error.errno or 0)
                    if _MAGIC_PARENT.fullmatch(here) or _MAGIC_LINK.fullmatch(real):
                        target = view.from_host(target)
                        if not names or not target.startswith("/"):
                            return self._magic(view, real, target, asked)
                        own_process = True
                if target.startswith("/"):
                    here = ""
                names += [part for part in reversed(target.split("/")) if part and part != "."]
                continue
            if names and not stat.S_ISDIR(status.st_mode):
                return Place(asked, None, None, None, problem=errno.ENOTDIR, bound=own_process)
            if not names:
                return Place(asked, real, here or "/", _entry(status), bound=own_process)
            here = real
        return self._look(view, here or "/", here.rpartition("/")[0] or "/", asked, bound=own_process)

    def _magic(self, view: View, link: str, target: str, asked: str) -> Place:
        if target.startswith("/") and self.avoids(view, target):
            return _unseen(asked)
        try:
            entry = _entry(os.stat(view.prefix + link))
        except OSError as error:
            return Place(asked, None, None, None, problem=error.errno or 0, bound=True)
        if not target.startswith("/") or target.startswith("/memfd:"):
            return Place(asked, target, None, entry, special=True, bound=True)
        real = without_deleted(target)
        return Place(asked, real, real.rpartition("/")[0] or "/", entry, bound=True)
