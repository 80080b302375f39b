"""Find for each access a path that will still be there in the next run, so that a rule on it helps then."""

import os
import re
import tempfile
from functools import cache

from editor.escape import printable
from editor.landlock.rights import DIRECTORY_RIGHTS
from editor.sandbox.verdicts.report import Access
from editor.suggest.listings import Listings

# A process has its directory in /proc only while it runs, so a rule on it would not help the next run. Only that of the
# command has a name that means the same in each run.
_OF_A_PROCESS = re.compile(r"/proc/[0-9]+(/|\Z)")
COMMANDS_OWN, ALL_PROCESSES = "/proc/self", "/proc"

# The control group of a container or of a login session.
_PASSING_GROUP = re.compile(r"(/sys/fs/cgroup(?:/.*?)?)/(?:[^/]*[0-9a-f]{32,}[^/]*|[^/]*\.scope)(?:/|\Z)")

# Names there are those of devices: numbers and identifiers that stay.
_OF_DEVICES = ("/dev/", "/sys/", "/proc/")

# Names that say what a file contains, which one of many it is, or when it was made. Programs that use such names make
# new ones as they go, but a single such name may well be a fixed one, such as that of the machine.
_CONTENT = re.compile(r"(?:[a-z]+-)?(?:[0-9a-f]{2}){15,}(?:\.\w+)*\Z")
_SHARD = re.compile(r"[0-9a-f]{2}\Z")
_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.\w+)*\Z")
_TIME = re.compile(r"(?:.*\D)?20\d\d-?[01]\d-?[0-3]\d[T_ -]?[0-2]\d[:_-]?[0-5]\d.*\Z")
_PASSING = (_CONTENT, _SHARD, _IDENTIFIER, _TIME)
_SHARD_LENGTH, _SHORTEST_CONTENT = 2, 30
_ENOUGH_ALIKE = 3

# What mkstemp in Python, gcc, mktemp(1) and others like them make, and the kernel for O_TMPFILE.
_TEMPORARY_NAME = re.compile(
    r"tmp[a-z0-9_]{8}\Z|#[0-9]+(?: \(deleted\))?\Z|(?:cc|.*[-._])([A-Za-z0-9]{6,12})(?:\.\w+)?\Z"
)
_CAMEL_CASE = re.compile(r"[A-Z]?[a-z]*([A-Z][a-z]{2,})*[0-9]*\Z")
_TURNS = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")
_RANDOM_TURNS = 3  # from letters to digits or back, in one word


class CannotGrant(ValueError):
    """No edit of the policy can allow this access. The message is a sentence."""


def temporary_directories() -> frozenset[str]:
    """Return the directories in which programs make temporary files, without symbolic links."""
    return _and_known_ones(tempfile.gettempdir())


@cache
def _and_known_ones(directory: str) -> frozenset[str]:
    return frozenset(map(os.path.realpath, ("/tmp", "/var/tmp", "/dev/shm", directory)))  # noqa: S108


class LastingPlaces:
    """Finds lasting places on the filesystem as it is, as ``listings`` know it."""

    def __init__(self, listings: Listings | None = None) -> None:
        self._listings = listings or Listings()
        self._known: dict[str, str] = {}
        self._temporary = temporary_directories()

    def of(self, access: Access) -> str:
        """Return the path for a rule: the object of ``access``, or the nearest directory above that outlasts the run.

        Raises CannotGrant for an object that is on no filesystem path.
        """
        path = access.object_path
        if path is None or not path.startswith("/"):
            shown = printable(access.path or path or "this object")
            raise CannotGrant(f"{shown} is not on a filesystem path, so no rule can name it.")
        if path.startswith("/proc/") and _OF_A_PROCESS.match(path):
            return COMMANDS_OWN if access.of_command else ALL_PROCESSES
        if access.made_in is not None:
            return self._at_or_above(access.made_in)
        if not access.missing.isdisjoint(DIRECTORY_RIGHTS):
            return self._at_or_above(path)
        directory = path[: path.rfind("/")] or "/"
        # A whole directory with such a name may be where a person works.
        if directory in self._temporary and is_temporary_name(os.path.basename(path)):
            return self._at_or_above(directory)
        return self._at_or_above(path, remember=False)

    def _at_or_above(self, path: str, *, remember: bool = True) -> str:
        """Return ``path``, or the nearest directory above it, so that it and all directories above it last."""
        if path == "/":
            return path
        found = self._known.get(path)
        if found is None:
            directory, _, name = path.rpartition("/")
            directory = directory or "/"
            found = self._at_or_above(directory)
            if found == directory:
                found = path if self._lasts(directory, name) else self._above(directory, name)
            if remember:
                self._known[path] = found
        return found

    def _lasts(self, directory: str, name: str) -> bool:
        """Whether ``name`` in ``directory``, which lasts, is there and will be there in the next run."""
        path = f"{directory.rstrip('/')}/{name}"
        if not self._is_there(directory, name) or not (name.isascii() or _is_text(name)):
            return False
        if path.startswith(_OF_DEVICES):
            return not _PASSING_GROUP.match(path)
        return not self._is_one_of_many(directory, name)

    def _above(self, directory: str, name: str) -> str:
        """Return the directory for all names like ``name``, which is in ``directory`` and does not last."""
        if _CONTENT.match(name):
            while _SHARD.match(os.path.basename(directory)):
                directory = os.path.dirname(directory)
        return directory

    def _is_there(self, directory: str, name: str) -> bool:
        if directory == "/proc" or directory.startswith("/proc/"):
            return _exists(f"{directory}/{name}")
        names = self._listings.names(directory)
        return _exists(os.path.join(directory, name)) if names is None else name in names

    def _is_one_of_many(self, directory: str, name: str) -> bool:
        """Whether ``name`` is made up by a program, as most others in ``directory`` are."""
        if _SHARD_LENGTH < len(name) < _SHORTEST_CONTENT and "20" not in name:  # the pattern of a time has a year
            return False
        pattern = next((pattern for pattern in _PASSING if pattern.match(name)), None)
        if pattern is None:
            return False
        if pattern is _CONTENT and _SHARD.match(os.path.basename(directory)):
            return True
        others = self._listings.names(directory) or ()
        alike = sum(pattern.match(each) is not None for each in others)
        return alike >= _ENOUGH_ALIKE and 2 * alike > len(others)


def lasting_place(access: Access) -> str:
    """Return the path for a rule: the object of ``access``, or the nearest directory above that outlasts the run.

    Raises CannotGrant for an object that is on no filesystem path. For many accesses, use `LastingPlaces`.
    """
    return LastingPlaces().of(access)


def is_temporary_name(name: str) -> bool:
    """Whether ``name``, in a directory of temporary files, looks like one that was drawn at random."""
    match = _TEMPORARY_NAME.match(name)
    if match is None:
        return False
    word = match[1]
    if word is None:
        return True
    mixed = not word.isupper() and not word.islower() and not word.isdigit() and not _CAMEL_CASE.match(word)
    return mixed or len(_TURNS.findall(word)) >= _RANDOM_TURNS


def _exists(path: str) -> bool:
    try:
        os.lstat(path)
    except (OSError, ValueError):
        return False
    return True


def _is_text(name: str) -> bool:
    """Whether a policy, which is UTF-8, can contain ``name``."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
