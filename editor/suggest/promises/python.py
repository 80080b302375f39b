"""``python``: the interpreters in PATH, with their standard libraries and installed packages."""

import os
import re
from collections.abc import Iterator

from editor.suggest.promises.promise import LIST, READ, RUN, USE, Place
from editor.suggest.promises.system import System

_NAMES = ("python3", "python")
_VERSIONED = re.compile(r"python(3\.\d+)t?")
_CALLED_PYTHON = re.compile(r"python(3(\.\d+t?)?)?")
_LIBRARIES = ("lib", "lib64")
# A line of the scripts that pyenv puts in PATH for the commands of every version.
_PYENV = re.compile(r'^exec "(/[^"]*)/libexec/pyenv" exec ', re.MULTILINE)
# What pyenv's scripts run on the way to Python.
_PYENV_TOOLS = ("bash", "basename", "cut", "dirname", "env", "head", "readlink", "sed", "sort", "tr")
_MAX_LINKS = 8


def pythons(system: System) -> Iterator[Place]:
    """Yield the Python that its usual names start, what it needs to start, and its packages."""
    for path in filter(None, map(system.command, _NAMES)):
        yield Place(path, RUN, "Python")
        yield from interpreter(system, path)
        for binary in _binaries(system, path):
            yield from _packages(system, binary)


def interpreter(system: System, path: str) -> Iterator[Place]:
    """Yield what ``path`` needs to start if it is a Python: settings and standard library; nothing if it is not."""
    if not _CALLED_PYTHON.fullmatch(os.path.basename(path)):
        return
    root = _pyenv_root(system, path)
    if root is not None:
        yield Place(f"{root}/version", READ, "the version that pyenv starts")
        yield Place(f"{root}/libexec", RUN | LIST, "pyenv, which starts that version")
        yield Place(f"{root}/pyenv.d", RUN | LIST, "hooks of pyenv")
        yield Place(f"{root}/plugins", RUN | LIST, "plugins of pyenv")
        yield Place("/dev/null", USE, "where pyenv sends output that nobody needs")
        for tool in _PYENV_TOOLS:
            if (program := system.command(tool)) is not None:
                yield Place(program, RUN, "what pyenv runs")
    for binary in _binaries(system, path):
        if root is not None:
            yield Place(binary, RUN, "Python")
        for linked in _chain(system, binary):
            yield Place(f"{system.prefix(linked)}/pyvenv.cfg", READ, "where a virtual environment's Python is")
            for library in system.matches(f"{system.prefix(linked)}/lib/libpython3*.so*"):
                yield Place(library, READ, "Python itself, where its program is only a starter")
        for library in _standard_libraries(system, binary):
            yield Place(library, LIST, "standard library of Python")


def _binaries(system: System, path: str) -> Iterator[str]:
    """Yield the Pythons that executing ``path`` starts: itself, or those that pyenv chooses."""
    root = _pyenv_root(system, path)
    if root is None:
        yield path
        return
    given = system.environment.get("PYENV_VERSION", "")
    for version in given.split(":") if given else system.text(f"{root}/version").split():
        binary = f"{root}/versions/{version}/bin/{os.path.basename(path)}"
        if "/" not in version and system.is_program(binary):
            yield binary
            return


def _pyenv_root(system: System, path: str) -> str | None:
    found = _PYENV.search(system.text(path)) if os.path.basename(os.path.dirname(path)) == "shims" else None
    return found[1] if found else None


def _packages(system: System, binary: str) -> Iterator[Place]:
    """Yield the directories of installed packages; a virtual environment has its own, unless its settings say so."""
    prefixes: dict[str, None] = {}
    for prefix in map(system.prefix, _chain(system, binary)):
        prefixes[prefix] = None
        settings = system.text(f"{prefix}/pyvenv.cfg").replace(" ", "").splitlines()
        if settings and "include-system-site-packages=true" not in settings:
            break
    else:
        if "/usr" in prefixes:
            prefixes["/usr/local"] = None
        prefixes |= dict.fromkeys(system.in_home(".local"))
    version = _version(system, binary)
    for prefix in prefixes:
        for library in _LIBRARIES:
            for name in ("site-packages", "dist-packages"):
                yield Place(f"{prefix}/{library}/python{version}/{name}", LIST, "packages of Python")
                yield Place(f"{prefix}/{library}/python3/{name}", LIST, "packages of Python")


def _standard_libraries(system: System, binary: str) -> Iterator[str]:
    """Yield the directories with the standard library: in a virtual environment, those of the Python it is based on."""
    version = _version(system, binary)
    for linked in _chain(system, binary):
        for library in _LIBRARIES:
            directory = f"{system.prefix(linked)}/{library}/python{version}"
            if system.is_file(f"{directory}/os.py"):
                yield directory


def _version(system: System, binary: str) -> str:
    found = _VERSIONED.fullmatch(os.path.basename(system.real(binary) or ""))
    return found[1] if found else ""


def _chain(system: System, binary: str) -> list[str]:
    """Return ``binary`` and what it leads to, link by link: a virtual environment's Python is a link to another."""
    found = [binary]
    for _ in range(_MAX_LINKS):
        target = system.link(found[-1])
        if target is None:
            break
        found.append(target)
    return found
