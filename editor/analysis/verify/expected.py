"""Accesses as a file of checks writes them: ``read_file /etc/shadow``, ``connect_tcp 25``, ``signal outside``."""

import os
from typing import NamedTuple

from editor.evaluation.decider import Decider
from editor.evaluation.decision import Decision
from editor.landlock.rights import RIGHTS, Kind, RightSet, in_order, listed, right_of, rights_of
from editor.policy.model import MAX_PORT, Location
from editor.policy.suggestions import did_you_mean
from editor.sandbox.verdicts.report import Access

OUTSIDE = "outside"
_BENEATH = "/**"

# Checked on the directory in which something is made, removed or moved.
IN_DIRECTORY: RightSet = frozenset(name for name in RIGHTS if name.startswith(("make_", "remove_"))) | {"refer"}


class ExpectedError(ValueError):
    """An access that cannot be read. ``hint`` says what to write instead, possibly empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Expected(NamedTuple):
    """One access that a check expects, as written in ``text``: all of its ``rights`` are of one kind.

    A filesystem right has a ``path``, relative to the check's directory or absolute; with ``beneath``, everything below
    it is meant too. A network right has a ``port``. A scope has neither: it is about what is outside the sandbox.
    ``unproven`` is for a probe that fails without the policy too: then the rules of the policy are asked instead.
    """

    text: str
    rights: RightSet
    path: str | None
    beneath: bool
    port: int | None
    location: Location
    unproven: bool = False

    @property
    def object(self) -> str:
        """The object as written."""
        return self.text.strip().partition(" ")[2].strip()

    @property
    def kind(self) -> Kind:
        """What its rights are of."""
        return right_of(next(iter(self.rights))).kind


def parse_expected(text: str, location: Location, *, unproven: bool = False) -> Expected:
    """Return the access that ``text`` names: rights with commas between them, a blank, and the object.

    Raises ExpectedError.
    """
    names, _, object_ = text.strip().partition(" ")
    object_ = object_.strip()
    rights = frozenset(names.split(","))
    for name in sorted(rights):
        if name not in RIGHTS:
            raise ExpectedError(f"unknown right '{name}'", did_you_mean(name, RIGHTS))
    kinds = {RIGHTS[name].kind for name in rights}
    if len(kinds) > 1:
        raise ExpectedError(f"{listed(rights)} are of different kinds", "give each kind an access of its own")
    (kind,) = kinds
    if not object_:
        example = {"fs": "/etc/shadow", "net": "443", "scope": OUTSIDE}[kind]
        raise ExpectedError(f"'{text}' names no object", f"such as: {names} {example}")
    if kind == "scope":
        if object_ != OUTSIDE:
            raise ExpectedError(f"'{names}' is about what is outside the sandbox", f"write: {names} {OUTSIDE}")
        return Expected(text, rights, None, False, None, location, unproven)
    if kind == "net":
        if not (object_.isascii() and object_.isdigit() and int(object_) <= MAX_PORT):
            raise ExpectedError(f"'{object_}' is not a port", f"ports are numbers from 0 to {MAX_PORT}")
        return Expected(text, rights, None, False, int(object_), location, unproven)
    if "\0" in object_:
        raise ExpectedError("a path cannot contain a NUL")
    beneath = object_.endswith(_BENEATH)
    path = object_.removesuffix(_BENEATH) or "/"
    if "*" in path:
        raise ExpectedError(f"'{object_}' is a pattern", "only /** at the end of a directory is one")
    return Expected(text, rights, path, beneath, None, location, unproven)


class Matcher:
    """Compares accesses of a run in ``directory`` with expected ones."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._places: dict[str, tuple[str, ...]] = {}

    def covers(self, expected: Expected, right: str, access: Access) -> bool:
        """Whether ``right`` on the object of ``access`` is what ``expected`` names."""
        if right not in expected.rights:
            return False
        if expected.kind == "scope":
            return True
        if expected.port is not None:
            return access.port == expected.port
        if expected.path is None:
            return False
        places = self._of(expected.path)
        names = (access.path, access.object_path, access.old_path)
        return any(_is_at(name, place, beneath=expected.beneath) for name in names if name for place in places)

    def _of(self, path: str) -> tuple[str, ...]:
        """Return ``path`` as written and without symbolic links, both absolute."""
        if path not in self._places:
            whole = os.path.join(self._directory, path)
            self._places[path] = tuple({os.path.normpath(whole), os.path.realpath(whole)})
        return self._places[path]


def _is_at(name: str, place: str, *, beneath: bool) -> bool:
    return name == place or (beneath and name.startswith(place.rstrip("/") + "/"))


def shown_access(access: Access, rights: RightSet) -> str:
    """Return ``rights`` on the object of ``access``, as a file of checks writes them."""
    names = ",".join(in_order(rights))
    if access.port is not None:
        return f"{names} {access.port}"
    if rights <= rights_of("scope"):
        return f"{names} {OUTSIDE}"
    path = access.object_path if rights & IN_DIRECTORY or access.path is None else access.path
    return f"{names} {path or '(unknown)'}"


def checked_path(expected: Expected, right: str, directory: str) -> str:
    """Return the absolute path on which ``right`` is checked: a directory, for making, removing and moving."""
    path = os.path.join(directory, expected.path or "")
    if right in IN_DIRECTORY and not os.path.isdir(path):
        return os.path.dirname(path.rstrip("/")) or "/"
    return path


def decide(decider: Decider, expected: Expected, right: str, directory: str) -> Decision:
    """Return what the policy says of ``right`` on what ``expected`` names."""
    if expected.port is not None:
        return decider.port(expected.port, right)
    if expected.path is None:
        return decider.scope(right)
    return decider.file(checked_path(expected, right, directory), frozenset({right}))
