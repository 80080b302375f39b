"""The rules of a policy, indexed by the inodes that they are on."""

from itertools import chain
from typing import NamedTuple

from editor.evaluation.resolve import GrantRef, Identity, ResolvedPath
from editor.landlock.rights import DIRECTORY_RIGHTS, NO_RIGHTS, RightSet, rights_of

_ALL_FS: RightSet = rights_of("fs")


class RuledObject:
    """All rules on one inode; several paths of a policy may lead to it."""

    __slots__ = ("_refs", "dropped", "paths", "rights")

    def __init__(self) -> None:
        self.paths: list[ResolvedPath] = []
        self.rights: RightSet = NO_RIGHTS  # as passed to the kernel: neither dropped nor unknown to the ABI
        self.dropped: RightSet = NO_RIGHTS  # what a rule on this object cannot have
        self._refs: tuple[tuple[ResolvedPath, GrantRef], ...] | None = None

    def add(self, path: ResolvedPath, known: RightSet) -> None:
        if not path.is_dir:
            self.dropped = DIRECTORY_RIGHTS
        self.paths.append(path)
        self.rights |= (path.rights - self.dropped) & known

    @property
    def usable(self) -> RightSet:
        """The rights that a rule on the object can have."""
        return _ALL_FS - self.dropped

    @property
    def refs(self) -> tuple[tuple[ResolvedPath, GrantRef], ...]:
        """The rules with their paths, without rights that the object cannot have.

        Computed on demand: of thousands of objects, few are asked about.
        """
        if self._refs is None:
            self._refs = tuple(
                (path, GrantRef(each.ref, each.rights - self.dropped)) for path in self.paths for each in path.refs
            )
        return self._refs


class RuleIndex(NamedTuple):
    """The rules of ``paths`` by inode (``objects``), and the first path that leads to each place (``targets``).

    ``known`` are the rights that are used.
    """

    paths: tuple[ResolvedPath, ...]
    known: RightSet
    objects: dict[Identity, RuledObject]
    targets: dict[str, ResolvedPath]

    @classmethod
    def of(cls, paths: tuple[ResolvedPath, ...], known: RightSet) -> "RuleIndex":
        """Index all ``paths``."""
        rules = cls(paths, known, {}, {})
        for each in paths:
            if each.identity is not None and each.target is not None:
                rules.objects.setdefault(each.identity, RuledObject()).add(each, known)
                rules.targets.setdefault(each.target, each)
        return rules

    def after(self, paths: tuple[ResolvedPath, ...], known: RightSet) -> "RuleIndex":
        """Like ``of``, for ``paths`` that are mostly the same as here."""
        if paths is self.paths and known == self.known:
            return self
        if len(paths) == len(self.paths):
            changed = [each for pair in zip(self.paths, paths, strict=True) if pair[0] is not pair[1] for each in pair]
        else:
            kept = set(map(id, self.paths)).intersection(map(id, paths))
            changed = [each for each in chain(self.paths, paths) if id(each) not in kept]
        if len(changed) > len(paths) or known != self.known:
            return RuleIndex.of(paths, known)
        identities = {each.identity for each in changed if each.identity is not None}
        targets = {each.target for each in changed if each.target is not None}
        rules = RuleIndex(paths, known, dict(self.objects), dict(self.targets))
        for identity in identities:
            rules.objects.pop(identity, None)
        for target in targets:
            rules.targets.pop(target, None)
        for each in paths:
            if each.identity is not None and each.target is not None:
                if each.identity in identities:
                    rules.objects.setdefault(each.identity, RuledObject()).add(each, known)
                if each.target in targets:
                    rules.targets.setdefault(each.target, each)
        return rules
