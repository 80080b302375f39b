"""All of a directory except some of what is in it. Landlock has no deny, so all other entries are enumerated.

On each level from the directory down to an excepted place, all entries but the one that leads on get a rule of their
own. The rules stand under a comment that says so, by which they are found again and brought up to date. A second name
of an excepted place that is deeper inside a granted directory, a hard link or a bind mount, is not found.
"""

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from editor.editing.comments import comments_above
from editor.editing.document import PolicyDocument
from editor.editing.edits import AddPathRule, Edit, SetRulePaths, SetRuleRights
from editor.escape import printable
from editor.evaluation.resolve import Identity
from editor.landlock.rights import DIRECTORY_RIGHTS, FILE_RIGHTS, NO_RIGHTS, RightSet, in_order
from editor.policy.model import ParentPath, PathRule, path_key
from editor.policy.variables import MAX_PATHS

_MOST_NAMES = 5  # shown of what was left out
REFRESHED = "(paddock refreshes this list)"
"""How the comments above enumerations end."""

# In a comment a name is as it is, or quoted as in JSON.
_PLAIN = r'[^\s"\\,()]+'
_NAME = re.compile(rf'"(?:[^"\\]|\\.)*"|{_PLAIN}')
_COMMENT = re.compile(
    rf"(all|files) of ({_NAME.pattern}) except ((?:{_NAME.pattern})(?:, (?:{_NAME.pattern}))*) {re.escape(REFRESHED)}"
)

Which = Literal["all", "files"]
"""What a rule of an enumeration is about. Rights for directories make no sense on files, which then have their own."""


class CannotExcept(ValueError):
    """The directory cannot be enumerated. The message is a sentence."""


class Enumeration(NamedTuple):
    """What is in the directory ``top``, absolute, except the places ``excepted``, relative to it.

    ``ways`` are the directories that lead to an excepted place, beginning with ``top``, in which entries were
    enumerated: ``directories`` and ``files`` (all that is none). Left out were symbolic ``links``, other ``names`` of
    excepted objects, and ``unnamed`` entries, whose names are not UTF-8.
    """

    top: str
    excepted: tuple[str, ...]
    ways: tuple[str, ...]
    directories: tuple[str, ...]
    files: tuple[str, ...]
    links: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()

    def comment(self, which: Which) -> str:
        """Return the comment for a rule."""
        excepted = ", ".join(_written(each) for each in self.excepted)
        return f"{which} of {_written(self.top)} except {excepted} {REFRESHED}"

    def limits(self, rights: RightSet) -> tuple[str, ...]:
        """Return sentences on what rules with ``rights`` on the entries do not allow."""
        shown = _listed(self.ways)
        found = [f"New entries of {shown} are denied until the list is refreshed: paddock grant FILE --refresh."]
        if own := in_order(rights & DIRECTORY_RIGHTS):
            found.append(f"On {shown} itself nothing is granted ({', '.join(own)}), only on what is in there.")
        if self.links:
            found.append(
                f"Symbolic links get no rule, only what they lead to if it is in there: {_listed(self.links)}."
            )
        if self.names:
            found.append(f"Left out as other names of what is excepted: {_listed(self.names)}.")
        if self.unnamed:
            found.append(f"Left out because their names are not UTF-8: {_listed(self.unnamed)}.")
        return tuple(found)


class Enumerated(NamedTuple):
    """The rules of a policy under comments that say the same: all of ``top`` except the places ``excepted``."""

    top: str
    excepted: tuple[str, ...]
    rules: tuple[tuple[Which, PathRule], ...]

    @property
    def rights(self) -> RightSet:
        """All rights that the rules grant."""
        return NO_RIGHTS.union(*(rule.rights for _, rule in self.rules))


def enumerate_except(path: str, excepted: Iterable[str]) -> Enumeration:
    """Enumerate the directory ``path`` but for the places ``excepted``, which are beneath it or relative to it.

    An excepted place need not exist. A relative one starts in ``path``, or if only that exists, in the working
    directory. Symbolic links to it are followed, but get no rule themselves: one on a link
    would grant what it leads to. Raises CannotExcept, OSError.
    """
    top = path_key(os.path.abspath(path))
    if not os.path.isdir(top):
        raise CannotExcept(f"{printable(path)} is not a directory, so there is nothing in it to except.")
    names = tuple(dict.fromkeys(_name_beneath(top, each) for each in excepted))
    return _Walk(top, names).enumeration()


def edits_except(document: PolicyDocument, found: Enumeration, rights: RightSet) -> tuple[Edit, ...]:
    """Return edits, to be applied one after the other, that grant ``rights`` on what was ``found``.

    Rules of an earlier enumeration of the same are brought up to date, and keep the rights that they have; with no
    ``rights``, that is all.
    """
    known = next((each for each in enumerated(document) if each[:2] == found[:2]), None)
    rules = known.rules if known is not None else ()
    rights |= known.rights if known is not None else NO_RIGHTS
    on_files = rights & FILE_RIGHTS
    wanted: dict[Which, tuple[tuple[str, ...], RightSet]]
    if on_files == rights:
        wanted = {"all": ((*found.directories, *found.files), rights), "files": ((), rights)}
    else:
        wanted = {"all": (found.directories, rights), "files": (found.files if on_files else (), on_files)}
    edits: list[Edit] = []
    emptied: list[int] = []
    for which, (paths, granted) in wanted.items():
        own = [rule for kind, rule in rules if kind == which]
        if not paths:  # what is gone may come back, and is then found under its comment
            emptied += [rule.number for rule in own if any(os.path.lexists(_literal(each)) for each in rule.parents)]
        elif own:
            edits += [SetRulePaths(rule.number, paths) for rule in own]
            if own[0].rights != granted:
                edits.append(SetRuleRights("path_beneath", own[0].number, granted))
        else:
            edits.append(AddPathRule(paths, granted, found.comment(which)))
    # Removing a rule renumbers those behind it, so the last one goes first.
    edits += [
        SetRuleRights("path_beneath", number, NO_RIGHTS, with_comment=True) for number in sorted(emptied, reverse=True)
    ]
    return tuple(edits)


def enumerated(document: PolicyDocument) -> tuple[Enumerated, ...]:
    """Return the enumerations in a policy, in order.

    A comment above a rule with paths that are not in its directory is not Paddock's, or no longer about this rule.
    """
    found: dict[tuple[str, tuple[str, ...]], list[tuple[Which, PathRule]]] = {}
    for number, comment in comments_above(document, "path_beneath").items():
        read = _read(comment.splitlines()[-1])
        rule = document.policy.path_rules[number]
        if read is not None and all(_is_inside(each, read[1]) for each in rule.parents):
            found.setdefault(read[1:], []).append((read[0], rule))
    return tuple(Enumerated(top, excepted, tuple(rules)) for (top, excepted), rules in found.items())


def _is_inside(parent: ParentPath, top: str) -> bool:
    """Whether ``parent`` is a path without variables beneath ``top``."""
    return "$" not in parent.template.replace("$$", "") and path_key(_literal(parent)).startswith(f"{top.rstrip('/')}/")


def _literal(parent: ParentPath) -> str:
    """Return the path of ``parent``, which has no variables."""
    return parent.template.replace("$$", "$")


class _Walk:
    """Collects the entries of all directories that lead to an excepted place."""

    def __init__(self, top: str, excepted: tuple[str, ...]) -> None:
        self.top = top
        self.excepted = excepted
        self.base = os.path.realpath(top)
        places = {name: os.path.realpath(os.path.join(top, name)) for name in excepted}
        for name, place in places.items():
            if not place.startswith(f"{self.base.rstrip('/')}/"):
                raise CannotExcept(f"{printable(name)} leads to {printable(place)}, which is not in {printable(top)}.")
        self.hidden = frozenset(places.values())
        self.ways: list[str] = []
        self.directories: list[str] = []
        self.files: list[str] = []
        self.links: list[str] = []
        self.names: list[str] = []
        self.unnamed: list[str] = []
        self.identities: frozenset[Identity] = frozenset(self._hidden_identities())

    def enumeration(self) -> Enumeration:
        shared: list[tuple[str, Identity]] = []
        self._collect(self.top, self.base, shared)
        if shared:
            self._leave_out_hard_links(shared)
        if len(self.directories) + len(self.files) > MAX_PATHS:
            raise CannotExcept(f"{printable(self.top)} has too many entries for a policy (at most {MAX_PATHS}).")
        return Enumeration(
            self.top, self.excepted, tuple(self.ways), tuple(self.directories), tuple(self.files),
            tuple(self.links), tuple(self.names), tuple(self.unnamed),
        )  # fmt: skip

    def _collect(self, spelled: str, real: str, shared: list[tuple[str, Identity]]) -> None:
        self.ways.append(spelled)
        for name in sorted(os.listdir(real)):
            path, place = os.path.join(spelled, name), os.path.join(real, name)
            try:
                status = os.lstat(place)
            except FileNotFoundError:
                continue
            identity = (status.st_dev, status.st_ino)
            is_dir = stat.S_ISDIR(status.st_mode)
            if place in self.hidden:
                continue
            if stat.S_ISLNK(status.st_mode):
                self.links.append(path)
            elif is_dir and any(each.startswith(f"{place}/") for each in self.hidden):
                self._collect(path, place, shared)
            elif identity in self.identities:
                self.names.append(path)
            elif not _is_text(path):
                self.unnamed.append(path)
            elif is_dir:
                self.directories.append(path)
            else:
                self.files.append(path)
                if status.st_nlink > 1:
                    shared.append((path, identity))

    def _hidden_identities(self) -> Iterator[Identity]:
        """Yield the identities of the excepted places and of the directories that lead there."""
        for each in self.hidden:
            place = each
            while True:
                with contextlib.suppress(OSError):
                    status = os.lstat(place)
                    yield status.st_dev, status.st_ino
                if place == self.base:
                    break
                place = os.path.dirname(place)

    def _leave_out_hard_links(self, shared: list[tuple[str, Identity]]) -> None:
        """Leave out files that have a name in an excepted place too: a rule on one is a rule on the other."""
        unread: list[OSError] = []
        inside: set[Identity] = set()
        for each in filter(os.path.isdir, self.hidden):
            for directory, _, names in os.walk(each, onerror=unread.append):
                for name in names:
                    try:
                        status = os.lstat(os.path.join(directory, name))
                    except OSError as error:
                        unread.append(error)
                    else:
                        inside.add((status.st_dev, status.st_ino))
        same = {path for path, identity in shared if unread or identity in inside}
        self.files = [path for path in self.files if path not in same]
        self.names += sorted(same)


def _name_beneath(top: str, given: str) -> str:
    """Return ``given`` relative to ``top``. A relative one starts there, or in the working directory if only that is.

    Raises CannotExcept if it is not beneath ``top``.
    """
    spelled = os.path.normpath(os.path.join(top, given))
    if not os.path.lexists(spelled) and os.path.lexists(given):
        spelled = os.path.abspath(given)
    inside = f"{top.rstrip('/')}/"
    if not spelled.startswith(inside):  # perhaps by another way
        spelled = os.path.normpath(os.path.join(top, os.path.relpath(os.path.realpath(spelled), os.path.realpath(top))))
    if not spelled.startswith(inside):
        raise CannotExcept(f"{printable(given)} is not in {printable(top)}.")
    return spelled.removeprefix(inside)


def _read(comment: str) -> tuple[Which, str, tuple[str, ...]] | None:
    """Return what a comment says that ``Enumeration.comment`` wrote; None for any other."""
    match = _COMMENT.fullmatch(comment)
    if match is None:
        return None
    try:
        top, *excepted = (
            json.loads(each) if each[0] == '"' else each for each in _NAME.findall(f"{match[2]}, {match[3]}")
        )
    except ValueError:
        return None
    return "all" if match[1] == "all" else "files", top, tuple(excepted)


def _written(name: str) -> str:
    """Return ``name`` as a comment has it."""
    return name if re.fullmatch(_PLAIN, name) and name.isprintable() else json.dumps(name)


def _listed(paths: tuple[str, ...]) -> str:
    more = len(paths) - _MOST_NAMES
    return ", ".join(printable(each) for each in paths[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _is_text(path: str) -> bool:
    """Whether a policy, which is UTF-8, can contain ``path``."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
