"""One traced thread: what a decoder may ask about it, read from /proc and from its memory."""

import errno
import fcntl
import os

from editor.evaluation.decision import Entry, Lineage, Step
from editor.evaluation.execchain import Image, ImageReader
from editor.evaluation.mounts import read_mounts
from editor.sandbox.calls.attempt import Attempt
from editor.sandbox.calls.live import Start
from editor.sandbox.calls.live import look_up as look_up_live
from editor.sandbox.calls.paths import (
    AT_FDCWD,
    HOST_VIEW,
    Lookup,
    View,
    Walker,
    directory_path,
    name_of_open,
    normalize,
    view_of,
)
from editor.sandbox.tracing import ptrace
from editor.sandbox.tracing.addresses import socket_number
from editor.sandbox.verdicts.permissions import credentials

STRING_LIMIT = 4096  # the kernel's PATH_MAX
_TIOCGPTN = 0x80045430


class SharedState:
    """What the threads of a run share: cached path lookups and program files."""

    __slots__ = ("errata", "generation", "images", "is_afresh", "own_namespace", "walker")

    def __init__(self) -> None:
        self.walker = Walker()
        self.images = ImageReader()
        self.errata = 0
        self.is_afresh = False
        """Whether every lookup goes to the object itself: where the kernel decides nothing, no result corrects it."""
        self.generation = 0
        """Incremented whenever a working directory or a view may have changed."""
        status = os.stat("/proc/self/ns/mnt")
        self.own_namespace = (status.st_dev, status.st_ino)


class Task:
    """One traced thread; answers a decoder's questions (``Caller``)."""

    __slots__ = (
        "_cwd",
        "_generation",
        "_name",
        "_process",
        "_shared",
        "call",
        "is_afresh",
        "makes_file",
        "name_before_exec",
        "pending",
        "pointer_size",
        "tid",
        "view",
    )

    def __init__(self, shared: SharedState, tid: int) -> None:
        self._shared = shared
        self.tid = tid
        self.pending: Attempt | None = None
        self.call: ptrace.Call | None = None
        """The call that ``pending`` was decoded from."""
        self.is_afresh = shared.is_afresh
        """Whether lookups go to the objects that the kernel would reach now, with nothing remembered."""
        self.makes_file = False
        """Whether the call creates the file that it opens, which may be there when it is decoded again."""
        self.name_before_exec = ""  # kept while the thread executes another program
        self.pointer_size = 8
        self.view: View = HOST_VIEW
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
                pass  # just died: the thread's own id is all that is known
        return self._process

    def mark_process(self) -> None:
        """Remember that this is the first thread of a process."""
        self._process = self.tid

    @property
    def comm(self) -> str:
        """The process's name."""
        if not self._name:
            self._name = self.process_name(self.process) or "?"
        return self._name

    def forget_name(self) -> None:
        """Read the name again next time: a program was executed, or renamed itself."""
        self._name = ""

    def forget_directory(self) -> None:
        """Read the working directory and the view again next time."""
        self._generation = -1

    def refresh_view(self) -> str:
        """Return the working directory in the thread's view; both are read again if they may have changed."""
        if self._generation != self._shared.generation:
            self._generation = self._shared.generation
            self.view = view_of(self.tid, self._shared.own_namespace)
            try:
                self._cwd = self.view.from_host(directory_path(f"/proc/{self.tid}/cwd"))
            except OSError:
                self._cwd = "(unknown)"
        return self._cwd

    @property
    def errata(self) -> int:
        """The bit mask of Landlock errata fixed in this kernel."""
        return self._shared.errata

    def has_capability(self, capability: int) -> bool:
        own = credentials(self.tid)
        return own is not None and own.has(capability)

    def read_string(self, address: int) -> str:
        return os.fsdecode(ptrace.read_string(self.tid, address, STRING_LIMIT))

    def read_memory(self, address: int, size: int) -> bytes:
        return ptrace.read_memory(self.tid, address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        ptrace.write_memory(self.tid, address, data)

    def look_up(self, directory: int, path: str, *, follow: bool, rooted: bool = False) -> Lookup:
        cwd = self.refresh_view()
        if self.is_afresh and not self._shared.walker.served_mounts:
            return self._look_up_afresh(directory, path, follow=follow, rooted=rooted)
        if path.startswith("/") and not rooted:
            return self._shared.walker.walk(self.view, path, self.process, follow=follow)
        if directory == AT_FDCWD:
            base, link = cwd, f"/proc/{self.tid}/cwd"
        else:
            link = f"/proc/{self.tid}/fd/{directory}"
            try:
                base = self.view.from_host(directory_path(link))
            except OSError as error:
                return Lookup(path, None, None, None, error=error.errno or 0, is_process_local=True)
        if not path or not base.startswith("/"):
            return Lookup(f"{base}/{path}", None, None, None, error=errno.ENOENT, is_process_local=True)
        if rooted:
            return self._look_up_below(base.rstrip("/"), path, follow=follow)
        lookup = self._shared.walker.walk(self.view, f"{base}/{path}", self.process, follow=follow)
        if lookup.error == errno.ENAMETOOLONG:
            lookup = self._look_up_by_descriptor(lookup, link, path, follow=follow)
        return lookup._replace(is_process_local=True) if directory != AT_FDCWD else lookup

    def _look_up_afresh(self, directory: int, path: str, *, follow: bool, rooted: bool) -> Lookup:
        base = f"/proc/{self.tid}/cwd" if directory == AT_FDCWD else f"/proc/{self.tid}/fd/{directory}"
        shown = ""
        if rooted or not path.startswith("/"):
            try:
                shown = self.view.from_host(directory_path(base))
            except OSError as error:
                return Lookup(path, None, None, None, error=error.errno or 0, is_process_local=True)
        if not path:
            return Lookup(f"{shown}/", None, None, None, error=errno.ENOENT, is_process_local=True)
        root = base if rooted else f"/proc/{self.tid}/root"
        lookup = look_up_live(Start(self.tid, self.process, self.view, root, base, shown), path, follow=follow)
        if rooted:
            lookup = lookup._replace(path=normalize(f"{shown}/{path}"))
        if directory != AT_FDCWD:
            lookup = lookup._replace(is_process_local=True)
        if self.makes_file and lookup.entry is not None:
            return lookup._replace(entry=None, lineage=lookup.above)
        return lookup

    def _look_up_below(self, base: str, path: str, *, follow: bool) -> Lookup:
        """Look up ``path`` as if the directory ``base`` were the root: links and ``..`` stay inside."""
        within = View(self.view.host_path(base or "/"), self.view.prefix + base)
        lookup = self._shared.walker.walk(within, f"/{path}", self.process, follow=follow)
        names = (lookup.path, lookup.real_path, lookup.parent)
        requested, real_path, parent = (None if name is None else (base + name).rstrip("/") or "/" for name in names)
        return lookup._replace(path=requested or lookup.path, real_path=real_path, parent=parent, is_process_local=True)

    @staticmethod
    def _look_up_by_descriptor(lookup: Lookup, link: str, path: str, *, follow: bool) -> Lookup:
        """Look up a path whose absolute form is longer than the kernel accepts."""
        try:
            base = os.open(link, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return lookup
        real_path = lookup.path
        parent = real_path.rpartition("/")[0] or "/"
        try:
            status = os.stat(path, dir_fd=base, follow_symlinks=follow)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return Lookup(lookup.path, real_path, parent, None)
            return lookup
        finally:
            os.close(base)
        return Lookup(lookup.path, real_path, parent, Entry.of(status))

    def look_up_descriptor(self, number: int) -> Lookup:
        self.refresh_view()
        link = f"/proc/{self.tid}/fd/{number}"
        if self.is_afresh and not self._shared.walker.served_mounts:
            lookup = look_up_live(Start(self.tid, self.process, self.view, "/", link, "/"), link, follow=True)
            return lookup._replace(path=lookup.real_path or f"descriptor {number}")
        try:
            target = self.view.from_host(os.readlink(link))
            if self._shared.walker.avoids(self.view, target):
                return Lookup(target, None, None, None, error=errno.EDEADLK, is_process_local=True)
            status = os.stat(link)
        except OSError as error:
            # With hidepid, a process that hides its descriptors is not in /proc at all.
            if isinstance(error, PermissionError) or not os.path.exists(f"/proc/{self.tid}"):
                raise ptrace.BadMemory(errno.EPERM, error.strerror) from error
            return Lookup(f"descriptor {number}", None, None, None, error=error.errno or 0, is_process_local=True)
        entry = Entry.of(status)
        if not target.startswith("/") or target.startswith("/memfd:"):
            return Lookup(target, target, None, entry, is_special=True, is_process_local=True, seen=link)
        real_path = name_of_open(self.view, target, entry)
        return Lookup(real_path, real_path, real_path.rpartition("/")[0] or "/", entry, is_process_local=True)

    def look_up_handle(self, mount: int, handle: bytes) -> Lookup:
        self.refresh_view()
        where = "cwd" if mount == AT_FDCWD else f"fd/{mount}"
        try:
            opened = ptrace.open_handle(f"/proc/{self.tid}/{where}", handle)
        except OSError as error:
            return Lookup("a file handle", None, None, None, error=error.errno or 0, is_process_local=True)
        try:
            path = self.view.from_host(os.readlink(f"/proc/self/fd/{opened}"))
            entry = Entry.of(os.fstat(opened))
        finally:
            os.close(opened)
        return Lookup(path, path, path.rpartition("/")[0] or "/", entry, is_process_local=True)

    def program_image(self, tracer_path: str) -> Image:
        return self._shared.images.read(tracer_path)

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

    def message_queue(self, name: str) -> tuple[Lookup, Lineage]:
        shown = f"mqueue:/{name}"
        point = next((each.point for each in read_mounts(str(self.tid)) if each.kind == "mqueue"), None)
        if point is None:
            return Lookup(shown, None, None, None, is_process_local=True), ()
        self.refresh_view()
        path = f"{point}/{name}"
        try:
            root = os.stat(self.view.prefix + point)
        except OSError as error:
            return Lookup(shown, None, None, None, error=error.errno or 0, is_process_local=True), ()
        entry = Entry.at(self.view.prefix + path)
        above: Lineage = (Step(self.view.host_path(point), (root.st_dev, root.st_ino)),)
        lineage = above if entry is None else (*above, Step(self.view.host_path(path), entry.identity))
        return Lookup(shown, path, point, entry, is_process_local=True), lineage

    def terminal_number(self, number: int) -> int | None:
        try:
            copy = ptrace.copy_descriptor(self.process, number)
        except OSError:
            return None
        try:
            return int.from_bytes(fcntl.ioctl(copy, _TIOCGPTN, bytes(4)), "little")
        except OSError:
            return None
        finally:
            os.close(copy)

    def socket_number(self, number: int) -> int:
        return socket_number(self.tid, number)

    def process_of_pidfd(self, number: int) -> int:
        try:
            with open(f"/proc/{self.tid}/fdinfo/{number}", "rb") as file:
                return next((int(line[4:]) for line in file if line.startswith(b"Pid:")), 0)
        except (OSError, ValueError):
            return 0
