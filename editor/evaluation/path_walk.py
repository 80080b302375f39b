"""Resolve paths as the kernel does, collecting the rules that apply on the way up to the root.

Files are only examined with lstat(2) and readlink(2), so an object that the caller may not examine counts as missing.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from editor.evaluation.mounts import mount_points
from editor.evaluation.own_process import SELF, THREAD_SELF, is_own
from editor.evaluation.resolve import Identity
from editor.evaluation.rule_index import RuledObject
from editor.landlock.rights import NO_RIGHTS, RightSet
from editor.policy.model import RuleRef

# The kernel's MAXSYMLINKS: one more is ELOOP.
MAX_LINKS = 40

# Directories cached before the cache is emptied: a few hundred bytes each.
_MAX_CACHED = 1 << 16


class Place:
    """An existing object, linked to the directories above it, with the rights granted there."""

    __slots__ = ("below", "identity", "is_dir", "nearest", "parent", "path", "rights", "ruled")

    def __init__(
        self, path: str, parent: "Place | None", identity: Identity, ruled: RuledObject | None, *, is_dir: bool
    ) -> None:
        self.path = path
        self.parent = parent
        self.identity = identity
        self.ruled = ruled
        self.is_dir = is_dir
        self.below: set[str] = set()  # cached paths of directories and symbolic links in it
        above = parent.rights if parent is not None else NO_RIGHTS
        self.rights: RightSet = above if ruled is None else above | ruled.rights
        self.nearest: Place | None = self if ruled is not None else (parent.nearest if parent is not None else None)

    def ruled_places(self) -> Iterator[tuple["Place", RuledObject]]:
        """Yield the places from here up that have rules, nearest first."""
        place = self.nearest
        while place is not None:
            if place.ruled is not None:
                yield place, place.ruled
            place = place.parent.nearest if place.parent is not None else None

    def nearest_refs(self) -> tuple[RuleRef, ...]:
        """Return the rules on the nearest object that has any."""
        for _, ruled in self.ruled_places():
            return tuple(dict.fromkeys(grant.ref for _, grant in ruled.refs))
        return ()

    def granting_refs(self, rights: RightSet) -> tuple[RuleRef, ...]:
        """Return the rules that grant ``rights`` here: for each right, those on the nearest object that grants it."""
        refs: dict[RuleRef, None] = {}
        for _, ruled in self.ruled_places():
            given = rights & ruled.rights
            if given:
                refs.update(dict.fromkeys(grant.ref for _, grant in ruled.refs if grant.rights & given))
                rights -= given
                if not rights:
                    break
        return tuple(refs)

    def rights_up_to(self, last: "Place") -> RightSet:
        """Return the union of the rights that rules from here up to ``last`` grant."""
        rights = NO_RIGHTS
        current: Place | None = self
        while current is not None:
            if current.ruled is not None:
                rights |= current.ruled.rights
            if current is last or current.identity == last.identity:
                break
            current = current.parent
        return rights


class Found(NamedTuple):
    """Where a path leads. If ``missing``, nowhere, and ``place`` is its deepest existing directory.

    If ``unchecked``, to an object that the kernel never checks, such as a pipe.
    """

    place: Place
    missing: bool = False
    unchecked: bool = False


class PathWalk:
    """Finds objects by path and caches what it finds.

    ``base`` is the directory that relative paths start from, ``prefix`` the view of the filesystem (``root`` of
    ``Decider``), ``objects`` are those with rules.
    """

    def __init__(self, base: str, prefix: str, objects: Mapping[Identity, RuledObject]) -> None:
        self._base = base
        self._prefix = prefix
        self._objects = objects
        self.forget_all()

    @property
    def is_full(self) -> bool:
        """Whether the cache should be emptied before the next walk."""
        return len(self._places) >= _MAX_CACHED

    def forget_all(self) -> None:
        """Empty the cache, including mounts."""
        self._mounts: frozenset[str] | None = None
        self._places: dict[str, Place] = {}
        self._links: dict[str, str] = {}
        status = os.stat(self._prefix + "/")
        identity = (status.st_dev, status.st_ino)
        self._root = Place("/", None, identity, self._objects.get(identity), is_dir=True)
        self._places["/"] = self._root

    def forget(self, path: str) -> bool:
        """Drop ``path`` and everything below it from the cache; return whether it was a cached directory."""
        self._links.pop(path, None)
        place = self._places.get(path)
        if place is None or place.parent is None:
            return False
        place.parent.below.discard(path)
        gone = [path]
        while gone:
            at = gone.pop()
            self._links.pop(at, None)
            place = self._places.pop(at, None)
            if place is not None:
                gone += place.below
        return True

    def find(self, path: str, *, follow: bool) -> Found:
        """Resolve ``path`` as the kernel does: component by component, through symbolic links."""
        path = os.path.join(self._base, path)
        names: list[str] = []
        place = self._places.get(path)
        head = path
        while place is None:
            head, _, name = head.rpartition("/")
            names.append(name)
            place = self._places.get(head) if head else self._root
        links = 0
        while names:
            name = names.pop()
            if name in ("", "."):
                continue
            if name == "..":
                place = place.parent or place
                continue
            real = f"{place.path}/{name}" if place.parent is not None else f"/{name}"
            known = self._places.get(real)
            if known is not None:
                place = known
                continue
            target = self._links.get(real)
            if target is None:
                try:
                    status = os.lstat(self._prefix + real)
                    is_link = stat.S_ISLNK(status.st_mode)
                    target = os.readlink(self._prefix + real) if is_link and (follow or names) else None
                except (OSError, ValueError):  # ValueError: a NUL in the path
                    return Found(place, missing=True)
                if target is None:
                    place = self._enter(place, real, status)
                    if place.is_dir:
                        continue
                    beyond = any(name not in ("", ".") for name in names)
                    return Found(place.parent or place, missing=True) if beyond else Found(place)
                if real in (SELF, THREAD_SELF):
                    try:
                        place = self._own_process(place, real)
                    except OSError:
                        return Found(place, missing=True)
                    continue
                if not real.startswith("/proc/"):
                    self._links[real] = target
                    place.below.add(real)
                elif (object_found := self._process_link(real, target, last=not names)) is not None:
                    return object_found
            elif not names and not follow:
                return Found(self._enter(place, real, os.lstat(self._prefix + real)))
            links += 1
            if links > MAX_LINKS:
                return Found(place, missing=True)
            if target.startswith("/"):
                place = self._root
            names.extend(reversed(target.split("/")))
        return Found(place)

    def _own_process(self, proc: Place, link: str) -> Place:
        """Return the directory of this process that ``link`` in ``proc`` leads to, under that name. Raises OSError."""
        place = self._enter(proc, SELF, os.stat(self._prefix + SELF))
        if link == SELF:
            return place
        task = f"{SELF}/task"
        place = self._enter(place, task, os.stat(self._prefix + task))
        return self._enter(place, THREAD_SELF, os.stat(f"{self._prefix}{task}/{os.getpid()}"))

    def _enter(self, parent: Place, path: str, status: os.stat_result) -> Place:
        identity = (status.st_dev, status.st_ino)
        is_dir = stat.S_ISDIR(status.st_mode)
        ruled = self._objects.get(identity)
        if ruled is not None and path.startswith("/proc/") and not is_own(path):
            # The command has another number than this process, which stands for it under the name /proc/self.
            ruled = None if all(is_own(each.target or "") for each in ruled.paths) else ruled
        place = Place(path, parent, identity, ruled, is_dir=is_dir)
        if is_dir and not path.startswith("/proc/"):  # changes with every process
            self._places[path] = place
            parent.below.add(path)
        return place

    def _process_link(self, link: str, target: str, *, last: bool) -> Found | None:
        """Resolve a magic link below /proc; None for an ordinary link.

        Such a link (``fd/3``, ``exe``, ``ns/net``) leads to the object itself. Pipes, sockets and other objects of
        filesystems that cannot be mounted have no path and are never checked (``is_nouser_or_private``).
        """
        if ":[" in target or target.startswith(("anon_inode:", "/memfd:")):
            return Found(self._root, unchecked=True)
        if not last or not target.startswith("/"):
            return None
        try:
            status = os.stat(self._prefix + link)
        except OSError:
            return None
        found = self.find(target, follow=False)
        identity = (status.st_dev, status.st_ino)
        if found.place.identity == identity and not found.missing:
            return found
        # The file was removed or replaced since: it is checked as an entry of that directory.
        parent = found.place if found.missing or found.place.parent is None else found.place.parent
        is_dir = stat.S_ISDIR(status.st_mode)
        return Found(Place(target, parent, identity, self._objects.get(identity), is_dir=is_dir))

    def mount_of(self, place: Place) -> Place:
        """Return the root of the mount that ``place`` is on."""
        while place.parent is not None and not self.is_mount_point(place.path):
            place = place.parent
        return place

    def is_mount_point(self, path: str) -> bool:
        """Whether something is mounted at ``path``, absolute and without symbolic links."""
        if self._mounts is None:
            self._mounts = mount_points(self._prefix)
        return path in self._mounts
