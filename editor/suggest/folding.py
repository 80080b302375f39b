"""Fold what programs needed on single paths into the few rules that a person would write.

Three steps, each of which a person can check. What a rule on a directory allows anyway becomes one of its needs. Reads
in the tree of a package become one rule on the tree, and many siblings with the same rights one on their directory.
Rules with the same rights and the same purpose become one rule with several paths. No step adds a right that was not
used beneath the same path, lets the reading of one path be joined by the writing of another, or reaches a protected
place.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from editor.escape import printable
from editor.landlock.rights import DIRECTORY_RIGHTS, NO_RIGHTS, RightSet
from editor.sandbox.verdicts.report import Access
from editor.suggest.lasting import temporary_directories
from editor.suggest.listings import Listings
from editor.suggest.plan import Fold, Kind
from editor.suggest.protected import ProtectedPlaces
from editor.suggest.purposes import READ, purpose_of
from editor.suggest.trees import Trees


class Need(NamedTuple):
    """What programs needed on one path: ``rights``, as the denied ``accesses`` show.

    ``path`` is absolute and outlasts the run (see `lasting_place`). ``temporary`` is true if the accesses were to names
    that will not be there next time, so that ``path`` is a directory above them.
    """

    path: str
    rights: RightSet
    accesses: tuple[Access, ...] = ()
    temporary: bool = False


class Group(NamedTuple):
    """One rule: ``rights`` on ``paths`` and everything beneath them, for ``needs``.

    The rights are the union of what the needs have, and every need is at or below one of the paths. ``purpose`` is a
    few words for a comment. ``confirm``, unless empty, names the protected place that it opens and what is inside.
    """

    paths: tuple[str, ...]
    rights: RightSet
    needs: tuple[Need, ...]
    kind: Kind
    purpose: str = ""
    confirm: str = ""


class _Thresholds(NamedTuple):
    """How many needs fold: into the tree of a package, siblings into their directory, and programs into either.

    ``passes`` is the number of levels that siblings can fold up.
    """

    tree: float
    siblings: float
    programs: float
    passes: int


_LEVELS: dict[Fold, _Thresholds] = {
    "exact": _Thresholds(tree=math.inf, siblings=math.inf, programs=math.inf, passes=0),
    "balanced": _Thresholds(tree=2, siblings=8, programs=math.inf, passes=1),
    "broad": _Thresholds(tree=1, siblings=3, programs=3, passes=2),
}


_BY_WIDTH: tuple[Kind, ...] = ("temporary", "directory", "exact")

# So many needs of a folded rule tell what it is for.
_TELLING = 8

# Siblings do not fold into /usr, /opt and the like, which have no more slashes than one.
_DEPTH = 2


class _Item(NamedTuple):
    """A rule in the making, on one path in ``directory``. ``order`` is the number of its first need, its alone."""

    path: str
    directory: str
    rights: RightSet
    needs: tuple[Need, ...]
    order: int
    kind: Kind


def fold(
    needs: Sequence[Need], level: Fold, *, policy_directory: str | None = None, listings: Listings | None = None
) -> tuple[Group, ...]:
    """Return the rules that allow ``needs``, folded as far as ``level`` says; in the order of the needs.

    ``policy_directory`` is that of the policy for which they are made, if it has a file: it is a protected place.
    ``listings`` are shared with those who look at the same directories.
    """
    places, trees = ProtectedPlaces(policy_directory), Trees(listings)
    items = _by_path(needs)
    if level == "exact":
        return tuple(_group((item,), _purpose(item, trees), _confirm(item, places)) for item in items)
    thresholds = _LEVELS[level]
    items = _fold_trees(_absorbed(items), thresholds, places, trees)
    for _pass in range(thresholds.passes):
        items = _fold_siblings(items, thresholds, places)
    alike: dict[tuple[RightSet, bool, str, str], list[_Item]] = {}
    for item in _absorbed(items):
        passing = item.kind == "temporary" and not item.rights <= READ
        key = item.rights, passing, _purpose(item, trees), _confirm(item, places)
        alike.setdefault(key, []).append(item)
    return tuple(_group(found, purpose, confirm) for (_, _, purpose, confirm), found in alike.items())


def _by_path(needs: Sequence[Need]) -> list[_Item]:
    items: dict[str, _Item] = {}
    for order, need in enumerate(needs):
        kind: Kind = "temporary" if need.temporary else "exact"
        known = items.get(need.path)
        if known is None:
            items[need.path] = _Item(need.path, _directory(need.path), need.rights, (need,), order, kind)
        else:
            items[need.path] = known._replace(
                rights=known.rights | need.rights,
                needs=(*known.needs, need),
                kind=kind if known.kind == "exact" else known.kind,
            )
    return list(items.values())


def _absorbed(items: Sequence[_Item]) -> list[_Item]:
    """Return ``items`` without those that a rule on a directory above, or on the same path, covers with all rights."""
    reaching = _directories_of(items)
    seen: set[str] = set()
    for item in items:
        # Two rules can be on one path after folding.
        (reaching if item.path in seen else seen).add(item.path)
    # A directory comes before what is in it, and of rules on one path the one with most rights comes first.
    inner = sorted(
        (item for item in items if item.path in reaching), key=lambda item: (len(item.path), -len(item.rights))
    )
    covers = _Covers()
    absorbed: dict[int, list[_Item]] = {}
    left: list[_Item] = []
    for item in (*inner, *(item for item in items if item.path not in reaching)):
        cover = covers.find(item)
        if cover is not None:
            absorbed.setdefault(cover.order, []).append(item)
            continue
        left.append(item)
        if item.path in reaching:
            covers.add(item)
    left = [_with_needs(item, absorbed[item.order]) if item.order in absorbed else item for item in left]
    left.sort(key=lambda item: item.order)
    return left


def _directories_of(items: Iterable[_Item]) -> set[str]:
    """Return the directories of ``items``, and those above them."""
    directories: set[str] = set()
    for directory in {item.directory for item in items}:
        above = directory
        while above not in directories:
            directories.add(above)
            above = _directory(above)
    return directories


class _Covers:
    """Rules on directories, added from the outermost inwards; finds one that allows all that another does."""

    def __init__(self) -> None:
        self._on: dict[str, list[_Item]] = {}
        self._at_or_above: dict[str, tuple[_Item, ...]] = {}

    def add(self, item: _Item) -> None:
        self._on.setdefault(item.path, []).append(item)

    def find(self, item: _Item) -> _Item | None:
        for cover in self._on.get(item.path, ()):
            if item.rights <= cover.rights:
                return cover
        for cover in self._reaching(item.directory) if item.path != "/" else ():
            if item.rights <= cover.rights:
                return cover
        return None

    def _reaching(self, directory: str) -> tuple[_Item, ...]:
        """Return the rules that reach into ``directory``, to which no other is added after that."""
        found = self._at_or_above.get(directory)
        if found is None:
            found = tuple(self._on.get(directory, ()))
            if directory != "/":
                found += self._reaching(_directory(directory))
            self._at_or_above[directory] = found
        return found


def _with_needs(item: _Item, others: Sequence[_Item]) -> _Item:
    """Return ``item`` with the needs of ``others``, which it covers, after its own."""
    needs = item.needs + tuple(need for other in others for need in other.needs)
    return item._replace(needs=needs, order=min(item.order, *(other.order for other in others)))


def _fold_trees(items: Iterable[_Item], thresholds: _Thresholds, places: ProtectedPlaces, trees: Trees) -> list[_Item]:
    """Return ``items`` with those that read in the tree of a package replaced by one for each tree."""
    left: list[_Item] = []
    inside: dict[tuple[str, bool], list[_Item]] = {}
    for item in items:
        tree = None
        if item.rights <= READ:
            tree = trees.around(item.path if "read_dir" in item.rights else item.directory)
        if tree is None:
            left.append(item)
        else:
            inside.setdefault((tree.root, "execute" in item.rights), []).append(item)
    for (root, runs), found in inside.items():
        if len(found) >= (thresholds.programs if runs else thresholds.tree) and not _is_protected(root, places):
            left.append(_folded(root, found))
        else:
            left += found
    return left


def _fold_siblings(items: Iterable[_Item], thresholds: _Thresholds, places: ProtectedPlaces) -> list[_Item]:
    """Return ``items`` with many siblings that have the same rights replaced by one for their directory."""
    left: list[_Item] = []
    siblings: dict[tuple[str, RightSet], list[_Item]] = {}
    for item in items:
        siblings.setdefault((item.directory, item.rights), []).append(item)
    for (directory, rights), found in siblings.items():
        threshold = thresholds.programs if "execute" in rights else thresholds.siblings
        is_at_top = directory.count("/") < _DEPTH
        if len(found) >= threshold and not is_at_top and not _is_protected(directory, places):
            left.append(_folded(directory, found))
        else:
            left += found
    return _united_readers(left)


def _is_protected(directory: str, places: ProtectedPlaces) -> bool:
    return places.inside(directory, writing=True) is not None


def _united_readers(items: Iterable[_Item]) -> list[_Item]:
    """Return ``items`` with what reads a directory, and what reads the files in it, as one item on the directory."""
    by_path: dict[str, list[_Item]] = {}
    for item in items:
        by_path.setdefault(item.path, []).append(item)
    united: list[_Item] = []
    for path, found in by_path.items():
        if len(found) > 1:
            readers = [item for item in found if item.rights <= READ and "execute" not in item.rights]
            united += [_folded(path, readers)] if len(readers) > 1 else readers
            united += [item for item in found if item not in readers]
        else:
            united += found
    return united


def _folded(path: str, items: Sequence[_Item]) -> _Item:
    """Return one item on ``path`` that replaces ``items``, which are at or below it."""
    return _Item(
        path=path,
        directory=_directory(path),
        rights=NO_RIGHTS.union(*(item.rights for item in items)),
        needs=tuple(need for item in items for need in item.needs),
        order=min(item.order for item in items),
        kind="directory",
    )


def _purpose(item: _Item, trees: Trees) -> str:
    """Return what ``item`` is for: a whole tree says so itself, or else most of the first needs do."""
    tree = trees.around(item.path) if item.kind == "directory" and item.rights <= READ - {"execute"} else None
    if tree is not None and tree.root == item.path:
        return tree.purpose
    needs = item.needs[:_TELLING]
    if item.kind != "directory":
        return purpose_of(item.path, item.rights, trees, (access for need in needs for access in need.accesses))
    purposes = Counter(purpose_of(need.path, item.rights, trees, need.accesses) for need in needs)
    return purposes.most_common(1)[0][0]


def _confirm(item: _Item, places: ProtectedPlaces) -> str:
    """Return what ``item`` opens that is protected; an empty string if nothing."""
    is_directory = item.kind != "exact" or not item.rights.isdisjoint(DIRECTORY_RIGHTS)
    inside = places.inside(item.path, writing=not item.rights <= READ, directory=is_directory)
    if inside is None and item.kind == "temporary":
        return _all_of(item)
    return inside or ""


def _all_of(item: _Item) -> str:
    """Return what ``item`` opens if that is far more than the directory of a passing name; else an empty string."""
    if item.directory == "/" and item.path not in temporary_directories():
        return f"{printable(item.path)} (all of it)"
    for access in (access for need in item.needs if need.temporary for access in need.accesses):
        path = access.object_path or "/"
        if access.made_in is None and not path.startswith("/proc/") and not os.path.lexists(os.path.dirname(path)):
            return f"{printable(item.path)} (all of it, as {printable(path)} is not there)"
    return ""


def _group(items: Sequence[_Item], purpose: str, confirm: str) -> Group:
    kinds = {item.kind for item in items}
    return Group(
        paths=tuple(item.path for item in items),
        rights=items[0].rights,
        needs=tuple(need for item in items for need in item.needs),
        kind=next(kind for kind in _BY_WIDTH if kind in kinds),
        purpose=purpose,
        confirm=confirm,
    )


def _directory(path: str) -> str:
    return path[: path.rfind("/")] or "/"
