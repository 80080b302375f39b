"""What the kernel will say: allowed or denied, by which rule, and why.

This follows security/landlock/fs.c, net.c and task.c of Linux 6.12 to 6.18 for one layer, over paths instead of
dentries. Nothing here asks the kernel about Landlock; files are only looked at with lstat(2) and readlink(2), so an
object that the caller may not look at counts as missing.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from editor.escape import printable
from editor.evaluation.resolve import GrantRef, Identity, ResolvedPath, ResolvedPolicy
from editor.landlock.rights import (
    DIRECTORY_RIGHTS,
    FILE_RIGHTS,
    NO_RIGHTS,
    RightSet,
    in_order,
    kind_of,
    right_of,
    rights_of,
)
from editor.policy.model import RuleRef

# The kernel's MAXSYMLINKS: one more is ELOOP.
_MAX_LINKS = 40

# Decisions, and directories, kept before the memory is emptied: some hundred bytes each, so some ten megabytes.
_MAX_CACHED = 1 << 16

# Flags of renameat2(2).
RENAME_EXCHANGE = 2
_RENAME_WHITEOUT = 4

# Erratum 4, in the mask that the kernel tells: security/landlock/errata/abi-1.h.
WHITEOUTS_ARE_FILES = 1 << 3

_NOWHERE: Identity = (-1, -1)  # of what cannot be seen, so that no rule is on it
_REFER: RightSet = frozenset({"refer"})
_ALL_FS: RightSet = rights_of("fs")
_MOUNTS_FILE = "/proc/self/mountinfo"


class Decision(NamedTuple):
    """The answer to one question.

    ``missing`` are the rights that no rule grants. ``decided_by`` of an allowance are the rules that gave each right,
    of a denial the nearest rules that reach the object but lack a right (possibly none). ``reason`` is one sentence,
    printable, empty for a plain allowance. ``uncontrolled`` are the rights that are not restricted: not handled, or
    newer than the ABI. ``errno`` is the name of the error that a program gets, None where it gets none from Landlock.
    ``object`` is what the rights were checked on, without symbolic links: for a path that does not exist the deepest
    directory that does. ``lacking`` says on which object each missing right is missing, so that a grant can be made
    there: one entry for most questions, up to two for a rename or link. ``layer`` is the number of the policy that
    denies where several are on top of each other, 0 otherwise.
    """

    allowed: bool
    missing: RightSet
    decided_by: tuple[RuleRef, ...]
    reason: str
    uncontrolled: RightSet
    errno: str | None
    object: str | None = None
    lacking: tuple[tuple[str, RightSet], ...] = ()
    layer: int = 0


class Grant(NamedTuple):
    """One rule that reaches an object: the rule's path as written, what it grants there, where it stands in the file,
    and whether it is a rule on the object itself."""

    path: str
    rights: RightSet
    ref: RuleRef
    here: bool


class Entry(NamedTuple):
    """A directory entry that is to be renamed, linked or replaced: its ``st_mode``, (st_dev, st_ino), ``st_rdev``."""

    mode: int
    identity: Identity
    device: int = 0

    @classmethod
    def at(cls, path: str) -> "Entry | None":
        """The entry at ``path`` now, a symbolic link itself, or None where there is none or it cannot be seen."""
        try:
            return cls.of(os.lstat(path))
        except (OSError, ValueError):
            return None

    @classmethod
    def of(cls, status: os.stat_result) -> "Entry":
        """The entry that stat(2) tells of."""
        return cls(status.st_mode, (status.st_dev, status.st_ino), status.st_rdev)


_MAKE_RIGHTS = {
    stat.S_IFLNK: "make_sym",
    stat.S_IFDIR: "make_dir",
    stat.S_IFCHR: "make_char",
    stat.S_IFBLK: "make_block",
    stat.S_IFIFO: "make_fifo",
    stat.S_IFSOCK: "make_sock",
}


def make_right(mode: int, device: int = 0, errata: int = 0) -> str:
    """The right that creating a file of type ``mode`` (as in ``st_mode``) needs on its directory.

    ``device`` is its number where it is a device. With number 0 it is a whiteout, with which overlayfs marks a name as
    removed and which anybody may make: a file like others in a kernel with the ``errata`` fixed that say so.
    """
    if errata & WHITEOUTS_ARE_FILES and stat.S_ISCHR(mode) and not device:
        return "make_reg"
    return _MAKE_RIGHTS.get(stat.S_IFMT(mode), "make_reg")


def remove_right(mode: int) -> str:
    """The right that removing a file of type ``mode`` needs on its directory."""
    return "remove_dir" if stat.S_ISDIR(mode) else "remove_file"


def refer_rights(
    moved: Entry, replaced: Entry | None, *, removes: bool, flags: int, same_directory: bool, errata: int = 0
) -> tuple[RightSet, RightSet]:
    """What a rename (``removes``) or link needs on the source directory and on the target directory.

    ``flags`` are those of renameat2(2), ``errata`` the mask of what is fixed in the kernel. Source:
    ``current_check_refer_path`` in security/landlock/fs.c.
    """
    source = set[str]()
    target = {make_right(moved.mode, moved.device, errata)}
    if flags & RENAME_EXCHANGE and replaced is not None:
        source.add(make_right(replaced.mode, replaced.device, errata))
    if flags & _RENAME_WHITEOUT and errata & WHITEOUTS_ARE_FILES:
        source.add("make_reg")
    if removes:
        source.add(remove_right(moved.mode))
        if replaced is not None:
            target.add(remove_right(replaced.mode))
    if same_directory:
        return frozenset(source | target), frozenset(source | target)
    return frozenset(source) | _REFER, frozenset(target) | _REFER


class _Node:
    """All rules on one inode: several paths of a policy may lead to it."""

    __slots__ = ("_refs", "dropped", "paths", "rights")

    def __init__(self) -> None:
        self.paths: list[ResolvedPath] = []
        self.rights: RightSet = NO_RIGHTS  # what the kernel gets: without what is dropped or the ABI does not know
        self.dropped: RightSet = NO_RIGHTS  # what the object cannot hold
        self._refs: tuple[tuple[ResolvedPath, GrantRef], ...] | None = None

    def add(self, path: ResolvedPath, known: RightSet) -> None:
        if not path.is_dir:
            self.dropped = DIRECTORY_RIGHTS
        self.paths.append(path)
        self.rights |= (path.rights - self.dropped) & known

    @property
    def usable(self) -> RightSet:
        """The rights that the object can hold."""
        return _ALL_FS - self.dropped

    @property
    def refs(self) -> tuple[tuple[ResolvedPath, GrantRef], ...]:
        """The rules with their paths; their rights already without what the object cannot hold.

        Made when they are asked for: of thousands of objects, few are.
        """
        if self._refs is None:
            self._refs = tuple(
                (path, GrantRef(each.ref, each.rights - self.dropped)) for path in self.paths for each in path.refs
            )
        return self._refs


class _Place:
    """An existing object on its way up to the root, with the rights that reach it."""

    __slots__ = ("below", "identity", "is_dir", "nearest", "node", "parent", "path", "rights")

    def __init__(
        self, path: str, parent: "_Place | None", identity: Identity, node: _Node | None, *, is_dir: bool
    ) -> None:
        self.path = path
        self.parent = parent
        self.identity = identity
        self.node = node
        self.is_dir = is_dir
        self.below: set[str] = set()  # the paths of directories and symbolic links in it that are remembered
        above = parent.rights if parent is not None else NO_RIGHTS
        self.rights: RightSet = above if node is None else above | node.rights
        self.nearest: _Place | None = self if node is not None else (parent.nearest if parent is not None else None)

    def nodes(self) -> Iterator[tuple["_Place", _Node]]:
        """The ruled places from here up, nearest first."""
        place = self.nearest
        while place is not None:
            if place.node is not None:
                yield place, place.node
            place = place.parent.nearest if place.parent is not None else None


class _Found(NamedTuple):
    """Where a path leads. ``missing``: nowhere, and ``place`` is the deepest directory of it that exists.

    ``unchecked``: to an object that the kernel does not check at all, such as a pipe.
    """

    place: _Place
    missing: bool = False
    unchecked: bool = False


class _Rules(NamedTuple):
    """The rules of ``paths`` by the inodes that they are on (``nodes``), and the first path that led to each place.

    ``known`` are the rights that count.
    """

    paths: tuple[ResolvedPath, ...]
    known: RightSet
    nodes: dict[Identity, _Node]
    targets: dict[str, ResolvedPath]

    @classmethod
    def of(cls, paths: tuple[ResolvedPath, ...], known: RightSet) -> "_Rules":
        """All rules of ``paths``."""
        rules = cls(paths, known, {}, {})
        for each in paths:
            if each.identity is not None and each.target is not None:
                rules.nodes.setdefault(each.identity, _Node()).add(each, known)
                rules.targets.setdefault(each.target, each)
        return rules

    def after(self, paths: tuple[ResolvedPath, ...], known: RightSet) -> "_Rules":
        """As ``of``, for paths most of which are the same."""
        if paths is self.paths and known == self.known:
            return self
        if len(paths) == len(self.paths):
            changed = [each for pair in zip(self.paths, paths, strict=True) if pair[0] is not pair[1] for each in pair]
        else:
            kept = set(map(id, self.paths)).intersection(map(id, paths))
            changed = [each for each in chain(self.paths, paths) if id(each) not in kept]
        if len(changed) > len(paths) or known != self.known:
            return _Rules.of(paths, known)
        identities = {each.identity for each in changed if each.identity is not None}
        targets = {each.target for each in changed if each.target is not None}
        rules = _Rules(paths, known, dict(self.nodes), dict(self.targets))
        for identity in identities:
            rules.nodes.pop(identity, None)
        for target in targets:
            rules.targets.pop(target, None)
        for each in paths:
            if each.identity is not None and each.target is not None:
                if each.identity in identities:
                    rules.nodes.setdefault(each.identity, _Node()).add(each, known)
                if each.target in targets:
                    rules.targets.setdefault(each.target, each)
        return rules


class Decider:
    """Answers questions about one resolved policy as Landlock version ``abi`` enforces it.

    What was found on the filesystem is remembered. Who knows that something was created, removed or renamed calls
    ``forget`` with its path, after a mount without. Not for use by several threads at the same time.

    ``root`` is a prefix through which another view of the filesystem is seen, such as /proc/PID/root of a process in a
    mount namespace of its own (with /.. behind it where the process is in a chroot): paths asked about are then paths
    of that view, while the rules stay on the objects that they were resolved to. ``beyond`` are rights without a name
    that count as known at ``abi``; ``errata`` is the mask of what is fixed in the kernel (``kernel.query_errata``).

    ``near`` is a decider of this policy or of one much like it: what they have in common is shared. It may be in use in
    another thread meanwhile.
    """

    def __init__(
        self,
        resolved: ResolvedPolicy,
        abi: int,
        *,
        root: str = "",
        beyond: RightSet = NO_RIGHTS,
        errata: int = 0,
        near: "Decider | None" = None,
    ) -> None:
        self.resolved = resolved
        self.abi = abi
        self._errata = errata
        self._prefix = root
        known = rights_of("fs", abi) | beyond
        handled = resolved.handled_fs & known
        # Any ruleset that handles any filesystem right denies refer, also where it does not handle it.
        self._handled: RightSet = handled | _REFER if handled else NO_RIGHTS
        self._handled_net: RightSet = resolved.handled_net & (rights_of("net", abi) | beyond)
        self._scoped: RightSet = resolved.scoped & (rights_of("scope", abi) | beyond)
        rules = near._rules.after(resolved.paths, known) if near is not None else _Rules.of(resolved.paths, known)
        self._rules: _Rules = rules
        self._nodes = rules.nodes
        self._ports = {each.port: each for each in resolved.ports}
        self.forget()

    @property
    def handled(self) -> RightSet:
        """The filesystem rights that are denied unless a rule grants them: refer is among them if any is."""
        return self._handled

    @cached_property
    def inodes(self) -> frozenset[int]:
        """The inode numbers of the objects that rules are on, whatever device they are on."""
        return frozenset(inode for _, inode in self._nodes)

    @property
    def targets(self) -> Mapping[str, ResolvedPath]:
        """The places that rules' paths lead to, without symbolic links, each with the first of those paths."""
        return self._rules.targets

    @cached_property
    def _absent(self) -> list[tuple[str, ResolvedPath]]:
        """The paths that lead nowhere, as they are asked for."""
        absolute = self.resolved.absolute
        return [
            (os.path.normpath(absolute(each.path)), each)
            for each in self.resolved.paths
            if each.identity is None or each.target is None
        ]

    def stand_in_a_domain_of_files(self) -> None:
        """Another layer of the domain handles filesystem rights: then this one denies refer even if it handles none.

        As ``landlock_get_fs_access_mask`` in security/landlock/ruleset.h has it; no rule can grant it.
        """
        if not self._handled and (self._handled_net or self._scoped):
            self._handled = _REFER
            self.forget()

    def forget(self, path: str | None = None) -> None:
        """Look again at ``path``, absolute and without symbolic links, and at what is below it.

        None: at everything, mounts included.
        """
        if path is None:
            self._decisions: dict[str, dict[tuple[RightSet, bool], Decision]] = {}
            self._mounts: frozenset[str] | None = None
            self._places: dict[str, _Place] = {}
            self._links: dict[str, str] = {}
            status = os.stat(self._prefix + "/")
            identity = (status.st_dev, status.st_ino)
            self._root = _Place("/", None, identity, self._nodes.get(identity), is_dir=True)
            self._places["/"] = self._root
            return
        self._decisions.pop(path, None)
        self._links.pop(path, None)
        place = self._places.get(path)
        if place is None or place.parent is None:
            return
        place.parent.below.discard(path)
        self._decisions.clear()
        gone = [path]
        while gone:
            at = gone.pop()
            self._links.pop(at, None)
            place = self._places.pop(at, None)
            if place is not None:
                gone += place.below

    # Files

    def file(self, path: str, rights: RightSet, *, follow: bool = True) -> Decision:
        """Would ``rights`` be granted on the object ``path``?

        For ``make_*``, ``remove_*`` and ``refer`` the object is the directory in which that happens. A relative path
        starts at the policy's base. Symbolic links are followed, the last one only with ``follow``. For a path that
        does not exist, the deepest existing directory decides. ``resolve_unix`` restricts only sockets that were made
        outside of the sandbox: the answer is about such a one. Raises ValueError for what is not a filesystem right.
        """
        cached = self._decisions.get(path)
        if cached is not None and (decision := cached.get((rights, follow))) is not None:
            return decision
        if not rights <= _ALL_FS and (wrong := [name for name in sorted(rights) if kind_of(name) != "fs"]):
            raise ValueError(f"not filesystem rights: {', '.join(wrong)}")
        decision = self._decide(path, rights, follow=follow)
        if not path.startswith("/proc/"):  # what stands there changes with every process
            if len(self._decisions) >= _MAX_CACHED:
                self._decisions.clear()
            self._decisions.setdefault(path, {})[rights, follow] = decision
        return decision

    def rights_on(self, path: str, *, follow: bool = True) -> RightSet:
        """The filesystem rights that the policy grants on the object ``path``, by all rules that reach it."""
        return self._find(path, follow=follow).place.rights

    def inherited(self, path: str, *, follow: bool = True) -> tuple[Grant, ...]:
        """All rules that reach ``path``, nearest first, with what each grants (also rights newer than the ABI).

        For a path that does not exist: those that reach the deepest directory of it that does.
        """
        found = self._find(path, follow=follow)
        return tuple(
            Grant(rule.path, grant.rights, grant.ref, place is found.place and not found.missing)
            for place, node in found.place.nodes()
            for rule, grant in node.refs
        )

    def _decide(self, path: str, rights: RightSet, *, follow: bool) -> Decision:
        found = self._find(path, follow=follow)
        place = found.place
        if found.unchecked:
            reason = "Landlock does not check objects of this kind, such as pipes and sockets without a path"
            return Decision(True, NO_RIGHTS, (), reason, rights, None)
        wanted = rights & self._handled
        missing = wanted - place.rights
        uncontrolled = rights - wanted
        if missing:
            reason = self._why_not(place, missing, path)
            lacking = ((place.path, missing),)
            return Decision(False, missing, _nearest_refs(place), reason, uncontrolled, "EACCES", place.path, lacking)
        reason = self._why_uncontrolled(uncontrolled) if uncontrolled else ""
        return Decision(True, NO_RIGHTS, _giving_refs(place, wanted), reason, uncontrolled, None, place.path)

    def _why_uncontrolled(self, rights: RightSet) -> str:
        new = [name for name in in_order(rights) if right_of(name).abi > self.abi]
        old = [name for name in in_order(rights) if name not in new]
        parts = []
        if old:
            parts.append(f"the policy does not restrict {_listed(old)}")
        if new:
            parts.append(f"Landlock ABI {self.abi} does not know {_listed(new)}")
        return ", and ".join(parts)

    def _why_not(self, place: _Place, missing: RightSet, asked: str) -> str:
        """Why ``missing`` are denied on ``place``, naming the nearest rule that could have helped."""
        spelled = os.path.normpath(self.resolved.absolute(asked))
        for path, rule in self._absent:
            if rule.rights & missing and (spelled == path or spelled.startswith(path.rstrip("/") + "/")):
                return f"the rule's path {printable(rule.path)} ({_line(rule.refs[0].ref)}) does not exist"
        above: _Place | None = place
        while above is not None:
            replaced = self.targets.get(above.path)
            if replaced is not None and replaced.identity != above.identity and replaced.rights & missing:
                where = f"{printable(replaced.path)} ({_line(replaced.refs[0].ref)})"
                return f"the rule on {where} belongs to what stood there before, not to what stands there now"
            above = above.parent
        if place.nearest is None or place.nearest.node is None:
            return f"no rule covers {printable(place.path)}"
        return _lacks(place.nearest.node, missing)

    def _find(self, path: str, *, follow: bool) -> _Found:
        """Where ``path`` leads, walking as the kernel does: component by component, through symbolic links."""
        path = os.path.join(self.resolved.base, path)
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
                    return _Found(place, missing=True)
                if target is None:
                    place = self._enter(place, real, status)
                    if place.is_dir:
                        continue
                    beyond = any(name not in ("", ".") for name in names)
                    return _Found(place.parent or place, missing=True) if beyond else _Found(place)
                if not real.startswith("/proc/"):
                    if self._places.get(place.path) is place:
                        self._links[real] = target
                        place.below.add(real)
                elif (object_found := self._process_link(real, target, last=not names)) is not None:
                    return object_found
            elif not names and not follow:
                return _Found(self._enter(place, real, os.lstat(self._prefix + real)))
            links += 1
            if links > _MAX_LINKS:
                return _Found(place, missing=True)
            if target.startswith("/"):
                place = self._root
            names.extend(reversed(target.split("/")))
        return _Found(place)

    def _enter(self, parent: _Place, path: str, status: os.stat_result) -> _Place:
        identity = (status.st_dev, status.st_ino)
        is_dir = stat.S_ISDIR(status.st_mode)
        place = _Place(path, parent, identity, self._nodes.get(identity), is_dir=is_dir)
        if is_dir and not path.startswith("/proc/"):
            if len(self._places) >= _MAX_CACHED:
                self.forget()
            # After that the rest of this walk stands on places that are not remembered: neither is what is below them.
            if self._places.get(parent.path) is parent:
                self._places[path] = place
                parent.below.add(path)
        return place

    def _process_link(self, link: str, target: str, *, last: bool) -> _Found | None:
        """What a link below /proc leads to, where its text does not tell: None for an ordinary link.

        Such a link (``fd/3``, ``exe``, ``ns/net``) leads to the object itself. Pipes, sockets and other objects of
        filesystems that cannot be mounted have no path and are never checked (``is_nouser_or_private``).
        """
        if ":[" in target or target.startswith(("anon_inode:", "/memfd:")):
            return _Found(self._root, unchecked=True)
        if not last or not target.startswith("/"):
            return None
        try:
            status = os.stat(self._prefix + link)
        except OSError:
            return None
        found = self._find(target, follow=False)
        identity = (status.st_dev, status.st_ino)
        if found.place.identity == identity and not found.missing:
            return found
        # The file was removed or replaced meanwhile: it is checked as what stood in that directory.
        parent = found.place if found.missing or found.place.parent is None else found.place.parent
        is_dir = stat.S_ISDIR(status.st_mode)
        return _Found(_Place(target, parent, identity, self._nodes.get(identity), is_dir=is_dir))

    # Renames and links

    def rename(self, old: str, new: str, *, flags: int = 0) -> Decision:
        """Would rename(2) of ``old`` to ``new`` be allowed, with the ``flags`` of renameat2(2)?

        Both are looked at now. An ``old`` that does not exist counts as a regular file.
        """
        return self._refer_paths(old, new, removes=True, flags=flags)

    def link(self, old: str, new: str, *, follow: bool = False) -> Decision:
        """Would link(2) of ``old`` as ``new`` be allowed (with ``follow``: AT_SYMLINK_FOLLOW)?"""
        if follow:
            place = self._find(old, follow=True)
            old = old if place.missing else place.place.path
        return self._refer_paths(old, new, removes=False, flags=0)

    def _refer_paths(self, old: str, new: str, *, removes: bool, flags: int) -> Decision:
        old, new = (os.path.join(self.resolved.base, path).rstrip("/") for path in (old, new))
        moved = self._uncovered(old) or Entry(stat.S_IFREG, _NOWHERE)
        replaced = self._uncovered(new) if removes else None
        old_dir, new_dir = (os.path.dirname(path) or "/" for path in (old, new))
        return self.refer(old_dir, new_dir, moved, replaced, removes=removes, flags=flags)

    def refer(
        self,
        old_dir: str,
        new_dir: str,
        moved: Entry,
        replaced: Entry | None = None,
        *,
        removes: bool = True,
        flags: int = 0,
    ) -> Decision:
        """Would ``moved``, an entry of ``old_dir``, be allowed into ``new_dir``?

        ``removes`` tells a rename, with the ``flags`` of renameat2(2), from a link; ``replaced`` is the entry that the
        new name has already. Two names in one directory need only the make and remove rights. Between directories both
        need ``refer``, and the file must not gain rights by the move. ``errno`` is EACCES where a make or remove right
        is missing, else EXDEV.
        """
        source = self._find(old_dir, follow=True).place
        target = self._find(new_dir, follow=True).place
        same = source.identity == target.identity
        rights1, rights2 = refer_rights(
            moved, replaced, removes=removes, flags=flags, same_directory=same, errata=self._errata
        )
        uncontrolled = (rights1 | rights2) - self._handled
        if not self._handled:
            return Decision(True, NO_RIGHTS, (), self._why_uncontrolled(uncontrolled), uncontrolled, None, target.path)
        if same:
            return self.file(target.path, rights1)
        children = (moved, replaced if flags & RENAME_EXCHANGE else None)
        denied1, denied2, compared = self._refer_walk((source, target), children, (rights1, rights2))
        if compared is None or not (denied1 or denied2):
            refs = tuple(dict.fromkeys((*_giving_refs(source, rights1), *_giving_refs(target, rights2))))
            reason = self._why_uncontrolled(uncontrolled) if uncontrolled else ""
            return Decision(True, NO_RIGHTS, refs, reason, uncontrolled, None, target.path)

        gained1, gained2 = compared
        wanted1 = (rights1 & self._handled) - source.rights
        wanted2 = (rights2 & self._handled) - target.rights
        lacking = tuple(
            (place.path, rights)
            for place, rights in ((source, wanted1 | gained1), (target, wanted2 | gained2))
            if rights
        )
        eacces = bool((denied1 & rights1 | denied2 & rights2) - _REFER)
        refs = tuple(dict.fromkeys((*_nearest_refs(source), *_nearest_refs(target))))
        if eacces:
            place, wanted = (source, wanted1 - _REFER) if wanted1 - _REFER else (target, wanted2 - _REFER)
            role = "source" if place is source else "target"
            reason = f"{role} directory {printable(place.path)}: {self._why_not(place, wanted, place.path)}"
        elif wanted1 or wanted2:
            where = [f"the source directory {printable(source.path)}"] if wanted1 else []
            where += [f"the target directory {printable(target.path)}"] if wanted2 else []
            reason = f"refer is not granted on {' nor on '.join(where)}"
        else:
            gained, giver, taker = (gained1, target, source) if gained1 else (gained2, source, target)
            reason = f"by the move the file would gain {_listed(in_order(gained))}"
            if gained <= taker.rights:
                # Given on both sides, but only by a rule on /, which the comparison has not seen on this mount.
                reason += ": on this mount the kernel does not count the rule on / for that"
            else:
                reason += f", which {printable(giver.path)} grants and {printable(taker.path)} does not"
        missing = wanted1 | wanted2 or gained1 | gained2
        return Decision(
            False, missing, refs, reason, uncontrolled, "EACCES" if eacces else "EXDEV", target.path, lacking
        )

    def _refer_walk(
        self,
        parents: tuple[_Place, _Place],
        children: tuple[Entry, Entry | None],
        wanted: tuple[RightSet, RightSet],
    ) -> tuple[RightSet, RightSet, tuple[RightSet, RightSet] | None]:
        """``is_access_to_paths_allowed`` for two directories of one mount, step by step.

        ``children`` are the moved entry and, for an exchange, the other one. Gives what stays denied on the source and
        on the target, and what the two would gain at the last comparison; None instead of that where both directories
        permit everything.
        """
        handled = self._handled
        source, target = parents
        mount = self._mount_of(target)
        denied1 = handled - _rights_up_to(source, mount)
        denied2 = handled - _rights_up_to(target, mount)
        if not denied1 and not denied2:
            return denied1, denied2, None
        child1, child2 = (self._child_denied(each) if each is not None else NO_RIGHTS for each in children)
        gained1 = gained2 = NO_RIGHTS
        masked1 = masked2 = handled
        comparing = True
        place: _Place | None = mount
        while place is not None:
            # The file may move once it gains nothing by it; from there on only the wanted rights count. The kernel
            # compares before it adds a directory's own rule: a rule on the real root comes too late for a file on
            # another mount, and so it does here.
            if comparing:
                gained1 = (denied1 & child1) - denied2
                gained2 = (denied2 & child2) - denied1
                if not gained1 and not gained2:
                    comparing = False
                    masked1, masked2 = wanted
                    denied1 &= masked1
                    denied2 &= masked2
                    if not denied1 and not denied2:
                        break
            if place.node is not None:
                denied1 -= place.node.rights & masked1
                denied2 -= place.node.rights & masked2
                if not denied1 and not denied2:
                    break
            place = place.parent
        return denied1, denied2, (gained1, gained2)

    def _child_denied(self, entry: Entry) -> RightSet:
        """The rights that rules on the entry itself do not give it, as far as they matter for its type."""
        node = self._nodes.get(entry.identity)
        denied = self._handled if node is None else self._handled - node.rights
        return denied if stat.S_ISDIR(entry.mode) else denied & FILE_RIGHTS

    def _mount_of(self, place: _Place) -> _Place:
        """The root of the mount on which ``place`` is."""
        while place.parent is not None and not self._is_mounted(place.path):
            place = place.parent
        return place

    def _is_mounted(self, path: str) -> bool:
        if self._mounts is None:
            self._mounts = _mount_points(self._prefix)
        return path in self._mounts

    def _uncovered(self, path: str) -> Entry | None:
        """The entry at ``path`` as a rename meets it: what a mount covers there, which no rule names by this path."""
        entry = Entry.at(path)
        directory, _, name = path.rpartition("/")
        covered = entry is not None and self._is_mounted(os.path.join(os.path.realpath(directory or "/"), name))
        return entry._replace(identity=_NOWHERE) if entry is not None and covered else entry

    # Ports and scopes

    def port(self, port: int | None, right: str) -> Decision:
        """Would ``right`` (``bind_tcp``, ``connect_tcp``, ...) be granted on ``port``? Port 0 of a bind is a port here.

        None stands for an address that tells no port, which no rule can grant. Raises ValueError for what is not a
        network right.
        """
        if kind_of(right) != "net":
            raise ValueError(f"not a network right: {right}")
        wanted = frozenset({right})
        if right not in self._handled_net:
            return Decision(True, NO_RIGHTS, (), self._why_uncontrolled(wanted), wanted, None)
        if port is None:
            return Decision(False, wanted, (), "no rule can cover an address without a port", NO_RIGHTS, "EACCES")
        rule = self._ports.get(port)
        if rule is None:
            return Decision(False, wanted, (), f"no rule covers port {port}", NO_RIGHTS, "EACCES")
        if right in rule.rights:
            refs = tuple(dict.fromkeys(each.ref for each in rule.refs if right in each.rights))
            return Decision(True, NO_RIGHTS, refs, "", NO_RIGHTS, None)
        refs = tuple(dict.fromkeys(each.ref for each in rule.refs))
        granted = _listed(in_order(rule.rights))
        reason = f"port {port} ({_line(refs[0])}) grants {granted} but not {right}"
        return Decision(False, wanted, refs, reason, NO_RIGHTS, "EACCES")

    def scope(self, name: str) -> Decision:
        """Would the policy let a program reach outside its domain by ``name`` (``abstract_unix_socket``, ``signal``)?

        Raises ValueError for what is not a scope.
        """
        if kind_of(name) != "scope":
            raise ValueError(f"not a scope: {name}")
        wanted = frozenset({name})
        if name not in self._scoped:
            return Decision(True, NO_RIGHTS, (), self._why_uncontrolled(wanted), wanted, None)
        refs = tuple(each.ref for each in self.resolved.rulesets if name in each.rights)
        reason = f"the policy keeps {name} inside the sandbox"
        return Decision(False, wanted, refs, reason, NO_RIGHTS, "EPERM")


def _line(ref: RuleRef) -> str:
    return f"{printable(os.path.basename(ref.file))}:{ref.line}"


def _listed(names: list[str]) -> str:
    return ", ".join(names) if names else "nothing"


def _lacks(node: _Node, missing: RightSet) -> str:
    rule, grant = node.refs[0]
    where = f"{printable(rule.path)} ({_line(grant.ref)})"
    granted = NO_RIGHTS.union(*(each.rights for _, each in node.refs))
    denied = _listed(in_order(missing))
    if not granted:
        return f"{where} is not a directory, so its rule grants nothing"
    if missing & rule.rights and not missing & node.usable:
        return f"{where} is not a directory, so its rule cannot grant {denied}"
    return f"{where} grants {_listed(in_order(granted))} but not {denied}"


def _nearest_refs(place: _Place) -> tuple[RuleRef, ...]:
    for _, node in place.nodes():
        return tuple(dict.fromkeys(grant.ref for _, grant in node.refs))
    return ()


def _giving_refs(place: _Place, rights: RightSet) -> tuple[RuleRef, ...]:
    """The rules that give ``rights`` on ``place``: for each right all rules of the nearest object that gives it."""
    refs: dict[RuleRef, None] = {}
    for _, node in place.nodes():
        given = rights & node.rights
        if given:
            refs.update(dict.fromkeys(grant.ref for _, grant in node.refs if grant.rights & given))
            rights -= given
            if not rights:
                break
    return tuple(refs)


def _rights_up_to(place: _Place, last: _Place) -> RightSet:
    """What the rules from ``place`` up to ``last`` give together."""
    rights = NO_RIGHTS
    current: _Place | None = place
    while current is not None:
        if current.node is not None:
            rights |= current.node.rights
        if current is last or current.identity == last.identity:
            break
        current = current.parent
    return rights


def _mount_points(prefix: str = "") -> frozenset[str]:
    """Where something is mounted, as this process sees it, or the one that ``prefix``, below /proc/PID/root, is of.

    Nothing where /proc is not there.
    """
    process = "/".join(prefix.split("/")[:3]) if prefix else ""
    try:
        with open(f"{process}/mountinfo" if process else _MOUNTS_FILE, "rb") as file:
            lines = file.read().splitlines()
        # The process tells paths from its own root on, which in a chroot is not where ``prefix`` leads.
        root = os.readlink(f"{process}/root").rstrip("/") if ".." in prefix else ""
    except OSError:
        return frozenset()
    # proc_pid_mountinfo(5): the fifth field, with space, tab, newline and backslash as octal escapes.
    points = (os.fsdecode(_without_escapes(line.split(b" ", 5)[4])) for line in lines)
    return frozenset((root + point).rstrip("/") or "/" for point in points)


def _without_escapes(point: bytes) -> bytes:
    first, *rest = point.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
