"""Recognise the trees of packages: directories of files that belong together, told by what is in them."""

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from editor.escape import printable
from editor.suggest.listings import Listings

_Names = frozenset[str]


class Tree(NamedTuple):
    """One recognised tree: the directory at its top, and what is in it, in a few words for a comment."""

    root: str
    purpose: str


# In directories with these names packages have one directory each. /usr/lib/x86_64-linux-gnu is one of them.
_HOLDERS = re.compile(r"(/usr|/usr/local|/opt)?/(share|lib|lib32|lib64|libexec)(/[a-z0-9_]+-linux-[a-z0-9]+)?\Z")
_TRIPLET = re.compile(r"[a-z0-9_]+-linux-[a-z0-9]+\Z")
# These have whole systems of packages in them.
_TOO_WIDE = re.compile(r"/[^/]*\Z|/usr/local\Z")
_OF_A_PACKAGE = "files of "


class _Sign(NamedTuple):
    """One way to know a tree: ``test`` gets the directory and the names in it.

    A directory that is not called one of ``titles`` and does not have the entry ``marker`` fails it.
    """

    test: Callable[[str, _Names], bool]
    titles: frozenset[str] = frozenset()
    marker: str = ""


def _has(*names: str) -> _Sign:
    """Return the sign that a directory has all ``names``; one with a slash is looked for beneath it."""
    here = frozenset(name.partition("/")[0] for name in names)
    beneath = [name for name in names if "/" in name]
    return _Sign(
        lambda root, found: here <= found and all(os.path.lexists(f"{root}/{name}") for name in beneath),
        marker=names[0].partition("/")[0],
    )


def _named(*titles: str, having: Callable[[str, _Names], bool]) -> _Sign:
    """Return the sign that a directory has one of the names ``titles``, and passes the test ``having``."""
    return _Sign(lambda root, found: os.path.basename(root) in titles and having(root, found), frozenset(titles))


def _any(pattern: str) -> Callable[[str, _Names], bool]:
    """Return a test whether a directory has an entry that matches ``pattern``."""
    matches = re.compile(pattern).match
    return lambda _root, found: any(map(matches, found))


def _has_package(root: str, found: _Names) -> bool:
    """Whether one of the entries, or one of those of a scope such as @types, is a package of Node's."""
    if ".package-lock.json" in found:
        return True
    return any(
        os.path.lexists(f"{root}/{name}/package.json") or (name.startswith("@") and os.path.isdir(f"{root}/{name}"))
        for name in found
    )


# Purposes and how to know a tree, the more particular ones first.
_KNOWN: Mapping[str, tuple[_Sign, ...]] = {
    "Python's modules": (
        _has("os.py", "encodings"),
        _has("pyvenv.cfg"),
        _named("site-packages", "dist-packages", having=_any("")),
    ),
    "Node's modules": (_named("node_modules", having=_has_package),),
    "Cargo's packages": (
        _named("registry", having=_has("index", "cache").test),
        _named("git", having=_has("db", "checkouts").test),
    ),
    "the Rust toolchain": (_has("bin", "lib/rustlib"), _named("rustlib", having=_has("components").test)),
    "the Java runtime": (_has("release", "lib/modules"), _has("lib/rt.jar")),
    "locale and time zones": (
        _has("tzdata.zi"),
        _has("Etc", "UTC", "zone.tab"),
        _named("locale", having=_any(r"locale-archive\Z|locale\.alias\Z|[a-z]{2}(_[A-Z]{2})?\Z|C\.")),
        _has("gconv-modules"),
        _has("gconv-modules.cache"),
        _has("charmaps", "locales"),
    ),
    "Git's programs": (_named("git-core", having=_any(r"git-|templates\Z")),),
    "the Git repository": (_has("HEAD", "objects", "refs"),),
    "Perl's modules": (_has("strict.pm"), _named("perl5", "perl", having=_any(r"[A-Z]\w*(\.pm)?\Z|[0-9.]+\Z"))),
    "the compiler's files": (_has("libgcc.a"), _has("cc1")),
    "headers": (_named("include", having=_any(r".*\.h\Z|c\+\+\Z")),),
    "terminal descriptions": (_named("terminfo", having=_any(r".\Z|[0-9a-f]{2}\Z")),),
    "fonts": (
        _named("fonts", having=_any(r"truetype\Z|opentype\Z|type1\Z|X11\Z|fonts\.conf\Z|conf\.d\Z|.*\.[ot]tf\Z")),
    ),
    "certificate authorities": (
        _has("ca-certificates.crt"),
        _named("ca-certificates", having=lambda root, _found: root.startswith("/usr/")),
        _named("certs", having=_any(r"[0-9a-f]{8}\.[0-9]\Z")),
    ),
    "manual pages": (_named("man", having=_any(r"man[0-9]\Z")),),
}


_MARKERS = frozenset(sign.marker for signs in _KNOWN.values() for sign in signs) - {""}
_TITLES = frozenset[str]().union(*(sign.titles for signs in _KNOWN.values() for sign in signs))


class Trees:
    """Finds the trees on the filesystem as it is; each directory is looked at once."""

    def __init__(self, listings: Listings | None = None) -> None:
        self._listings = listings or Listings()
        self._found: dict[str, Tree | None] = {"/": None}

    def around(self, directory: str) -> Tree | None:
        """Return the tree that has ``directory``, an absolute path, in it; None if there is none.

        It is the outermost one that tells what it is, or else a package's own directory.
        """
        if directory not in self._found:
            above = os.path.dirname(directory)
            outer = self.around(above)
            if outer is None or outer.purpose.startswith(_OF_A_PACKAGE):
                outer = self._recognised(directory, above) or outer
            self._found[directory] = outer
        return self._found[directory]

    def _recognised(self, root: str, above: str) -> Tree | None:
        """Return the tree whose top is ``root``. Files of other users than root and this one are not taken for one."""
        if _TOO_WIDE.match(root):
            return None
        names = self._listings.names(root)
        try:
            owner = os.lstat(root).st_uid
        except (OSError, ValueError):
            return None
        if names is None or owner not in (0, os.getuid()):
            return None
        if os.path.basename(root) in _TITLES or not names.isdisjoint(_MARKERS):
            for purpose, signs in _KNOWN.items():
                if any(sign.test(root, names) for sign in signs):
                    return Tree(root, purpose)
        if owner == 0 and _HOLDERS.match(above) and not _TRIPLET.match(os.path.basename(root)):
            return Tree(root, _OF_A_PACKAGE + printable(os.path.basename(root)))
        return None
