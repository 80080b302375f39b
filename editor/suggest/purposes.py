"""Say in a few plain words what a rule is for, as a comment above it would."""

import re
from collections.abc import Iterable

from editor.landlock.rights import RightSet
from editor.sandbox.verdicts.report import Access
from editor.suggest.lasting import temporary_directories
from editor.suggest.trees import Trees

READ: RightSet = frozenset({"read_file", "read_dir", "execute"})
"""The rights that change nothing. Any other is one to write."""

_LIBRARY = re.compile(r".*\.so(\.[0-9.]+)?\Z|.*/ld\.so\.(cache|conf|preload)\Z|/etc/ld\.so\.conf\.d/")
_LINKED = re.compile(r"(/usr)?(/local)?/lib(32|64)?/.*\.(o|a|la|so\.debug)\Z")
_CONFIGURATION = re.compile(
    r"/usr/(local/)?etc/|.*/\.config/|.*\.(conf|cfg|ini|cnf)\Z|.*/\.[^/]*(rc|config)\Z|.*/\..*\.(toml|ya?ml)\Z"
)
_PACKAGED = ("usr", "opt", "lib", "lib64", "bin", "sbin")
_LOG = re.compile(r".*/(log|logs|_logs)(/|\Z)|.*\.log\Z")
_CACHE = re.compile(r".*/([^/]*[._-]cache|cache|_cacache|__pycache__)(/|\Z)")
_BUILD = re.compile(r".*/(target|build|dist|_build|obj)(/|\Z)")
_BUILDERS = frozenset(
    {"ld", "as", "ld.lld", "rust-lld", "cc1", "cc1plus", "collect2", "rustc", "cargo", "javac", "go", "make", "ninja"}
)


def purpose_of(path: str, rights: RightSet, trees: Trees, accesses: Iterable[Access] = ()) -> str:
    """Return what ``rights`` on ``path``, as ``accesses`` needed them, are for."""
    top = path.split("/", 2)[1]
    if top == "dev":
        return "shared memory" if path.split("/")[2:3] == ["shm"] else "devices"
    if top in ("proc", "sys"):
        return f"what it reads in /{top}" if rights <= READ else f"what it changes in /{top}"
    directory = path[: path.rfind("/")] or "/"
    if not rights <= READ:
        is_temporary = not temporary_directories().isdisjoint((path, directory))
        return "temporary files" if is_temporary else f"written: {_written(path, trees, accesses)}"
    if "execute" in rights:
        return "programs"
    if (".so" in path or top == "etc") and _LIBRARY.match(path):
        return "shared libraries"
    tree = trees.around(path if "read_dir" in rights else directory)
    if tree is not None:
        return tree.purpose
    if top == "etc" or _CONFIGURATION.match(path):
        return "configuration read"
    if rights == {"read_dir"}:
        return "directories listed"
    if top not in _PACKAGED:
        return "files read"
    return "libraries to link with" if _LINKED.match(path) else "files of packages"


def _written(path: str, trees: Trees, accesses: Iterable[Access]) -> str:
    tree = trees.around(path)
    if tree is not None:
        return tree.purpose
    if _LOG.match(path):
        return "logs"
    if _CACHE.match(path):
        return "caches"
    if _BUILD.match(path) or any(access.process in _BUILDERS for access in accesses):
        return "build output"
    return "output"
