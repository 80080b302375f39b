"""One traced thread: what a decoder wants to know of it, read from /proc and from its memory."""

import errno
import os

from editor.evaluation.decision import Entry
from editor.sandbox.calls.attempt import Attempt
from editor.sandbox.calls.execchain import Image, ImageReader
from editor.sandbox.calls.paths import AT_FDCWD, HOST, Place, View, Walker, directory_name, view_of, without_deleted
from editor.sandbox.tracing import ptrace

STRING_LIMIT = 4096  # the kernel's PATH_MAX


class Surroundings:
    """What the threads of a run share: how paths lead and what programs are, until something changes them."""

    __slots__ = ("errata", "generation", "images", "own_namespace", "walker")

    def __init__(self) -> None:
        self.walker = Walker()
        self.images = ImageReader()
        self.errata = 0
        self.generation = 0
        """Counts on whenever a working directory or a view may be another one."""
        status = os.stat("/proc/self/ns/mnt")
        self.own_namespace = (status.st_dev, status.st_ino)


class Task:
    """One traced thread, and what a decoder asks about it (``Scene``)."""

    __slots__ = (
        "_cwd",
        "_generation",
        "_name",
        "_process",
        "_surroundings",
        "caller",
        "pending",
        "pointer_size",
        "tid",
        "view",
    )

    def __init__(self, surroundings: Surroundings, tid: int) -> None:
        self._surroundings = surroundings
        self.tid = tid
        self.pending: Attempt | None = None
        self.caller = ""  # the name before a call that executes a program
        self.pointer_size = 8
        self.view: View = HOST
        self._process = 0
        self._name = ""
        self._cwd = ""
        self._generation = -1

    @property
    def process(self) -> int:
        """The process that the thread belongs to."""
        if not self._process:
            self._process = self.tid
            try:
                with open(f"/proc/{self.tid}/status", "rb") as file:
                    for line in file:
                        if line.startswith(b"Tgid:"):
                            self._process = int(line[5:])
                            break
            except OSError:
                pass  # just died: its own number is all there is
        return self._process

    @property
    def comm(self) -> str:
        """The process's name."""
        if not self._name:
            self._name = self.process_name(self.process) or "?"
        return self._name

    def renamed(self) -> None:
        """The name is another one from now on: a program was executed, or gave itself one."""
        self._name = ""

    def look_around(self) -> str:
        """The working directory in the thread's view, asked again when something may have changed it."""
        if self._generation != self._surroundings.generation:
            self._generation = self._surroundings.generation
            self.view = view_of(self.tid, self._surroundings.own_namespace)
            try:
                self._cwd = self.view.from_host(directory_name(f"/proc/{self.tid}/cwd"))
            except OSError:
                self._cwd = "(unknown)"
        return self._cwd

    @property
    def errata(self) -> int:
        """The mask of Landlock's errata that are fixed in this kernel."""
        return self._surroundings.errata

    def text(self, address: int) -> str:
        return os.fsdecode(ptrace.read_string(self.tid, address, STRING_LIMIT))

    def memory(self, address: int, size: int) -> bytes:
        return ptrace.read_memory(self.tid, address, size)

    def set_memory(self, address: int, data: bytes) -> None:
        ptrace.write_memory(self.tid, address, data)

    def place(self, directory: int, path: str, *, follow: bool, rooted: bool = False) -> Place:
        cwd = self.look_around()
        if path.startswith("/") and not rooted:
            return self._surroundings.walker.walk(self.view, path, self.process, follow=follow)
        if directory == AT_FDCWD:
            base, link = cwd, f"/proc/{self.tid}/cwd"
        else:
            link = f"/proc/{self.tid}/fd/{directory}"
            try:
                base = self.view.from_host(directory_name(link))
            except OSError as error:
                return Place(path, None, None, None, problem=error.errno or 0, bound=True)
        if not path or not base.startswith("/"):
            return Place(f"{base}/{path}", None, None, None, problem=errno.ENOENT, bound=True)
        if rooted:
            return self._place_below(base.rstrip("/"), path, follow=follow)
        place = self._surroundings.walker.walk(self.view, f"{base}/{path}", self.process, follow=follow)
        if place.problem == errno.ENAMETOOLONG:
            place = self._place_by_descriptor(place, link, path, follow=follow)
        return place._replace(bound=True) if directory != AT_FDCWD else place

    def _place_below(self, base: str, path: str, *, follow: bool) -> Place:
        """Follow ``path`` as if the directory ``base`` were the root: links and ``..`` stay in it."""
        within = View(self.view.host(base or "/"), self.view.prefix + base)
        place = self._surroundings.walker.walk(within, f"/{path}", self.process, follow=follow)
        names = (place.asked, place.real, place.parent)
        asked, real, parent = (None if name is None else (base + name).rstrip("/") or "/" for name in names)
        return place._replace(asked=asked or place.asked, real=real, parent=parent, bound=True)

    @staticmethod
    def _place_by_descriptor(place: Place, link: str, path: str, *, follow: bool) -> Place:
        """Look up a name whose absolute spelling is longer than the kernel takes in one piece."""
        try:
            base = os.open(link, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return place
        real = place.asked
        parent = real.rpartition("/")[0] or "/"
        try:
            status = os.stat(path, dir_fd=base, follow_symlinks=follow)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return Place(place.asked, real, parent, None)
            return place
        finally:
            os.close(base)
        return Place(place.asked, real, parent, Entry.of(status))

    def descriptor(self, number: int) -> Place:
        self.look_around()
        link = f"/proc/{self.tid}/fd/{number}"
        try:
            target = self.view.from_host(os.readlink(link))
            if self._surroundings.walker.avoids(self.view, target):
                return Place(target, None, None, None, problem=errno.EDEADLK, bound=True)
            status = os.stat(link)
        except PermissionError as error:
            raise ptrace.BadMemory(errno.EPERM, error.strerror) from error
        except OSError as error:
            return Place(f"descriptor {number}", None, None, None, problem=error.errno or 0, bound=True)
        entry = Entry.of(status)
        if not target.startswith("/") or target.startswith("/memfd:"):
            return Place(target, target, None, entry, special=True, bound=True)
        real = without_deleted(target) if not status.st_nlink else target
        return Place(real, real, real.rpartition("/")[0] or "/", entry, bound=True)

    def image(self, seen: str) -> Image:
        return self._surroundings.images.read(seen)

    def socket(self, number: int) -> tuple[int, int, int, bool] | None:
        import _socket  # noqa: PLC0415 a C module that only programs with sockets need

        try:
            copy = ptrace.copy_descriptor(self.process, number)
        except OSError:
            return None
        try:
            found = _socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            return None
        internet = found.family in (_socket.AF_INET, _socket.AF_INET6)
        try:
            bound = internet and found.getsockname()[1] != 0
        except OSError:
            bound = False
        kinds = int(found.family), int(found.type), int(found.proto), bound
        found.close()
        return kinds

    def process_name(self, pid: int) -> str:
        try:
            with open(f"/proc/{pid}/comm", "rb") as file:
                return os.fsdecode(file.read().rstrip(b"\n"))
        except OSError:
            return ""

    def process_of(self, number: int) -> int:
        try:
            with open(f"/proc/{self.tid}/fdinfo/{number}", "rb") as file:
                return next((int(line[4:]) for line in file if line.startswith(b"Pid:")), 0)
        except (OSError, ValueError):
            return 0
