"""Predict the kernel's decisions: allowed or denied, by which rule, and why.

This follows security/landlock/fs.c, net.c and task.c of Linux 6.12 to 6.18 for one layer, on paths instead of dentries,
without calling Landlock. Paths are resolved in ``path_walk``, moves between directories are checked in ``refer``, and
decisions explained in ``reasons``.
"""

import os
import stat
from collections.abc import Mapping
from functools import cached_property

from editor.evaluation.decision import Decision, Entry, Grant, Lineage
from editor.evaluation.path_walk import Found, PathWalk, Place
from editor.evaluation.ports_and_scopes import decide_port, decide_scope
from editor.evaluation.reasons import UNCHECKED, Reasons
from editor.evaluation.refer import REFER, RENAME_EXCHANGE, refer_denial, refer_rights
from editor.evaluation.resolve import Identity, ResolvedPath, ResolvedPolicy
from editor.evaluation.rule_index import RuleIndex
from editor.landlock.rights import FILE_RIGHTS, NO_RIGHTS, RightSet, kind_of, rights_of

# Decisions cached before the cache is emptied: a few hundred bytes each, so about ten megabytes.
_MAX_CACHED = 1 << 16

_NOWHERE: Identity = (-1, -1)  # of an object that cannot be examined, so that no rule is on it
_ALL_FS: RightSet = rights_of("fs")


class Decider:
    """Decides accesses under one resolved policy as Landlock version ``abi`` enforces it.

    What is found on the filesystem is cached: after a file was created, removed or renamed, call ``forget`` with its
    path; after a mount, call it without. Not safe for use by several threads at once.

    ``root`` is a prefix that leads to another view of the filesystem, such as /proc/PID/root of a process in its own
    mount namespace (followed by /.. if the process is in a chroot). Paths are then paths in that view, while rules
    stay on the objects that they were resolved to. ``beyond`` are rights without a name that count as known at
    ``abi``; ``errata`` is the mask of errata fixed in the kernel (``kernel.query_errata``).

    ``near`` is a decider of the same or a similar policy, with which common parts are shared. Another thread may be
    using it.
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
        known = rights_of("fs", abi) | beyond
        handled = resolved.handled_fs & known
        # A ruleset that handles any filesystem right denies refer, even if it does not handle it.
        self._handled: RightSet = handled | REFER if handled else NO_RIGHTS
        self._handled_net: RightSet = resolved.handled_net & (rights_of("net", abi) | beyond)
        self._scoped: RightSet = resolved.scoped & (rights_of("scope", abi) | beyond)
        rules = near._rules.after(resolved.paths, known) if near is not None else RuleIndex.of(resolved.paths, known)
        self._rules: RuleIndex = rules
        self._ports = {each.port: each for each in resolved.ports}
        self._decisions: dict[str, dict[tuple[RightSet, bool], Decision]] = {}
        self._walk = PathWalk(resolved.base, root, rules.objects)
        self._reasons = Reasons(resolved, abi, rules.targets)

    @property
    def handled(self) -> RightSet:
        """The filesystem rights that are denied unless a rule grants them; if there are any, refer is one of them."""
        return self._handled

    @cached_property
    def inodes(self) -> frozenset[int]:
        """The inode numbers of the objects with rules, on any device."""
        return frozenset(inode for _, inode in self._rules.objects)

    @property
    def targets(self) -> Mapping[str, ResolvedPath]:
        """The real paths of the objects with rules, each with the first path of the policy that leads there."""
        return self._rules.targets

    def apply_implicit_refer(self) -> None:
        """Deny refer even if this layer handles no filesystem right, since another layer of the domain does.

        Source: ``landlock_get_fs_access_mask`` in security/landlock/ruleset.h. No rule of this layer can grant it.
        """
        if not self._handled and (self._handled_net or self._scoped):
            self._handled = REFER
            self.forget()

    def forget(self, path: str | None = None) -> None:
        """Drop ``path``, absolute and without symbolic links, and everything below it from the cache.

        Without a path, drop everything, including mounts.
        """
        if path is None:
            self._decisions.clear()
            self._walk.forget_all()
            return
        self._decisions.pop(path, None)
        if self._walk.forget(path):
            self._decisions.clear()

    def _find(self, path: str, *, follow: bool) -> Found:
        if self._walk.is_full:
            self.forget()  # decisions too: forget(path) relies on the walk's cache to know whether there are any
        return self._walk.find(path, follow=follow)

    # Files

    def file(self, path: str, rights: RightSet, *, follow: bool = True) -> Decision:
        """Decide ``rights`` on the object ``path``.

        For ``make_*``, ``remove_*`` and ``refer`` the object is the directory in which that happens. A relative path
        starts at the policy's base. Symbolic links are followed, the last one only with ``follow``. For a path that
        does not exist, its deepest existing directory decides. ``resolve_unix`` restricts only sockets created outside
        the sandbox; the decision is for such a socket. Raises ValueError if ``rights`` has other than filesystem
        rights.
        """
        cached = self._decisions.get(path)
        if cached is not None and (decision := cached.get((rights, follow))) is not None:
            return decision
        if not rights <= _ALL_FS and (wrong := [name for name in sorted(rights) if kind_of(name) != "fs"]):
            raise ValueError(f"not filesystem rights: {', '.join(wrong)}")
        decision = self._decide(path, rights, follow=follow)
        if not path.startswith("/proc/"):  # changes with every process
            if len(self._decisions) >= _MAX_CACHED:
                self._decisions.clear()
            self._decisions.setdefault(path, {})[rights, follow] = decision
        return decision

    def rights_on(self, path: str, *, follow: bool = True) -> RightSet:
        """Return the filesystem rights that the policy grants on the object ``path``, by all rules that apply to it."""
        return self._find(path, follow=follow).place.rights

    def inherited(self, path: str, *, follow: bool = True) -> tuple[Grant, ...]:
        """Return all rules that apply to ``path``, nearest first, with their rights (even those newer than the ABI).

        For a path that does not exist: those that apply to its deepest existing directory.
        """
        found = self._find(path, follow=follow)
        return tuple(
            Grant(rule.path, grant.rights, grant.ref, place is found.place and not found.missing)
            for place, ruled in found.place.ruled_places()
            for rule, grant in ruled.refs
        )

    def hierarchy(self, path: str) -> tuple[tuple[str, Identity], ...]:
        """Return the existing object ``path`` and all directories above it, nearest first, free of symbolic links."""
        place: Place | None = self._find(path, follow=True).place
        found = []
        while place is not None:
            found.append((place.path, place.identity))
            place = place.parent
        return tuple(found)

    def _decide(self, path: str, rights: RightSet, *, follow: bool) -> Decision:
        found = self._find(path, follow=follow)
        if found.unchecked:
            return Decision(True, NO_RIGHTS, (), UNCHECKED, rights, None)
        return self._decide_at(found.place, rights, path)

    def reached(self, path: str, lineage: Lineage, rights: RightSet) -> Decision:
        """Decide ``rights`` on an object that was reached already, whatever its name leads to now.

        Only rules on the objects of ``lineage`` apply to it; ``path`` is what the caller calls it.
        """
        return self._decide_at(self._place_of(path, lineage), rights, path)

    def _place_of(self, path: str, lineage: Lineage) -> Place:
        place: Place | None = None
        for step in lineage:
            identity = step.identity
            if identity is None:
                ruled = self._rules.targets.get(step.path)
                identity = _NOWHERE if ruled is None or ruled.identity is None else ruled.identity
            place = Place(step.path, place, identity, self._rules.objects.get(identity), is_dir=True)
        return place if place is not None else Place(path, None, _NOWHERE, None, is_dir=False)

    def _decide_at(self, place: Place, rights: RightSet, path: str) -> Decision:
        wanted = rights & self._handled
        missing = wanted - place.rights
        uncontrolled = rights - wanted
        if missing:
            reason = self._reasons.why_denied(place, missing, path)
            lacking = ((place.path, missing),)
            return Decision(False, missing, place.nearest_refs(), reason, uncontrolled, "EACCES", place.path, lacking)
        reason = self._reasons.why_uncontrolled(uncontrolled) if uncontrolled else ""
        return Decision(True, NO_RIGHTS, place.granting_refs(wanted), reason, uncontrolled, None, place.path)

    # Renames and links

    def rename(self, old: str, new: str, *, flags: int = 0) -> Decision:
        """Decide rename(2) of ``old`` to ``new``, with the ``flags`` of renameat2(2).

        Both are examined now. An ``old`` that does not exist counts as a regular file.
        """
        return self._refer_paths(old, new, removes=True, flags=flags)

    def link(self, old: str, new: str, *, follow: bool = False) -> Decision:
        """Decide link(2) of ``old`` as ``new``; ``follow`` is AT_SYMLINK_FOLLOW."""
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
        reached: tuple[Lineage, Lineage] | None = None,
    ) -> Decision:
        """Decide moving ``moved``, an entry of ``old_dir``, to ``new_dir``.

        It is a rename if ``removes``, with the ``flags`` of renameat2(2), else a link; ``replaced`` is the entry that
        has the new name already. Within one directory only make and remove rights are needed. Between directories,
        both need ``refer``, and the file must not gain rights by the move. ``errno`` is EACCES if a make or remove
        right is missing, else EXDEV. ``reached`` are the two directories if they were reached already.
        """
        if reached is None:
            source = self._find(old_dir, follow=True).place
            target = self._find(new_dir, follow=True).place
        else:
            source, target = self._place_of(old_dir, reached[0]), self._place_of(new_dir, reached[1])
        same = source.identity == target.identity
        rights1, rights2 = refer_rights(
            moved, replaced, removes=removes, flags=flags, same_directory=same, errata=self._errata
        )
        uncontrolled = (rights1 | rights2) - self._handled
        if not self._handled:
            reason = self._reasons.why_uncontrolled(uncontrolled)
            return Decision(True, NO_RIGHTS, (), reason, uncontrolled, None, target.path)
        if same:
            return self.file(target.path, rights1) if reached is None else self.reached(new_dir, reached[1], rights1)
        exchanged = replaced if flags & RENAME_EXCHANGE else None
        children_denied = self._child_denied(moved), NO_RIGHTS if exchanged is None else self._child_denied(exchanged)
        mount = self._walk.mount_of(target) if reached is None else _mount_of(target, reached[1])
        denial = refer_denial((source, target), mount, (rights1, rights2), children_denied, self._handled)
        if denial is None:
            refs = tuple(dict.fromkeys((*source.granting_refs(rights1), *target.granting_refs(rights2))))
            reason = self._reasons.why_uncontrolled(uncontrolled) if uncontrolled else ""
            return Decision(True, NO_RIGHTS, refs, reason, uncontrolled, None, target.path)
        (missing1, missing2), (gained1, gained2) = denial.missing, denial.gained
        lacking = tuple(
            (place.path, rights)
            for place, rights in ((source, missing1 | gained1), (target, missing2 | gained2))
            if rights
        )
        refs = tuple(dict.fromkeys((*source.nearest_refs(), *target.nearest_refs())))
        missing = missing1 | missing2 or gained1 | gained2
        reason = self._reasons.why_not_moved(denial)
        errno = "EACCES" if denial.lacks_entry_right else "EXDEV"
        return Decision(False, missing, refs, reason, uncontrolled, errno, target.path, lacking)

    def _child_denied(self, entry: Entry) -> RightSet:
        """Return the rights that rules on the entry itself do not grant it, as far as they apply to its type."""
        ruled = self._rules.objects.get(entry.identity)
        denied = self._handled if ruled is None else self._handled - ruled.rights
        return denied if stat.S_ISDIR(entry.mode) else denied & FILE_RIGHTS

    def _uncovered(self, path: str) -> Entry | None:
        """Return the entry at ``path`` as a rename sees it: what a mount covers there, to which no rule applies."""
        entry = Entry.at(path)
        directory, _, name = path.rpartition("/")
        if entry is None:
            return None
        covered = self._walk.is_mount_point(os.path.join(os.path.realpath(directory or "/"), name))
        return entry._replace(identity=_NOWHERE) if covered else entry

    # Ports and scopes

    def port(self, port: int | None, right: str) -> Decision:
        """Decide ``right`` (``bind_tcp``, ``connect_tcp``, ...) on ``port``. Port 0 of a bind counts as a port.

        None is for an address without a port, which no rule can grant. Raises ValueError if ``right`` is not a network
        right.
        """
        if kind_of(right) != "net":
            raise ValueError(f"not a network right: {right}")
        wanted = frozenset({right})
        if right not in self._handled_net:
            return Decision(True, NO_RIGHTS, (), self._reasons.why_uncontrolled(wanted), wanted, None)
        return decide_port(port, right, self._ports.get(port) if port is not None else None)

    def scope(self, name: str) -> Decision:
        """Decide reaching outside the domain by the scope ``name`` (``abstract_unix_socket``, ``signal``).

        Raises ValueError if ``name`` is not a scope.
        """
        if kind_of(name) != "scope":
            raise ValueError(f"not a scope: {name}")
        wanted = frozenset({name})
        if name not in self._scoped:
            return Decision(True, NO_RIGHTS, (), self._reasons.why_uncontrolled(wanted), wanted, None)
        return decide_scope(name, self.resolved.rulesets)


def _mount_of(place: Place, lineage: Lineage) -> Place:
    """Return the root of the mount that ``place``, the last of ``lineage``, is on."""
    for step, above in zip(reversed(lineage), reversed(lineage[:-1]), strict=False):
        if step.mount != above.mount or place.parent is None:
            break
        place = place.parent
    return place
