"""Read the files of a system, this one or one below another root, by the names that its own programs use."""

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType

from editor.landlock.rights import RightSet
from editor.suggest.protected import ProtectedPlaces

_MAX_LINKS = 40  # as in the kernel: one more is ELOOP
_MAX_TEXT = 1 << 20  # bytes of a file of settings: more is not one
_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@|authorization:|_auth|password|token", re.IGNORECASE)
_EACH_PROCESS_OWN = ("/proc/self", "/proc/thread-self")
_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class System:
    """A system whose ``/`` is ``root``, as it looks to a program with ``environment``.

    Paths that methods take and return are absolute, as seen inside. What cannot be read counts as missing: a program
    of this user could not read it either. An instance is for one look: it remembers links and what directories contain.
    """

    def __init__(self, root: str = "/", environment: Mapping[str, str] | None = None) -> None:
        """Without ``environment``, that of this process counts for its own root and none for another."""
        self.root = root
        own = os.environ if root == "/" else {}
        self.environment: Mapping[str, str] = MappingProxyType(dict(own if environment is None else environment))
        self._real: dict[str, str | None] = {}
        self._leads: dict[str, str | None] = {}
        self._names: dict[str, list[str]] = {}

    def real(self, path: str) -> str | None:
        """Return ``path`` without symbolic links, which never lead out of the root; None if it does not exist."""
        if path not in self._real:
            self._real[path] = self._walked(path) if path.startswith("/") else None
        return self._real[path]

    def _walked(self, path: str) -> str | None:
        waiting = [name for name in reversed(path.split("/")) if name]
        reached = "/"
        links = 0
        while waiting:
            name = waiting.pop()
            if name in (".", ".."):
                reached = reached if name == "." else os.path.dirname(reached)
                continue
            here = f"{reached.rstrip('/')}/{name}"
            if here not in self._leads:
                self._leads[here] = self._lead(here)
            target = self._leads[here]
            if target is None:
                return None
            if not target:
                reached = here
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            if target.startswith("/"):
                reached = "/"
            waiting += [part for part in reversed(target.split("/")) if part]
        return reached

    def _lead(self, here: str) -> str | None:
        """Return the target of ``here`` if it is a symbolic link, "" if it is anything else, None if it is missing."""
        try:
            status = os.lstat(self._outside(here))
            if not stat.S_ISLNK(status.st_mode) or here in _EACH_PROCESS_OWN:
                return ""
            return os.readlink(self._outside(here))
        except (OSError, ValueError):  # ValueError: a NUL in the path
            return None

    def link(self, path: str) -> str | None:
        """Return where the symbolic link ``path`` leads, without following further links; None if it is none."""
        directory = self.real(os.path.dirname(path))
        if directory is None:
            return None
        try:
            target = os.readlink(self._outside(os.path.join(directory, os.path.basename(path))))
        except OSError:
            return None
        return os.path.normpath(os.path.join(directory, target))

    def outside(self, path: str) -> str | None:
        """Return the path by which this process reaches ``path``; None if it does not exist."""
        real = self.real(path)
        return None if real is None else self._outside(real)

    def is_directory(self, path: str) -> bool:
        """Whether ``path`` is a directory."""
        return stat.S_ISDIR(self._mode(path))

    def is_file(self, path: str) -> bool:
        """Whether ``path`` is a regular file."""
        return stat.S_ISREG(self._mode(path))

    def is_socket(self, path: str) -> bool:
        """Whether ``path`` is a UNIX socket."""
        return stat.S_ISSOCK(self._mode(path))

    def is_program(self, path: str) -> bool:
        """Whether ``path`` is a regular file that somebody may execute."""
        mode = self._mode(path)
        return stat.S_ISREG(mode) and bool(mode & 0o111)

    def is_public(self, path: str) -> bool:
        """Whether everybody may read ``path``, as far as its own mode says."""
        return bool(self._mode(path) & 0o004)

    def is_public_tree(self, directory: str) -> bool:
        """Whether everybody may read all files in ``directory`` and below, as far as their own modes say."""
        for name in self.names(directory):
            path = os.path.join(directory, name)
            if self.link(path) is not None:  # leads to what a rule here does not cover, or covers anyway
                continue
            if not (self.is_public_tree(path) if self.is_directory(path) else self.is_public(path)):
                return False
        return self.is_public(directory)

    def is_without_password(self, path: str) -> bool:
        """Whether the file of settings ``path`` holds nothing that looks like a password or a token."""
        return _PASSWORD.search(self.text(path)) is None

    def text(self, path: str) -> str:
        """Return the content of a file of settings; empty if it is missing or not a regular file."""
        outside = self.outside(path)
        if outside is None or not self.is_file(path):
            return ""
        try:
            with open(outside, encoding="utf-8", errors="surrogateescape") as file:
                return file.read(_MAX_TEXT)
        except OSError:
            return ""

    def lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a file of settings that say something, without ``#`` comments."""
        for line in self.text(path).splitlines():
            if said := line.partition("#")[0].strip():
                yield said

    def names(self, directory: str) -> list[str]:
        """Return what ``directory`` contains, sorted; empty if it is missing."""
        if directory not in self._names:
            outside = self.outside(directory)
            try:
                self._names[directory] = [] if outside is None else sorted(os.listdir(outside))
            except OSError:
                self._names[directory] = []
        return self._names[directory]

    def matches(self, pattern: str) -> list[str]:
        """Return the paths that match ``pattern``, which has wildcards in its last name only, sorted."""
        directory, name = os.path.split(pattern)
        fits = re.compile(fnmatch.translate(name)).match
        return [os.path.join(directory, each) for each in self.names(directory) if fits(each)]

    @property
    def home(self) -> str | None:
        """The home directory; None if there is none, or if everything is beneath it."""
        home = self.environment.get("HOME", "")
        return home.rstrip("/") if home.startswith("/") and home.strip("/") and self.is_directory(home) else None

    def in_home(self, *names: str) -> list[str]:
        """Return ``names`` in the home directory, none if there is no such directory."""
        return [] if self.home is None else [os.path.join(self.home, name) for name in names]

    @property
    def runtime(self) -> str | None:
        """The directory of the session's sockets, as XDG_RUNTIME_DIR says; None if there is none."""
        directory = self.environment.get("XDG_RUNTIME_DIR", "")
        return directory.rstrip("/") if directory.startswith("/") and self.is_directory(directory) else None

    def command(self, name: str) -> str | None:
        """Return the program that ``name`` starts, the path itself or the first in PATH; None if there is none."""
        if "/" in name:
            return name if name.startswith("/") and self.is_program(name) else None
        directories = self.environment.get("PATH", _PROGRAMS).split(":")
        paths = (os.path.join(each, name) for each in directories if each.startswith("/"))
        return next((path for path in paths if self.is_program(path)), None)

    def is_protected(self, target: str, rights: RightSet) -> bool:
        """Whether ``rights`` on ``target`` would open a protected place of the running system."""
        if self.root != "/":
            return False
        writing = bool(rights - {"execute", "read_file", "read_dir", "resolve_unix"})
        return self._protected.inside(target, writing=writing, directory=self.is_directory(target)) is not None

    @cached_property
    def _protected(self) -> ProtectedPlaces:
        return ProtectedPlaces()

    @staticmethod
    def prefix(program: str) -> str:
        """Return the directory above that of ``program``, in whose other directories its files are."""
        return os.path.dirname(os.path.dirname(program)).rstrip("/")

    def _outside(self, real: str) -> str:
        return real if self.root == "/" else os.path.join(self.root, real.lstrip("/"))

    def _status(self, real: str) -> os.stat_result | None:
        try:
            return os.stat(self._outside(real))
        except (OSError, ValueError):  # ValueError: a NUL in the path
            return None

    def _mode(self, path: str) -> int:
        real = self.real(path)
        status = None if real is None else self._status(real)
        return 0 if status is None else status.st_mode
